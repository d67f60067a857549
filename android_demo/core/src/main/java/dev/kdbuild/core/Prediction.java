package dev.kdbuild.core;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The answer to one text or pair of texts. */
public final class Prediction {
    /** What was asked; of a pair, the first text. */
    public final String text;
    /** The second text of a pair; null where one text was asked. */
    public final String second;
    /**
     * The label with the highest score; null where it is below the threshold, or the text may have several labels and
     * is given none.
     */
    public final String label;
    /** Its probability, 0 to 1; the highest of all where no label is given. */
    public final double score;
    /** The probability of each label, in their order: together 1, or, where a text may have several, each by itself. */
    public final Map<String, Double> scores;
    /** How many tokens were read, of both texts of a pair. */
    public final int tokens;
    /** Whether a text had more tokens than the artefact reads. */
    public final boolean truncated;
    /** The share of the tokens read that aren't in the vocabulary, 0 to 1. */
    public final double oovRate;
    /** Where a text may have several labels, all that are given, in the artefact's order; null where it has one. */
    public final List<String> labels;

    Prediction(
            String[] texts, String label, double score, LinkedHashMap<String, Double> scores, TokenIds[] ids,
            List<String> labels) {
        this.text = texts[0];
        this.second = texts.length > 1 ? texts[1] : null;
        this.label = label;
        this.score = score;
        this.scores = Collections.unmodifiableMap(scores);
        int read = 0;
        int unknown = 0;
        boolean cut = false;
        for (TokenIds of : ids) {
            read += of.tokens;
            unknown += of.unknown;
            cut |= of.truncated;
        }
        this.tokens = read;
        this.truncated = cut;
        this.oovRate = read == 0 ? 0 : (double) unknown / read;
        this.labels = labels == null ? null : Collections.unmodifiableList(labels);
    }
}
