/* Answers a file of texts with a model and writes a hash of each answer, for comparing processors; replay.mjs does the same.
 *
 *     replay MODEL TEXTS OUT PATH HOSTILE
 *
 * TEXTS: how many; then of each its encoding, its number of bytes, and these. All numbers have 32 bits and are little-endian.
 * OUT: 32 bits a text. PATH: a number, -1 for the best. HOSTILE: 1 calls with another rounding mode set and subnormal numbers
 * flushed, which the library has to undo, and to leave as they were. Prints the path's name and the golden texts that are right.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kdbuild.h"

enum { EXPLAINED = 32, MOST_EXPLAINED = 24, TOKEN_ROOM = 1 << 16 };

#if defined(__x86_64__)
#include <xmmintrin.h>
typedef unsigned state;
static state get_state(void) { return _mm_getcsr(); }
static void set_state(state value) { _mm_setcsr(value); }
static const state HOSTILE_STATE = 0x1F80 | 0x8040 | 0x4000; /* subnormal operands and results flushed, rounded up */
#elif defined(__aarch64__)
typedef uint64_t state;
static state get_state(void) {
    state value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
}
static void set_state(state value) { __asm__ volatile("msr fpcr, %0" : : "r"(value)); }
static const state HOSTILE_STATE = 1u << 24 | 1u << 22;
#elif defined(__arm__)
typedef uint32_t state;
static state get_state(void) {
    state value;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(value));
    return value;
}
static void set_state(state value) { __asm__ volatile("vmsr fpscr, %0" : : "r"(value)); }
static const state HOSTILE_STATE = 1u << 24 | 1u << 22;
#endif

static state before;
static int hostile;

static void enter(void) {
    if (!hostile) return;
    before = get_state();
    set_state(HOSTILE_STATE);
}

static void leave(void) {
    if (!hostile) return;
    state now = get_state();
    set_state(before);
#if defined(__arm__)
    now &= ~(state)0xF000009F; /* what comparisons found, and exceptions so far: no function has to keep these */
#endif
    if (now != HOSTILE_STATE) {
        fprintf(stderr, "the state of the floating-point unit isn't restored: %llx\n", (unsigned long long)now);
        exit(5);
    }
}

static void *room(size_t size) {
    void *memory = aligned_alloc(64, (size + 64) / 64 * 64);
    if (!memory) exit(6);
    memset(memory, 0xA5, size); /* nothing is to be read that wasn't written */
    return memory;
}

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) exit(7);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *content = room(*size);
    if (fread(content, 1, *size, file) != *size) exit(7);
    fclose(file);
    return content;
}

static uint32_t hash(uint32_t value, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) value = (value ^ bytes[i]) * 16777619u;
    return value;
}

static unsigned right_golden(const kdb_model *model, void *scratch, float *logits) {
    const uint32_t together = kdb_texts(model);
    unsigned right = 0;
    for (uint32_t i = 0; i < kdb_golden_count(model); i += together) {
        kdb_text texts[2];
        const float *wanted;
        uint32_t *own = room(4 * kdb_max_tokens(model));
        kdb_answer answer;
        int is_right = 1;
        for (uint32_t k = 0; k < together; k++) {
            const uint32_t *ids;
            uint32_t count;
            if (kdb_golden(model, i + k, &texts[k], &ids, &count, &wanted) != KDB_OK) exit(8);
            enter();
            const uint32_t own_count = kdb_ids(model, scratch, &texts[k], own, kdb_max_tokens(model), &answer);
            leave();
            is_right = is_right && own_count == count && memcmp(own, ids, 4 * count) == 0;
        }
        enter();
        const int code = kdb_classify(model, scratch, texts, &answer, logits, NULL);
        leave();
        right += is_right && code == KDB_OK && memcmp(logits, wanted, 4 * kdb_classes(model)) == 0;
        free(own);
    }
    return right;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    size_t size, texts_size;
    unsigned char *file = read_file(argv[1], &size), *at = read_file(argv[2], &texts_size);
    const int path = atoi(argv[4]);
    hostile = atoi(argv[5]);
    kdb_model model;
    enter();
    const int code = kdb_open(&model, file, size, KDB_VERIFY | (unsigned)(path + 1) << KDB_PATH_SHIFT);
    leave();
    if (code != KDB_OK) {
        fprintf(stderr, "%s\n", kdb_message(code));
        return code == KDB_NO_PATH ? 3 : 4;
    }
    const uint32_t classes = kdb_classes(&model), most = kdb_max_tokens(&model), pair = kdb_texts(&model);
    void *scratch = room(kdb_scratch_size(&model));
    uint32_t *ids = room(4 * most), *words = room(4 * most);
    float *logits = room(4 * classes);
    double *probabilities = room(8 * classes), *weights = room(8 * most * pair);
    unsigned char *given = room(classes);
    char *tokens = room(TOKEN_ROOM);

    uint32_t count;
    memcpy(&count, at, 4);
    at += 4;
    kdb_text *texts = room((count + 1) * sizeof *texts);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t encoding, length;
        memcpy(&encoding, at, 4);
        memcpy(&length, at + 4, 4);
        void *data = room(length);
        memcpy(data, at + 8, length);
        at += 8 + length;
        texts[i].data = data;
        texts[i].length = encoding == KDB_UTF16 ? length / 2 : length;
        texts[i].encoding = (int)encoding;
    }
    texts[count] = texts[0];

    FILE *out = fopen(argv[3], "wb");
    if (!out) return 7;
    for (uint32_t i = 0; i < count; i++) {
        kdb_answer answer, counts;
        uint32_t value = 2166136261u;
        enter();
        const int answered = kdb_classify(&model, scratch, texts + i, &answer, logits, probabilities);
        leave();
        if (answered != KDB_OK) return 8;
        value = hash(value, &answer, sizeof answer);
        value = hash(value, logits, 4 * classes);
        value = hash(value, probabilities, 8 * classes);
        enter();
        const int32_t label = kdb_decide(&model, logits, NULL, probabilities);
        kdb_given(&model, logits, given);
        leave();
        value = hash(value, &label, 4);
        value = hash(value, probabilities, 8 * classes);
        value = hash(value, given, classes);
        enter();
        const uint32_t id_count = kdb_ids(&model, scratch, texts + i, ids, most, &counts);
        const uint32_t word_count = kdb_words(&model, scratch, texts + i, words, most);
        const size_t written = kdb_tokens(&model, scratch, texts + i, tokens, TOKEN_ROOM);
        leave();
        value = hash(value, ids, 4 * id_count);
        value = hash(value, words, 4 * word_count);
        value = hash(value, tokens, written < TOKEN_ROOM ? written : TOKEN_ROOM);
        if (i % EXPLAINED == 0 && answer.tokens <= MOST_EXPLAINED) {
            enter();
            const uint32_t explained = kdb_explain(&model, scratch, texts + i, -1, &counts, logits, weights);
            leave();
            value = hash(value, logits, 4 * classes);
            value = hash(value, weights, 8 * explained);
        }
        fwrite(&value, 4, 1, out);
    }
    if (fclose(out) != 0) return 7;
    printf("%s %u\n", kdb_path_name(kdb_path(&model)), right_golden(&model, scratch, logits));
    return 0;
}
