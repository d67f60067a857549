package dev.kdbuild.app;

import static dev.kdbuild.app.Screens.settle;
import static dev.kdbuild.app.Screens.shoot;
import static dev.kdbuild.app.Screens.type;

import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/** Draws the screens with Android's own graphics, for people to look at. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35, application = TestApp.class, qualifiers = ScreenshotsTest.PHONE)
public class ScreenshotsTest {
    static final String PHONE = "en-rUS-w411dp-h731dp-hdpi";
    private static final String REVIEW = "Warm and funny at first, it soon runs out of ideas.";

    private void shootAnswer(String name, String text) throws Exception {
        try (ActivityController<MainActivity> controller = Robolectric.buildActivity(MainActivity.class).setup()) {
            settle();
            if (!text.isEmpty()) {
                type(controller.get(), text);
            }
            shoot(controller.get(), name);
        }
    }

    private void shootBenchmark(String name) throws Exception {
        try (ActivityController<BenchmarkActivity> controller =
                Robolectric.buildActivity(BenchmarkActivity.class).setup()) {
            controller.get().findViewById(R.id.run).performClick();
            settle();
            shoot(controller.get(), name);
        }
    }

    @Test
    public void empty() throws Exception {
        shootAnswer("empty", "");
    }

    @Test
    public void light() throws Exception {
        shootAnswer("light", REVIEW);
    }

    @Test
    @Config(qualifiers = "+night")
    public void dark() throws Exception {
        shootAnswer("dark", REVIEW);
    }

    @Test
    @Config(qualifiers = "en-rUS-w731dp-h411dp-land-hdpi")
    public void turned() throws Exception {
        shootAnswer("turned", REVIEW);
    }

    @Test
    public void benchmark() throws Exception {
        shootBenchmark("benchmark");
    }

    @Test
    @Config(qualifiers = "+night")
    public void benchmarkDark() throws Exception {
        shootBenchmark("benchmark-dark");
    }

    @Test
    public void abstaining() throws Exception {
        TestApp.useCounter("\"task\": \"single\", \"threshold\": 0.9", "[0.0, 1.5]");
        try {
            shootAnswer("abstaining", "A good film, and a bad one: a good bad film.");
        } finally {
            TestApp.useAssets();
        }
    }
}
