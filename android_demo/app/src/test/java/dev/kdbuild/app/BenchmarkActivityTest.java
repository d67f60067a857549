package dev.kdbuild.app;

import static dev.kdbuild.app.Screens.settle;
import static dev.kdbuild.app.Screens.text;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Intent;
import android.view.View;
import android.view.ViewGroup;
import android.widget.RadioGroup;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.json.JSONObject;
import org.junit.After;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;

/** The screen that measures. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35, application = TestApp.class, qualifiers = "en-rUS-w411dp-h891dp")
public class BenchmarkActivityTest {
    private final ActivityController<BenchmarkActivity> controller =
            Robolectric.buildActivity(BenchmarkActivity.class);

    private BenchmarkActivity start() throws Exception {
        controller.setup();
        settle();
        return controller.get();
    }

    @After
    public void close() {
        controller.close();
        TestApp.useAssets();
    }

    private static List<String> names(BenchmarkActivity activity) {
        ViewGroup rows = activity.findViewById(R.id.figures);
        List<String> found = new ArrayList<>();
        for (int index = 0; index < rows.getChildCount(); index++) {
            View row = rows.getChildAt(index);
            String value = row.<TextView>findViewById(R.id.figure_value).getText().toString();
            assertTrue(value, value.matches("[\\d,]+ µs"));
            found.add(row.<TextView>findViewById(R.id.figure_name).getText().toString());
        }
        return found;
    }

    @Test
    public void measuringAndSharing() throws Exception {
        TestApp.useCounter("\"task\": \"single\"", "[0.0, 1.0]");
        BenchmarkActivity activity = start();
        assertEquals(
                "Times kdbuild on golden texts of the model, one text at a time, tokenising included.",
                text(activity, R.id.about));
        assertFalse(activity.findViewById(R.id.result).isShown());
        activity.<RadioGroup>findViewById(R.id.threads).check(R.id.threads_2);
        activity.findViewById(R.id.run).performClick();
        assertFalse(activity.findViewById(R.id.run).isEnabled());
        assertTrue(activity.findViewById(R.id.progress).isShown());
        settle();
        assertTrue(activity.findViewById(R.id.run).isEnabled());
        assertFalse(activity.findViewById(R.id.progress).isShown());
        assertEquals("[Cold start, Median, 95th percentile, Mean]", names(activity).toString());
        // The one golden text has three tokens, and no text is as long as a sentence.
        assertEquals("counter 1, 2 threads: 1 texts, 10 calls.", text(activity, R.id.measured));

        activity.findViewById(R.id.share).performClick();
        Intent chooser = shadowOf(activity).getNextStartedActivity();
        assertEquals(Intent.ACTION_CHOOSER, chooser.getAction());
        Intent send = chooser.getParcelableExtra(Intent.EXTRA_INTENT, Intent.class);
        assertEquals(Intent.ACTION_SEND, send.getAction());
        assertEquals("text/plain", send.getType());
        JSONObject json = new JSONObject(send.getStringExtra(Intent.EXTRA_TEXT));
        List<String> keys = new ArrayList<>();
        for (Iterator<String> names = json.keys(); names.hasNext(); ) {
            keys.add(names.next());
        }
        assertEquals(
                "[model, engine, texts, calls, cold_start_us, p50_us, p95_us, mean_us, threads, device, soc, abi, "
                        + "android, app]",
                keys.toString());
        assertEquals("model_int8.tflite", json.getString("model"));
        assertEquals(2, json.getInt("threads"));
        assertEquals("15", json.getString("android"));
        assertTrue(json.getDouble("p50_us") <= json.getDouble("p95_us"));
    }

    @Test
    public void turningTheScreenWhileItMeasures() throws Exception {
        BenchmarkActivity before = start();
        before.findViewById(R.id.run).performClick();
        RuntimeEnvironment.setQualifiers("+land");
        controller.recreate();
        BenchmarkActivity after = controller.get();
        assertTrue(before != after);
        settle();
        assertEquals("[Cold start, Median, 95th percentile, Mean]", names(after).toString());
        assertTrue(
                text(after, R.id.measured),
                text(after, R.id.measured).matches("tensorflow-lite [\\d.]+, 1 thread: 50 texts, 500 calls\\."));
    }

    @Test
    public void aDamagedArtefact() throws Exception {
        TestApp.useCounter("\"task\": \"double\"", "[0.0, 1.0]");
        BenchmarkActivity activity = start();
        activity.findViewById(R.id.run).performClick();
        settle();
        assertEquals(
                "memory/manifest.json: task 'double' is not one that this version knows (single, multi). "
                        + "Export the artefact again.",
                text(activity, R.id.failure));
        assertFalse(activity.findViewById(R.id.result).isShown());
        assertTrue(activity.findViewById(R.id.run).isEnabled());
        assertNull(shadowOf(activity).getNextStartedActivity());
    }
}
