package dev.kdbuild.core;

import java.util.List;

/** From logits to probabilities and labels. */
final class Decision {
    private Decision() {}

    /** Logits over the temperature, in float32 as Python has them. */
    static float[] tempered(float[] logits, double temperature) {
        float[] tempered = new float[logits.length];
        for (int index = 0; index < logits.length; index++) {
            tempered[index] = logits[index] / (float) temperature;
        }
        return tempered;
    }

    /** Probabilities that together are 1. */
    static double[] softmax(float[] logits) {
        float largest = logits[largest(logits)];
        double[] probabilities = new double[logits.length];
        double sum = 0;
        for (int index = 0; index < logits.length; index++) {
            probabilities[index] = Math.exp((double) logits[index] - largest);
            sum += probabilities[index];
        }
        for (int index = 0; index < logits.length; index++) {
            probabilities[index] /= sum;
        }
        return probabilities;
    }

    /** The probability of each logit by itself. */
    static double[] sigmoid(float[] logits) {
        double[] probabilities = new double[logits.length];
        for (int index = 0; index < logits.length; index++) {
            double exponent = Math.exp(-Math.abs((double) logits[index])); // of no positive number: nothing overflows
            probabilities[index] = (logits[index] < 0 ? exponent : 1.0) / (1.0 + exponent);
        }
        return probabilities;
    }

    /** Which probabilities are at or over their thresholds. */
    static boolean[] given(double[] probabilities, List<Double> thresholds) {
        boolean[] given = new boolean[probabilities.length];
        for (int index = 0; index < given.length; index++) {
            given[index] = probabilities[index] >= thresholds.get(index);
        }
        return given;
    }

    /** The place of the largest logit, the first of equal ones. */
    static int largest(float[] logits) {
        int best = 0;
        for (int index = 1; index < logits.length; index++) {
            if (logits[index] > logits[best]) {
                best = index;
            }
        }
        return best;
    }

    /** The place of the largest logit among the labels given; -1 where none is. */
    static int largestGiven(float[] logits, boolean[] given) {
        int best = -1;
        for (int index = 0; index < logits.length; index++) {
            if (given[index] && (best < 0 || logits[index] > logits[best])) {
                best = index;
            }
        }
        return best;
    }
}
