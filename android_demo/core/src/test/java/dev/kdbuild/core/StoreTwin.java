package dev.kdbuild.core;

import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;

/**
 * Does with a store of models what standard input says, a line each, and prints what comes of it: {@code install FILE}, {@code
 * kill STEP FILE}, which ends the process after a step of the installation, {@code load TEXT}, {@code revert}. Arguments: the
 * store's folder, and the file of the public key in DER.
 */
final class StoreTwin {
    private StoreTwin() {}

    public static void main(String[] arguments) throws Exception {
        byte[] key = Files.readAllBytes(new File(arguments[1]).toPath());
        String[] fatal = {""};
        ModelStore store = new ModelStore(new File(arguments[0]), key) {
            @Override
            void reached(String step) {
                if (step.equals(fatal[0])) {
                    System.out.flush();
                    Runtime.getRuntime().halt(0);
                }
            }
        };
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split("\t");
            fatal[0] = words[0].equals("kill") ? words[1] : "";
            System.out.println(Json.quote(said(store, words), '"'));
        }
    }

    private static String said(ModelStore store, String[] words) throws Exception {
        switch (words[0]) {
            case "load":
                try (Classifier classifier = store.load()) {
                    return classifier == null
                            ? "none"
                            : Arrays.toString(classifier.engine.logits(classifier.encode(words[1]).ids()));
                }
            case "revert":
                return String.valueOf(store.revert());
            default:
                try (InputStream file = new FileInputStream(words[words.length - 1])) {
                    store.install(file);
                    return "installed";
                } catch (ArtefactException error) {
                    return error.getMessage();
                }
        }
    }
}
