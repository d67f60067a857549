package dev.kdbuild.core;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The answer to one text. */
public final class Prediction {
    /** What was asked. */
    public final String text;
    /**
     * The label with the highest score; null where it is below the threshold, or the text may have several labels and
     * is given none.
     */
    public final String label;
    /** Its probability, 0 to 1; the highest of all where no label is given. */
    public final double score;
    /** The probability of each label, in their order: together 1, or, where a text may have several, each by itself. */
    public final Map<String, Double> scores;
    /** How many tokens were read. */
    public final int tokens;
    /** Whether the text had more tokens than the artefact reads. */
    public final boolean truncated;
    /** The share of the tokens read that aren't in the vocabulary, 0 to 1. */
    public final double oovRate;
    /** Where a text may have several labels, all that are given, in the artefact's order; null where it has one. */
    public final List<String> labels;

    Prediction(
            String text, String label, double score, LinkedHashMap<String, Double> scores, Encoding encoding,
            List<String> labels) {
        this.text = text;
        this.label = label;
        this.score = score;
        this.scores = Collections.unmodifiableMap(scores);
        this.tokens = encoding.tokenCount();
        this.truncated = encoding.truncated;
        this.oovRate = encoding.oovRate();
        this.labels = labels == null ? null : Collections.unmodifiableList(labels);
    }
}
