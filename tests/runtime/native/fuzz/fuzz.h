/* What the fuzzers share. Whatever they find ends in abort() or in a sanitizer's report. */
#ifndef KDB_FUZZ_H
#define KDB_FUZZ_H

#include "model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most); /* libFuzzer's, or the driver's */

void fuzz_check(int condition, const char *what);

/* A copy that ends where its memory ends, at a multiple of 64 bytes; to be freed. */
void *fuzz_copy(const void *data, size_t size);

/* The models that the variable KDB_FUZZ_MODELS names, separated by colons, opened once. */
const kdb_model *fuzz_models(size_t *count);

/* Classify texts on every path, with the processor's floating point in any state. `same`: abort where the bits of an answer
 * differ from those of the plain path. `model` is copied; its file is used. */
void fuzz_answer(const kdb_model *model, size_t size, const kdb_text *texts, int same);

#endif
