package dev.kdbuild.core;

import java.util.Collections;
import java.util.List;

/** A text as token ids. */
public final class Encoding {
    /** The words behind the ids; empty for a text without any. */
    public final List<String> tokens;
    /** Whether the text had more ids than are read. */
    public final boolean truncated;

    private final int[] ids;
    private final int[] pieces;

    Encoding(int[] ids, List<String> tokens, int[] pieces, boolean truncated) {
        this.ids = ids;
        this.tokens = Collections.unmodifiableList(tokens);
        this.pieces = pieces;
        this.truncated = truncated;
    }

    /** A copy of the ids {@code [pieces]}, at least one: a text without any word is the single id of {@code <unk>}. */
    public int[] ids() {
        return ids.clone();
    }

    /** The ids without the words. */
    TokenIds tokenIds() {
        return new TokenIds(ids, tokenCount(), unknownCount(), truncated);
    }

    /** How many ids each word has, {@code [words]}: with tokenizer version 1, one. */
    public int[] pieces() {
        return pieces.clone();
    }

    /** How many ids stand for text. */
    public int tokenCount() {
        return tokens.isEmpty() ? 0 : ids.length;
    }

    /** How many of those are unknown. */
    public int unknownCount() {
        int unknown = 0;
        for (int count : unknown()) {
            unknown += count;
        }
        return unknown;
    }

    /** How many of each word's ids are unknown, {@code [words]}. */
    public int[] unknown() {
        int[] unknown = new int[pieces.length];
        int place = 0;
        for (int word = 0; word < pieces.length; word++) {
            for (int piece = 0; piece < pieces[word]; piece++) {
                unknown[word] += ids[place++] == Vocabulary.UNK_ID ? 1 : 0;
            }
        }
        return unknown;
    }

    /** The share of the ids that are unknown, 0 to 1. */
    public double oovRate() {
        return (double) unknownCount() / ids.length;
    }
}
