package dev.kdbuild.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Gathers the pieces of a text's words until there are as many as are read. */
final class EncodingBuilder {
    private final int most;
    private final List<String> words = new ArrayList<>();
    private int[] ids = new int[16];
    /** How many ids each word has. */
    private int[] pieces = new int[16];
    private int size;
    private boolean truncated;

    /** The last word: what it is cut from, and where it lies there. */
    private String run = "";
    private int wordStart;
    private int wordEnd;

    /** Makes one for at most so many ids. */
    EncodingBuilder(int most) {
        this.most = most;
    }

    /** Whether a piece was refused. */
    boolean isTruncated() {
        return truncated;
    }

    /**
     * Adds a piece, unless there are enough.
     *
     * @param run what it is cut from, from {@code start} up to {@code end}
     * @param begins whether a word begins with it; any other follows the piece before it in the same run
     * @return whether it was added
     */
    boolean add(String run, int start, int end, int id, boolean begins) {
        if (size == most) {
            truncated = true;
            return false;
        }
        if (size == ids.length) {
            ids = Arrays.copyOf(ids, 2 * size);
            pieces = Arrays.copyOf(pieces, 2 * size);
        }
        if (begins) {
            finishWord();
            this.run = run;
            wordStart = start;
        }
        wordEnd = end;
        ids[size++] = id;
        pieces[words.size()]++;
        return true;
    }

    /** Adds the last word to the others; only now is it known where it ends. */
    private void finishWord() {
        if (wordEnd > wordStart) {
            words.add(run.substring(wordStart, wordEnd));
        }
    }

    /** Makes the encoding; nothing can be added any more. */
    Encoding build() {
        finishWord();
        int[] read = words.isEmpty() ? new int[] {Vocabulary.UNK_ID} : Arrays.copyOf(ids, size);
        return new Encoding(read, words, Arrays.copyOf(pieces, words.size()), truncated);
    }
}
