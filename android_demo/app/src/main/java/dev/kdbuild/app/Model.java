package dev.kdbuild.app;

import android.content.Context;
import android.os.Handler;
import android.os.Looper;
import dev.kdbuild.core.ArtefactException;
import dev.kdbuild.core.ArtefactSource;
import dev.kdbuild.core.Classifier;
import dev.kdbuild.core.EngineFactory;
import dev.kdbuild.core.LoadOptions;
import dev.kdbuild.core.Tokenizer;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * The artefact inside the app, loaded when it is first needed, and the one thread that it works on.
 *
 * <p>Whatever is asked is answered on the main thread.
 */
final class Model {
    /** Everything that may take long happens on it, in the order of asking. */
    final ExecutorService worker = Executors.newSingleThreadExecutor(work -> new Thread(work, "model"));

    private final Handler main = new Handler(Looper.getMainLooper());
    private final Context context;
    private final ArtefactSource source;
    private final EngineFactory engines;

    private Classifier loaded; // the worker's alone

    Model(Context context, ArtefactSource source, EngineFactory engines) {
        this.context = context;
        this.source = source;
        this.engines = engines;
    }

    /**
     * Loads a classifier of its own, which the caller closes.
     *
     * @throws ArtefactException the artefact or the engine can't be used; the message is for the user
     */
    Classifier load(int threads) throws ArtefactException {
        try {
            return Classifier.load(source, engines, LoadOptions.DEFAULT.threads(threads));
        } catch (LinkageError error) {
            // The native library isn't there for this processor, or not as this system wants it.
            throw new ArtefactException(context.getString(R.string.failed_engine, error.getMessage()), error);
        }
    }

    /**
     * Answers a text.
     *
     * @param wanted asked before the work begins: whether the answer still matters
     */
    void ask(String text, BooleanSupplier wanted, Consumer<Answer> answered) {
        worker.execute(() -> {
            if (wanted.getAsBoolean()) {
                Answer answer = answer(text);
                main.post(() -> answered.accept(answer));
            }
        });
    }

    /** Checks the model on this device; gives null where it can't be loaded, which every answer says anyway. */
    void check(Consumer<Check> checked) {
        worker.execute(() -> {
            Check check = check();
            main.post(() -> checked.accept(check));
        });
    }

    private Answer answer(String text) {
        try {
            Classifier classifier = classifier();
            long before = System.nanoTime();
            classifier.classify(text);
            long nanos = System.nanoTime() - before;
            boolean inPieces = classifier.artefact.manifest.tokenizerVersion == Tokenizer.PIECES;
            return new Answer(classifier.explain(text), classifier.encode(text), inPieces, nanos);
        } catch (ArtefactException error) {
            return new Answer(error.getMessage());
        }
    }

    private Check check() {
        try {
            return Check.of(classifier(), context);
        } catch (ArtefactException error) {
            return null;
        }
    }

    private Classifier classifier() throws ArtefactException {
        if (loaded == null) {
            loaded = load(1);
            loaded.warmUp();
        }
        return loaded;
    }
}
