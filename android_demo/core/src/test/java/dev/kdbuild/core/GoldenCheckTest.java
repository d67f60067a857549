package dev.kdbuild.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

/** What the replay of golden texts sees. */
public class GoldenCheckTest {
    private static GoldenCheck checkWith(String settings, String... rows) throws ArtefactException {
        SmallArtefact source = new SmallArtefact();
        source.put("golden.jsonl", String.join("", rows));
        try (Classifier classifier = source.with(settings).load()) {
            return GoldenCheck.run(classifier);
        }
    }

    private static GoldenCheck check(String... rows) throws ArtefactException {
        return checkWith("\"task\": \"single\"", rows);
    }

    private static String row(String text, String ids, String logits) {
        return SmallArtefact.golden(text, ids, logits, "\"pos\"");
    }

    @Test
    public void passes() throws ArtefactException {
        GoldenCheck golden = check(row("a good film", "[6, 3, 5]", "[0.04, 0.98]"), row("", "[1]", "[0.0, 0.0]"));
        assertTrue(golden.passed());
        assertEquals(2, golden.texts);
        assertEquals(0.04, golden.maxDifference, 1e-7);
        assertEquals(0.05, golden.tolerance, 0);
        assertNull(golden.firstFailure);
    }

    @Test
    public void seesOtherIds() throws ArtefactException {
        GoldenCheck golden = check(
                row("bad", "[4]", "[1, 0]"), row("a good", "[6, 4]", "[1, 0]"), row("a", "[5]", "[0, 0]"));
        assertFalse(golden.passed());
        assertEquals(2, golden.wrongIds);
        assertEquals(0, golden.wrongLabels);
        assertEquals("line 2, 'a good': ids [6, 3] instead of [6, 4]", golden.firstFailure);
    }

    @Test
    public void seesOtherLogitsAndLabels() throws ArtefactException {
        GoldenCheck golden = check(row("good", "[3]", "[0.0, 0.94]"));
        assertFalse(golden.passed());
        assertEquals(0, golden.wrongLabels);
        assertEquals("line 1, 'good': logits [0.0, 1.0] instead of [0.0, 0.94]", golden.firstFailure);
        golden = check(row("good", "[3]", "[1.04, 1.0]"));
        assertEquals(0, golden.wrongLabels); // too close to call
        golden = check(row("good", "[3]", "[1.06, 1.0]"));
        assertEquals(1, golden.wrongLabels);
        assertEquals(1.06, golden.maxDifference, 1e-6);
    }

    @Test
    public void seesOtherSetsOfLabels() throws ArtefactException {
        String several = "\"task\": \"multi\", \"thresholds\": [0.5, 0.7310586], \"temperature\": 1.0";
        String good = "{\"text\": \"good\", \"ids\": [3], \"logits\": {\"model_int8.tflite\": %s}, \"label\": \"pos\", "
                + "\"labels\": [\"pos\"]}\n";
        assertEquals(0, checkWith(several, String.format(good, "[-0.04, 0.96]")).wrongLabels); // both too close
        assertEquals(1, checkWith(several, String.format(good, "[-0.06, 1.1]")).wrongLabels);
        assertEquals("line 1, 'good': logits [0.0, 1.0] instead of [-0.06, 1.1]",
                checkWith(several, String.format(good, "[-0.06, 1.1]")).firstFailure);
        ArtefactException refusal = assertThrows(ArtefactException.class,
                () -> checkWith(several, String.format(good, "[0, 1]").replace("[\"pos\"]", "[\"other\"]")));
        assertTrue(refusal.getMessage(), refusal.getMessage().startsWith("golden.jsonl: line 1 isn't a golden row"));
    }

    private static GoldenCheck checkPairs(String... rows) throws ArtefactException {
        SmallArtefact source = new SmallArtefact().ofPairs();
        source.put("golden.jsonl", String.join("", rows));
        try (Classifier classifier = source.seal().loadPairs()) {
            return GoldenCheck.run(classifier);
        }
    }

    private static String pair(String secondIds, String logits) {
        return SmallArtefact.goldenPair("good", "[3]", "bad .", secondIds, logits, "\"pos\"");
    }

    @Test
    public void checksBothTextsOfPairs() throws ArtefactException {
        assertTrue(checkPairs(pair("[4, 7]", "[0.0, 3.0]"), pair("[4, 7]", "[0.0, 3.04]")).passed());
        GoldenCheck golden = checkPairs(pair("[4, 3]", "[2.0, 3.0]"));
        assertEquals(1, golden.wrongIds);
        assertEquals("line 1, 'good' and 'bad .': ids [[3], [4, 7]] instead of [[3], [4, 3]]", golden.firstFailure);
        String[] damaged = {
            pair("[]", "[0, 3]"), pair("[8]", "[0, 3]"), pair("[4]", "[0]"), row("good", "[3]", "[0, 3]"),
            pair("[4]", "[0, 3]").replace("\"bad .\"", "7"),
        };
        for (String row : damaged) {
            assertEquals("golden.jsonl: line 1 isn't a golden row with text, text2, ids, ids2, label and logits of "
                    + "model_int8.tflite. Export the artefact again.",
                    assertThrows(row, ArtefactException.class, () -> checkPairs(row)).getMessage());
        }
    }

    @Test
    public void seesInfiniteDifferences() throws ArtefactException {
        GoldenCheck golden = check(row("good", "[3]", "[1e999, 1.0]"), row("bad", "[4]", "[1.0, 0.0]"));
        assertEquals(Double.POSITIVE_INFINITY, golden.maxDifference, 0);
        assertFalse(golden.passed());
    }

    @Test
    public void refusesWhatIsNoGoldenRow() {
        String[] rows = {
            "{}", "[]", "7", "no", "\n", row("a", "[]", "[0, 1]"), row("a", "[8]", "[0, 1]"),
            row("a", "[-1]", "[0, 1]"), row("a", "[4294967299]", "[0, 1]"), row("a", "[1.5]", "[0, 1]"),
            row("a", "[99999999999999999999]", "[0, 1]"), row("a", "[1]", "[0]"), row("a", "[1]", "[0, 1, 2]"),
            row("a", "[1]", "\"no\""), row("a", "[1]", "[null, 1]"),
            SmallArtefact.golden("a", "[1]", "[0, 1]", "null"), SmallArtefact.golden("a", "[1]", "[0, 1]", "\"so\""),
            row("a", "[1]", "[0, 1]").replace("int8", "int4"), row("a", "[1]", "[0, 1]").replace("\"a\"", "7"),
        };
        for (String row : rows) {
            String first = row("good", "[3]", "[0, 1]");
            String message = assertThrows(row, ArtefactException.class, () -> check(first, row)).getMessage();
            assertEquals("golden.jsonl: line 2 isn't a golden row with text, ids, label and logits of "
                    + "model_int8.tflite. Export the artefact again.", message);
        }
        assertEquals("golden.jsonl: holds no texts, so it proves nothing. Export the artefact again.",
                assertThrows(ArtefactException.class, () -> check("")).getMessage());
    }
}
