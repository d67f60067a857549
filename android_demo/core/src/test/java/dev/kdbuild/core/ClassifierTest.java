package dev.kdbuild.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.Test;

/** From logits to answers. */
public class ClassifierTest {
    private static final double LIKELY = 1 / (1 + Math.exp(-1)); // of a logit 1 above the other, or above 0

    @Test
    public void answers() throws ArtefactException {
        try (Classifier classifier = new SmallArtefact().load()) {
            classifier.warmUp();
            Prediction answer = classifier.classify("A GOOD movie.");
            assertEquals("A GOOD movie.", answer.text);
            assertEquals("pos", answer.label);
            assertEquals(LIKELY, answer.score, 1e-15);
            assertEquals(Arrays.asList("neg", "pos"), new ArrayList<>(answer.scores.keySet()));
            assertEquals(1 - LIKELY, answer.scores.get("neg"), 1e-15);
            assertEquals(4, answer.tokens);
            assertFalse(answer.truncated);
            assertEquals(0.25, answer.oovRate, 0);
            assertNull(answer.labels);
            assertEquals("counter 1", classifier.engineName());
            assertEquals("model_int8.tflite", classifier.modelFile);
        }
        assertEquals(0, CountingEngine.OPEN.get());
    }

    @Test
    public void answersToNothingAndToMuch() throws ArtefactException {
        try (Classifier classifier = new SmallArtefact().load()) {
            Prediction nothing = classifier.classify(" \u200B\n");
            assertEquals("neg", nothing.label); // the first of equal ones
            assertEquals(0.5, nothing.score, 0);
            assertEquals(0, nothing.tokens);
            assertEquals(0.0, nothing.oovRate, 0);
            assertArrayEquals(new int[] {Vocabulary.UNK_ID}, classifier.encode("").ids());
            Prediction much = classifier.classify("good good good good good bad bad bad bad bad bad");
            assertTrue(much.truncated);
            assertEquals(6, much.tokens);
            assertEquals("pos", much.label);
        }
    }

    @Test
    public void abstainsBelowItsThreshold() throws ArtefactException {
        SmallArtefact source = new SmallArtefact().with("\"threshold\": 0.8, \"temperature\": 0.5");
        try (Classifier classifier = source.load()) {
            assertEquals("pos", classifier.classify("good").label);
            Prediction unsure = classifier.classify("good good bad bad");
            assertNull(unsure.label);
            assertEquals(0.5, unsure.score, 0);
            assertEquals("neg", classifier.explain("good bad").label); // the likeliest, the first of equal ones
        }
        try (Classifier classifier = source.load(LoadOptions.DEFAULT.threshold(0))) {
            assertEquals("neg", classifier.classify("good bad").label);
        }
        try (Classifier classifier = source.load(LoadOptions.DEFAULT.threshold(0.9))) {
            assertNull(classifier.classify("good").label);
        }
        assertEquals("threshold 1.0: out of range. Use a probability from 0 to below 1.",
                assertThrows(IllegalArgumentException.class, () -> LoadOptions.DEFAULT.threshold(1)).getMessage());
        assertEquals("threads 0: out of range. Use at least 1.",
                assertThrows(IllegalArgumentException.class, () -> LoadOptions.DEFAULT.threads(0)).getMessage());
    }

    @Test
    public void givesSeveralLabels() throws ArtefactException {
        SmallArtefact source = new SmallArtefact()
                .with("\"task\": \"multi\", \"thresholds\": [0.6, 0.7], \"temperature\": 1");
        try (Classifier classifier = source.load()) {
            Prediction both = classifier.classify("good bad bad");
            assertEquals(Arrays.asList("neg", "pos"), both.labels);
            assertEquals("neg", both.label);
            assertEquals(1 / (1 + Math.exp(-2)), both.score, 1e-15);
            assertEquals(LIKELY, both.scores.get("pos"), 1e-15);
            Prediction none = classifier.classify("a film");
            assertEquals(Collections.emptyList(), none.labels);
            assertNull(none.label);
            assertEquals(0.5, none.score, 0);
        }
    }

    @Test
    public void explains() throws ArtefactException {
        try (Classifier classifier = new SmallArtefact().load()) {
            Explanation explanation = classifier.explain("a good film");
            assertEquals("pos", explanation.label);
            assertEquals(Arrays.asList("a", "good", "film"), explanation.tokens);
            assertArrayEquals(new double[] {0, LIKELY - 0.5, 0}, explanation.weights(), 1e-15);
            assertEquals(0, classifier.explain("").weights().length);
        }
    }

    @Test
    public void answersPairs() throws ArtefactException {
        try (Classifier classifier = new SmallArtefact().ofPairs().loadPairs()) {
            classifier.warmUp();
            Prediction answer = classifier.classify("A GOOD movie.", "a bad, bad film");
            assertEquals("A GOOD movie.", answer.text);
            assertEquals("a bad, bad film", answer.second);
            assertEquals("pos", answer.label);
            assertEquals(1 / (1 + Math.exp(-5)), answer.score, 1e-15); // 1 of the first text, 2 * 2 of the second
            assertEquals(9, answer.tokens);
            assertEquals(2.0 / 9, answer.oovRate, 1e-15); // movie, and the comma
            assertFalse(answer.truncated);
            assertEquals("neg", classifier.classify("a film", "good").label);
            // Each text is cut by itself.
            assertFalse(classifier.classify("a a a a a a", "a a a a a a").truncated);
            assertTrue(classifier.classify("a", "a a a a a a a").truncated);
            assertEquals(0, classifier.classify("", "").tokens);
        }
    }

    @Test
    public void explainsBothTexts() throws ArtefactException {
        try (Classifier classifier = new SmallArtefact().ofPairs().loadPairs()) {
            Explanation explanation = classifier.explain("a good film", "bad .");
            double full = 1 / (1 + Math.exp(-3));
            assertEquals("pos", explanation.label);
            assertEquals(Arrays.asList("a", "good", "film"), explanation.tokens);
            assertEquals(Arrays.asList("bad", "."), explanation.secondTokens);
            assertArrayEquals(new double[] {0, full - 1 / (1 + Math.exp(-2)), 0}, explanation.weights(), 1e-15);
            assertArrayEquals(new double[] {full - LIKELY, 0}, explanation.secondWeights(), 1e-15);
            assertEquals(0, classifier.explain("", "bad").weights().length);
        }
        try (Classifier classifier = new SmallArtefact().load()) {
            assertNull(classifier.explain("good").secondTokens);
            assertNull(classifier.explain("good").secondWeights());
            assertNull(classifier.classify("good").second);
        }
    }

    @Test
    public void refusesAnotherNumberOfTexts() throws ArtefactException {
        try (Classifier classifier = new SmallArtefact().ofPairs().loadPairs()) {
            assertEquals("model_int8.tflite: reads pairs of texts, and is given one text. Give both.",
                    assertThrows(IllegalArgumentException.class, () -> classifier.classify("good")).getMessage());
            assertThrows(IllegalArgumentException.class, () -> classifier.explain("good"));
        }
        try (Classifier classifier = new SmallArtefact().load()) {
            assertEquals("model_int8.tflite: reads one text, and is given a pair. Give each text alone.",
                    assertThrows(IllegalArgumentException.class, () -> classifier.classify("a", "b")).getMessage());
            assertThrows(IllegalArgumentException.class, () -> classifier.explain("a", "b"));
        }
        assertEquals(0, CountingEngine.OPEN.get());
    }

    @Test
    public void refusesAModelThatReadsAnotherNumberOfTexts() {
        assertEquals("memory: model_int8.tflite reads 1 texts, and the manifest says pairs. Export the artefact again.",
                assertThrows(ArtefactException.class, () -> new SmallArtefact().ofPairs().load()).getMessage());
        assertEquals("memory: model_int8.tflite reads 2 texts, and the manifest says no pairs. Export the artefact again.",
                assertThrows(ArtefactException.class, () -> new SmallArtefact().loadPairs()).getMessage());
        assertEquals(0, CountingEngine.OPEN.get());
    }

    @Test
    public void countsPieces() throws ArtefactException {
        try (Classifier classifier = new SmallArtefact().ofPieces("good", "bad", "film", "a", "##s").load()) {
            Prediction answer = classifier.classify("A goods film, qqs");
            assertEquals(6, classifier.encode("A goods film, qq").tokenCount());
            assertEquals(6, answer.tokens);
            assertTrue(answer.truncated);
            assertEquals("pos", answer.label);
            assertEquals(2.0 / 6, answer.oovRate, 0); // the comma and qq
            assertFalse(classifier.classify("goods films bads").truncated);
        }
    }

    @Test
    public void explainsWordsOfPieces() throws ArtefactException {
        // As CountingEngine counts, "good" speaks for pos and "##s" for neg.
        try (Classifier classifier = new SmallArtefact().ofPieces("good", "##s", "film", "a", "bad").load()) {
            Explanation explanation = classifier.explain("Goods, good");
            assertEquals("pos", explanation.label);
            assertEquals(Arrays.asList("goods", ",", "good"), explanation.tokens);
            assertArrayEquals(new double[] {0, 0, LIKELY - 0.5}, explanation.weights(), 1e-15);
        }
    }

    @Test
    public void answersNoMoreWhenClosed() throws ArtefactException {
        Classifier classifier = new SmallArtefact().load();
        classifier.close();
        classifier.close();
        assertEquals("the classifier was closed: load it again",
                assertThrows(IllegalStateException.class, () -> classifier.classify("good")).getMessage());
    }

    @Test
    public void answersSeveralThreads() throws Exception {
        try (Classifier classifier = new SmallArtefact().load()) {
            ExecutorService pool = Executors.newFixedThreadPool(8);
            List<Future<String>> answers = new ArrayList<>();
            for (int call = 0; call < 2000; call++) {
                String text = call % 2 == 0 ? "It's a good film’s cafe\u0301" : "“bad” 한국어";
                answers.add(pool.submit(() -> classifier.classify(text).label));
            }
            for (int call = 0; call < answers.size(); call++) {
                assertEquals(call % 2 == 0 ? "pos" : "neg", answers.get(call).get());
            }
            pool.shutdown();
        }
    }
}
