package dev.kdbuild.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Set;

/**
 * Penn-Treebank-style words over normalised text: the tokens of tokenizer version 1, which version 2 looks up in
 * pieces.
 *
 * <p>The rules are those of Python's {@code kdbuild.runtime.text.tokenizer}, whose text states them; both give the same
 * tokens for every text. Tokenising is idempotent: tokens joined by spaces give the same tokens.
 */
public final class Tokenizer {
    /** The version in which words are looked up whole; manifests name it. */
    public static final int WORDS = 1;
    /** The version in which words that aren't in the vocabulary are cut into pieces of it. */
    public static final int PIECES = 2;

    private static final String INITIALS = "bcdefghjklmnopqrstuvwxyz"; // "a." and "i." end sentences
    private static final Set<String> ABBREVIATIONS = words(
            "mr mrs ms dr jr sr vs etc al inc co bros prof gen gov sen rep st jan feb aug sept oct nov dec");
    private static final Set<String> AFTER_APOSTROPHE = words("s re ve ll d m em til tis twas n cause");
    private static final String[] CONTRACTIONS = {"'s", "'re", "'ve", "'ll", "'d", "'m"};

    private final CodePoints text;
    /** Those of the last chunk between spaces that was cut. */
    private final List<String> tokens = new ArrayList<>();
    /** Where that chunk ends. */
    private int size = -1;

    private Tokenizer(CodePoints text) {
        this.text = text;
    }

    /**
     * Cuts a text into tokens. It never fails, whatever the text, and takes time linear in its length, but for a
     * logarithm where combining marks stand in a row.
     */
    public static List<String> tokenize(String text) {
        List<String> all = new ArrayList<>();
        for (Iterator<String> tokens = iterate(text); tokens.hasNext(); ) {
            all.add(tokens.next());
        }
        return all;
    }

    /** The tokens of a text one after the other, so that a reader may stop early. */
    static Iterator<String> iterate(String text) {
        Tokenizer tokenizer = new Tokenizer(Normalizer.normalize(text));
        return new Iterator<String>() {
            private int next;

            @Override
            public boolean hasNext() {
                while (next == tokenizer.tokens.size() && tokenizer.cutChunk()) {
                    next = 0;
                }
                return next < tokenizer.tokens.size();
            }

            @Override
            public String next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                return tokenizer.tokens.get(next++);
            }
        };
    }

    /** Cuts the next chunk between spaces, which may be empty; false at the end of the text. */
    private boolean cutChunk() {
        int start = size + 1;
        if (start >= text.size()) {
            return false;
        }
        tokens.clear();
        size = start;
        while (size < text.size() && text.get(size) != ' ') {
            size++;
        }
        scan(start);
        return true;
    }

    private static Set<String> words(String list) {
        return Collections.unmodifiableSet(new HashSet<>(Arrays.asList(list.split(" "))));
    }

    private static boolean isDigit(int point) {
        return '0' <= point && point <= '9';
    }

    private static boolean isWord(int point) {
        if (point < 0x80) {
            return 'a' <= point && point <= 'z' || isDigit(point) || point == '_';
        }
        return !UnicodeTable.get().separate.contains(point);
    }

    /** Whether a word character stands at a place. */
    private boolean isWordAt(int at) {
        return at < size && isWord(text.get(at));
    }

    /** Whether this very character stands at a place. */
    private boolean isAt(int at, char character) {
        return at < size && text.get(at) == character;
    }

    private boolean startsWith(String prefix, int at) {
        return at + prefix.length() <= size && text.startsWith(prefix, at);
    }

    /** The end of the run of the character at {@code start}. */
    private int runEnd(int start) {
        int end = start + 1;
        while (end < size && text.get(end) == text.get(start)) {
            end++;
        }
        return end;
    }

    /** The end of the word, joiners included, whose first character is at {@code start}. */
    private int wordEnd(int start) {
        int end = start + 1;
        while (end < size) {
            if (isWord(text.get(end))) {
                end++;
            } else if (isWordAt(end + 1) && joins(start, end)) {
                end += 2;
            } else {
                break;
            }
        }
        return end;
    }

    /** Whether what stands at {@code at}, between two word characters of the word from {@code start} on, joins them. */
    private boolean joins(int start, int at) {
        int joiner = text.get(at);
        if (joiner == '-' || joiner == '/' || joiner == '&' || joiner == '\'') {
            return true;
        }
        boolean digitBefore = isDigit(text.get(at - 1));
        boolean digitAfter = isDigit(text.get(at + 1));
        if (digitBefore && digitAfter) {
            return joiner == '.' || joiner == ',' || joiner == ':';
        }
        boolean singleBefore = at - 1 == start || !isWord(text.get(at - 2));
        boolean singleAfter = !isWordAt(at + 2);
        return joiner == '.' && singleBefore && singleAfter && !digitBefore && !digitAfter;
    }

    /** Cuts the chunk from {@code at} up to {@link #size}. */
    private void scan(int at) {
        while (at < size) {
            int point = text.get(at);
            int end = at + 1;
            if (isWord(point)) {
                end = word(at);
            } else if (point == '\'') {
                end = apostrophe(at);
            } else if (point == '`') {
                end = isAt(end, '`') ? end + 1 : end;
                add(at, end);
            } else if (point == '.') {
                end = runEnd(at);
                tokens.add(end == at + 1 ? "." : "...");
            } else if (point == '-') {
                end = hyphen(at);
            } else if (point == '*') {
                end = runEnd(at);
                add(at, end);
            } else {
                add(at, end);
            }
            at = end;
        }
    }

    private void add(int start, int end) {
        tokens.add(text.text(start, end));
    }

    /** Adds the tokens that begin with the word at {@code at}, and says where they end. */
    private int word(int at) {
        int end = wordEnd(at);
        if (isAt(end, '.') && !isAt(end + 1, '.') && takesFullStop(at, end)) {
            add(at, end + 1);
            return end + 1;
        }
        contractions("", at, end);
        return end;
    }

    private boolean takesFullStop(int start, int end) {
        if (end - start == 1) {
            return INITIALS.indexOf(text.get(start)) >= 0;
        }
        return isInitials(start, end) || ABBREVIATIONS.contains(text.text(start, end));
    }

    /** Whether every second character is a full stop, as in {@code e.t}: only single characters are joined by it. */
    private boolean isInitials(int start, int end) {
        for (int index = start; index < end; index++) {
            boolean odd = (index - start) % 2 == 1;
            if (odd ? text.get(index) != '.' : isDigit(text.get(index))) {
                return false;
            }
        }
        return (end - start) % 2 == 1;
    }

    /** Adds {@code shouldn't've} as {@code should n't 've}, with a prefix before the first part. */
    private void contractions(String prefix, int start, int end) {
        List<String> tails = new ArrayList<>();
        int before = -1;
        while (before != end) {
            before = end;
            if (end - start > 3 && text.startsWith("n't", end - 3) && isWord(text.get(end - 4))) {
                tails.add("n't");
                end -= 3;
                continue;
            }
            for (String suffix : CONTRACTIONS) {
                if (end - start > suffix.length() && text.startsWith(suffix, end - suffix.length())) {
                    tails.add(suffix);
                    end -= suffix.length();
                    break;
                }
            }
        }
        String word = prefix + text.text(start, end);
        if (word.equals("cannot")) {
            tokens.add("can");
            tokens.add("not");
        } else if (word.equals("gonna") || word.equals("wanna")) {
            tokens.add(word.substring(0, 3));
            tokens.add("na");
        } else {
            tokens.add(word);
        }
        Collections.reverse(tails);
        tokens.addAll(tails);
    }

    /** Adds the tokens that begin with the hyphen at {@code at}, and says where they end. */
    private int hyphen(int at) {
        if ((startsWith("-lrb-", at) || startsWith("-rrb-", at)) && !isWordAt(at + 5)) {
            add(at, at + 5);
            return at + 5;
        }
        int end = runEnd(at);
        tokens.add(end == at + 1 ? "-" : "--");
        return end;
    }

    /** Adds the tokens that begin with the apostrophe at {@code at}, and says where they end. */
    private int apostrophe(int at) {
        int start = at + 1;
        if (isAt(start, '\'')) {
            tokens.add("''");
            return at + 2;
        }
        if (start < size && isDigit(text.get(start))) {
            int end = wordEnd(start);
            contractions("'", start, end);
            return end;
        }
        if (isWordAt(start)) {
            int end = wordEnd(start);
            String word = text.text(start, end);
            if (word.equals("n") && isAt(end, '\'')) {
                tokens.add("'n'");
                return end + 1;
            }
            if (AFTER_APOSTROPHE.contains(word)) {
                add(at, end);
                return end;
            }
        }
        tokens.add("'");
        return start;
    }
}
