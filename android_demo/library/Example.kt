package dev.kdbuild.example

import android.content.Context
import dev.kdbuild.android.AssetSource
import dev.kdbuild.core.Classifier
import dev.kdbuild.tflite.TfLiteEngine

/** The label of a text. Loading takes some milliseconds: keep the classifier, and load it off the main thread. */
fun label(context: Context, text: String): String? {
    val artefact = AssetSource(context.assets, "artefact")
    Classifier.load(artefact, TfLiteEngine.FACTORY).use { classifier ->
        return classifier.classify(text).label // null where it isn't sure enough
    }
}
