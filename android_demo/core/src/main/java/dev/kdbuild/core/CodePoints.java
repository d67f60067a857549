package dev.kdbuild.core;

import java.util.Arrays;

/** A growing list of Unicode code points. */
final class CodePoints {
    private int[] values;
    private int size;

    CodePoints(int capacity) {
        values = new int[Math.max(capacity, 16)];
    }

    int size() {
        return size;
    }

    int get(int index) {
        return values[index];
    }

    void set(int index, int point) {
        values[index] = point;
    }

    void add(int point) {
        if (size == values.length) {
            values = Arrays.copyOf(values, 2 * size);
        }
        values[size++] = point;
    }

    /** Adds the characters of an ASCII text. */
    void addAscii(String text) {
        for (int index = 0; index < text.length(); index++) {
            add(text.charAt(index));
        }
    }

    /** Drops whatever comes after the first {@code length}. */
    void truncate(int length) {
        size = length;
    }

    /** The text from {@code start} up to {@code end}, the latter excluded. */
    String text(int start, int end) {
        return new String(values, start, end - start);
    }

    /** Whether the text stands at {@code start}; it is of ASCII. */
    boolean startsWith(String text, int start) {
        if (start + text.length() > size) {
            return false;
        }
        for (int index = 0; index < text.length(); index++) {
            if (values[start + index] != text.charAt(index)) {
                return false;
            }
        }
        return true;
    }
}
