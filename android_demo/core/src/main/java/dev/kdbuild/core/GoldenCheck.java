package dev.kdbuild.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Proves an engine and a tokenizer on the device: what they answer to the golden texts against what they must.
 *
 * <p>The two are proven apart: the engine is given the golden ids, whatever the tokenizer says.
 */
public final class GoldenCheck {
    /** How far a logit of an fp32 model may be from its golden value. */
    public static final double FP32_TOLERANCE = 1e-4;
    /** The same of int8, whose activations processors round differently. */
    public static final double INT8_TOLERANCE = 0.05;

    /** Texts, or pairs of texts, asked. */
    public final int texts;
    /** Those whose token ids differ. */
    public final int wrongIds;
    /**
     * Texts with another label, where the two best golden logits are further apart than the tolerance; of several
     * labels a text, those with another set, where the golden logit of a label that differs is that far from its
     * threshold.
     */
    public final int wrongLabels;
    /** Largest difference of a logit; NaN where one isn't a number. */
    public final double maxDifference;
    /** What it may be. */
    public final double tolerance;
    /** The first text that fails, and how, in one line; null where none does. */
    public final String firstFailure;

    private GoldenCheck(Replay replay) {
        texts = replay.texts;
        wrongIds = replay.wrongIds;
        wrongLabels = replay.wrongLabels;
        maxDifference = replay.maxDifference;
        tolerance = replay.tolerance;
        firstFailure = replay.firstFailure;
    }

    /** Whether the engine and the tokenizer may be trusted. */
    public boolean passed() {
        return wrongIds == 0 && wrongLabels == 0 && maxDifference <= tolerance;
    }

    /**
     * Asks a classifier the golden texts of its artefact.
     *
     * @throws ArtefactException {@code golden.jsonl} is damaged, holds no texts, or no logits of the model file
     * @throws IllegalStateException the classifier was closed
     */
    public static GoldenCheck run(Classifier classifier) throws ArtefactException {
        List<String> lines = classifier.artefact.readLines(Artefact.GOLDEN);
        if (lines.size() == 1 && lines.get(0).isEmpty()) {
            throw new ArtefactException(
                    Artefact.GOLDEN + ": holds no texts, so it proves nothing. Export the artefact again.");
        }
        Replay replay = new Replay(classifier);
        for (String line : lines) {
            replay.ask(new Row(replay.texts + 1, line, classifier));
        }
        return new GoldenCheck(replay);
    }

    /** The counts so far. */
    private static final class Replay {
        final double tolerance;
        int texts;
        int wrongIds;
        int wrongLabels;
        double maxDifference;
        String firstFailure;

        private final Classifier classifier;

        Replay(Classifier classifier) {
            this.classifier = classifier;
            tolerance = classifier.modelFile.contains("fp32") ? FP32_TOLERANCE : INT8_TOLERANCE;
        }

        void ask(Row row) {
            texts++;
            int[][] ids = new int[row.ids.length][];
            int[][] golden = new int[row.ids.length][];
            for (int text = 0; text < ids.length; text++) {
                ids[text] = classifier.encode(row.texts[text]).ids();
                golden[text] = row.ids[text].clone();
            }
            if (!Arrays.deepEquals(ids, golden)) {
                wrongIds++;
                fail(row, "ids " + shown(ids) + " instead of " + shown(golden));
            }
            float[] logits = classifier.engine.logits(golden);
            double difference = 0;
            for (int index = 0; index < logits.length; index++) {
                difference = Math.max(difference, Math.abs(logits[index] - row.logits[index])); // keeps a NaN
            }
            maxDifference = Math.max(maxDifference, difference);
            if (!(difference <= tolerance)) {
                fail(row, "logits " + Arrays.toString(logits) + " instead of " + Arrays.toString(row.logits));
            }
            boolean[] given = answer(classifier, logits);
            if (isWrong(row, given)) {
                wrongLabels++;
                fail(row, "labels " + names(given) + " instead of " + names(row.given));
            }
        }

        /** Whether an answer is another, and not for being too close to call. */
        private boolean isWrong(Row row, boolean[] given) {
            Manifest manifest = classifier.artefact.manifest;
            if (!manifest.multi) {
                float[] sorted = row.logits.clone();
                Arrays.sort(sorted);
                float margin = sorted[sorted.length - 1] - sorted[sorted.length - 2];
                return margin > tolerance && !Arrays.equals(given, row.given);
            }
            for (int index = 0; index < given.length; index++) {
                double threshold = manifest.thresholds.get(index);
                // The logit from which the label is given.
                double cutoff = manifest.temperature * (Math.log(threshold) - Math.log1p(-threshold));
                if (given[index] != row.given[index] && Math.abs(row.logits[index] - cutoff) > tolerance) {
                    return true;
                }
            }
            return false;
        }

        private void fail(Row row, String how) {
            if (firstFailure == null) {
                StringBuilder asked = new StringBuilder(Json.show(row.texts[0]));
                for (int text = 1; text < row.texts.length; text++) {
                    asked.append(" and ").append(Json.show(row.texts[text]));
                }
                firstFailure = "line " + row.number + ", " + asked + ": " + how;
            }
        }

        private static String shown(int[][] ids) {
            return ids.length == 1 ? Arrays.toString(ids[0]) : Arrays.deepToString(ids);
        }

        private List<String> names(boolean[] given) {
            List<String> names = new ArrayList<>();
            for (int index = 0; index < given.length; index++) {
                if (given[index]) {
                    names.add(classifier.labels().get(index));
                }
            }
            return names;
        }
    }

    /** Which labels logits give. */
    private static boolean[] answer(Classifier classifier, float[] logits) {
        Manifest manifest = classifier.artefact.manifest;
        if (manifest.multi) {
            double[] probabilities = Decision.sigmoid(Decision.tempered(logits, manifest.temperature));
            return Decision.given(probabilities, manifest.thresholds);
        }
        boolean[] given = new boolean[logits.length];
        given[Decision.largest(logits)] = true;
        return given;
    }

    /** A golden row, as far as one model file is concerned. */
    private static final class Row {
        final int number;
        final String[] texts;
        final int[][] ids;
        final float[] logits;
        /** Which labels are right. */
        final boolean[] given;

        Row(int number, String line, Classifier classifier) throws ArtefactException {
            this.number = number;
            List<String> labels = classifier.labels();
            boolean multi = classifier.artefact.manifest.multi;
            try {
                Map<?, ?> row = (Map<?, ?>) Json.parse(line);
                boolean pairs = classifier.artefact.manifest.pairs;
                texts = pairs
                        ? new String[] {(String) row.get("text"), (String) row.get("text2")}
                        : new String[] {(String) row.get("text")};
                ids = new int[texts.length][];
                for (int text = 0; text < texts.length; text++) {
                    ids[text] = ids(row.get(text == 0 ? "ids" : "ids2"), classifier);
                    if (texts[text] == null || ids[text].length == 0) {
                        throw damaged(number, classifier, null);
                    }
                }
                List<?> values = (List<?>) ((Map<?, ?>) row.get("logits")).get(classifier.modelFile);
                logits = new float[values.size()];
                for (int index = 0; index < logits.length; index++) {
                    logits[index] = ((Number) values.get(index)).floatValue();
                }
                Set<Object> right = new HashSet<>();
                if (multi) {
                    right.addAll((List<?>) row.get("labels"));
                } else {
                    right.add(row.get("label"));
                }
                if (logits.length != labels.size() || !labels.containsAll(right)) {
                    throw damaged(number, classifier, null);
                }
                if (classifier.modelFile.contains("fp32")) {
                    given = new boolean[labels.size()];
                    for (int index = 0; index < given.length; index++) {
                        given[index] = right.contains(labels.get(index));
                    }
                } else {
                    // Quantised weights may turn a close answer, and then their own golden logits say which is right.
                    given = answer(classifier, logits);
                }
            } catch (Json.SyntaxException | ClassCastException | NullPointerException error) {
                throw damaged(number, classifier, error);
            }
        }

        private int[] ids(Object value, Classifier classifier) throws ArtefactException {
            List<?> golden = (List<?>) value;
            int[] found = new int[golden.size()];
            for (int index = 0; index < found.length; index++) {
                long id = (Long) golden.get(index);
                if (id < 0 || id >= classifier.engine.vocabularySize()) {
                    throw damaged(number, classifier, null); // an engine might read past its embedding
                }
                found[index] = (int) id;
            }
            return found;
        }

        private static ArtefactException damaged(int number, Classifier classifier, Exception cause) {
            return new ArtefactException(Artefact.GOLDEN + ": line " + number
                    + " isn't a golden row with text, "
                    + (classifier.artefact.manifest.pairs ? "text2, ids, ids2" : "ids")
                    + ", label and logits of " + classifier.modelFile
                    + ". Export the artefact again.", cause);
        }
    }
}
