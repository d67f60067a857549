package dev.kdbuild.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import org.junit.Test;

/** Times, and what is made of them. */
public class BenchmarkTest {
    @Test
    public void percentiles() {
        assertEquals(7, Benchmark.percentile(new long[] {7}, 0.95), 0);
        assertEquals(2.5, Benchmark.percentile(new long[] {1, 2, 3, 4}, 0.5), 0);
        assertEquals(95.05, Benchmark.percentile(hundred(), 0.95), 1e-9);
    }

    private static long[] hundred() {
        long[] values = new long[100];
        for (int index = 0; index < values.length; index++) {
            values[index] = index + 1;
        }
        return values;
    }

    @Test
    public void timesEachTextInEachRound() throws Exception {
        int open = CountingEngine.OPEN.get();
        Benchmark result = Benchmark.run(() -> new SmallArtefact().load(), Arrays.asList("good", "bad", ""), 5);
        assertEquals(open, CountingEngine.OPEN.get());
        assertEquals(15, result.calls);
        assertTrue(result.coldStartMicros > 0 && result.p50Micros > 0 && result.meanMicros > 0);
        assertTrue(result.p95Micros >= result.p50Micros);
        Map<?, ?> json = (Map<?, ?>) Json.parse(result.toJson());
        assertEquals("[model, engine, texts, calls, cold_start_us, p50_us, p95_us, mean_us]", json.keySet().toString());
        assertEquals("model_int8.tflite", json.get("model"));
        assertEquals("counter 1", json.get("engine"));
        assertEquals(3L, json.get("texts"));
    }

    @Test
    public void refusesNothingToMeasure() {
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class,
                () -> Benchmark.run(() -> new SmallArtefact().load(), Collections.emptyList(), 1));
        assertEquals("0 texts in 1 rounds: nothing to measure. Give at least one of each.", refusal.getMessage());
    }
}
