package dev.kdbuild.app;

import android.app.Activity;
import android.content.res.Resources;
import android.graphics.Typeface;
import android.text.TextUtils;
import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.widget.ProgressBar;
import android.widget.TextView;
import dev.kdbuild.core.Prediction;
import java.text.NumberFormat;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** The part of the screen that shows an answer. */
final class AnswerPanel {
    /** How many labels are shown with their probabilities. */
    static final int MOST_LABELS = 6;

    private final Activity activity;
    private final Resources resources;
    private final TextView message;
    private final View answer;
    private final TextView label;
    private final ViewGroup scores;
    private final TextView time;

    AnswerPanel(Activity activity) {
        this.activity = activity;
        resources = activity.getResources();
        message = activity.findViewById(R.id.message);
        answer = activity.findViewById(R.id.answer);
        label = activity.findViewById(R.id.label);
        scores = activity.findViewById(R.id.scores);
        time = activity.findViewById(R.id.time);
    }

    /** Shows that there is no text. */
    void clear() {
        say(activity.getString(R.string.nothing_yet), R.color.text);
    }

    /** Shows an answer, or why there is none. */
    void show(Answer given) {
        if (given.failure != null) {
            say(given.failure, R.color.failure);
            return;
        }
        Prediction prediction = given.explanation.prediction;
        if (prediction.tokens == 0) {
            say(activity.getString(R.string.no_words), R.color.text);
            return;
        }
        message.setVisibility(View.GONE);
        answer.setVisibility(View.VISIBLE);
        showLabel(prediction, given.explanation.label);
        showScores(prediction);
        put(R.id.notes, notes(prediction, given.encoding.unknownCount()));
        time.setText(resources.getQuantityString(
                R.plurals.time,
                prediction.tokens,
                NumberFormat.getIntegerInstance().format(given.nanos / 1000),
                prediction.tokens));
        Words words = new Words(given, activity);
        TextView shown = activity.findViewById(R.id.words);
        shown.setText(words.coloured());
        shown.setContentDescription(words.spoken());
        TextView legend = activity.findViewById(R.id.legend);
        legend.setText(words.legend());
    }

    private void say(CharSequence text, int color) {
        message.setText(text);
        message.setTextColor(activity.getColor(color));
        message.setVisibility(View.VISIBLE);
        answer.setVisibility(View.GONE);
        time.setText("");
    }

    private void showLabel(Prediction prediction, String likeliest) {
        String shown;
        String spoken;
        String percent = percent(prediction.score);
        if (prediction.labels != null && !prediction.labels.isEmpty()) {
            shown = TextUtils.join(", ", prediction.labels);
            spoken = shown;
        } else if (prediction.label != null) {
            shown = prediction.label;
            spoken = activity.getString(R.string.announced, shown, percent);
        } else {
            shown = activity.getString(prediction.labels == null ? R.string.abstained : R.string.no_label);
            spoken = activity.getString(
                    R.string.announced, shown, activity.getString(R.string.likeliest, likeliest, percent));
        }
        if (!shown.contentEquals(label.getText())) {
            // Set together, so that a screen reader says it once, and only where the label changed.
            label.setContentDescription(spoken);
            label.setText(shown);
        }
    }

    private void showScores(Prediction prediction) {
        List<Map.Entry<String, Double>> sorted = new ArrayList<>(prediction.scores.entrySet());
        Collections.sort(sorted, (one, other) -> Double.compare(other.getValue(), one.getValue()));
        scores.removeAllViews();
        for (Map.Entry<String, Double> score : sorted.subList(0, Math.min(MOST_LABELS, sorted.size()))) {
            View row = LayoutInflater.from(activity).inflate(R.layout.score, scores, false);
            TextView name = row.findViewById(R.id.score_label);
            name.setText(score.getKey());
            if (isGiven(score.getKey(), prediction)) {
                name.setTypeface(null, Typeface.BOLD);
            }
            ProgressBar bar = row.findViewById(R.id.score_bar);
            bar.setProgress((int) Math.round(1000 * score.getValue()));
            TextView value = row.findViewById(R.id.score_value);
            value.setText(percent(score.getValue()));
            row.setContentDescription(activity.getString(R.string.announced, name.getText(), value.getText()));
            scores.addView(row);
        }
        int more = sorted.size() - MOST_LABELS;
        put(R.id.more, more > 0 ? resources.getQuantityString(R.plurals.more_labels, more, more) : "");
    }

    private static boolean isGiven(String label, Prediction prediction) {
        return prediction.labels == null ? label.equals(prediction.label) : prediction.labels.contains(label);
    }

    /** What else there is to know of how a text was read; empty where there is nothing. */
    private String notes(Prediction prediction, int unknown) {
        List<String> notes = new ArrayList<>();
        if (prediction.truncated) {
            notes.add(resources.getQuantityString(R.plurals.truncated, prediction.tokens, prediction.tokens));
        }
        if (unknown > 0) {
            notes.add(resources.getQuantityString(R.plurals.out_of_vocabulary, unknown, unknown, prediction.tokens));
        }
        return TextUtils.join("\n", notes);
    }

    private void put(int id, String text) {
        TextView view = activity.findViewById(id);
        view.setText(text);
        view.setVisibility(text.isEmpty() ? View.GONE : View.VISIBLE);
    }

    /** A probability as the user's language writes it, as in {@code 97.3%}. */
    private static String percent(double probability) {
        NumberFormat format = NumberFormat.getPercentInstance();
        format.setMinimumFractionDigits(1);
        format.setMaximumFractionDigits(1);
        return format.format(probability);
    }
}
