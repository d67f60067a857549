package dev.kdbuild.app;

import dev.kdbuild.core.ArtefactSource;
import dev.kdbuild.core.EngineFactory;
import dev.kdbuild.core.TestModels;

/** The app with a model that runs on this machine: Android's library doesn't. */
public final class TestApp extends App {
    /** What is to be shown, set before the app starts; null for the artefact among the assets. */
    static ArtefactSource source;
    /** What runs it. */
    static EngineFactory engines = TestModels.desktop();

    /** Back to the artefact among the assets. */
    static void useAssets() {
        source = null;
        engines = TestModels.desktop();
    }

    /** A model that counts words instead. */
    static void useCounter(String settings, String golden) {
        source = TestModels.counting(settings, golden);
        engines = TestModels.counter();
    }

    @Override
    ArtefactSource artefact() {
        return source == null ? super.artefact() : source;
    }

    @Override
    EngineFactory engines() {
        return engines;
    }
}
