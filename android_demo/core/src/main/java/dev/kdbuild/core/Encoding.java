package dev.kdbuild.core;

import java.util.Collections;
import java.util.List;

/** A text as token ids. */
public final class Encoding {
    /** The tokens behind the ids; empty for a text without any. */
    public final List<String> tokens;
    /** Whether the text had more tokens than are read. */
    public final boolean truncated;

    private final int[] ids;

    Encoding(int[] ids, List<String> tokens, boolean truncated) {
        this.ids = ids;
        this.tokens = Collections.unmodifiableList(tokens);
        this.truncated = truncated;
    }

    /** A copy of the ids {@code [tokens]}, at least one: a text without any token is the single id of {@code <unk>}. */
    public int[] ids() {
        return ids.clone();
    }

    /** The share of the tokens that aren't in the vocabulary, 0 to 1. */
    public double oovRate() {
        int unknown = 0;
        for (int id : ids) {
            unknown += id == Vocabulary.UNK_ID ? 1 : 0;
        }
        return tokens.isEmpty() ? 0.0 : (double) unknown / ids.length;
    }
}
