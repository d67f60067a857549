package dev.kdbuild.core;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/**
 * Loads artefacts whose folders stand on standard input, one a line, and prints {@code "loaded"} or the refusal as a
 * JSON string each. Argument: class of the engine.
 */
final class ArtefactTwin {
    private ArtefactTwin() {}

    public static void main(String[] arguments) throws IOException, ReflectiveOperationException {
        EngineFactory factory = Engines.named(arguments[0]);
        BufferedReader folders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String folder = folders.readLine(); folder != null; folder = folders.readLine()) {
            String outcome = "loaded";
            try (Classifier classifier = Classifier.load(new FolderSource(new File(folder)), factory)) {
                classifier.warmUp();
            } catch (ArtefactException refusal) {
                outcome = refusal.getMessage();
            }
            System.out.println(Json.quote(outcome, '"'));
        }
    }
}
