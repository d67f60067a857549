/* The bytes are a model's file. What kdb_open accepts must be answered from; what passes all checks, with the same bits on every
 * path. Changes go for the numbers of the header, the sections and the values, and mostly repair the digests. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "repair.h"

enum { ENOUGH_SCRATCH = 1 << 22, ENOUGH_NAMES = 64, ENOUGH_GOLDEN = 8 };

static void read_names(const kdb_model *model) {
    size_t length, all = 0;
    for (uint32_t i = 0; i < kdb_classes(model) && i < ENOUGH_NAMES; i++) all += strlen(kdb_label(model, (int32_t)i, &length)) > length;
    for (uint32_t i = 0; i < kdb_vocabulary(model) && i < ENOUGH_NAMES; i++) all += strlen(kdb_token(model, i, &length)) > length;
    fuzz_check(all == 0, "a name ends where its length says, or before");
    fuzz_check(!kdb_label(model, -1, NULL) && !kdb_label(model, (int32_t)kdb_classes(model), NULL), "labels have bounds");
    fuzz_check(!kdb_token(model, kdb_vocabulary(model), NULL), "tokens have bounds");
}

static void read_golden(const kdb_model *model, void *scratch) {
    const uint32_t many = kdb_golden_count(model);
    kdb_text text;
    const uint32_t *ids;
    uint32_t count;
    const float *logits;
    float *found = (float *)malloc(kdb_classes(model) * sizeof *found);
    for (uint32_t i = 0; i < many && i < ENOUGH_GOLDEN; i++) {
        fuzz_check(kdb_golden(model, many - 1 - i, &text, &ids, &count, &logits) == KDB_OK, "a golden text is there");
        void *copies[] = {fuzz_copy(text.data, text.length), fuzz_copy(logits, kdb_classes(model) * sizeof *logits)};
        kdb_logits(model, scratch, ids, count, ids, count, found);
        free(copies[0]);
        free(copies[1]);
    }
    fuzz_check(kdb_golden(model, many, &text, &ids, &count, &logits) == KDB_ARGUMENT, "golden texts have bounds");
    free(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint16_t units[] = {'w', '3', ' ', 0xD800, 'w', '4', 0x301};
    const kdb_text texts[][2] = {{{"w3 w4 nothing, w5w6 w3!", 23, KDB_UTF8}, {"w7", 2, KDB_UTF8}},
                                 {{units, 7, KDB_UTF16}, {"", 0, KDB_UTF8}}};
    unsigned char *file = (unsigned char *)fuzz_copy(data, size);
    kdb_model whole, model;
    const int all = kdb_open(&whole, file, size, KDB_VERIFY), code = kdb_open(&model, file, size, 0);
    fuzz_check(all != KDB_OK || code == KDB_OK, "what passes all checks passes the few");
    fuzz_check(kdb_message(all) != NULL, "a refusal has a sentence");
    if (code == KDB_OK && kdb_scratch_size(&model) <= ENOUGH_SCRATCH) {
        void *scratch = malloc(kdb_scratch_size(&model));
        double *weights = (double *)malloc((size_t)kdb_max_tokens(&model) * kdb_texts(&model) * sizeof *weights);
        kdb_answer answer;
        read_names(&model);
        read_golden(&model, scratch);
        for (int i = 0; i < 2; i++) fuzz_answer(&model, size, texts[i], all == KDB_OK);
        kdb_explain(&model, scratch, texts[0], -1, &answer, NULL, weights);
        free(weights);
        free(scratch);
    }
    free(file);
    return 0;
}

static uint32_t next(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void change_number(uint8_t *data, uint32_t *state) {
    static const uint32_t numbers[] = {0, 1, 2, 3, 4, 5, 8, 15, 16, 17, 64, 255, 65535, 65536, 1000000, 1u << 20, 1u << 31, 0xFFFFFFFFu};
    const size_t place = 8 + next(state) % 32 * 4;
    uint32_t value;
    memcpy(&value, data + place, sizeof value);
    switch (next(state) % 3) {
    case 0: value = numbers[next(state) % (sizeof numbers / sizeof *numbers)]; break;
    case 1: value += next(state) % 9 - 4; break;
    default: value ^= 1u << next(state) % 32;
    }
    memcpy(data + place, &value, sizeof value);
}

static void change_section(uint8_t *data, size_t size, uint32_t *state) {
    kdb_header header;
    memcpy(&header, data, sizeof header);
    kdb_section *one = &header.sections[next(state) % (KDB_LAYER + KDB_MOST_LAYERS)];
    kdb_section *other = &header.sections[next(state) % (KDB_LAYER + KDB_MOST_LAYERS)];
    uint64_t *number = next(state) % 2 ? &one->offset : &one->size;
    const kdb_section swapped = *one;
    switch (next(state) % 7) {
    case 0: *one = *other, *other = swapped; break;
    case 1: one->offset = other->offset; break;
    case 2: *number = size - next(state) % 256; break;
    case 3: *number = (uint64_t)0 - next(state) % 1024; break;
    case 4: *number += 64 * (uint64_t)(next(state) % 5) - 128; break;
    case 5: *number += (uint64_t)(next(state) % 9) - 4; break;
    default: *number ^= (uint64_t)1 << next(state) % 64;
    }
    memcpy(data, &header, sizeof header);
}

static void change_value(uint8_t *data, size_t size, uint32_t *state) {
    static const uint32_t floats[] = {0x7FC00000, 0x7F800000, 0xFF800000, 0, 0x80000000, 1, 0x2B800000, 0x2B7FFFFF, 0x49800000, 0x49800001,
                                      0x21800000, 0x217FFFFF, 0x53800000, 0x53800001, 0xD3800000, 0x80808080, 0x7F7F7F7F, 0x81818181};
    const uint32_t value = next(state) % 4 ? floats[next(state) % (sizeof floats / sizeof *floats)] : next(state) << 8 | next(state);
    uint32_t times = next(state) % 8 ? 1 : 1 + next(state) % 64;
    size_t place = KDB_HEADER + next(state) % ((size - KDB_HEADER) / 4) * 4;
    for (; times > 0 && place + 4 <= size; times--, place += 4) memcpy(data + place, &value, sizeof value);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    uint32_t state = seed;
    if (size < KDB_HEADER + KDB_TRAILER + 4) return LLVMFuzzerMutate(data, size, most);
    for (uint32_t times = 1 + next(&state) % 3; times > 0; times--) {
        switch (next(&state) % 8) {
        case 0: size = LLVMFuzzerMutate(data, size, most); break;
        case 1:
        case 2: change_number(data, &state); break;
        case 3: change_section(data, size, &state); break;
        default: change_value(data, size, &state);
        }
        if (size < KDB_HEADER + KDB_TRAILER + 4) return size;
    }
    switch (next(&state) % 8) {
    case 0: break;
    case 1:
    case 2:
    case 3: repair_digests(data, size); break;
    default: repair_weights(data, size);
    }
    return size;
}
