package dev.kdbuild.core;

import java.util.Arrays;

/** A map from code points to integers that is filled in ascending order of its keys. */
final class IntMap {
    private int[] keys = new int[1024];
    private int[] values = new int[1024];
    private int size;

    /**
     * Adds an entry.
     *
     * @throws IllegalStateException the key isn't greater than those before
     */
    void put(int key, int value) {
        if (size > 0 && key <= keys[size - 1]) {
            throw new IllegalStateException("code point " + Integer.toHexString(key) + " is out of order");
        }
        if (size == keys.length) {
            keys = Arrays.copyOf(keys, 2 * size);
            values = Arrays.copyOf(values, 2 * size);
        }
        keys[size] = key;
        values[size++] = value;
    }

    /** The value of a key, or {@code otherwise}. */
    int get(int key, int otherwise) {
        int index = Arrays.binarySearch(keys, 0, size, key);
        return index < 0 ? otherwise : values[index];
    }
}
