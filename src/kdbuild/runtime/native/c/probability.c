/* From logits to probabilities, in double, with an exponential function of our own: those of C libraries differ. */
#include <string.h>

#include "model.h"

/* e^x for x <= 0, within 2 units in the last place; 0 below -700, and of what isn't a number. */
static double exponential(double x) {
    if (!(x >= -700.0)) return 0.0;
    const double k = (x * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0; /* rounded */
    const double r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10;
    static const double inverse_factorials[] = {1.0,           1.0,            0.5,
                                                1.0 / 6,       1.0 / 24,       1.0 / 120,
                                                1.0 / 720,     1.0 / 5040,     1.0 / 40320,
                                                1.0 / 362880,  1.0 / 3628800,  1.0 / 39916800,
                                                1.0 / 479001600, 1.0 / 6227020800.0};
    double sum = inverse_factorials[13];
    for (int i = 12; i >= 0; i--) sum = sum * r + inverse_factorials[i];
    const uint64_t bits = (uint64_t)((int32_t)k + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

void kdb_probabilities(const kdb_header *header, const float *logits, double *probabilities) {
    const uint32_t classes = header->classes;
    if (header->flags & KDB_SEVERAL_LABELS) {
        for (uint32_t i = 0; i < classes; i++) {
            const double x = (double)logits[i] / header->temperature;
            const double e = exponential(x < 0 ? x : -x);
            probabilities[i] = (x < 0 ? e : 1.0) / (1.0 + e);
        }
        return;
    }
    float highest = logits[0];
    double sum = 0;
    for (uint32_t i = 1; i < classes; i++) highest = logits[i] > highest ? logits[i] : highest;
    for (uint32_t i = 0; i < classes; i++) {
        probabilities[i] = exponential(((double)logits[i] - (double)highest) / header->temperature);
        sum += probabilities[i];
    }
    for (uint32_t i = 0; i < classes; i++) probabilities[i] = probabilities[i] / sum;
}
