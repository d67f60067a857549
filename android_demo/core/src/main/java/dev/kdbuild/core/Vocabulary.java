package dev.kdbuild.core;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/**
 * A frozen list of tokens; a token's place is its id, and the first three are {@code <pad>}, {@code <unk>} and
 * {@code <mask>}.
 */
public final class Vocabulary {
    /** Of {@code <unk>}, which stands for every token that isn't in the vocabulary. */
    public static final int UNK_ID = 1;
    /** Of {@code <mask>}. */
    public static final int MASK_ID = 2;

    private static final List<String> SPECIAL = Arrays.asList("<pad>", "<unk>", "<mask>");

    private final Map<String, Integer> ids;
    private final String sha256;
    /** What cuts words into pieces; null with version 1, whose words stay whole. */
    private final Cutter cutter;

    /**
     * Makes one of all its tokens in order.
     *
     * @param version the tokenizer's; with {@link Tokenizer#PIECES}, tokens that begin with {@code ##} are pieces that
     *     continue a word
     * @throws ArtefactException the special tokens aren't where they belong, or a token is empty, has a space, or
     *     stands there twice
     */
    public Vocabulary(List<String> tokens, int version) throws ArtefactException {
        List<String> first = tokens.subList(0, Math.min(3, tokens.size()));
        if (!first.equals(SPECIAL)) {
            StringBuilder shown = new StringBuilder();
            for (String token : first) {
                shown.append(shown.length() == 0 ? "" : ", ").append(Json.show(token));
            }
            throw new ArtefactException("vocabulary starts with [" + shown + "]: its first tokens must be "
                    + Manifest.join(SPECIAL) + ".");
        }
        ids = new HashMap<>(2 * tokens.size());
        MessageDigest digest = Artefact.sha256();
        String twice = null;
        boolean bad = false;
        for (String token : tokens) {
            if (ids.put(token, ids.size()) != null && twice == null) {
                twice = token;
            }
            bad |= token.isEmpty() || token.indexOf(' ') >= 0 || token.indexOf('\n') >= 0;
            digest.update((token + "\n").getBytes(StandardCharsets.UTF_8));
        }
        if (twice != null) {
            throw new ArtefactException("vocabulary holds " + Json.show(twice)
                    + " twice: every token needs one id. Rebuild the vocabulary.");
        }
        if (bad) {
            throw new ArtefactException(
                    "vocabulary holds an empty token or one with white space. Rebuild the vocabulary.");
        }
        sha256 = Artefact.hex(digest.digest());
        cutter = version == Tokenizer.PIECES ? new Cutter(ids) : null;
    }

    /** How many tokens it has. */
    public int size() {
        return ids.size();
    }

    /** Digest of {@code vocab.txt}, in hex. */
    public String sha256() {
        return sha256;
    }

    /** Tokenises a text and looks its first {@code maxTokens} ids up. */
    public Encoding encode(String text, int maxTokens) {
        EncodingBuilder encoding = new EncodingBuilder(maxTokens);
        Iterator<String> words = Tokenizer.iterate(text);
        if (cutter != null) {
            cutter.cut(words, encoding);
            return encoding.build();
        }
        while (words.hasNext() && !encoding.isTruncated()) {
            String word = words.next();
            encoding.add(word, 0, word.length(), ids.getOrDefault(word, UNK_ID), true);
        }
        return encoding.build();
    }
}
