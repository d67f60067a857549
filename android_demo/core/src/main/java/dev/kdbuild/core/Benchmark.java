package dev.kdbuild.core;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;

/**
 * How long a classifier takes for a text, tokenising included, one text at a time.
 *
 * <p>Times depend on the device, its clock and its temperature: compare only those of one run.
 */
public final class Benchmark {
    /** From nothing loaded to the first answer, in microseconds; classes may have been loaded before. */
    public final double coldStartMicros;
    /** Median of the timed calls, in microseconds. */
    public final double p50Micros;
    /** 95th percentile, in microseconds. */
    public final double p95Micros;
    /** Mean, in microseconds. */
    public final double meanMicros;
    /** Texts asked. */
    public final int texts;
    /** Timed calls: each text, as often as there were rounds. */
    public final int calls;
    /** The model file. */
    public final String model;
    /** What ran it. */
    public final String engine;

    private Benchmark(Classifier classifier, long coldStart, long[] nanos, int texts) {
        long[] sorted = nanos.clone();
        Arrays.sort(sorted);
        double sum = 0;
        for (long call : nanos) {
            sum += call;
        }
        coldStartMicros = coldStart / 1e3;
        p50Micros = percentile(sorted, 0.5) / 1e3;
        p95Micros = percentile(sorted, 0.95) / 1e3;
        meanMicros = sum / nanos.length / 1e3;
        this.texts = texts;
        calls = nanos.length;
        model = classifier.modelFile;
        engine = classifier.engineName();
    }

    /**
     * Loads a classifier, warms it up with a pass over the texts, times it, and closes it.
     *
     * @param load gives a classifier of single texts that nobody else uses
     * @param rounds how often each text is timed
     * @throws IllegalArgumentException there is no text, or no round
     * @throws IllegalStateException a timed call answered otherwise than the first one of its text
     * @throws Exception what {@code load} throws
     */
    public static Benchmark run(Callable<Classifier> load, List<String> texts, int rounds) throws Exception {
        if (texts.isEmpty() || rounds < 1) {
            throw new IllegalArgumentException(
                    texts.size() + " texts in " + rounds + " rounds: nothing to measure. Give at least one of each.");
        }
        long start = System.nanoTime();
        try (Classifier classifier = load.call()) {
            classifier.classify(texts.get(0));
            long coldStart = System.nanoTime() - start;
            double[] scores = new double[texts.size()];
            for (int index = 0; index < scores.length; index++) {
                scores[index] = classifier.classify(texts.get(index)).score;
            }
            long[] nanos = new long[texts.size() * rounds];
            for (int call = 0; call < nanos.length; call++) {
                String text = texts.get(call % texts.size());
                long before = System.nanoTime();
                Prediction answer = classifier.classify(text);
                nanos[call] = System.nanoTime() - before;
                if (answer.score != scores[call % scores.length]) {
                    throw new IllegalStateException("another answer than before to " + Json.show(text) + ": "
                            + answer.score + " instead of " + scores[call % scores.length]);
                }
            }
            return new Benchmark(classifier, coldStart, nanos, texts.size());
        }
    }

    /** The value below which a share of sorted values lies, interpolated between neighbours. */
    static double percentile(long[] sorted, double share) {
        double place = share * (sorted.length - 1);
        int below = (int) place;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }

    /** The result as a JSON object; times in microseconds. */
    public String toJson() {
        return String.format(
                Locale.ROOT,
                "{\"model\": %s, \"engine\": %s, \"texts\": %d, \"calls\": %d, \"cold_start_us\": %.1f, "
                        + "\"p50_us\": %.1f, \"p95_us\": %.1f, \"mean_us\": %.1f}",
                Json.quote(model, '"'),
                Json.quote(engine, '"'),
                texts,
                calls,
                coldStartMicros,
                p50Micros,
                p95Micros,
                meanMicros);
    }
}
