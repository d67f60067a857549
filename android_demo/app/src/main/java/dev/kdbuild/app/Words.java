package dev.kdbuild.app;

import android.content.Context;
import android.graphics.Color;
import android.graphics.Typeface;
import android.text.SpannableStringBuilder;
import android.text.Spanned;
import android.text.TextUtils;
import android.text.style.BackgroundColorSpan;
import android.text.style.ForegroundColorSpan;
import android.text.style.StyleSpan;
import dev.kdbuild.core.Explanation;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;

/** The words of a text, coloured by what they do for its label, and the same in words. */
final class Words {
    /** Change of the label's probability from which a word is fully coloured, if no other changes it more. */
    private static final double STRONG = 0.05;
    /** What changes it by less than this share of the strongest isn't shown: it would only be noise. */
    private static final double WEAK = 0.1;
    /** How many words of each kind are spoken. */
    private static final int MOST_SPOKEN = 5;

    private final Context context;
    private final String label;
    private final List<String> words;
    private final double[] weights;
    /** How many of each word's pieces aren't in the vocabulary. */
    private final int[] unknown;
    private final boolean inPieces;
    private final boolean hasUnknown;
    private final double strongest;

    Words(Answer answer, Context context) {
        this.context = context;
        Explanation explanation = answer.explanation;
        label = explanation.label;
        words = explanation.tokens;
        weights = explanation.weights();
        unknown = answer.encoding.unknown();
        inPieces = answer.inPieces;
        hasUnknown = answer.encoding.unknownCount() > 0;
        double most = STRONG;
        for (double weight : weights) {
            most = Math.max(most, Math.abs(weight));
        }
        strongest = most;
    }

    /** The words as they were read. */
    CharSequence coloured() {
        SpannableStringBuilder text = new SpannableStringBuilder();
        for (int index = 0; index < words.size(); index++) {
            int start = text.length();
            text.append(words.get(index));
            double strength = Math.abs(weights[index]) / strongest;
            if (strength >= WEAK) {
                span(text, start, new BackgroundColorSpan(shade(weights[index] > 0, strength)));
            }
            if (unknown[index] > 0) {
                markUnknown(text, start);
            }
            text.append(' ');
        }
        return text;
    }

    /** What the colours mean. */
    CharSequence legend() {
        SpannableStringBuilder text = new SpannableStringBuilder();
        int start = text.length();
        text.append(' ').append(context.getString(R.string.words_for, label)).append(' ');
        span(text, start, new BackgroundColorSpan(shade(true, 1)));
        span(text, start, new ForegroundColorSpan(context.getColor(R.color.text)));
        text.append("  ");
        start = text.length();
        text.append(' ').append(context.getString(R.string.words_against)).append(' ');
        span(text, start, new BackgroundColorSpan(shade(false, 1)));
        span(text, start, new ForegroundColorSpan(context.getColor(R.color.text)));
        if (hasUnknown) {
            text.append("  ");
            start = text.length();
            text.append(context.getString(inPieces ? R.string.word_partly_unknown : R.string.word_unknown));
            markUnknown(text, start);
        }
        return text;
    }

    /** For screen readers, which don't tell colours. */
    String spoken() {
        List<String> sentences = new ArrayList<>();
        String supporting = leading(1);
        if (!supporting.isEmpty()) {
            sentences.add(context.getString(R.string.spoken_for, label, supporting));
        }
        String opposing = leading(-1);
        if (!opposing.isEmpty()) {
            sentences.add(context.getString(R.string.spoken_against, opposing));
        }
        return sentences.isEmpty() ? context.getString(R.string.spoken_none) : TextUtils.join(" ", sentences);
    }

    private String leading(int sign) {
        List<Integer> places = new ArrayList<>();
        for (int index = 0; index < weights.length; index++) {
            if (sign * weights[index] >= WEAK * strongest) {
                places.add(index);
            }
        }
        Collections.sort(places, (one, other) -> Double.compare(sign * weights[other], sign * weights[one]));
        LinkedHashSet<String> spoken = new LinkedHashSet<>();
        for (int place : places) {
            if (spoken.size() < MOST_SPOKEN) {
                spoken.add(words.get(place));
            }
        }
        return TextUtils.join(", ", spoken);
    }

    private int shade(boolean supports, double strength) {
        int color = context.getColor(supports ? R.color.word_for : R.color.word_against);
        int alpha = 48 + (int) Math.round(207 * strength);
        return Color.argb(alpha, Color.red(color), Color.green(color), Color.blue(color));
    }

    private void markUnknown(SpannableStringBuilder text, int start) {
        span(text, start, new StyleSpan(Typeface.ITALIC));
        span(text, start, new ForegroundColorSpan(context.getColor(R.color.text_quiet)));
    }

    private static void span(SpannableStringBuilder text, int start, Object what) {
        text.setSpan(what, start, text.length(), Spanned.SPAN_EXCLUSIVE_EXCLUSIVE);
    }
}
