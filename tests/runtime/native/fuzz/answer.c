/* The first byte says which model answers and how the others are read, the second where one text ends and the next begins. Every
 * path must give the same bits. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t models;
    if (size < 2) return 0;
    const kdb_model *model = fuzz_models(&models);
    model += data[0] / 4 % models;
    const size_t first = (size - 2) * data[1] / 255, second = size - 2 - first;
    void *copies[2] = {fuzz_copy(data + 2, first), fuzz_copy(data + 2 + first, second)};
    const int encodings[2] = {data[0] & 1 ? KDB_UTF16 : KDB_UTF8, data[0] & 2 ? KDB_UTF16 : KDB_UTF8};
    const kdb_text texts[2] = {{copies[0], encodings[0] == KDB_UTF16 ? first / 2 : first, encodings[0]},
                               {copies[1], encodings[1] == KDB_UTF16 ? second / 2 : second, encodings[1]}};
    fuzz_answer(model, (size_t)kdb_header_of(model)->file_size, texts, 1);

    const uint32_t classes = kdb_classes(model);
    void *scratch = malloc(kdb_scratch_size(model));
    float *logits = (float *)malloc(classes * sizeof *logits);
    double *weights = (double *)malloc((size_t)kdb_max_tokens(model) * kdb_texts(model) * sizeof *weights);
    unsigned char *given = (unsigned char *)malloc(classes);
    kdb_answer answer;
    const uint32_t count = kdb_explain(model, scratch, texts, (int32_t)(data[0] / 64u % (classes + 1)) - 1, &answer, logits, weights);
    uint32_t words = 0;
    for (uint32_t i = 0; i < kdb_texts(model); i++) words += kdb_words(model, scratch, &texts[i], NULL, 0);
    fuzz_check(count == words, "every word is explained, and none where there is none");
    for (uint32_t i = 0; i < count; i++) fuzz_check(weights[i] >= -1 && weights[i] <= 1, "weights are from -1 to 1");
    kdb_given(model, logits, given);
    fuzz_check(answer.label < 0 || given[answer.label], "the label is given");
    free(given);
    free(weights);
    free(logits);
    free(scratch);
    free(copies[0]);
    free(copies[1]);
    return 0;
}
