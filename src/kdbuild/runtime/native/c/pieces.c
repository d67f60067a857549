/* The rules stand in kdbuild.runtime.text.pieces. Time is linear, whatever the text. */
#include "pieces.h"

#include <string.h>

#include "unicode.h"
#include "utf.h"
#include "vocabulary.h"

enum { CHARACTER = 4 }; /* bytes of the longest */

/* Words are held up to this length. Those that aren't read as they stand, such as "..." for more full stops, are shorter. */
static size_t word_room(const kdb_header *header) { return (size_t)header->longest_token + CHARACTER; }

/* So long that, when less than the longest token is left in it, that may be copied to its start. */
static size_t window_room(const kdb_header *header) { return 2 * (size_t)header->longest_token + 2 * CHARACTER; }

uint64_t kdb_pieces_room(const kdb_header *header) { return (uint64_t)word_room(header) + window_room(header); }

void kdb_pieces_start(kdb_pieces *pieces, const kdb_model *model, const kdb_text *text, unsigned char *room) {
    const size_t longest = word_room(kdb_header_of(model));
    kdb_tokenizer_start(&pieces->words, text, room, longest);
    pieces->model = model;
    pieces->window = room + longest;
    pieces->ahead = 0;
    pieces->size = 0;
    pieces->more = KDB_NO_MORE;
}

/* The first character of a text that isn't empty, and its length. */
static uint32_t first_character(const unsigned char *bytes, size_t size, size_t *length) {
    const kdb_text text = {bytes, size, KDB_UTF8};
    *length = 0;
    return kdb_decode(&text, length);
}

static int ends_unspaced(const unsigned char *bytes, size_t length) {
    size_t at = length - 1, size;
    while (at > 0 && (bytes[at] & 0xC0) == 0x80) at--;
    return kdb_is_unspaced(first_character(bytes + at, length - at, &size));
}

/* Whether a word is a single character of a script without spaces. */
static int is_of_a_run(const kdb_token_text *word) {
    size_t length;
    if (word->length > CHARACTER || word->bytes[0] < 0x80) return 0;
    return kdb_is_unspaced(first_character(word->bytes, word->length, &length)) && length == word->length;
}

static int next_word(kdb_pieces *pieces) {
    if (pieces->ahead) {
        pieces->ahead = 0;
        return 1;
    }
    /* Copied whole for every word, this would take a twentieth of the time. */
    if (kdb_nothing_ahead(&pieces->words.stream))
        kdb_stream_start(&pieces->start, pieces->words.stream.normalizer.in.at);
    else
        pieces->start = pieces->words.stream;
    return kdb_tokenizer_next(&pieces->words, &pieces->word);
}

static void read_on_in_word(kdb_pieces *pieces, size_t room) {
    while (pieces->left > 0 && pieces->size + CHARACTER <= room) {
        const uint32_t code = kdb_tokenizer_take(&pieces->rest) & KDB_CODE;
        if (code == ' ') continue; /* before the word */
        const size_t length = kdb_encode(code, pieces->window + pieces->size);
        pieces->size += length;
        pieces->left -= length;
    }
    if (pieces->left == 0) pieces->more = KDB_NO_MORE;
}

static void read_on_in_run(kdb_pieces *pieces, size_t room) {
    while (pieces->size + CHARACTER <= room) {
        if (!next_word(pieces)) {
            pieces->more = KDB_NO_MORE;
            return;
        }
        if (pieces->word.length > pieces->words.capacity || !is_of_a_run(&pieces->word)) {
            pieces->more = KDB_NO_MORE;
            pieces->ahead = 1;
            return;
        }
        memcpy(pieces->window + pieces->size, pieces->word.bytes, pieces->word.length);
        pieces->size += pieces->word.length;
    }
}

/* Read on in what is cut now, if the longest token isn't sure to be within what is read. */
static void fill(kdb_pieces *pieces) {
    const kdb_header *header = kdb_header_of(pieces->model);
    if (pieces->more == KDB_NO_MORE || pieces->size >= header->longest_token) return;
    if (pieces->bytes != pieces->window) memcpy(pieces->window, pieces->bytes, pieces->size);
    pieces->bytes = pieces->window;
    if (pieces->more == KDB_MORE_OF_WORD)
        read_on_in_word(pieces, window_room(header));
    else
        read_on_in_run(pieces, window_room(header));
}

/* Go on to the next word or run. */
static int begin(kdb_pieces *pieces) {
    if (!next_word(pieces)) return 0;
    const kdb_token_text word = pieces->word;
    pieces->inside = pieces->unspaced = pieces->unknown = 0;
    pieces->bytes = word.bytes;
    pieces->size = word.length;
    if (word.length > pieces->words.capacity) {
        pieces->rest = pieces->words;
        pieces->rest.stream = pieces->start;
        pieces->left = word.length;
        pieces->size = 0;
        pieces->more = KDB_MORE_OF_WORD;
    } else if (is_of_a_run(&word)) {
        pieces->more = KDB_MORE_OF_RUN;
    }
    return 1;
}

/* Cut a piece from what is read. */
static void cut(kdb_pieces *pieces, kdb_piece *piece) {
    size_t length;
    const uint32_t first = first_character(pieces->bytes, pieces->size, &length);
    piece->begins = !pieces->inside || pieces->unspaced || kdb_is_unspaced(first);
    piece->bytes = pieces->bytes;
    piece->length = length;
    piece->id = kdb_longest_match(pieces->model, !piece->begins, pieces->bytes, pieces->size, &piece->length);
    if (piece->id == 1) piece->id = kdb_token_id(pieces->model, piece->begins, pieces->bytes, length);
    piece->goes_on = piece->id == 1 && pieces->unknown;
    pieces->inside = 1;
    pieces->unspaced = ends_unspaced(piece->bytes, piece->length);
    pieces->unknown = piece->id == 1;
    pieces->bytes += piece->length;
    pieces->size -= piece->length;
}

int kdb_pieces_next(kdb_pieces *pieces, kdb_piece *piece) {
    fill(pieces);
    if (pieces->size == 0) {
        if (!begin(pieces)) return 0;
        if (pieces->more == KDB_NO_MORE) {
            /* Where the word is an entry, its longest match is all of it. */
            const uint32_t id = kdb_token_id(pieces->model, 0, pieces->bytes, pieces->size);
            if (id != 1) {
                const kdb_piece whole = {id, pieces->bytes, pieces->size, 1, 0};
                *piece = whole;
                pieces->size = 0;
                return 1;
            }
        }
        fill(pieces);
    }
    cut(pieces, piece);
    return 1;
}
