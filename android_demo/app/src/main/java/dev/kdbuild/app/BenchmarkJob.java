package dev.kdbuild.app;

import android.content.Context;
import android.content.pm.PackageManager;
import android.os.Build;
import android.os.Handler;
import android.os.Looper;
import dev.kdbuild.core.ArtefactException;
import dev.kdbuild.core.Benchmark;
import dev.kdbuild.core.Classifier;
import java.util.ArrayList;
import java.util.List;
import org.json.JSONException;
import org.json.JSONObject;

/** A benchmark, whatever becomes of the screen that started it. To be used on the main thread. */
final class BenchmarkJob {
    /** Texts are golden ones of this many tokens, as sentences have. */
    private static final int FEWEST_TOKENS = 5;
    private static final int MOST_TOKENS = 35;
    private static final int MOST_TEXTS = 50;
    private static final int ROUNDS = 10;

    private final Context context;
    private final Model model;
    private final Handler main = new Handler(Looper.getMainLooper());
    private Runnable changed = () -> {};

    /** Whether it runs just now. */
    boolean running;
    /** What was measured; null before. */
    Benchmark result;
    /** How many threads a call might use. */
    int threads;
    /** Why there is no result; null where nothing went wrong. */
    String failure;

    BenchmarkJob(Context context, Model model) {
        this.context = context;
        this.model = model;
    }

    /** Tells a screen whenever something changed; null for none. */
    void tell(Runnable screen) {
        changed = screen == null ? () -> {} : screen;
    }

    /** Runs it, unless it runs already. */
    void start(int threads) {
        if (running) {
            return;
        }
        running = true;
        result = null;
        failure = null;
        this.threads = threads;
        changed.run();
        model.worker.execute(() -> {
            Benchmark found = null;
            String reason = null;
            try {
                found = Benchmark.run(() -> model.load(threads), texts(), ROUNDS);
            } catch (Exception error) { // whatever loading or measuring throws
                reason = String.valueOf(error.getMessage());
            }
            finish(found, reason);
        });
    }

    private void finish(Benchmark found, String reason) {
        main.post(() -> {
            running = false;
            result = found;
            failure = reason;
            changed.run();
        });
    }

    private List<String> texts() throws ArtefactException {
        List<String> all = new ArrayList<>();
        List<String> sentences = new ArrayList<>();
        try (Classifier classifier = model.load(1)) {
            for (String line : classifier.artefact.readLines("golden.jsonl")) {
                String text = new JSONObject(line).getString("text");
                int tokens = classifier.encode(text).tokenCount();
                all.add(text);
                if (tokens >= FEWEST_TOKENS && tokens <= MOST_TOKENS && sentences.size() < MOST_TEXTS) {
                    sentences.add(text);
                }
            }
        } catch (JSONException error) {
            throw new ArtefactException("golden.jsonl: not JSON (" + error.getMessage() + ").", error);
        }
        return sentences.isEmpty() ? all : sentences;
    }

    /** The result with the device that it was measured on, as JSON. */
    String json() {
        try {
            JSONObject json = new JSONObject(result.toJson());
            json.put("threads", threads);
            json.put("device", Build.MANUFACTURER + " " + Build.MODEL);
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) {
                json.put("soc", Build.SOC_MANUFACTURER + " " + Build.SOC_MODEL);
            }
            json.put("abi", Build.SUPPORTED_ABIS[0]);
            json.put("android", Build.VERSION.RELEASE);
            json.put("app", context.getPackageManager().getPackageInfo(context.getPackageName(), 0).versionName);
            return json.toString(2);
        } catch (JSONException | PackageManager.NameNotFoundException error) {
            throw new IllegalStateException(error); // numbers and names of ours
        }
    }
}
