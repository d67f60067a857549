package dev.kdbuild.core;

/** What an engine reads of a text. */
final class TokenIds {
    /** Token ids {@code [pieces]}, at least one: a text without any word is the single id of {@code <unk>}. */
    final int[] ids;
    /** How many of them stand for text. */
    final int tokens;
    /** How many of those are unknown. */
    final int unknown;
    /** Whether the text had more than are read. */
    final boolean truncated;

    TokenIds(int[] ids, int tokens, int unknown, boolean truncated) {
        this.ids = ids;
        this.tokens = tokens;
        this.unknown = unknown;
        this.truncated = truncated;
    }
}
