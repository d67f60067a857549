package dev.kdbuild.core;

import java.io.ByteArrayInputStream;
import java.io.FileNotFoundException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/** An artefact in memory: eight words, two labels, and a model that {@link CountingEngine} runs. */
final class SmallArtefact implements ArtefactSource {
    static final String[] WORDS = {"<pad>", "<unk>", "<mask>", "good", "bad", "film", "a", "."};

    final Map<String, byte[]> files = new TreeMap<>();

    private String format = "1.1";
    private String settings = "\"task\": \"single\"";
    private int tokenizer = Tokenizer.WORDS;

    SmallArtefact() {
        put("vocab.txt", String.join("\n", WORDS) + "\n");
        put("labels.txt", "neg\npos\n");
        put("model_int8.tflite", "weights");
        put("golden.jsonl", golden("a good film", "[6, 3, 5]", "[0.0, 1.0]", "\"pos\""));
        seal();
    }

    static String golden(String text, String ids, String logits, String label) {
        return "{\"text\": \"" + text + "\", \"ids\": " + ids + ", \"logits\": {\"model_int8.tflite\": " + logits
                + "}, \"label\": " + label + "}\n";
    }

    /** Makes it one of pairs, for {@link CountingEngine#PAIRS}. */
    SmallArtefact ofPairs() {
        format = "2.0";
        put("golden.jsonl", goldenPair("good", "[3]", "bad .", "[4, 7]", "[0.0, 3.0]", "\"pos\""));
        return with("\"pairs\": true");
    }

    static String goldenPair(String text, String ids, String second, String secondIds, String logits, String label) {
        return golden(text, ids, logits, label).replace("\"ids\"", "\"text2\": \"" + second + "\", \"ids2\": "
                + secondIds + ", \"ids\"");
    }

    Classifier loadPairs() throws ArtefactException {
        return Classifier.load(this, CountingEngine.PAIRS);
    }

    void put(String name, String content) {
        files.put(name, content.getBytes(StandardCharsets.UTF_8));
    }

    /** Adds to the manifest, as the inside of a JSON object. */
    SmallArtefact with(String json) {
        settings = json;
        return seal();
    }

    /** Gives it tokenizer version 2, and other words and pieces; five, as the model has rows for. */
    SmallArtefact ofPieces(String... tokens) {
        tokenizer = Tokenizer.PIECES;
        put("vocab.txt", "<pad>\n<unk>\n<mask>\n" + String.join("\n", tokens) + "\n");
        return seal();
    }

    /** Writes a manifest that fits the files. */
    SmallArtefact seal() {
        files.remove("manifest.json");
        files.remove("manifest.sha256");
        StringBuilder listed = new StringBuilder();
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            listed.append(listed.length() == 0 ? "" : ", ").append('"').append(file.getKey()).append("\": {\"bytes\": ")
                    .append(file.getValue().length).append(", \"sha256\": \"")
                    .append(Artefact.hex(Artefact.sha256().digest(file.getValue()))).append("\"}");
        }
        String vocabulary = Artefact.hex(Artefact.sha256().digest(files.get("vocab.txt")));
        manifest("{\"format_version\": \"" + format + "\", \"labels\": [\"neg\", \"pos\"], \"max_tokens\": 6, " + settings
                + ", \"tokenizer\": {\"version\": " + tokenizer + ", \"unicode\": \"15.1.0\", \"sha256\": \""
                + vocabulary + "\"}, \"files\": {" + listed + "}}");
        return this;
    }

    void manifest(String json) {
        put("manifest.json", json);
        put("manifest.sha256", Artefact.hex(Artefact.sha256().digest(files.get("manifest.json"))) + "\n");
    }

    Classifier load() throws ArtefactException {
        return load(LoadOptions.DEFAULT);
    }

    Classifier load(LoadOptions options) throws ArtefactException {
        return Classifier.load(this, CountingEngine.FACTORY, options);
    }

    @Override
    public InputStream open(String name) throws FileNotFoundException {
        if (!files.containsKey(name)) {
            throw new FileNotFoundException(name);
        }
        return new ByteArrayInputStream(files.get(name));
    }

    @Override
    public String toString() {
        return "memory";
    }
}
