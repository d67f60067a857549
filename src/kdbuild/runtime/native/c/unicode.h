/* Facts of the frozen Unicode table, as the normaliser needs them. Internal. */
#ifndef KDB_UNICODE_H
#define KDB_UNICODE_H

#include <stddef.h>
#include <stdint.h>

#define KDB_REPLACEMENT 0xFFFDu

/* Properties stand above the 21 bits of a code point, so that both fit into one number. */
#define KDB_CODE 0x1FFFFFu
#define KDB_WORD (1u << 21)   /* not a token of its own */
#define KDB_SECOND (1u << 22) /* may be composed with what stands before it, or what it decomposes into may */
#define KDB_MAPPED (1u << 23) /* becomes something else, or has a decomposition */
#define KDB_DROP (1u << 24)
#define KDB_SPACE (1u << 25)
#define KDB_CLASS_SHIFT 26    /* the rank of its combining class; 0 is a starter's */

/* Properties of any code point. */
uint32_t kdb_properties(uint32_t code);

/* Whether a code point belongs to a script whose words aren't divided by spaces. */
int kdb_is_unspaced(uint32_t code);

/* The one character that a character becomes, which may have a decomposition; itself if there is none. */
uint32_t kdb_lower(uint32_t code);

/* The ASCII text of a typographic character, how many characters; 0 if it has none. */
size_t kdb_ascii(uint32_t code, const uint8_t **text);

/* One step of canonical decomposition of a character in lower case: 0 if it has none, 1 if the parts would be composed again,
 * and 2 if not. The second part never has a decomposition. */
int kdb_decompose(uint32_t code, uint32_t *first, uint32_t *second);

/* The lower case of the canonical composition of two characters, 0 if there is none. The first one is in lower case or I. */
uint32_t kdb_compose(uint32_t first, uint32_t second);

#endif
