package dev.kdbuild.example;

import android.content.Context;
import dev.kdbuild.android.AssetSource;
import dev.kdbuild.core.ArtefactException;
import dev.kdbuild.core.Classifier;
import dev.kdbuild.tflite.TfLiteEngine;

/** The label of a text. Loading takes some milliseconds: keep the classifier, and load it off the main thread. */
final class Example {
    static String label(Context context, String text) throws ArtefactException {
        AssetSource artefact = new AssetSource(context.getAssets(), "artefact");
        try (Classifier classifier = Classifier.load(artefact, TfLiteEngine.FACTORY)) {
            return classifier.classify(text).label; // null where it isn't sure enough
        }
    }
}
