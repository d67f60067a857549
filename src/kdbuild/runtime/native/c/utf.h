/* Code points of UTF-8 and UTF-16. Internal. */
#ifndef KDB_UTF_H
#define KDB_UTF_H

#include "kdbuild.h"

/* The byte or 16-bit unit at an index below the text's length. */
static inline uint32_t kdb_unit(const kdb_text *text, size_t at) {
    return text->encoding == KDB_UTF16 ? ((const uint16_t *)text->data)[at] : ((const unsigned char *)text->data)[at];
}

/* The code point at an index below the text's length, and the index moved past it. What isn't valid is U+FFFD, in UTF-8 one for
 * each maximal part of a sequence (The Unicode Standard, section 3.9), in UTF-16 one for each lone surrogate. */
uint32_t kdb_decode(const kdb_text *text, size_t *at);

/* Write a code point in UTF-8: 1 to 4 bytes, how many. */
size_t kdb_encode(uint32_t code, unsigned char bytes[4]);

#endif
