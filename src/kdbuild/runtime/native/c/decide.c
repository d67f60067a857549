/* From logits to labels. */
#include "fpu.h"
#include "model.h"

void kdb_calibration(const kdb_model *model, double *temperature, double *threshold) {
    *temperature = kdb_header_of(model)->temperature;
    *threshold = kdb_header_of(model)->threshold;
}

const float *kdb_thresholds(const kdb_model *model) {
    if (!(kdb_header_of(model)->flags & KDB_SEVERAL_LABELS)) return NULL;
    return (const float *)(const void *)kdb_section_of(model, KDB_THRESHOLDS);
}

int32_t kdb_best(const kdb_model *model, const float *logits) {
    int32_t best = 0;
    for (int32_t i = 1; i < (int32_t)kdb_classes(model); i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

void kdb_given(const kdb_model *model, const float *logits, unsigned char *given) {
    const kdb_header *header = kdb_header_of(model);
    const float *thresholds = kdb_thresholds(model);
    const kdb_fpu before = kdb_fpu_default();
    const int32_t best = kdb_best(model, logits);
    for (uint32_t i = 0; i < header->classes; i++)
        given[i] = thresholds ? logits[i] >= thresholds[i] : (int32_t)i == best;
    kdb_fpu_restore(before);
}

int32_t kdb_decide(const kdb_model *model, const float *logits, const double *threshold, double *probabilities) {
    const kdb_header *header = kdb_header_of(model);
    const float *thresholds = kdb_thresholds(model);
    const kdb_fpu before = kdb_fpu_default();
    int32_t best = -1;
    kdb_probabilities(header, logits, probabilities);
    if (thresholds) {
        for (int32_t i = 0; i < (int32_t)header->classes; i++)
            if (logits[i] >= thresholds[i] && (best < 0 || logits[i] > logits[best])) best = i;
    } else {
        best = kdb_best(model, logits);
        if (probabilities[best] < (threshold ? *threshold : header->threshold)) best = -1;
    }
    kdb_fpu_restore(before);
    return best;
}
