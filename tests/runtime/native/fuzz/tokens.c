/* The first byte says how the others are read, which are a text. Its tokens must be the same in UTF-8 and UTF-16, however much of
 * them there is room for, and its ids those of its words' pieces. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "utf.h"

/* How much of a word an id stands for: that of an entry is its text, without the mark of what continues a word. */
static size_t text_of(const kdb_model *model, uint32_t id, const char *word, size_t length, int first) {
    size_t size;
    const char *entry = kdb_token(model, id, &size);
    const int marked = kdb_tokenizer_version(model) == 2 && size > 2 && entry[0] == '#' && entry[1] == '#';
    if (marked) entry += 2, size -= 2;
    fuzz_check(size <= length && kdb_equal(entry, word, size), "an id is that of its text");
    fuzz_check(!marked || !first || size <= 4, "what continues a word begins one only as a single character");
    return size;
}

/* The ids of a word; an unknown one stands for any text up to the next, and is the last that is looked at. */
static void same_word(const kdb_model *model, const uint32_t *ids, uint32_t count, const char *word, size_t length) {
    size_t at = 0;
    fuzz_check(count > 0 && length > 0, "a word has ids and a text");
    for (uint32_t i = 0; i < count; i++) {
        fuzz_check(ids[i] < kdb_vocabulary(model), "every id is one of the vocabulary");
        fuzz_check(i == 0 || ids[i - 1] != 1 || ids[i] != 1, "what is unknown is one piece");
        if (ids[i] == 1) return;
        at += text_of(model, ids[i], word + at, length - at, i == 0);
    }
    fuzz_check(at == length, "the pieces of a word are all of it");
}

static void same_ids(const kdb_model *model, void *scratch, const kdb_text *text, const char *tokens, size_t size) {
    kdb_answer counts;
    const uint32_t count = kdb_ids(model, scratch, text, NULL, 0, &counts), words = kdb_words(model, scratch, text, NULL, 0);
    uint32_t *ids = (uint32_t *)malloc(count * sizeof *ids), *pieces = (uint32_t *)malloc((words + 1) * sizeof *pieces);
    uint32_t index = 0, word = 0;
    fuzz_check(kdb_ids(model, scratch, text, ids, count, &counts) == count, "ids are as many as before");
    fuzz_check(kdb_words(model, scratch, text, pieces, words) == words, "words are as many as before");
    for (size_t at = 0; at < size; word++) {
        const size_t length = (size_t)((const char *)memchr(tokens + at, '\n', size - at) - (tokens + at));
        fuzz_check(word < words && index + pieces[word] <= count, "a line is a word");
        fuzz_check(kdb_tokenizer_version(model) == 2 || pieces[word] == 1, "a word has one id in version 1");
        same_word(model, ids + index, pieces[word], tokens + at, length);
        index += pieces[word];
        at += length + 1;
    }
    fuzz_check(word == words && count == (index ? index : 1) && counts.tokens == index, "words have all ids between them");
    free(pieces);
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
