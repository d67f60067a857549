/* Tokens that are plain ASCII, straight from the text: most of them. Internal. */
#ifndef KDB_ASCII_H
#define KDB_ASCII_H

#include "text.h"

/* Read a token that begins at `*at` and the spaces before it, if ASCII alone decides what it is: 1, and `*at` is after it.
 * Otherwise 0, and `*at` is where it begins, or the end of the text. */
int kdb_ascii_token(const kdb_text *text, size_t *at, unsigned char *buffer, size_t capacity, kdb_token_text *token);

#endif
