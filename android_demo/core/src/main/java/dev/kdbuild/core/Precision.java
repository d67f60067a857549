package dev.kdbuild.core;

import java.util.Locale;

/** The numbers that a model file's weights are stored in; the preferred one first. */
public enum Precision {
    /** Eight-bit integers, with a scale for each row. */
    INT8,
    /** Single-precision floating point. */
    FP32;

    /** As it stands in the names of model files: {@code int8} or {@code fp32}. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
