package dev.kdbuild.core;

import java.util.Arrays;

/** A set of code points as ranges in ascending order. */
final class Ranges {
    private final int[] starts;
    private final int[] ends;

    /** Reads {@code A-B C …}, in hex. */
    Ranges(String text) {
        String[] spans = text.split(" ");
        starts = new int[spans.length];
        ends = new int[spans.length];
        for (int index = 0; index < spans.length; index++) {
            int hyphen = spans[index].indexOf('-');
            String first = hyphen < 0 ? spans[index] : spans[index].substring(0, hyphen);
            starts[index] = Integer.parseInt(first, 16);
            ends[index] = Integer.parseInt(spans[index].substring(hyphen + 1), 16);
        }
    }

    boolean contains(int point) {
        int index = Arrays.binarySearch(starts, point);
        return index >= 0 || (index < -1 && point <= ends[-index - 2]);
    }
}
