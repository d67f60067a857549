package dev.kdbuild.core;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What {@code manifest.json} says, as far as answers depend on it; keys that it doesn't know are passed over.
 *
 * <p>Format policy: a reader refuses a newer major version and reads every older one.
 */
public final class Manifest {
    /** The major version of the format that this reader knows. */
    public static final int FORMAT_MAJOR = 2;

    /** Model files that artefacts may hold, in the order of preference. */
    public static final List<String> MODEL_FILES = modelFiles();

    /** The model file that MediaPipe Tasks runs, and this runtime doesn't: it gives probabilities. */
    static final String MEDIAPIPE_MODEL = "model_mediapipe.tflite";

    static final String VOCABULARY = "vocab.txt";
    static final String LABELS = "labels.txt";

    private static final String WAY_OUT = ". Export the artefact again.";
    private static final long MOST_TOKENS = 1_000_000;

    /** As it stands there, {@code major.minor}. */
    public final String formatVersion;
    /** Names of the classes, in the order of the logits. */
    public final List<String> labels;
    /** Whether it reads two texts, and says how one is to the other. */
    public final boolean pairs;
    /** Tokens that a text, or each text of a pair, is cut to; with tokenizer version 2, pieces. */
    public final int maxTokens;
    /** Logits are divided by it before the softmax, or, for several labels, before the logistic function of each. */
    public final double temperature;
    /** Whether a text may have any number of labels, none included. */
    public final boolean multi;
    /** Of several labels, the probability from which each is given, between 0 and 1; null where a text has one. */
    public final List<Double> thresholds;
    /** The probability below which no label is given, between 0 and 1; null where one always is. */
    public final Double threshold;
    /** Of the tokenizer's rules: {@link Tokenizer#WORDS} or {@link Tokenizer#PIECES}. */
    public final int tokenizerVersion;
    /** Unicode version of the tokenizer's tables; null where none is stated. */
    public final String unicode;
    /** SHA-256 of the vocabulary, in hex; null where none is stated. */
    public final String vocabularySha256;
    /** Every other file of the artefact, by name. */
    public final Map<String, FileEntry> files;

    /** What the manifest says of a file. */
    public static final class FileEntry {
        /** Its size; stated by whoever wrote the manifest, so anything at all. */
        public final String bytes;
        /** Its SHA-256, in hex. */
        public final String sha256;

        private FileEntry(Object bytes, String sha256) {
            this.bytes = bytes.toString();
            this.sha256 = sha256;
        }
    }

    /**
     * Reads and checks the content of {@code manifest.json}.
     *
     * @param path for messages
     * @throws ArtefactException it isn't a manifest that this version can read
     */
    static Manifest parse(String content, String path) throws ArtefactException {
        Object value;
        try {
            value = Json.parse(content);
        } catch (Json.SyntaxException error) {
            throw new ArtefactException(path + ": not valid JSON (" + error.getMessage() + ")" + WAY_OUT, error);
        }
        if (!(value instanceof Map)) {
            throw new ArtefactException(path + ": not a JSON object" + WAY_OUT);
        }
        return new Manifest((Map<?, ?>) value, path);
    }

    private Manifest(Map<?, ?> json, String path) throws ArtefactException {
        formatVersion = version(json.get("format_version"), path);
        refuseNewer(tokenizerVersion(json.get("tokenizer")), path);
        try {
            labels = labels(json.get("labels"));
            maxTokens = maxTokens(json.get("max_tokens"));
            temperature = temperature(json.containsKey("temperature") ? json.get("temperature") : Double.valueOf(1.0));
            multi = isMulti(json.containsKey("task") ? json.get("task") : "single");
            thresholds = thresholds(json.get("thresholds"));
            pairs = isPairs(json.containsKey("pairs") ? json.get("pairs") : Boolean.FALSE, formatVersion);
            threshold = threshold(json.get("threshold"));
            Map<?, ?> tokenizer = tokenizer(json.get("tokenizer"));
            tokenizerVersion = ((Long) tokenizer.get("version")).intValue();
            unicode = stringOrNull(tokenizer.get("unicode"));
            vocabularySha256 = stringOrNull(tokenizer.get("sha256"));
            files = files(json.get("files"));
        } catch (Problem problem) {
            throw new ArtefactException(path + ": " + problem.getMessage() + WAY_OUT, problem);
        }
    }

    /** A value that is wrong. */
    private static final class Problem extends Exception {
        private static final long serialVersionUID = 1L;

        Problem(String message) {
            super(message);
        }
    }

    private static String version(Object value, String path) throws ArtefactException {
        String version = String.valueOf(value);
        int dot = version.indexOf('.');
        if (dot < 0 || !isDecimal(version.substring(0, dot)) || !isDecimal(version.substring(dot + 1))) {
            throw new ArtefactException(
                    path + ": format_version " + Json.show(value) + " is no version. Export it again.");
        }
        if (new BigInteger(version.substring(0, dot)).compareTo(BigInteger.valueOf(FORMAT_MAJOR)) > 0) {
            throw new ArtefactException(path + ": format_version " + version + " is newer than this kdbuild reads (up to "
                    + FORMAT_MAJOR + ".x). Upgrade kdbuild.");
        }
        return version;
    }

    private static void refuseNewer(Object tokenizer, String path) throws ArtefactException {
        boolean isWhole = tokenizer instanceof Long || tokenizer instanceof BigInteger;
        if (isWhole && new BigInteger(tokenizer.toString()).compareTo(BigInteger.valueOf(Tokenizer.PIECES)) > 0) {
            throw new ArtefactException(path + ": tokenizer version " + tokenizer
                    + " is newer than this kdbuild reads (up to " + Tokenizer.PIECES + "). Upgrade kdbuild.");
        }
    }

    private static Object tokenizerVersion(Object tokenizer) {
        return tokenizer instanceof Map ? ((Map<?, ?>) tokenizer).get("version") : null;
    }

    private static boolean isDecimal(String text) {
        for (int index = 0; index < text.length(); index++) {
            if (text.charAt(index) < '0' || text.charAt(index) > '9') {
                return false;
            }
        }
        return !text.isEmpty() && text.length() <= Json.LONGEST_NUMBER;
    }

    private static List<String> labels(Object value) throws Problem {
        List<String> labels = new ArrayList<>();
        for (Object label : value instanceof List ? (List<?>) value : Collections.emptyList()) {
            if (!(label instanceof String) || ((String) label).isEmpty()) {
                throw new Problem("labels must be a list of at least two names");
            }
            labels.add((String) label);
        }
        if (labels.size() < 2) {
            throw new Problem("labels must be a list of at least two names");
        }
        if (new HashSet<>(labels).size() != labels.size()) {
            throw new Problem("labels must differ");
        }
        return Collections.unmodifiableList(labels);
    }

    private static int maxTokens(Object value) throws Problem {
        if (!(value instanceof Long) || (Long) value < 1 || (Long) value > MOST_TOKENS) {
            throw new Problem("max_tokens " + Json.show(value) + " must be a whole number from 1 to " + MOST_TOKENS);
        }
        return ((Long) value).intValue();
    }

    private static double temperature(Object value) throws Problem {
        double temperature = value instanceof Number ? ((Number) value).doubleValue() : Double.NaN;
        if (!(temperature >= 1e-6 && temperature <= 1e6)) {
            throw new Problem("temperature " + Json.show(value) + " must be a positive number");
        }
        return temperature;
    }

    private static boolean isMulti(Object value) throws Problem {
        if (!"single".equals(value) && !"multi".equals(value)) {
            throw new Problem("task " + Json.show(value) + " is not one that this version knows (single, multi)");
        }
        return "multi".equals(value);
    }

    private static boolean isPairs(Object value, String formatVersion) throws Problem {
        boolean isOld = formatVersion.startsWith("1.");
        if (!(value instanceof Boolean) || (Boolean) value && isOld) {
            throw new Problem("pairs " + Json.show(value) + " must be true or false, and needs format_version 2");
        }
        return (Boolean) value;
    }

    private List<Double> thresholds(Object value) throws Problem {
        if (!multi) {
            if (value != null) {
                throw new Problem("thresholds are for task 'multi', and its task is 'single'");
            }
            return null;
        }
        List<Double> thresholds = new ArrayList<>();
        for (Object threshold : value instanceof List ? (List<?>) value : Collections.emptyList()) {
            if (isProbability(threshold)) {
                thresholds.add(((Number) threshold).doubleValue());
            }
        }
        if (thresholds.size() != labels.size() || ((List<?>) value).size() != labels.size()) {
            throw new Problem(
                    "thresholds must be " + labels.size() + " numbers between 0 and 1, one for each label");
        }
        return Collections.unmodifiableList(thresholds);
    }

    private static Double threshold(Object value) throws Problem {
        if (value != null && !isProbability(value)) {
            throw new Problem("threshold " + Json.show(value) + " must be a number between 0 and 1");
        }
        return value == null ? null : Double.valueOf(((Number) value).doubleValue());
    }

    /** Whether it is a number between 0 and 1, both excluded. */
    private static boolean isProbability(Object value) {
        return value instanceof Number && ((Number) value).doubleValue() > 0 && ((Number) value).doubleValue() < 1;
    }

    private static Map<?, ?> tokenizer(Object value) throws Problem {
        Object version = tokenizerVersion(value);
        if (!Long.valueOf(Tokenizer.WORDS).equals(version) && !Long.valueOf(Tokenizer.PIECES).equals(version)) {
            throw new Problem("tokenizer must have version " + Tokenizer.WORDS + " or " + Tokenizer.PIECES);
        }
        return (Map<?, ?>) value;
    }

    private static String stringOrNull(Object value) {
        return value instanceof String ? (String) value : null;
    }

    private static Map<String, FileEntry> files(Object value) throws Problem {
        if (!(value instanceof Map)) {
            throw new Problem("files must be an object");
        }
        Map<String, FileEntry> files = new LinkedHashMap<>();
        for (Map.Entry<?, ?> file : ((Map<?, ?>) value).entrySet()) {
            String name = (String) file.getKey();
            if (name.isEmpty() || name.indexOf('/') >= 0 || name.indexOf('\\') >= 0 || name.startsWith(".")) {
                throw new Problem("files names " + Json.show(name) + ", which isn't a plain file name");
            }
            Map<?, ?> entry = file.getValue() instanceof Map ? (Map<?, ?>) file.getValue() : Collections.emptyMap();
            Object bytes = entry.get("bytes");
            if (!(bytes instanceof Long || bytes instanceof BigInteger) || !(entry.get("sha256") instanceof String)) {
                throw new Problem("files[" + Json.show(name) + "] must have bytes and sha256");
            }
            files.put(name, new FileEntry(bytes, (String) entry.get("sha256")));
        }
        if (!files.containsKey(VOCABULARY) || !files.containsKey(LABELS)) {
            throw new Problem("files must list " + VOCABULARY + " and " + LABELS);
        }
        if (Collections.disjoint(files.keySet(), MODEL_FILES) && !files.containsKey(MEDIAPIPE_MODEL)) {
            throw new Problem("files lists no model that this version runs (" + join(MODEL_FILES) + ")");
        }
        return Collections.unmodifiableMap(files);
    }

    private static List<String> modelFiles() {
        List<String> names = new ArrayList<>();
        names.add("model_int8.kdb");
        for (String suffix : new String[] {".tflite", ".onnx", ".pt"}) {
            for (Precision precision : Precision.values()) {
                names.add("model_" + precision + suffix);
            }
        }
        return Collections.unmodifiableList(names);
    }

    /** The parts with a comma between them. */
    static String join(Iterable<String> parts) {
        StringBuilder joined = new StringBuilder();
        for (String part : parts) {
            joined.append(joined.length() == 0 ? "" : ", ").append(part);
        }
        return joined.toString();
    }
}
