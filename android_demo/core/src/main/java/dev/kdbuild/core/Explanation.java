package dev.kdbuild.core;

import java.util.List;

/** Which words an answer hangs on. */
public final class Explanation {
    /** The answer. */
    public final Prediction prediction;
    /** The label that is explained: the prediction's, or the likeliest where it abstains. */
    public final String label;
    /** Those that were read. */
    public final List<String> tokens;

    private final double[] weights;

    Explanation(Prediction prediction, String label, List<String> tokens, double[] weights) {
        this.prediction = prediction;
        this.label = label;
        this.tokens = tokens;
        this.weights = weights;
    }

    /** For each word, how much the label's probability falls when the word is masked, -1 to 1; {@code [words]}. */
    public double[] weights() {
        return weights.clone();
    }
}
