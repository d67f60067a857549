/* Eight threads answer from one model, each with a scratch of its own. Every answer must be the one that a single
 * thread gives. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { THREADS = 8, TEXTS = 24, ROUNDS = 12, CLASSES = 64 };

static kdb_model model;
static char texts[TEXTS][64];
static float wanted[TEXTS][CLASSES];

static void answer(void *scratch, int number, float *logits) {
    const kdb_text both[2] = {{texts[number], strlen(texts[number]), KDB_UTF8}, {texts[0], strlen(texts[0]), KDB_UTF8}};
    double weights[128];
    kdb_answer found;
    fuzz_check(kdb_classify(&model, scratch, both, &found, logits, NULL) == KDB_OK, "texts are answered");
    if (number % 8 == 0) kdb_explain(&model, scratch, both, -1, &found, NULL, weights);
}

static void *work(void *number) {
    void *scratch = malloc(kdb_scratch_size(&model));
    float logits[CLASSES];
    for (int i = 0; i < ROUNDS * TEXTS; i++) {
        const int text = (i + *(const int *)number) % TEXTS;
        answer(scratch, text, logits);
        fuzz_check(kdb_equal(logits, wanted[text], kdb_classes(&model) * sizeof *logits), "threads don't change answers");
    }
    free(scratch);
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    int numbers[THREADS];
    size_t count;
    const kdb_model *models = fuzz_models(&count);
    for (size_t i = 0; i < count; i++) {
        model = models[i];
        fuzz_check(kdb_classes(&model) <= CLASSES && kdb_max_tokens(&model) <= 64, "the model is small");
        void *scratch = malloc(kdb_scratch_size(&model));
        for (int text = 0; text < TEXTS; text++) {
            snprintf(texts[text], sizeof texts[text], "w%d w%d, e\xCC\x81%d w5!", text % 9, text % 7, text);
            answer(scratch, text, wanted[text]);
        }
        free(scratch);
        for (int thread = 0; thread < THREADS; thread++) {
            numbers[thread] = thread;
            fuzz_check(pthread_create(&threads[thread], NULL, work, &numbers[thread]) == 0, "there are threads");
        }
        for (int thread = 0; thread < THREADS; thread++) pthread_join(threads[thread], NULL);
    }
    printf("%zu models, %d threads\n", count, THREADS);
    return 0;
}
