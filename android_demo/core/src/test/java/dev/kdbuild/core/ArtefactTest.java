package dev.kdbuild.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.Test;

/** Reading and refusing; the table of refusals that Python shares stands in Python's tests. */
public class ArtefactTest {
    private static void assertRefused(String message, SmallArtefact source) {
        assertEquals(message, assertThrows(ArtefactException.class, source::load).getMessage());
    }

    @Test
    public void readsFiles() throws ArtefactException {
        SmallArtefact source = new SmallArtefact();
        Artefact artefact = Artefact.open(source);
        assertArrayEquals("neg\npos\n".getBytes(StandardCharsets.US_ASCII), artefact.read("labels.txt"));
        assertEquals(Arrays.asList("neg", "pos"), artefact.readLines("labels.txt"));
        ByteBuffer model = artefact.readModel("model_int8.tflite");
        assertTrue(model.isDirect());
        assertEquals(ByteOrder.nativeOrder(), model.order());
        assertEquals("weights", StandardCharsets.US_ASCII.decode(model).toString());
        assertEquals("memory: its manifest lists no notes.txt. It has: "
                + "golden.jsonl, labels.txt, model_int8.tflite, vocab.txt.",
                assertThrows(ArtefactException.class, () -> artefact.read("notes.txt")).getMessage());
    }

    @Test
    public void readsLinesOfAnyKind() throws ArtefactException {
        SmallArtefact source = new SmallArtefact();
        source.put("golden.jsonl", "a\u2028b\r\n\n\u0085");
        assertEquals(Arrays.asList("a\u2028b\r", "", "\u0085"), Artefact.open(source.seal()).readLines("golden.jsonl"));
        source.put("golden.jsonl", "");
        assertEquals(Arrays.asList(""), Artefact.open(source.seal()).readLines("golden.jsonl"));
        source.files.put("golden.jsonl", new byte[] {(byte) 0xED, (byte) 0xA0, (byte) 0x80});
        Artefact artefact = Artefact.open(source.seal());
        assertEquals("memory/golden.jsonl: not UTF-8. Export the artefact again.",
                assertThrows(ArtefactException.class, () -> artefact.readLines("golden.jsonl")).getMessage());
    }

    @Test
    public void choosesTheModel() throws ArtefactException {
        SmallArtefact source = new SmallArtefact();
        source.put("model_fp32.tflite", "weights");
        source.put("model_fp32.onnx", "graph");
        Artefact artefact = Artefact.open(source.seal());
        assertEquals("model_int8.tflite", artefact.modelFile(null, ".tflite"));
        assertEquals("model_fp32.tflite", artefact.modelFile(Precision.FP32, ".tflite"));
        assertEquals("model_fp32.onnx", artefact.modelFile(null, ".onnx"));
        String there = " model. It has: model_int8.tflite, model_fp32.tflite, model_fp32.onnx.";
        assertEquals("memory: has no int8 onnx" + there,
                assertThrows(ArtefactException.class, () -> artefact.modelFile(Precision.INT8, ".onnx")).getMessage());
        assertEquals("memory: has no pt" + there,
                assertThrows(ArtefactException.class, () -> artefact.modelFile(null, ".pt")).getMessage());
    }

    @Test
    public void believesNoSize() {
        SmallArtefact source = new SmallArtefact();
        String manifest = new String(source.files.get("manifest.json"), StandardCharsets.UTF_8);
        String[] sizes = {"9999999999", "2147483647", "-1", "6", "8", "123456789012345678901234567890"};
        for (String size : sizes) {
            source.manifest(manifest.replace("{\"bytes\": 7,", "{\"bytes\": " + size + ","));
            assertRefused("memory/model_int8.tflite: 7 bytes instead of " + size
                    + ": it was changed. Export the artefact again.", source);
        }
    }

    @Test
    public void readsAnEndlessFileToNoMoreThanItsSize() {
        SmallArtefact small = new SmallArtefact();
        byte[] large = new byte[1 << 24];
        ArtefactSource source = new ArtefactSource() {
            @Override
            public InputStream open(String name) throws IOException {
                return name.equals("labels.txt") ? new ByteArrayInputStream(large) : small.open(name);
            }

            @Override
            public String toString() {
                return "memory";
            }
        };
        String message = assertThrows(ArtefactException.class, () -> Classifier.load(source, CountingEngine.FACTORY))
                .getMessage();
        assertEquals(
                "memory/labels.txt: 16777216 bytes instead of 8: it was changed. Export the artefact again.", message);
    }

    @Test
    public void passesOnWhatTheSourceSays() {
        ArtefactSource source = new ArtefactSource() {
            @Override
            public InputStream open(String name) throws IOException {
                throw new IOException("card was taken out");
            }

            @Override
            public String toString() {
                return "card";
            }
        };
        assertEquals("card/manifest.json: can't be read (card was taken out). Export the artefact again.",
                assertThrows(ArtefactException.class, () -> Artefact.open(source)).getMessage());
        assertEquals("/nowhere/here: no such artefact folder. Make one with: kdbuild export RUN --out /nowhere/here",
                assertThrows(ArtefactException.class, () -> new FolderSource(new File("/nowhere/here"))).getMessage());
    }

    @Test
    public void wantsALogitForEachLabelAndARowForEachToken() {
        SmallArtefact source = new SmallArtefact();
        source.put("labels.txt", "neg\nso\npos\n");
        source.seal();
        String manifest = new String(source.files.get("manifest.json"), StandardCharsets.UTF_8);
        source.manifest(manifest.replace("[\"neg\", \"pos\"]", "[\"neg\", \"so\", \"pos\"]"));
        assertRefused("memory: 3 labels for 2 logits of model_int8.tflite. Export the artefact again.", source);
        source = new SmallArtefact();
        source.put("vocab.txt", String.join("\n", SmallArtefact.WORDS) + "\nmore\n");
        assertRefused("memory: 9 tokens in vocab.txt for 8 embedding rows in model_int8.tflite. "
                + "Export the artefact again.", source.seal());
        assertEquals(0, CountingEngine.OPEN.get());
    }

    @Test
    public void wantsAVocabulary() {
        SmallArtefact source = new SmallArtefact();
        source.put("vocab.txt", "<unk>\n<pad>\n<mask>\na\n");
        assertRefused("vocabulary starts with ['<unk>', '<pad>', '<mask>']: its first tokens must be "
                + "<pad>, <unk>, <mask>.", source.seal());
        source.put("vocab.txt", "<pad>\n<unk>\n<mask>\na\nb\na\n");
        assertRefused("vocabulary holds 'a' twice: every token needs one id. Rebuild the vocabulary.", source.seal());
        for (String word : new String[] {"", "a b"}) {
            source.put("vocab.txt", "<pad>\n<unk>\n<mask>\n" + word + "\n");
            assertRefused(
                    "vocabulary holds an empty token or one with white space. Rebuild the vocabulary.", source.seal());
        }
    }

    @Test
    public void wantsATfLiteFile() {
        byte[] noFile = "TFL3TFL3TFL3TFL3TFL3".getBytes(StandardCharsets.US_ASCII);
        for (int length = 0; length <= noFile.length; length++) {
            ByteBuffer model = ByteBuffer.wrap(noFile, 0, length);
            assertEquals("m: not a TFLite file. Export the model again.",
                    assertThrows(ArtefactException.class, () -> TfLiteFile.embeddingRows("m", model)).getMessage());
        }
    }
}
