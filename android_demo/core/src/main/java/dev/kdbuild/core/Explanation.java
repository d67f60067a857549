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
    /** Those of a pair's second text; null where one text was asked. */
    public final List<String> secondTokens;

    private final double[][] weights;

    /** Of one text or two: the encodings, and each word's weight. */
    Explanation(Prediction prediction, String label, Encoding[] encodings, double[][] weights) {
        this.prediction = prediction;
        this.label = label;
        this.tokens = encodings[0].tokens;
        this.secondTokens = encodings.length > 1 ? encodings[1].tokens : null;
        this.weights = weights;
    }

    /** For each word, how much the label's probability falls when the word is masked, -1 to 1; {@code [words]}. */
    public double[] weights() {
        return weights[0].clone();
    }

    /** The same for each word of a pair's second text; null where one text was asked. */
    public double[] secondWeights() {
        return weights.length > 1 ? weights[1].clone() : null;
    }
}
