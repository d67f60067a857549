/* The rules stand in kdbuild.runtime.text.tokenizer, in the same order. Memory is constant, time linear, whatever the text. */
#include "ascii.h"
#include "text.h"
#include "unicode.h"
#include "utf.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A token on its way into the buffer. */
typedef struct {
    unsigned char *bytes;
    size_t capacity, length;
    uint64_t head; /* its first 8 bytes, the first one lowest */
} writer;

/* A word on its way, see next_word. */
typedef struct {
    uint32_t last; /* the last character */
    int single;    /* whether no word character of this word stands before it */
    int initials;  /* whether it may turn out as j.k: every second character a full stop, no digits */
    size_t length; /* in characters */
} word_state;

static const char abbreviations[][5] = {
    "mr",   "mrs", "ms",  "dr",  "jr",  "sr", "vs",  "etc", "al",  "inc",  "co",  "bros", "prof",
    "gen",  "gov", "sen", "rep", "st", "jan", "feb", "aug", "sept", "oct", "nov", "dec",
};
static const char after_apostrophe[][6] = {"s", "re", "ve", "ll", "d", "m", "em", "til", "tis", "twas", "n", "cause"};
static const struct {
    char whole[7], first[4], second[4];
} two_words[] = {{"cannot", "can", "not"}, {"gonna", "gon", "na"}, {"wanna", "wan", "na"}};

static uint32_t code_of(uint32_t character) { return character & KDB_CODE; }

static int is_digit(uint32_t character) { return code_of(character) - '0' < 10u; }

static int is_word(uint32_t character) { return (character & KDB_WORD) != 0; }

static writer begin(const kdb_tokenizer *tokenizer) {
    writer out = {tokenizer->buffer, tokenizer->capacity, 0, 0};
    return out;
}

static void put(writer *out, uint32_t character) {
    unsigned char bytes[4];
    size_t length = kdb_encode(code_of(character), bytes);
    for (size_t i = 0; i < length; i++, out->length++) {
        if (out->length < out->capacity) out->bytes[out->length] = bytes[i];
        if (out->length < 8) out->head |= (uint64_t)bytes[i] << 8 * out->length;
    }
}

static int finish(const writer *out, kdb_token_text *token) {
    token->bytes = out->bytes;
    token->length = out->length;
    return 1;
}

static int give(const kdb_tokenizer *tokenizer, kdb_token_text *token, const char *ascii) {
    writer out = begin(tokenizer);
    while (*ascii != 0) put(&out, (unsigned char)*ascii++);
    return finish(&out, token);
}

/* Whether the first `length` bytes of a token are an ASCII text of at most 8. */
static int is_text(uint64_t head, size_t length, const char *ascii) {
    for (size_t i = 0; i < length; i++, head >>= 8)
        if (i >= 8 || ascii[i] == 0 || (unsigned char)ascii[i] != (head & 0xFFu)) return 0;
    return ascii[length] == 0;
}

/* The character that stands `index` after the next one, at most 15; 0 beyond the end. */
static uint32_t peek(kdb_tokenizer *tokenizer, uint32_t index) {
    kdb_stream *stream = &tokenizer->stream;
    while (stream->count <= index) {
        stream->ahead[(stream->first + stream->count) % 16u] = kdb_normalize(&tokenizer->text, &stream->normalizer);
        stream->count++;
    }
    return stream->ahead[(stream->first + index) % 16u];
}

static int next_is(kdb_tokenizer *tokenizer, uint32_t index, char ascii) {
    return code_of(peek(tokenizer, index)) == (unsigned char)ascii;
}

static uint32_t take(kdb_tokenizer *tokenizer) {
    uint32_t character = peek(tokenizer, 0);
    tokenizer->stream.first = (tokenizer->stream.first + 1) % 16u;
    tokenizer->stream.count--;
    return character;
}

/* Whether the character at `index`, after the character `before` of a word, joins it to the next one. `single` says whether
 * no word character of this word stands before `before`. */
static int joins(kdb_tokenizer *tokenizer, uint32_t index, uint32_t before, int single) {
    uint32_t joiner = code_of(peek(tokenizer, index)), after;
    switch (joiner) {
        case '-':
        case '/':
        case '&':
        case '\'': return is_word(peek(tokenizer, index + 1));
        case '.':
        case ',':
        case ':': break;
        default: return 0;
    }
    after = peek(tokenizer, index + 1);
    if (!is_word(after)) return 0;
    if (is_digit(before) || is_digit(after)) return is_digit(before) && is_digit(after);
    return joiner == '.' && single && !is_word(peek(tokenizer, index + 2));
}

static void extend(kdb_tokenizer *tokenizer, word_state *word, writer *out) {
    uint32_t character = take(tokenizer);
    word->single = !is_word(word->last);
    word->last = character;
    word->initials &= word->length++ % 2 == 0 ? !is_digit(character) : code_of(character) == '.';
    put(out, character);
}

/* The length of the contraction that begins with the next character, which belongs to a word that has begun; 0 if none does. */
static int contraction(kdb_tokenizer *tokenizer, uint32_t before) {
    if (next_is(tokenizer, 0, 'n'))
        return is_word(before) && next_is(tokenizer, 1, '\'') && next_is(tokenizer, 2, 't') ? 3 : 0;
    if (!next_is(tokenizer, 0, '\'')) return 0;
    switch (code_of(peek(tokenizer, 1))) {
        case 's':
        case 'd':
        case 'm': return 2;
        case 'r':
        case 'v': return next_is(tokenizer, 2, 'e') ? 3 : 0;
        case 'l': return next_is(tokenizer, 2, 'l') ? 3 : 0;
        default: return 0;
    }
}

static int takes_full_stop(const word_state *word, const writer *out) {
    if (word->length == 1) return code_of(word->last) - 'b' < 25u && code_of(word->last) != 'i';
    if (word->initials && word->length % 2 == 1) return 1;
    for (size_t i = 0; i < COUNT(abbreviations); i++)
        if (is_text(out->head, out->length, abbreviations[i])) return 1;
    return 0;
}

/* The token of a word, and the second half to come if it is a word of two tokens. */
static int finish_word(kdb_tokenizer *tokenizer, const writer *out, kdb_token_text *token) {
    if (out->length == 5 || out->length == 6) {
        for (size_t i = 0; i < COUNT(two_words); i++) {
            if (!is_text(out->head, out->length, two_words[i].whole)) continue;
            tokenizer->second = two_words[i].second;
            return give(tokenizer, token, two_words[i].first);
        }
    }
    return finish(out, token);
}

/* A word with its joiners. The contractions at its end follow one another from some place on, and none begins within another:
 * so the latest such place is enough to know, and they are read again from there. */
static int next_word(kdb_tokenizer *tokenizer, writer *out, int quoted, kdb_token_text *token) {
    word_state word = {0, 1, 1, 0};
    kdb_stream place = tokenizer->stream;
    size_t tails = 0, tails_end = 0, stem = 0;
    extend(tokenizer, &word, out);
    for (;;) {
        int length = contraction(tokenizer, word.last);
        if (length > 0) {
            if (tails == 0 || tails_end != word.length) {
                place = tokenizer->stream;
                stem = out->length;
                tails = 0;
            }
            tails++;
            tails_end = word.length + (size_t)length;
            for (; length > 0; length--) extend(tokenizer, &word, out);
        } else if (is_word(peek(tokenizer, 0))) {
            extend(tokenizer, &word, out);
        } else if (joins(tokenizer, 0, word.last, word.single)) {
            extend(tokenizer, &word, out);
            extend(tokenizer, &word, out);
        } else {
            break;
        }
    }
    if (!quoted && next_is(tokenizer, 0, '.') && !next_is(tokenizer, 1, '.') && takes_full_stop(&word, out)) {
        put(out, take(tokenizer));
        return finish(out, token);
    }
    if (tails > 0 && tails_end == word.length) {
        tokenizer->stream = place;
        tokenizer->tails = tails;
        out->length = stem;
    }
    return finish_word(tokenizer, out, token);
}

static int next_contraction(kdb_tokenizer *tokenizer, kdb_token_text *token) {
    writer out = begin(tokenizer);
    tokenizer->tails--;
    for (int length = contraction(tokenizer, KDB_WORD); length > 0; length--) put(&out, take(tokenizer));
    return finish(&out, token);
}

/* How many characters of a word after the apostrophe that comes next are a token with it; 0 if it isn't of the list. */
static uint32_t word_after_apostrophe(kdb_tokenizer *tokenizer) {
    uint64_t head = 0;
    uint32_t length = 0;
    while (length < 6 && is_word(peek(tokenizer, length + 1))) {
        uint32_t code = code_of(peek(tokenizer, length + 1));
        head |= (uint64_t)(code < 0x80u ? code : 0x80u) << 8 * length++;
    }
    if (length == 0 || joins(tokenizer, length + 1, peek(tokenizer, length), length == 1)) return 0;
    for (size_t i = 0; i < COUNT(after_apostrophe); i++)
        if (is_text(head, length, after_apostrophe[i])) return length;
    return 0;
}

static int next_apostrophe(kdb_tokenizer *tokenizer, kdb_token_text *token) {
    writer out = begin(tokenizer);
    uint32_t length;
    if (is_digit(peek(tokenizer, 1))) {
        put(&out, take(tokenizer));
        return next_word(tokenizer, &out, 1, token);
    }
    if (next_is(tokenizer, 1, '\'')) {
        length = 1;
    } else {
        length = word_after_apostrophe(tokenizer);
        if (length == 1 && next_is(tokenizer, 1, 'n') && next_is(tokenizer, 2, '\'')) length = 2; /* 'n' */
    }
    for (length++; length > 0; length--) put(&out, take(tokenizer));
    return finish(&out, token);
}

/* Take a run of one character: how long it was. */
static size_t take_run(kdb_tokenizer *tokenizer, char ascii) {
    size_t length = 0;
    for (; next_is(tokenizer, 0, ascii); length++) take(tokenizer);
    return length;
}

static int is_bracket(kdb_tokenizer *tokenizer) {
    return (next_is(tokenizer, 1, 'l') || next_is(tokenizer, 1, 'r')) && next_is(tokenizer, 2, 'r') &&
           next_is(tokenizer, 3, 'b') && next_is(tokenizer, 4, '-') && !is_word(peek(tokenizer, 5));
}

/* The token that begins with a character that is no space. */
static int next_token(kdb_tokenizer *tokenizer, uint32_t character, kdb_token_text *token) {
    writer out = begin(tokenizer);
    int length = 1;
    if (is_word(character)) return next_word(tokenizer, &out, 0, token);
    switch (code_of(character)) {
        case '\'': return next_apostrophe(tokenizer, token);
        case '.': return give(tokenizer, token, take_run(tokenizer, '.') == 1 ? "." : "...");
        case '-':
            if (!is_bracket(tokenizer)) return give(tokenizer, token, take_run(tokenizer, '-') == 1 ? "-" : "--");
            length = 5;
            break;
        case '`':
            if (next_is(tokenizer, 1, '`')) length = 2;
            break;
        case '*':
            for (size_t stars = take_run(tokenizer, '*'); stars > 0; stars--) put(&out, '*');
            return finish(&out, token);
        default: break;
    }
    for (; length > 0; length--) put(&out, take(tokenizer));
    return finish(&out, token);
}

void kdb_tokenizer_start(kdb_tokenizer *tokenizer, const kdb_text *text, unsigned char *buffer, size_t capacity) {
    tokenizer->text = *text;
    tokenizer->buffer = buffer;
    tokenizer->capacity = capacity;
    kdb_stream_start(&tokenizer->stream, 0);
    tokenizer->tails = 0;
    tokenizer->second = NULL;
}

uint32_t kdb_tokenizer_take(kdb_tokenizer *tokenizer) { return take(tokenizer); }


int kdb_tokenizer_next(kdb_tokenizer *tokenizer, kdb_token_text *token) {
    if (tokenizer->second != NULL) {
        const char *second = tokenizer->second;
        tokenizer->second = NULL;
        return give(tokenizer, token, second);
    }
    if (tokenizer->tails > 0) return next_contraction(tokenizer, token);
    for (;;) {
        kdb_parts *in = &tokenizer->stream.normalizer.in;
        uint32_t character;
        if (kdb_nothing_ahead(&tokenizer->stream) &&
            kdb_ascii_token(&tokenizer->text, &in->at, tokenizer->buffer, tokenizer->capacity, token))
            return 1;
        character = peek(tokenizer, 0);
        if (character == 0) return 0;
        if (code_of(character) != ' ') return next_token(tokenizer, character, token);
        take(tokenizer);
    }
}
