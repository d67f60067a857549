package dev.kdbuild.app;

import android.app.Application;
import dev.kdbuild.android.AssetSource;
import dev.kdbuild.core.ArtefactSource;
import dev.kdbuild.core.EngineFactory;

/** Holds what outlives the screens: the model and its benchmark. */
public class App extends Application {
    private Model model;
    private BenchmarkJob benchmark;

    /** The one model of the process. For the main thread. */
    final Model model() {
        if (model == null) {
            model = new Model(this, artefact(), engines());
        }
        return model;
    }

    /** The benchmark, which goes on while its screen is turned or left. For the main thread. */
    final BenchmarkJob benchmark() {
        if (benchmark == null) {
            benchmark = new BenchmarkJob(this, model());
        }
        return benchmark;
    }

    /** Where the artefact lies. */
    ArtefactSource artefact() {
        return new AssetSource(getAssets(), "artefact");
    }

    /** What runs its model: the engine of the model file that is packed. */
    EngineFactory engines() {
        return Engines.packed(getAssets());
    }
}
