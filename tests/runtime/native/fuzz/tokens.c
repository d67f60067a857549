/* The first byte says how the others are read, which are a text. Its tokens must be the same in UTF-8 and UTF-16, however much of
 * them there is room for, and its ids those of its tokens. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "utf.h"

static void same_ids(const kdb_model *model, void *scratch, const kdb_text *text, const char *tokens, size_t size) {
    kdb_answer counts;
    const uint32_t count = kdb_ids(model, scratch, text, NULL, 0, &counts);
    uint32_t *ids = (uint32_t *)malloc(count * sizeof *ids), index = 0;
    fuzz_check(kdb_ids(model, scratch, text, ids, count, &counts) == count, "ids are as many as before");
    for (size_t at = 0; at < size; index++) {
        const size_t length = (size_t)((const char *)memchr(tokens + at, '\n', size - at) - (tokens + at));
        size_t known;
        fuzz_check(index < count && ids[index] < kdb_vocabulary(model), "every token has an id of the vocabulary");
        const char *token = kdb_token(model, ids[index], &known);
        fuzz_check(ids[index] == 1 || (known == length && kdb_equal(token, tokens + at, length)), "an id is that of its token");
        at += length + 1;
    }
    fuzz_check(count == (index ? index : 1) && counts.tokens == index, "there are as many ids as tokens");
    free(ids);
}

static char *tokens_of(const kdb_model *model, void *scratch, const kdb_text *text, size_t *size) {
    *size = kdb_tokens(model, scratch, text, NULL, 0);
    char *all = (char *)malloc(*size ? *size : 1), *half = (char *)malloc(*size / 2 + 1);
    fuzz_check(kdb_tokens(model, scratch, text, all, *size) == *size, "room changes nothing");
    fuzz_check(kdb_tokens(model, scratch, text, half, *size / 2) == *size, "little room changes nothing");
    fuzz_check(kdb_equal(all, half, *size / 2), "what there is room for is the beginning");
    free(half);
    return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t models, found, other;
    if (size == 0) return 0;
    const kdb_model *model = fuzz_models(&models);
    model += data[0] / 2 % models;
    const int encoding = data[0] % 2 ? KDB_UTF16 : KDB_UTF8;
    void *scratch = malloc(kdb_scratch_size(model)), *copy = fuzz_copy(data + 1, size - 1);
    const kdb_text text = {copy, (size - 1) / (encoding == KDB_UTF16 ? 2 : 1), encoding};
    char *tokens = tokens_of(model, scratch, &text, &found);
    uint16_t *units = (uint16_t *)malloc(2 * sizeof *units * (text.length + 1));
    size_t count = 0;
    for (size_t at = 0; at < text.length;) {
        const uint32_t code = kdb_decode(&text, &at);
        if (code > 0xFFFF) units[count++] = (uint16_t)(0xD7C0 + (code >> 10));
        units[count++] = (uint16_t)(code > 0xFFFF ? 0xDC00 | (code & 0x3FF) : code);
    }
    const kdb_text wide = {units, count, KDB_UTF16};
    char *others = tokens_of(model, scratch, &wide, &other);
    fuzz_check(found == other && kdb_equal(tokens, others, found), "UTF-8 and UTF-16 have the same tokens");
    same_ids(model, scratch, &text, tokens, found);
    same_ids(model, scratch, &wide, others, other);
    free(others);
    free(units);
    free(tokens);
    free(copy);
    free(scratch);
    return 0;
}
