/* Normalisation of tokenizer versions 1 and 2, the twin of kdbuild.runtime.text.normalize, a code point at a time. Internal.
 *
 * Python composes twice, before lower case and after it. Here every character is replaced by the decomposition of the lower
 * case of its decomposition, and then marks are ordered and characters composed once: the same, as each step keeps canonical
 * equivalence (tools/generate_native_tables.py proves it over the table). Memory is constant: where a character is followed by
 * a run of combining marks, the run is read once for each class in it, whatever its length. */
#ifndef KDB_NORMALIZE_H
#define KDB_NORMALIZE_H

#include "kdbuild.h"

/* A position in a text: units, and what is left of a decomposition, the last part first. */
typedef struct {
    size_t at;
    uint32_t parts[4];
    uint32_t count;
} kdb_parts;

/* A position in a run of marks in canonical order. */
typedef struct {
    kdb_parts begin, cursor;
    uint64_t classes; /* whose marks are still to come, a bit for each rank; 0 for a run that is in order as it stands */
    uint32_t rank;    /* of the class whose marks come now; 0: all */
    uint32_t starter; /* what the marks are composed with, or were so far; 0: nothing */
    uint32_t last;    /* the rank of the last mark that was kept; 0: none was */
} kdb_marks;

/* A position in a normalised text. Copied, it can be read from again. */
typedef struct {
    kdb_parts in;
    kdb_marks marks;
    int marking; /* whether the next code point is one of the marks */
} kdb_normalizer;

/* The next code point, with its properties (unicode.h), or 0 at the end. Spaces of any kind are U+0020. */
uint32_t kdb_normalize(const kdb_text *text, kdb_normalizer *position);

#endif
