package dev.kdbuild.core;

import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;

/**
 * Tokenizer version 2: words that aren't in the vocabulary are cut into pieces of it, so that none is unknown.
 *
 * <p>The rules are those of Python's {@code kdbuild.runtime.text.pieces}, whose text states them; both give the same
 * pieces for every text and vocabulary.
 */
final class Cutter {
    /** Marks pieces that continue a word. No word begins with it: {@code #} always stands alone. */
    private static final String CONTINUED = "##";

    private final Map<String, Integer> ids;
    /** The length of the longest entry without a mark, by its first character. */
    private final Map<Integer, Integer> longestWords = new HashMap<>();
    /** The same of entries with a mark, which isn't counted. */
    private final Map<Integer, Integer> longestContinuations = new HashMap<>();

    /** Makes one that cuts words into these entries; it keeps the map. */
    Cutter(Map<String, Integer> ids) {
        this.ids = ids;
        for (String entry : ids.keySet()) {
            boolean continues = entry.startsWith(CONTINUED);
            String text = continues ? entry.substring(CONTINUED.length()) : entry;
            Map<Integer, Integer> longest = continues ? longestContinuations : longestWords;
            if (!text.isEmpty() && text.length() > longest.getOrDefault(text.codePointAt(0), 0)) {
                longest.put(text.codePointAt(0), text.length());
            }
        }
    }

    /**
     * Adds the pieces of a text's words until there are enough, in time linear in the text's length.
     *
     * <p>Consecutive words of a single character of a script without spaces, as Han and kana are tokenised, are cut as
     * one run.
     */
    void cut(Iterator<String> words, EncodingBuilder encoding) {
        StringBuilder run = new StringBuilder();
        while (words.hasNext() && !encoding.isTruncated()) {
            String word = words.next();
            int first = word.codePointAt(0);
            if (word.length() == Character.charCount(first) && isUnspaced(first)) {
                run.append(word);
                continue;
            }
            cut(run.toString(), encoding);
            run.setLength(0);
            cut(word, encoding);
        }
        cut(run.toString(), encoding);
    }

    private void cut(String run, EncodingBuilder encoding) {
        Match match = new Match(run);
        int start = 0;
        while (start < run.length()) {
            int id = match.find(start);
            int end = match.end;
            // However many unknown characters follow one another, they are one piece.
            while (id == Vocabulary.UNK_ID && end < run.length() && match.find(end) == Vocabulary.UNK_ID) {
                end = match.end;
            }
            if (!encoding.add(run, start, end, id, begins(run, start))) {
                return;
            }
            start = end;
        }
    }

    private static boolean isUnspaced(int point) {
        return point >= 0x80 && UnicodeTable.get().unspaced.contains(point);
    }

    /** Whether a word begins at a place in a run: in scripts without spaces, each piece is a word. */
    private static boolean begins(String run, int at) {
        return at == 0 || isUnspaced(run.codePointAt(at)) || isUnspaced(run.codePointBefore(at));
    }

    /** The entry that stands at a place in a run. */
    private final class Match {
        /** Where it ends. */
        int end;

        private final String run;

        Match(String run) {
            this.run = run;
        }

        /** Finds the longest entry, or that of the single character in the other form, or {@code <unk>}. */
        int find(int at) {
            boolean begins = begins(run, at);
            int first = run.codePointAt(at);
            int longest = (begins ? longestWords : longestContinuations).getOrDefault(first, 0);
            for (end = Math.min(at + longest, run.length()); end > at; end--) {
                Integer id = id(at, begins);
                if (id != null) {
                    return id;
                }
            }
            end = at + Character.charCount(first);
            Integer id = id(at, !begins);
            return id == null ? Vocabulary.UNK_ID : id;
        }

        private Integer id(int at, boolean begins) {
            String text = run.substring(at, end);
            return ids.get(begins ? text : CONTINUED + text);
        }
    }
}
