#include "fuzz.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { MOST_MODELS = 8 };

void fuzz_check(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "wrong: %s\n", what);
    abort();
}

void *fuzz_copy(const void *data, size_t size) {
    void *copy = NULL;
    fuzz_check(posix_memalign(&copy, 64, size ? size : 1) == 0, "there is memory");
    if (size) memcpy(copy, data, size);
    return copy;
}

static void *read_file(const char *name, size_t *size) {
    static unsigned char room[1 << 20];
    FILE *file = fopen(name, "rb");
    fuzz_check(file != NULL, "a model can be read");
    *size = fread(room, 1, sizeof room, file);
    fclose(file);
    return fuzz_copy(room, *size);
}

const kdb_model *fuzz_models(size_t *count) {
    static kdb_model models[MOST_MODELS];
    static size_t opened = 0;
    if (opened == 0) {
        const char *variable = getenv("KDB_FUZZ_MODELS");
        fuzz_check(variable != NULL, "KDB_FUZZ_MODELS is set");
        char names[4096];
        snprintf(names, sizeof names, "%s", variable);
        for (char *name = strtok(names, ":"); name && opened < MOST_MODELS; name = strtok(NULL, ":")) {
            size_t size;
            void *file = read_file(name, &size);
            fuzz_check(kdb_open(&models[opened++], file, size, KDB_VERIFY) == KDB_OK, "a model is whole");
        }
    }
    *count = opened;
    return models;
}

typedef struct {
    kdb_answer answer;
    float *logits;
    double *probabilities;
} reply;

static reply reply_of(const kdb_model *model, void *scratch, const kdb_text *texts) {
    const uint32_t classes = kdb_classes(model);
    reply found;
    found.logits = (float *)malloc(classes * sizeof(float));
    found.probabilities = (double *)malloc(classes * sizeof(double));
    fuzz_check(kdb_classify(model, scratch, texts, &found.answer, found.logits, found.probabilities) == KDB_OK, "texts are answered");
    for (uint32_t i = 0; i < classes; i++) {
        fuzz_check(isfinite(found.logits[i]), "logits are finite");
        fuzz_check(found.probabilities[i] >= 0 && found.probabilities[i] <= 1, "probabilities are from 0 to 1");
    }
    fuzz_check(found.answer.label >= -1 && found.answer.label < (int32_t)classes, "the label is one of the model's");
    return found;
}

static void free_reply(reply *found) {
    free(found->logits);
    free(found->probabilities);
}

void fuzz_answer(const kdb_model *model, size_t size, const kdb_text *texts, int same) {
    const uint32_t classes = kdb_classes(model);
    void *scratch = malloc(kdb_scratch_size(model));
    reply plain;
    for (int path = 0; path < KDB_PATHS; path++) {
        kdb_model other;
        if (!(kdb_paths() & (1u << path))) continue;
        fuzz_check(kdb_open(&other, model->file, size, (unsigned)(1 + path) << KDB_PATH_SHIFT) == KDB_OK, "a path can be forced");
#if defined(__x86_64__)
        const unsigned before = _mm_getcsr();
        if (path > 0) _mm_setcsr(0x1F80 | 0x8040 | (unsigned)path % 4 << 13); /* subnormal numbers flushed, another rounding */
#endif
        reply found = reply_of(&other, scratch, texts);
        double *again = (double *)malloc(classes * sizeof *again);
        fuzz_check(kdb_decide(&other, found.logits, NULL, again) == found.answer.label &&
                       kdb_equal(again, found.probabilities, classes * sizeof *again),
                   "logits are decided as a text is");
        free(again);
#if defined(__x86_64__)
        _mm_setcsr(before);
#endif
        if (path == 0) {
            plain = found;
            continue;
        }
        if (same) {
            fuzz_check(kdb_equal(&plain.answer, &found.answer, sizeof found.answer), "every path gives the same answer");
            fuzz_check(kdb_equal(plain.logits, found.logits, classes * sizeof(float)), "every path gives the same logits");
            fuzz_check(kdb_equal(plain.probabilities, found.probabilities, classes * sizeof(double)),
                       "every path gives the same probabilities");
        }
        free_reply(&found);
    }
    free_reply(&plain);
    free(scratch);
}
