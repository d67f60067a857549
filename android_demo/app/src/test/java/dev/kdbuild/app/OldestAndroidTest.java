package dev.kdbuild.app;

import static dev.kdbuild.app.Screens.settle;
import static dev.kdbuild.app.Screens.text;
import static dev.kdbuild.app.Screens.type;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Intent;
import android.os.Build;
import org.json.JSONObject;
import org.junit.After;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;

/** The screens on Android 7.0, the oldest that the app runs on. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 24, application = TestApp.class, qualifiers = "en-rUS-w411dp-h891dp")
public class OldestAndroidTest {
    @After
    public void close() {
        TestApp.useAssets();
    }

    @Test
    public void anAnswer() throws Exception {
        assertEquals(24, Build.VERSION.SDK_INT);
        TestApp.useCounter("\"task\": \"single\"", "[0.0, 1.0]");
        Intent intent = new Intent(Intent.ACTION_SEND).setType("text/plain").putExtra(Intent.EXTRA_TEXT, "bad");
        try (ActivityController<MainActivity> controller = Robolectric.buildActivity(MainActivity.class, intent)) {
            MainActivity activity = controller.setup().get();
            settle();
            assertEquals("neg", text(activity, R.id.label));
            type(activity, "a good film");
            assertEquals("pos", text(activity, R.id.label));
            assertEquals("For pos: good.", activity.findViewById(R.id.words).getContentDescription());
            assertTrue(text(activity, R.id.check).startsWith("Checked on this device with counter 1: "));
        }
    }

    @Test
    @SuppressWarnings("deprecation") // what replaces it came later
    public void aBenchmark() throws Exception {
        TestApp.useCounter("\"task\": \"single\"", "[0.0, 1.0]");
        try (ActivityController<BenchmarkActivity> controller = Robolectric.buildActivity(BenchmarkActivity.class)) {
            BenchmarkActivity activity = controller.setup().get();
            activity.findViewById(R.id.run).performClick();
            settle();
            assertEquals("counter 1, 1 thread: 1 texts, 10 calls.", text(activity, R.id.measured));
            activity.findViewById(R.id.share).performClick();
            Intent chooser = shadowOf(activity).getNextStartedActivity();
            Intent send = chooser.getParcelableExtra(Intent.EXTRA_INTENT);
            JSONObject json = new JSONObject(send.getStringExtra(Intent.EXTRA_TEXT));
            assertEquals("7.0", json.getString("android"));
            assertTrue(!json.has("soc"));
        }
    }
}
