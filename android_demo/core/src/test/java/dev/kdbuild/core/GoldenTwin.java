package dev.kdbuild.core;

import java.io.File;
import java.util.Arrays;

/**
 * Replays an artefact's golden texts and, where it reads single texts, measures it; prints a JSON object of each.
 * Arguments: class of the engine, folder of the artefact, {@code int8} or {@code fp32}.
 */
final class GoldenTwin {
    private GoldenTwin() {}

    public static void main(String[] arguments) throws Exception {
        EngineFactory factory = Engines.named(arguments[0]);
        File folder = new File(arguments[1]);
        LoadOptions options = LoadOptions.DEFAULT.precision(
                arguments[2].equals("int8") ? Precision.INT8 : Precision.FP32);
        try (Classifier classifier = Classifier.load(new FolderSource(folder), factory, options)) {
            GoldenCheck golden = GoldenCheck.run(classifier);
            String failure = golden.firstFailure == null ? "null" : Json.quote(golden.firstFailure, '"');
            System.out.println("{\"engine\": " + Json.quote(classifier.engineName(), '"') + ", \"texts\": "
                    + golden.texts + ", \"wrong_ids\": " + golden.wrongIds + ", \"wrong_labels\": " + golden.wrongLabels
                    + ", \"max_difference\": " + golden.maxDifference + ", \"tolerance\": " + golden.tolerance
                    + ", \"passed\": " + golden.passed() + ", \"first_failure\": " + failure + "}");
            if (classifier.artefact.manifest.pairs) {
                return;
            }
        }
        Benchmark benchmark = Benchmark.run(
                () -> Classifier.load(new FolderSource(folder), factory, options),
                Arrays.asList("a warm , funny film", "dull", "It isn't good, is it?"),
                20);
        System.out.println(benchmark.toJson());
    }
}
