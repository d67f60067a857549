package dev.kdbuild.core;

import java.io.ByteArrayInputStream;
import java.io.FileNotFoundException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A {@code model_int8.kdb} by itself, which holds all that an artefact does: labels, vocabulary, thresholds. */
public final class ModelFile implements ArtefactSource {
    private static final String MODEL = "model_int8.kdb";

    private final String name;
    private final Map<String, byte[]> files = new LinkedHashMap<>();

    /**
     * Takes a file.
     *
     * @param name of the file, for messages
     * @param content its bytes, of which every one is checked
     * @throws ArtefactException it isn't a whole model
     */
    public ModelFile(String name, byte[] content) throws ArtefactException {
        this.name = name;
        try (NativeEngine engine = open(name, content)) {
            files.put(Manifest.LABELS, lines(engine.labels()));
            files.put(Manifest.VOCABULARY, lines(engine.tokens()));
            files.put(MODEL, content);
            byte[] manifest = manifest(engine).getBytes(StandardCharsets.UTF_8);
            files.put("manifest.json", manifest);
            files.put("manifest.sha256", (Artefact.hex(Artefact.sha256().digest(manifest)) + "\n")
                    .getBytes(StandardCharsets.US_ASCII));
        }
    }

    /**
     * Loads a classifier that must have been signed.
     *
     * @param name of the file, for messages
     * @param content its bytes; those that are checked are those that are used
     * @param publicKey who must have signed it, in DER as SubjectPublicKeyInfo
     * @throws ArtefactException it isn't a whole model, or isn't signed with this key
     */
    public static Classifier load(String name, byte[] content, byte[] publicKey) throws ArtefactException {
        byte[] own = content.clone();
        ModelSignature.check(name, ByteBuffer.wrap(own), publicKey);
        return Classifier.load(new ModelFile(name, own), NativeEngine.FACTORY);
    }

    /**
     * Asks the golden texts in a file, which this processor must answer to the bit.
     *
     * @throws ArtefactException it doesn't, or the file isn't a whole model
     */
    static void checkGolden(String name, byte[] content) throws ArtefactException {
        try (NativeEngine engine = open(name, content)) {
            int count = (int) engine.calibration()[3];
            for (int first = 0; first < count; first += engine.texts()) {
                int[][] ids = new int[engine.texts()][];
                int[] wanted = engine.golden(first).bits;
                boolean same = true;
                for (int text = 0; text < ids.length; text++) {
                    NativeEngine.Golden golden = engine.golden(first + text);
                    ids[text] = engine.read(golden.text).ids;
                    same &= Arrays.equals(ids[text], golden.ids);
                }
                float[] logits = engine.logits(ids);
                for (int label = 0; label < wanted.length; label++) {
                    same &= Float.floatToRawIntBits(logits[label]) == wanted[label];
                }
                if (!same) {
                    throw new ArtefactException(name + ": answers golden text " + (first + 1)
                            + " otherwise here than where it was made. Don't use it on this device.");
                }
            }
        }
    }

    @Override
    public InputStream open(String file) throws FileNotFoundException {
        byte[] content = files.get(file);
        if (content == null) {
            throw new FileNotFoundException(file);
        }
        return new ByteArrayInputStream(content);
    }

    @Override
    public String toString() {
        return name;
    }

    private static NativeEngine open(String name, byte[] content) throws ArtefactException {
        ByteBuffer direct = ByteBuffer.allocateDirect(content.length);
        direct.put(content);
        direct.flip();
        return NativeEngine.load(name, direct, true);
    }

    private String manifest(NativeEngine engine) throws ArtefactException {
        double[] numbers = engine.calibration();
        int version = (int) numbers[2];
        boolean several = numbers[4] != 0;
        StringBuilder json = new StringBuilder("{\"format_version\": \"2.0\", \"labels\": [");
        StringBuilder thresholds = new StringBuilder();
        List<String> labels = engine.labels();
        String comma = "";
        for (int label = 0; label < labels.size(); label++) {
            json.append(comma).append(Json.quote(labels.get(label), '"'));
            thresholds.append(comma).append(1 / (1 + Math.exp(-numbers[5 + label] / numbers[0])));
            comma = ", ";
        }
        json.append("], \"task\": \"").append(several ? "multi" : "single");
        json.append("\", \"max_tokens\": ").append(engine.maxTokens());
        json.append(", \"pairs\": ").append(engine.texts() == 2);
        json.append(", \"temperature\": ").append(numbers[0]);
        if (several) {
            json.append(", \"thresholds\": [").append(thresholds).append("]");
        } else if (numbers[1] > 0) {
            json.append(", \"threshold\": ").append(numbers[1]);
        }
        json.append(", \"tokenizer\": {\"version\": ").append(version);
        json.append(", \"unicode\": \"").append(UnicodeTable.get().version);
        json.append("\", \"sha256\": \"").append(new Vocabulary(engine.tokens(), version).sha256()).append("\"}");
        comma = ", \"files\": {";
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            json.append(comma).append('"').append(file.getKey()).append("\": {\"bytes\": ").append(file.getValue().length);
            json.append(", \"sha256\": \"").append(Artefact.hex(Artefact.sha256().digest(file.getValue()))).append("\"}");
            comma = ", ";
        }
        return json.append("}}").toString();
    }

    private static byte[] lines(List<String> lines) {
        StringBuilder text = new StringBuilder();
        for (String line : lines) {
            text.append(line).append('\n');
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }
}
