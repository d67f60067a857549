#include "reading.h"

#include <string.h>

#include "pieces.h"
#include "text.h"
#include "vocabulary.h"

static int has_pieces(const kdb_header *header) { return header->tokenizer == KDB_PIECES; }

static uint32_t *take_numbers(unsigned char *base, uint64_t *used, uint64_t count) {
    return (uint32_t *)(void *)kdb_take(base, used, count * sizeof(uint32_t));
}

kdb_reading kdb_reading_at(const kdb_header *header, unsigned char *base, uint64_t *used) {
    const uint64_t tokens = header->max_tokens;
    const int pairs = (header->flags & KDB_PAIRS) != 0;
    kdb_reading reading;
    memset(&reading, 0, sizeof reading);
    for (int i = 0; i <= pairs; i++) reading.ids[i] = take_numbers(base, used, tokens);
    reading.room = kdb_take(base, used, has_pieces(header) ? kdb_pieces_room(header) : header->longest_token);
    if (!has_pieces(header)) return reading;
    for (int i = 0; i <= pairs; i++) reading.words[i] = take_numbers(base, used, tokens);
    reading.kept = take_numbers(base, used, tokens);
    return reading;
}

static kdb_reading reading_in(const kdb_model *model, void *scratch) {
    uint64_t used = 0;
    return kdb_reading_at(kdb_header_of(model), (unsigned char *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63), &used);
}

int kdb_is_text(const kdb_text *text) {
    if (text->encoding == KDB_UTF16) return text->length == 0 || (text->data && (uintptr_t)text->data % 2 == 0);
    return text->encoding == KDB_UTF8 && (text->length == 0 || text->data);
}

static uint32_t read_words(const kdb_model *model, unsigned char *room, const kdb_text *text, uint32_t *ids, kdb_answer *counts) {
    const kdb_header *header = kdb_header_of(model);
    kdb_tokenizer tokenizer;
    kdb_token_text token;
    uint32_t count = 0;
    kdb_tokenizer_start(&tokenizer, text, room, header->longest_token);
    while (kdb_tokenizer_next(&tokenizer, &token)) {
        if (count == header->max_tokens) {
            counts->truncated = 1;
            break;
        }
        ids[count] = token.length > header->longest_token ? 1 : kdb_token_id(model, 0, token.bytes, token.length);
        counts->unknown += ids[count] == 1;
        count++;
    }
    return count;
}

/* The ids, how many there are of each word, and how many words. */
static uint32_t read_pieces(const kdb_model *model, unsigned char *room, const kdb_text *text, uint32_t *ids, uint32_t *words,
                            uint32_t *word_count, kdb_answer *counts) {
    const uint32_t most = kdb_max_tokens(model);
    kdb_pieces pieces;
    kdb_piece piece;
    uint32_t count = 0, word = 0;
    kdb_pieces_start(&pieces, model, text, room);
    while (kdb_pieces_next(&pieces, &piece)) {
        if (piece.goes_on) continue;
        if (count == most) {
            counts->truncated = 1;
            break;
        }
        ids[count++] = piece.id;
        counts->unknown += piece.id == 1;
        if (piece.begins) words[word++] = 0;
        words[word - 1]++;
    }
    *word_count = word;
    return count;
}

void kdb_read(const kdb_model *model, kdb_reading *reading, uint32_t number, const kdb_text *text, kdb_answer *counts) {
    uint32_t *ids = reading->ids[number], *words = reading->words[number], count;
    if (words) {
        count = read_pieces(model, reading->room, text, ids, words, &reading->word_counts[number], counts);
        if (count == 0) words[0] = 1;
    } else {
        count = read_words(model, reading->room, text, ids, counts);
        reading->word_counts[number] = count;
    }
    counts->tokens += count;
    if (count == 0) ids[count++] = 1;
    reading->id_counts[number] = count;
}

static void write_numbers(uint32_t *out, uint32_t capacity, const uint32_t *numbers, uint32_t count) {
    if (capacity) memcpy(out, numbers, (count < capacity ? count : capacity) * sizeof *out);
}

uint32_t kdb_ids(const kdb_model *model, void *scratch, const kdb_text *text, uint32_t *ids, uint32_t capacity,
                 kdb_answer *counts) {
    memset(counts, 0, sizeof *counts);
    if (!kdb_is_text(text)) return 0;
    kdb_reading reading = reading_in(model, scratch);
    kdb_read(model, &reading, 0, text, counts);
    write_numbers(ids, capacity, reading.ids[0], reading.id_counts[0]);
    return reading.id_counts[0];
}

uint32_t kdb_words(const kdb_model *model, void *scratch, const kdb_text *text, uint32_t *pieces, uint32_t capacity) {
    if (!kdb_is_text(text)) return 0;
    kdb_reading reading = reading_in(model, scratch);
    kdb_answer counts;
    memset(&counts, 0, sizeof counts);
    kdb_read(model, &reading, 0, text, &counts);
    const uint32_t count = reading.word_counts[0];
    if (reading.words[0])
        write_numbers(pieces, capacity, reading.words[0], count);
    else
        for (uint32_t i = 0; i < count && i < capacity; i++) pieces[i] = 1;
    return count;
}

/* Bytes on their way to the caller: all are counted, those for which there is room are written. */
typedef struct {
    char *bytes;
    size_t room, written;
} output;

static void write_bytes(output *out, const void *bytes, size_t size) {
    if (out->written < out->room) {
        const size_t left = out->room - out->written;
        memcpy(out->bytes + out->written, bytes, size < left ? size : left);
    }
    out->written += size;
}

static void write_words(const kdb_model *model, const kdb_text *text, output *out) {
    kdb_tokenizer tokenizer;
    kdb_token_text token;
    uint32_t count = 0;
    kdb_tokenizer_start(&tokenizer, text, NULL, 0);
    while (count++ < kdb_max_tokens(model)) {
        /* Straight to where it belongs, however long it is. */
        tokenizer.capacity = out->written < out->room ? out->room - out->written : 0;
        tokenizer.buffer = tokenizer.capacity ? (unsigned char *)out->bytes + out->written : NULL;
        if (!kdb_tokenizer_next(&tokenizer, &token)) break;
        out->written += token.length;
        write_bytes(out, "\n", 1);
    }
}

static void write_pieces(const kdb_model *model, unsigned char *room, const kdb_text *text, output *out) {
    const uint32_t most = kdb_max_tokens(model);
    kdb_pieces pieces;
    kdb_piece piece;
    uint32_t count = 0;
    kdb_pieces_start(&pieces, model, text, room);
    while (kdb_pieces_next(&pieces, &piece)) {
        if (!piece.goes_on && count++ == most) break;
        if (piece.begins && !piece.goes_on && out->written > 0) write_bytes(out, "\n", 1);
        write_bytes(out, piece.bytes, piece.length);
    }
    if (out->written > 0) write_bytes(out, "\n", 1);
}

size_t kdb_tokens(const kdb_model *model, void *scratch, const kdb_text *text, char *out, size_t size) {
    output all = {out, size, 0};
    if (!kdb_is_text(text)) return 0;
    if (has_pieces(kdb_header_of(model)))
        write_pieces(model, reading_in(model, scratch).room, text, &all);
    else
        write_words(model, text, &all);
    return all.written;
}
