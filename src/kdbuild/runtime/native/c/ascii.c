/* The cases that the rules in tokenizer.c come to where letters, digits and the commonest punctuation stand between spaces or
 * beside one another. What may be changed by the character after it (a combining mark, or anything that isn't ASCII) is left
 * to the rules, and so is every word in which, or at whose end, there is something to decide. */
#include "ascii.h"

#include "utf.h"

enum {
    L = 1,      /* a letter or the underscore */
    D = 1 | 2,  /* a digit */
    S = 4,      /* a space; the end of the text counts as one */
    A = 8 | 16, /* a token of its own, which ends a word before it */
    J = 8,      /* a token of its own, but it may join words or numbers */
    E = 16,     /* ends a word before it, but it may be a token together with what follows */
    O = 32,     /* otherwise */
    WORD = 1,
    DIGIT = 2,
    ALONE = 8,
    ENDS = 16
};

static const uint8_t kinds[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, S, S, S, S, S, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* controls */
    S, A, E, A, A, A, J, O, A, A, E, A, J, O, O, J, D, D, D, D, D, D, D, D, D, D, J, A, A, A, A, A, /* space to ? */
    A, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, A, A, A, A, L, /* @ to _ */
    E, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, A, A, A, A, 0, /* ` to ~ */
};

static unsigned kind(const kdb_text *text, size_t at) {
    if (at >= text->length) return S;
    uint32_t unit = kdb_unit(text, at);
    return unit < 128u ? kinds[unit] : 0u;
}

static unsigned char lower(uint32_t unit) { return (unsigned char)(unit - 'A' < 26u ? unit + 32u : unit); }

/* Whether a word of letters and digits from `start` to `end` is a token as it stands. */
static int is_token(const kdb_text *text, size_t start, size_t end) {
    unsigned next = kind(text, end);
    size_t length = end - start;
    if (!(next & (S | ENDS))) {
        uint32_t unit = next == 0 ? 0 : kdb_unit(text, end);
        if (unit == ',' || unit == ':') {
            if (kind(text, end - 1) & DIGIT) return 0;
        } else if (unit != '.' || length <= 4 || !(kind(text, end + 1) & S)) {
            return 0; /* no abbreviation is longer */
        }
    }
    /* It may be "cannot", "gonna" or "wanna". */
    if (length != 5 && length != 6) return 1;
    return lower(kdb_unit(text, end - 1)) != (length == 5 ? 'a' : 't');
}

int kdb_ascii_token(const kdb_text *text, size_t *at, unsigned char *buffer, size_t capacity, kdb_token_text *token) {
    size_t start = *at, end;
    unsigned first;
    while (start < text->length && (kind(text, start) & S)) start++;
    *at = start;
    if (start == text->length) return 0;
    first = kind(text, start);
    end = start;
    if (first & WORD) {
        do {
            if (end - start < capacity) buffer[end - start] = lower(kdb_unit(text, end));
            end++;
        } while (kind(text, end) & WORD);
        if (!is_token(text, start, end)) return 0;
    } else {
        unsigned next = kind(text, ++end);
        uint32_t unit = kdb_unit(text, start);
        if (first == 0 || unit == '"' || next == 0 || !((first & ALONE) || (next & S))) return 0;
        if (capacity > 0) buffer[0] = (unsigned char)unit;
    }
    *at = end;
    token->bytes = buffer;
    token->length = end - start;
    return 1;
}
