/* From text to words, the same in tokenizer versions 1 and 2: the twin of kdbuild.runtime.text.tokenizer. Internal. */
#ifndef KDB_TEXT_H
#define KDB_TEXT_H

#include "kdbuild.h"
#include "normalize.h"

enum { KDB_WORDS = 1, KDB_PIECES = 2 }; /* versions of the tokenizer */
#define KDB_UNICODE_VERSION 0x0F0100u /* 15.1.0 */

typedef struct {
    const unsigned char *bytes; /* in UTF-8; in the buffer, until the next call */
    size_t length;              /* of the whole token; the buffer holds the first min(length, capacity) bytes */
} kdb_token_text;

/* A position in a normalised text, and what was read beyond it. */
typedef struct {
    kdb_normalizer normalizer;
    uint32_t ahead[16];
    uint32_t first, count;
} kdb_stream;

/* Begin at a byte or unit of the text. */
static inline void kdb_stream_start(kdb_stream *stream, size_t at) {
    stream->normalizer.in.at = at;
    stream->normalizer.in.count = 0;
    stream->normalizer.marking = 0;
    stream->first = 0;
    stream->count = 0;
}

/* Whether the position is one that kdb_stream_start makes of a place in the text. */
static inline int kdb_nothing_ahead(const kdb_stream *stream) {
    return stream->count == 0 && stream->normalizer.in.count == 0 && !stream->normalizer.marking;
}

/* Of fixed size, without a pointer into itself, so that it may be copied; to be started before use. */
typedef struct {
    kdb_text text;
    unsigned char *buffer;
    size_t capacity;
    kdb_stream stream;
    size_t tails;       /* contractions that were cut from the last word's end and are the next tokens */
    const char *second; /* the second half of a word of two tokens, which is the next token, or NULL */
} kdb_tokenizer;

/* Begin with a text. `buffer` holds one token at a time; longer ones are only measured. */
void kdb_tokenizer_start(kdb_tokenizer *tokenizer, const kdb_text *text, unsigned char *buffer, size_t capacity);

/* The next token: 1, or 0 at the end. */
int kdb_tokenizer_next(kdb_tokenizer *tokenizer, kdb_token_text *token);

/* The next character, with its properties (unicode.h), or 0 at the end. */
uint32_t kdb_tokenizer_take(kdb_tokenizer *tokenizer);

#endif
