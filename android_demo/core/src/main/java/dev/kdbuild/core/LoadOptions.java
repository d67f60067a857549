package dev.kdbuild.core;

/** How a classifier is loaded; each method gives a changed copy. */
public final class LoadOptions {
    /** int8 where there is one, one thread, the artefact's own threshold. */
    public static final LoadOptions DEFAULT = new LoadOptions(null, 1, null);

    final Precision precision;
    final int threads;
    final Double threshold;

    private LoadOptions(Precision precision, int threads, Double threshold) {
        this.precision = precision;
        this.threads = threads;
        this.threshold = threshold;
    }

    /** Which model file to run. */
    public LoadOptions precision(Precision value) {
        return new LoadOptions(value, threads, threshold);
    }

    /**
     * How many threads a call may use; more than one rarely pays for matrices this small.
     *
     * @throws IllegalArgumentException there is none
     */
    public LoadOptions threads(int value) {
        if (value < 1) {
            throw new IllegalArgumentException("threads " + value + ": out of range. Use at least 1.");
        }
        return new LoadOptions(precision, value, threshold);
    }

    /**
     * The probability below which an answer's label is null, instead of the artefact's own; of texts with one label.
     *
     * @throws IllegalArgumentException it isn't from 0 to below 1
     */
    public LoadOptions threshold(double value) {
        if (!(value >= 0 && value < 1)) {
            throw new IllegalArgumentException(
                    "threshold " + value + ": out of range. Use a probability from 0 to below 1.");
        }
        return new LoadOptions(precision, threads, value);
    }
}
