package dev.kdbuild.app;

import android.content.Context;
import android.content.SharedPreferences;
import android.content.pm.PackageManager;
import android.os.Build;
import dev.kdbuild.core.ArtefactException;
import dev.kdbuild.core.Classifier;
import dev.kdbuild.core.GoldenCheck;

/** Whether this device answers the model's golden texts as they were answered at export. */
final class Check {
    private static final String FILE = "golden";
    private static final String OF = "of";
    private static final String TEXTS = "texts";
    private static final String TOLERANCE = "tolerance";
    private static final String FAILURE = "failure";

    /** What runs the model. */
    final String engine;
    /** Texts asked. */
    final int texts;
    /** How far a logit may be from its golden value. */
    final float tolerance;
    /** What is wrong, in one line; null where nothing is. */
    final String failure;

    private Check(String engine, int texts, float tolerance, String failure) {
        this.engine = engine;
        this.texts = texts;
        this.tolerance = tolerance;
        this.failure = failure;
    }

    /**
     * Checks a classifier, unless this very app did so before on this very system.
     *
     * @throws ArtefactException the artefact's golden texts are damaged
     */
    static Check of(Classifier classifier, Context context) throws ArtefactException {
        SharedPreferences kept = context.getSharedPreferences(FILE, Context.MODE_PRIVATE);
        String engine = classifier.engineName();
        String what = installed(context) + " " + engine + " " + Build.FINGERPRINT;
        if (what.equals(kept.getString(OF, null))) {
            float tolerance = kept.getFloat(TOLERANCE, 0);
            return new Check(engine, kept.getInt(TEXTS, 0), tolerance, kept.getString(FAILURE, null));
        }
        GoldenCheck found = GoldenCheck.run(classifier);
        String failure = found.passed() ? null : String.valueOf(found.firstFailure);
        Check check = new Check(engine, found.texts, (float) found.tolerance, failure);
        kept.edit()
                .putString(OF, what)
                .putInt(TEXTS, check.texts)
                .putFloat(TOLERANCE, check.tolerance)
                .putString(FAILURE, check.failure)
                .apply();
        return check;
    }

    /** When the app was installed or last replaced, in milliseconds: its artefact may be another since. */
    private static long installed(Context context) {
        try {
            return context.getPackageManager().getPackageInfo(context.getPackageName(), 0).lastUpdateTime;
        } catch (PackageManager.NameNotFoundException error) {
            throw new IllegalStateException(error); // it is the app that runs
        }
    }
}
