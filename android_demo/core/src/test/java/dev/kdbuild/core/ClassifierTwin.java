package dev.kdbuild.core;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * Answers and explains texts that stand on standard input as JSON strings, one a line, or pairs as lists of two; prints a
 * JSON object each.
 * Arguments: class of the engine, folder of the artefact, {@code int8} or {@code fp32}, and perhaps a threshold.
 */
final class ClassifierTwin {
    private ClassifierTwin() {}

    public static void main(String[] arguments)
            throws IOException, ReflectiveOperationException, ArtefactException, Json.SyntaxException {
        LoadOptions options = LoadOptions.DEFAULT.precision(
                arguments[2].equals("int8") ? Precision.INT8 : Precision.FP32);
        if (arguments.length > 3) {
            options = options.threshold(Double.parseDouble(arguments[3]));
        }
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (Classifier classifier =
                Classifier.load(new FolderSource(new File(arguments[1])), Engines.named(arguments[0]), options)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                Object asked = Json.parse(line);
                if (asked instanceof List) {
                    String text = (String) ((List<?>) asked).get(0);
                    String second = (String) ((List<?>) asked).get(1);
                    System.out.println(json(classifier.classify(text, second), classifier.explain(text, second)));
                } else {
                    String text = (String) asked;
                    System.out.println(json(classifier.classify(text), classifier.explain(text)));
                }
            }
        }
    }

    private static String json(Prediction answer, Explanation explanation) {
        StringBuilder json = new StringBuilder("{\"text\": ").append(quote(answer.text));
        json.append(", \"label\": ").append(answer.label == null ? "null" : quote(answer.label));
        json.append(", \"score\": ").append(answer.score).append(", \"scores\": {");
        String comma = "";
        for (Map.Entry<String, Double> score : answer.scores.entrySet()) {
            json.append(comma).append(quote(score.getKey())).append(": ").append(score.getValue());
            comma = ", ";
        }
        json.append("}, \"tokens\": ").append(answer.tokens).append(", \"truncated\": ").append(answer.truncated);
        json.append(", \"oov_rate\": ").append(answer.oovRate);
        json.append(", \"labels\": ").append(answer.labels == null ? "null" : list(answer.labels));
        json.append(", \"explained\": ").append(quote(explanation.label));
        json.append(", \"explained_tokens\": ").append(list(explanation.tokens));
        json.append(", \"weights\": ").append(numbers(explanation.weights()));
        if (answer.second != null) {
            json.append(", \"second\": ").append(quote(answer.second));
            json.append(", \"second_tokens\": ").append(list(explanation.secondTokens));
            json.append(", \"second_weights\": ").append(numbers(explanation.secondWeights()));
        }
        return json.append("}").toString();
    }

    private static String numbers(double[] values) {
        StringBuilder numbers = new StringBuilder("[");
        for (double value : values) {
            numbers.append(numbers.length() == 1 ? "" : ", ").append(value);
        }
        return numbers.append("]").toString();
    }

    private static String list(List<String> values) {
        StringBuilder list = new StringBuilder("[");
        for (String value : values) {
            list.append(list.length() == 1 ? "" : ", ").append(quote(value));
        }
        return list.append("]").toString();
    }

    private static String quote(String text) {
        return Json.quote(text, '"');
    }
}
