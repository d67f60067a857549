package dev.kdbuild.app;

import android.content.res.AssetManager;
import dev.kdbuild.core.EngineFactory;
import dev.kdbuild.core.NativeEngine;
import java.io.IOException;
import java.util.Arrays;

/** The engine that is packed: kdbuild's own, or TensorFlow Lite. */
final class Engines {
    private static final String TFLITE = "dev.kdbuild.tflite.TfLiteEngine";

    private Engines() {}

    /** What runs the model among the assets. */
    static EngineFactory packed(AssetManager assets) {
        try {
            boolean isNative = Arrays.asList(assets.list("artefact")).contains("model_int8.kdb");
            // An app with kdbuild's own engine has no class of the other one's.
            return isNative ? NativeEngine.FACTORY : (EngineFactory) Class.forName(TFLITE).getField("FACTORY").get(null);
        } catch (IOException | ReflectiveOperationException error) {
            throw new IllegalStateException(error); // one of them is in every app
        }
    }
}
