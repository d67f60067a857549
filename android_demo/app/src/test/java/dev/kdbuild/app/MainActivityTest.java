package dev.kdbuild.app;

import static dev.kdbuild.app.Screens.settle;
import static dev.kdbuild.app.Screens.text;
import static dev.kdbuild.app.Screens.type;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Context;
import android.content.Intent;
import android.graphics.Color;
import android.graphics.Insets;
import android.text.Spanned;
import android.text.style.BackgroundColorSpan;
import android.text.style.StyleSpan;
import android.view.View;
import android.view.ViewGroup;
import android.view.WindowInsets;
import android.widget.EditText;
import android.widget.ProgressBar;
import android.widget.TextView;
import dev.kdbuild.core.Classifier;
import dev.kdbuild.core.TestModels;
import java.util.ArrayList;
import java.util.List;
import org.junit.After;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;
import org.robolectric.shadows.ShadowBuild;

/** The screen with a text and its answer; most of its models count {@code good} and {@code bad}. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35, application = TestApp.class, qualifiers = "en-rUS-w411dp-h891dp")
public class MainActivityTest {
    private static final String SINGLE = "\"task\": \"single\"";
    private static final String ABSTAINING = SINGLE + ", \"threshold\": 0.9";
    private static final String SEVERAL = "\"task\": \"multi\", \"thresholds\": [0.6, 0.6]";
    private static final String RIGHT = "[0.0, 1.0]";

    private ActivityController<MainActivity> controller;

    private MainActivity start(Intent intent) throws Exception {
        controller = Robolectric.buildActivity(MainActivity.class, intent).setup();
        settle();
        return controller.get();
    }

    private MainActivity start() throws Exception {
        return start(new Intent(Intent.ACTION_MAIN));
    }

    @After
    public void close() {
        if (controller != null) {
            controller.close();
        }
        TestApp.useAssets();
    }

    private static List<String> scores(MainActivity activity) {
        ViewGroup rows = activity.findViewById(R.id.scores);
        List<String> found = new ArrayList<>();
        for (int index = 0; index < rows.getChildCount(); index++) {
            View row = rows.getChildAt(index);
            TextView label = row.findViewById(R.id.score_label);
            TextView value = row.findViewById(R.id.score_value);
            ProgressBar bar = row.findViewById(R.id.score_bar);
            boolean given = label.getTypeface() != null && label.getTypeface().isBold();
            found.add(label.getText() + " " + value.getText() + " " + bar.getProgress() + (given ? " given" : ""));
        }
        return found;
    }

    /** The tokens that bear a colour, + where they speak for the label. */
    private static List<String> coloured(MainActivity activity) {
        Spanned words = (Spanned) activity.<TextView>findViewById(R.id.words).getText();
        List<String> found = new ArrayList<>();
        for (BackgroundColorSpan span : words.getSpans(0, words.length(), BackgroundColorSpan.class)) {
            int color = span.getBackgroundColor();
            boolean supports = Color.blue(color) > Color.red(color);
            found.add((supports ? "+" : "-") + words.subSequence(words.getSpanStart(span), words.getSpanEnd(span)));
        }
        return found;
    }

    @Test
    public void beforeAnythingIsTyped() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        MainActivity activity = start();
        assertEquals("kdbuild", activity.getActionBar().getTitle().toString());
        assertEquals("The answer comes while you type. Texts stay on this device.", text(activity, R.id.message));
        assertFalse(activity.findViewById(R.id.answer).isShown());
        assertEquals(
                "Checked on this device with counter 1: 1 golden text is answered as at export (logits within 0.05).",
                text(activity, R.id.check));
    }

    @Test
    public void anAnswerWithItsWords() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        MainActivity activity = start();
        type(activity, "A good, Good, BAD film.");
        assertEquals("pos", text(activity, R.id.label));
        // The logits are 1 and 2, for one bad and two good: 1 / (1 + exp(-1)).
        assertEquals("[pos 73.1% 731 given, neg 26.9% 269]", scores(activity).toString());
        assertEquals("pos, 73.1%", activity.findViewById(R.id.label).getContentDescription());
        assertEquals(View.ACCESSIBILITY_LIVE_REGION_POLITE, activity.findViewById(R.id.label).getAccessibilityLiveRegion());
        // Only six tokens are read, and commas aren't in the vocabulary.
        assertEquals("a good , good , bad ", text(activity, R.id.words));
        assertEquals("[+good, +good, -bad]", coloured(activity).toString());
        assertEquals(
                "For pos: good. Against it: bad.", activity.findViewById(R.id.words).getContentDescription());
        assertEquals(
                "Only the first 6 tokens were read.\n2 tokens of 6 aren't in the vocabulary.",
                text(activity, R.id.notes));
        assertEquals(
                " speaks for pos    speaks against it   not in the vocabulary", text(activity, R.id.legend));
        Spanned words = (Spanned) activity.<TextView>findViewById(R.id.words).getText();
        assertEquals(2, words.getSpans(0, words.length(), StyleSpan.class).length);
        String time = text(activity, R.id.time);
        assertTrue(time, time.matches("[\\d,]+ µs for 6 tokens"));
    }

    @Test
    public void anAnswerWithWordsInPieces() throws Exception {
        TestApp.source = TestModels.countingPieces();
        TestApp.engines = TestModels.counter();
        MainActivity activity = start();
        type(activity, "Goods films \u00e9a");
        assertEquals("pos", text(activity, R.id.label));
        assertEquals("goods films \u00e9a ", text(activity, R.id.words));
        assertEquals("[+goods]", coloured(activity).toString());
        assertEquals("For pos: goods.", activity.findViewById(R.id.words).getContentDescription());
        // Two pieces each, one of which is unknown.
        assertEquals("1 token of 6 isn't in the vocabulary.", text(activity, R.id.notes));
        assertEquals(
                " speaks for pos    speaks against it   has characters that aren't in the vocabulary",
                text(activity, R.id.legend));
        Spanned words = (Spanned) activity.<TextView>findViewById(R.id.words).getText();
        StyleSpan[] unknown = words.getSpans(0, words.length(), StyleSpan.class);
        assertEquals(1, unknown.length);
        assertEquals(12, words.getSpanStart(unknown[0]));
        assertTrue(text(activity, R.id.time).endsWith(" µs for 6 tokens"));
        type(activity, "goods films");
        assertEquals("", text(activity, R.id.notes));
        assertEquals(" speaks for pos    speaks against it ", text(activity, R.id.legend));
    }

    @Test
    public void anAnswerThatNothingIsAmissWith() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        MainActivity activity = start();
        type(activity, "bad");
        assertEquals("neg", text(activity, R.id.label));
        assertEquals("", text(activity, R.id.notes));
        assertEquals("", text(activity, R.id.more));
        assertTrue(text(activity, R.id.time).endsWith(" µs for 1 token"));
        assertEquals(" speaks for neg    speaks against it ", text(activity, R.id.legend));
        type(activity, "a film");
        assertEquals("neg", text(activity, R.id.label)); // of equals the first
        assertEquals("No word changes the answer much.", activity.findViewById(R.id.words).getContentDescription());
    }

    @Test
    public void abstaining() throws Exception {
        TestApp.useCounter(ABSTAINING, RIGHT);
        MainActivity activity = start();
        type(activity, "a good film");
        assertEquals("Not sure", text(activity, R.id.label));
        assertEquals("Not sure, likeliest pos, 73.1%", activity.findViewById(R.id.label).getContentDescription());
        assertEquals("[pos 73.1% 731, neg 26.9% 269]", scores(activity).toString());
        assertEquals("For pos: good.", activity.findViewById(R.id.words).getContentDescription());
        type(activity, "good good good");
        assertEquals("pos", text(activity, R.id.label));
    }

    @Test
    public void severalLabels() throws Exception {
        TestApp.useCounter(SEVERAL, RIGHT);
        MainActivity activity = start();
        type(activity, "good bad bad");
        assertEquals("neg, pos", text(activity, R.id.label));
        assertEquals("neg, pos", activity.findViewById(R.id.label).getContentDescription());
        assertEquals("[neg 88.1% 881 given, pos 73.1% 731 given]", scores(activity).toString());
        type(activity, "a film");
        assertEquals("None of the labels", text(activity, R.id.label));
        assertEquals(
                "None of the labels, likeliest neg, 50.0%",
                activity.findViewById(R.id.label).getContentDescription());
    }

    @Test
    public void manyLabels() throws Exception {
        TestApp.source = TestModels.eightLabels();
        TestApp.engines = TestModels.alphabet();
        MainActivity activity = start();
        type(activity, "good");
        assertEquals("h", text(activity, R.id.label));
        assertEquals(
                "[h 63.2% 632 given, g 23.3% 233, f 8.6% 86, e 3.1% 31, d 1.2% 12, c 0.4% 4]",
                scores(activity).toString());
        assertEquals("and 2 less likely labels", text(activity, R.id.more));
    }

    @Test
    public void aTextWithoutWords() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        MainActivity activity = start();
        type(activity, "good");
        type(activity, " \n\u200b");
        assertEquals("The text has no words.", text(activity, R.id.message));
        assertEquals("", text(activity, R.id.label));
        assertEquals("", text(activity, R.id.time));
    }

    @Test
    public void clearing() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        MainActivity activity = start();
        assertFalse(activity.findViewById(R.id.clear).isShown());
        type(activity, "good");
        activity.findViewById(R.id.clear).performClick();
        settle();
        assertEquals("", text(activity, R.id.text));
        assertEquals("The answer comes while you type. Texts stay on this device.", text(activity, R.id.message));
        assertEquals("", text(activity, R.id.label));
    }

    @Test
    public void theLastTextIsAnsweredWhereTypingGoesOn() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        MainActivity activity = start();
        EditText field = activity.findViewById(R.id.text);
        for (String text : new String[] {"good", "good good", "good bad bad"}) {
            field.setText(text);
        }
        settle();
        assertEquals("neg", text(activity, R.id.label));
        assertEquals("good bad bad ", text(activity, R.id.words));
    }

    @Test
    public void aSharedText() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        Intent intent = new Intent(Intent.ACTION_SEND).setType("text/plain");
        MainActivity activity = start(intent.putExtra(Intent.EXTRA_TEXT, "a bad film"));
        assertEquals("a bad film", text(activity, R.id.text));
        assertEquals("neg", text(activity, R.id.label));
    }

    @Test
    public void aSharedTextThatIsTooLong() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        StringBuilder text = new StringBuilder("good ");
        while (text.length() < 100_000) {
            text.append("film ");
        }
        Intent intent = new Intent(Intent.ACTION_SEND).setType("text/plain");
        MainActivity activity = start(intent.putExtra(Intent.EXTRA_TEXT, text.toString()));
        assertEquals(20_000, text(activity, R.id.text).length());
        assertEquals("pos", text(activity, R.id.label));
    }

    @Test
    public void sharingNothing() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        MainActivity activity = start(new Intent(Intent.ACTION_SEND).setType("text/plain"));
        assertEquals("", text(activity, R.id.text));
    }

    @Test
    public void turningTheScreenKeepsTextAndAnswer() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        Intent intent = new Intent(Intent.ACTION_SEND).setType("text/plain");
        MainActivity before = start(intent.putExtra(Intent.EXTRA_TEXT, "a bad film"));
        type(before, "two good films");
        RuntimeEnvironment.setQualifiers("+land");
        controller.recreate();
        settle();
        MainActivity after = controller.get();
        assertTrue(before != after);
        // Not what was shared once more.
        assertEquals("two good films", text(after, R.id.text));
        assertEquals("pos", text(after, R.id.label));
    }

    @Test
    public void aDeviceThatFailsTheGoldenTexts() throws Exception {
        TestApp.useCounter(SINGLE, "[0.0, 1.5]");
        MainActivity activity = start();
        String said = "This device fails the model's golden texts: don't trust its answers.\n"
                + "line 1, 'a good film': logits [0.0, 1.0] instead of [0.0, 1.5]";
        assertEquals(said, text(activity, R.id.check));
        assertEquals(
                activity.getColor(R.color.failure),
                activity.<TextView>findViewById(R.id.check).getCurrentTextColor());
    }

    @Test
    public void theCheckIsMadeOnceForASystem() throws Exception {
        Classifier wrong = Classifier.load(TestModels.counting(SINGLE, "[0.0, 1.5]"), TestModels.counter());
        Classifier right = Classifier.load(TestModels.counting(SINGLE, RIGHT), TestModels.counter());
        Context context = RuntimeEnvironment.getApplication();
        String failure = Check.of(wrong, context).failure;
        assertEquals("line 1, 'a good film': logits [0.0, 1.0] instead of [0.0, 1.5]", failure);
        // Not asked again, so it doesn't see the other artefact.
        assertEquals(failure, Check.of(right, context).failure);
        ShadowBuild.setFingerprint("newer");
        Check again = Check.of(right, context);
        assertNull(again.failure);
        assertEquals(1, again.texts);
        assertEquals(0.05, again.tolerance, 1e-6);
    }

    @Test
    public void aDamagedArtefact() throws Exception {
        TestApp.useCounter(SINGLE + ", \"temperature\": 0", RIGHT);
        MainActivity activity = start();
        String said = "memory/manifest.json: temperature 0 must be a positive number. Export the artefact again.";
        assertEquals(said, text(activity, R.id.message));
        assertEquals("", text(activity, R.id.check));
        type(activity, "good");
        assertEquals(said, text(activity, R.id.message));
    }

    @Test
    public void theBenchmarkIsAStepAway() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        MainActivity activity = start();
        assertTrue(shadowOf(activity).clickMenuItem(R.id.benchmark));
        Intent next = shadowOf(activity).getNextStartedActivity();
        assertEquals(BenchmarkActivity.class.getName(), next.getComponent().getClassName());
        assertNull(shadowOf(activity).getNextStartedActivity());
    }

    @Test
    public void barsAndKeyboardCoverNothing() throws Exception {
        TestApp.useCounter(SINGLE, RIGHT);
        View root = start().findViewById(R.id.root);
        WindowInsets.Builder insets = new WindowInsets.Builder();
        insets.setInsets(WindowInsets.Type.statusBars(), Insets.of(0, 63, 0, 0));
        insets.setInsets(WindowInsets.Type.navigationBars(), Insets.of(0, 0, 40, 48));
        insets.setInsets(WindowInsets.Type.displayCutout(), Insets.of(80, 70, 0, 0));
        assertTrue(root.dispatchApplyWindowInsets(insets.build()).isConsumed());
        assertEquals("80 70 40 48", padding(root));
        root.dispatchApplyWindowInsets(insets.setInsets(WindowInsets.Type.ime(), Insets.of(0, 0, 0, 900)).build());
        assertEquals("80 70 40 900", padding(root));
    }

    private static String padding(View view) {
        return view.getPaddingLeft() + " " + view.getPaddingTop() + " " + view.getPaddingRight() + " "
                + view.getPaddingBottom();
    }

    @Test
    public void theArtefactAmongTheAssets() throws Exception {
        MainActivity activity = start();
        type(activity, "a warm , funny film");
        assertEquals("positive", text(activity, R.id.label));
        assertTrue(text(activity, R.id.check).startsWith("Checked on this device with tensorflow-lite "));
        assertTrue(coloured(activity).toString(), coloured(activity).contains("+funny"));
    }
}
