/* The constants of unicode_tables.c. Points are the lower 16 bits of code points; where an array has those of plane 0 and then
 * those of plane 1, `..._planes` says where each begins and ends. Internal. */
#ifndef KDB_UNICODE_TABLES_H
#define KDB_UNICODE_TABLES_H

#include <stdint.h>

typedef struct {
    uint16_t first;
    uint16_t difference; /* to be added, modulo 65536 */
    uint8_t span;        /* from the first point to the last */
    uint8_t step;
} kdb_unicode_range;

typedef struct {
    uint16_t point;
    uint8_t text[3]; /* ASCII, padded with 0 */
} kdb_unicode_sequence;

/* Properties as in unicode.h, by a three-stage table in blocks of 16, up to U+1FFFF. */
extern const uint32_t kdb_unicode_kinds[];
extern const uint8_t kdb_unicode_top[512];
extern const uint16_t kdb_unicode_middle[];
extern const uint8_t kdb_unicode_leaves[];

/* Where the scripts without spaces begin, and where they end: the first code point that belongs to them, the next that doesn't,
 * and so on. */
extern const uint32_t kdb_unicode_unspaced[68];

/* Lower case and singleton decompositions, sorted. */
extern const kdb_unicode_range kdb_unicode_lower[];
extern const uint16_t kdb_unicode_lower_planes[3];

/* Pairs and the whole that they are the decomposition of, sorted by second and first: those of seconds[i] are at
 * second_starts[i] to second_starts[i + 1]. After them, at the last start, come those that are never composed. */
extern const uint16_t kdb_unicode_seconds[];
extern const uint16_t kdb_unicode_second_planes[3];
extern const uint16_t kdb_unicode_second_starts[];
extern const uint16_t kdb_unicode_firsts[];
extern const uint16_t kdb_unicode_wholes[];
extern const uint16_t kdb_unicode_excluded_seconds[];
/* Indices of the pairs, sorted by whole. */
extern const uint16_t kdb_unicode_by_whole[];
extern const uint16_t kdb_unicode_whole_planes[3];

/* Compatibility ideographs, from U+F900 and then from U+2F800: what each stands for, and whether that is in plane 2. */
extern const uint16_t kdb_unicode_ideographs[];
extern const uint8_t kdb_unicode_ideographs_plane_2[];

/* Typographic characters that become ASCII, sorted. */
extern const kdb_unicode_sequence kdb_unicode_sequences[20];

#endif
