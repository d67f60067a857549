package dev.kdbuild.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Text in, label out: an artefact with its tokenizer and engine, ready to answer.
 *
 * <p>Calls are independent of each other, and may come from several threads. An artefact whose manifest says {@code pairs}
 * is asked with two texts, every other one with one.
 */
public final class Classifier implements AutoCloseable {
    /** What was loaded. */
    public final Artefact artefact;
    /** The model file that runs. */
    public final String modelFile;

    final Engine engine;

    private final Manifest manifest;
    private final Vocabulary vocabulary;
    private final Double threshold;

    private Classifier(
            Artefact artefact, Vocabulary vocabulary, Engine engine, String modelFile, Double threshold) {
        this.artefact = artefact;
        this.manifest = artefact.manifest;
        this.vocabulary = vocabulary;
        this.engine = engine;
        this.modelFile = modelFile;
        this.threshold = threshold == null ? manifest.threshold : threshold;
    }

    /**
     * Loads an artefact as by {@link LoadOptions#DEFAULT}.
     *
     * @throws ArtefactException as of {@link #load(ArtefactSource, EngineFactory, LoadOptions)}
     */
    public static Classifier load(ArtefactSource source, EngineFactory factory) throws ArtefactException {
        return load(source, factory, LoadOptions.DEFAULT);
    }

    /**
     * Loads an artefact and checks every file that is read.
     *
     * @param factory what opens its model
     * @throws ArtefactException the artefact is damaged, incomplete, or of an unknown version, or has no model of the
     *     engine's
     */
    public static Classifier load(ArtefactSource source, EngineFactory factory, LoadOptions options)
            throws ArtefactException {
        Artefact artefact = Artefact.open(source);
        Manifest manifest = artefact.manifest;
        if (!artefact.readLines(Manifest.LABELS).equals(manifest.labels)) {
            throw new ArtefactException(source + "/" + Manifest.LABELS
                    + ": its labels aren't the manifest's. Export the artefact again.");
        }
        Vocabulary vocabulary = new Vocabulary(artefact.readLines(Manifest.VOCABULARY), manifest.tokenizerVersion);
        if (!vocabulary.sha256().equals(manifest.vocabularySha256)) {
            throw new ArtefactException(source + "/" + Manifest.VOCABULARY
                    + ": isn't the tokenizer's vocabulary. Export the artefact again.");
        }
        String unicode = UnicodeTable.get().version;
        if (!unicode.equals(manifest.unicode)) {
            throw new ArtefactException(source + ": its tokenizer uses Unicode " + manifest.unicode
                    + " tables, this kdbuild " + unicode + ". Export the artefact again with this version.");
        }
        String name = artefact.modelFile(options.precision, factory.suffix());
        Engine engine = factory.open(source + "/" + name, artefact.readModel(name), options.threads);
        String problem = null;
        if (engine.vocabularySize() != vocabulary.size()) {
            problem = vocabulary.size() + " tokens in " + Manifest.VOCABULARY + " for " + engine.vocabularySize()
                    + " embedding rows in " + name;
        } else if (engine.texts() != (manifest.pairs ? 2 : 1)) {
            problem = name + " reads " + engine.texts() + " texts, and the manifest says "
                    + (manifest.pairs ? "pairs" : "no pairs");
        } else if (engine.classes() != manifest.labels.size()) {
            problem = manifest.labels.size() + " labels for " + engine.classes() + " logits of " + name;
        }
        if (problem != null) {
            engine.close();
            throw new ArtefactException(source + ": " + problem + ". Export the artefact again.");
        }
        return new Classifier(artefact, vocabulary, engine, name, options.threshold);
    }

    /** What runs the model, with its version. */
    public String engineName() {
        return engine.name();
    }

    /** Names of the classes, in the order of the logits. */
    public List<String> labels() {
        return manifest.labels;
    }

    /**
     * Answers once, so that the first real call is as fast as the others.
     *
     * @throws IllegalStateException the classifier was closed
     */
    public void warmUp() {
        int[] mask = {Vocabulary.MASK_ID};
        engine.logits(manifest.pairs ? new int[][] {mask, mask} : new int[][] {mask});
    }

    /**
     * Classifies a text.
     *
     * @throws IllegalArgumentException the artefact reads pairs
     * @throws IllegalStateException the classifier was closed
     */
    public Prediction classify(String text) {
        return predict(text);
    }

    /**
     * Classifies a pair of texts.
     *
     * @throws IllegalArgumentException the artefact reads one text
     * @throws IllegalStateException the classifier was closed
     */
    public Prediction classify(String text, String second) {
        return predict(text, second);
    }

    /**
     * Finds the words that an answer hangs on: each is masked in turn. Takes a call of the engine for each word.
     *
     * @throws IllegalArgumentException the artefact reads pairs
     * @throws IllegalStateException the classifier was closed
     */
    public Explanation explain(String text) {
        return explainAll(text);
    }

    /**
     * The same of both texts of a pair.
     *
     * @throws IllegalArgumentException the artefact reads one text
     * @throws IllegalStateException the classifier was closed
     */
    public Explanation explain(String text, String second) {
        return explainAll(text, second);
    }

    private Prediction predict(String... texts) {
        checkCount(texts);
        TokenIds[] read = new TokenIds[texts.length];
        for (int index = 0; index < texts.length; index++) {
            read[index] = engine instanceof TextEngine
                    ? ((TextEngine) engine).read(texts[index])
                    : encode(texts[index]).tokenIds();
        }
        return predict(texts, read, engine.logits(idsOf(read)));
    }

    private Explanation explainAll(String... texts) {
        checkCount(texts);
        Encoding[] encodings = new Encoding[texts.length];
        TokenIds[] read = new TokenIds[texts.length];
        for (int index = 0; index < texts.length; index++) {
            encodings[index] = encode(texts[index]);
            read[index] = encodings[index].tokenIds();
        }
        Prediction prediction = predict(texts, read, engine.logits(idsOf(read)));
        String label = prediction.label == null ? likeliest(prediction.scores) : prediction.label;
        double full = prediction.scores.get(label);
        double[][] weights = new double[texts.length][];
        for (int text = 0; text < texts.length; text++) {
            int[] pieces = encodings[text].pieces();
            weights[text] = new double[pieces.length];
            int start = 0;
            for (int word = 0; word < pieces.length; word++) {
                int[][] ids = idsOf(read);
                ids[text] = ids[text].clone();
                int end = start + pieces[word];
                Arrays.fill(ids[text], start, end, Vocabulary.MASK_ID);
                start = end;
                weights[text][word] = full - predict(texts, read, engine.logits(ids)).scores.get(label);
            }
        }
        return new Explanation(prediction, label, encodings, weights);
    }

    private void checkCount(String[] texts) {
        if (texts.length != engine.texts()) {
            throw new IllegalArgumentException(modelFile + ": reads " + (manifest.pairs ? "pairs of texts" : "one text")
                    + ", and is given " + (manifest.pairs ? "one text. Give both." : "a pair. Give each text alone."));
        }
    }

    private static int[][] idsOf(TokenIds[] read) {
        int[][] ids = new int[read.length][];
        for (int index = 0; index < ids.length; index++) {
            ids[index] = read[index].ids;
        }
        return ids;
    }

    /** The token ids that the engine is given for a text, alone or as one of a pair. */
    public Encoding encode(String text) {
        return vocabulary.encode(text, manifest.maxTokens);
    }

    /** Lets go of the model; the classifier can't answer any more. */
    @Override
    public void close() {
        engine.close();
    }

    private static String likeliest(Map<String, Double> scores) {
        String best = null;
        for (Map.Entry<String, Double> score : scores.entrySet()) {
            if (best == null || score.getValue() > scores.get(best)) {
                best = score.getKey();
            }
        }
        return best;
    }

    private Prediction predict(String[] texts, TokenIds[] read, float[] logits) {
        float[] tempered = Decision.tempered(logits, manifest.temperature);
        double[] probabilities;
        List<String> given = null;
        int best;
        if (manifest.multi) {
            probabilities = Decision.sigmoid(tempered);
            boolean[] reached = Decision.given(probabilities, manifest.thresholds);
            given = new ArrayList<>();
            for (int index = 0; index < reached.length; index++) {
                if (reached[index]) {
                    given.add(manifest.labels.get(index));
                }
            }
            best = Decision.largestGiven(logits, reached);
        } else {
            probabilities = Decision.softmax(tempered);
            best = Decision.largest(logits);
            if (threshold != null && probabilities[best] < threshold) {
                best = -1;
            }
        }
        LinkedHashMap<String, Double> scores = new LinkedHashMap<>();
        double highest = 0;
        for (int index = 0; index < probabilities.length; index++) {
            scores.put(manifest.labels.get(index), probabilities[index]);
            highest = Math.max(highest, probabilities[index]);
        }
        return new Prediction(
                texts,
                best < 0 ? null : manifest.labels.get(best),
                best < 0 ? highest : probabilities[best],
                scores,
                read,
                given);
    }
}
