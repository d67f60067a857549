#include "normalize.h"

#include "unicode.h"
#include "utf.h"

static uint32_t with_properties(uint32_t code) { return code | kdb_properties(code); }

/* Whether the character at a position, or what it decomposes into, may be ordered before or composed with what stands there. */
static int may_join(const kdb_text *text, size_t at) {
    if (at >= text->length) return 0;
    uint32_t unit = kdb_unit(text, at);
    if (unit >= 0x20u && unit < 0x7Fu) return 0;
    uint32_t properties = kdb_properties(kdb_decode(text, &at));
    return properties >> KDB_CLASS_SHIFT != 0 || (properties & (KDB_SECOND | KDB_DROP)) != 0;
}

/* The first of the parts that a character becomes; the others are left in `position`. */
static uint32_t expand(const kdb_text *text, kdb_parts *position, uint32_t code) {
    const uint8_t *ascii;
    uint32_t first, second;
    /* Whether a capital I composes with a dot above is seen later. */
    if (code - 'A' < 26u) return code == 'I' ? with_properties(code) : with_properties(code | 0x20u);
    for (size_t length = kdb_ascii(code, &ascii); length > 0; length--) {
        if (length == 1) return with_properties(ascii[0]);
        position->parts[position->count++] = with_properties(ascii[length - 1]);
    }
    code = kdb_lower(code);
    int decomposition = kdb_decompose(code, &first, &second);
    if (decomposition == 1 && first != 'I' && !may_join(text, position->at)) return with_properties(code);
    for (; decomposition != 0; decomposition = kdb_decompose(code, &first, &second)) {
        position->parts[position->count++] = with_properties(second);
        code = first;
    }
    return with_properties(code);
}

/* The next code point of the cleaned, lower-cased and decomposed text with its properties, 0 at the end. */
static uint32_t next_part(const kdb_text *text, kdb_parts *position) {
    if (position->count > 0) return position->parts[--position->count];
    while (position->at < text->length) {
        uint32_t code = kdb_decode(text, &position->at), properties = kdb_properties(code);
        if (properties & KDB_DROP) continue;
        if (properties & KDB_SPACE) return ' ' | KDB_SPACE;
        return properties & KDB_MAPPED ? expand(text, position, code) : code | properties;
    }
    return 0;
}

/* Go on to the marks of the next class. */
static void next_class(kdb_marks *marks) {
    marks->rank = 0;
    while ((marks->classes >> marks->rank & 1u) == 0) marks->rank++;
    marks->classes &= marks->classes - 1;
    marks->cursor = marks->begin;
}

/* The next mark in canonical order, 0 at the end of the run, where the cursor stays. */
static uint32_t next_mark(const kdb_text *text, kdb_marks *marks) {
    for (;;) {
        kdb_parts before = marks->cursor;
        uint32_t mark = next_part(text, &marks->cursor), rank = mark >> KDB_CLASS_SHIFT;
        if (rank != 0) {
            if (marks->rank == 0 || marks->rank == rank) return mark;
        } else if (marks->classes == 0) {
            marks->cursor = before;
            return 0;
        } else {
            next_class(marks);
        }
    }
}

/* The next mark that isn't composed with the starter, 0 at the end of the run. */
static uint32_t next_kept(const kdb_text *text, kdb_marks *marks) {
    uint32_t mark;
    while ((mark = next_mark(text, marks)) != 0) {
        uint32_t rank = mark >> KDB_CLASS_SHIFT;
        if (marks->starter != 0 && marks->last < rank && (mark & KDB_SECOND)) {
            uint32_t whole = kdb_compose(marks->starter & KDB_CODE, mark & KDB_CODE);
            if (whole != 0) {
                marks->starter = with_properties(whole);
                continue;
            }
        }
        marks->last = rank;
        return mark;
    }
    return 0;
}

/* The run of marks that begins at a position. */
static kdb_marks run_of_marks(const kdb_text *text, const kdb_parts *begin, uint32_t starter) {
    kdb_marks marks = {*begin, *begin, 0, 0, starter, 0};
    kdb_parts cursor = *begin;
    uint64_t classes = 0;
    uint32_t last = 0, rank;
    int ordered = 1;
    while ((rank = next_part(text, &cursor) >> KDB_CLASS_SHIFT) != 0) {
        ordered &= rank >= last;
        last = rank;
        classes |= (uint64_t)1 << rank;
    }
    if (!ordered) {
        marks.classes = classes;
        next_class(&marks);
    }
    return marks;
}

static uint32_t finished(uint32_t starter) {
    return (starter & KDB_CODE) == 'I' ? with_properties('i') : starter;
}

uint32_t kdb_normalize(const kdb_text *text, kdb_normalizer *position) {
    if (position->marking) {
        uint32_t mark = next_kept(text, &position->marks);
        if (mark != 0) return mark;
        position->in = position->marks.cursor;
        position->marking = 0;
    }
    kdb_parts before = position->in;
    uint32_t starter = next_part(text, &position->in);
    if (starter == 0) return 0;
    if (starter >> KDB_CLASS_SHIFT != 0) {
        /* Marks at the beginning of the text, which nothing can be composed with. */
        position->in = before;
        starter = 0;
    } else if (position->in.count == 0 && !may_join(text, position->in.at)) {
        return finished(starter);
    }
    for (;;) {
        before = position->in;
        uint32_t part = next_part(text, &position->in);
        if (part >> KDB_CLASS_SHIFT == 0) {
            uint32_t whole = part & KDB_SECOND ? kdb_compose(starter & KDB_CODE, part & KDB_CODE) : 0;
            if (whole == 0) {
                position->in = before;
                return finished(starter);
            }
            starter = with_properties(whole);
            continue;
        }
        kdb_marks marks = run_of_marks(text, &before, starter), all = marks;
        if (next_kept(text, &all) == 0) {
            starter = all.starter;
            position->in = all.cursor;
            continue;
        }
        while (next_kept(text, &all) != 0) {
        }
        position->marks = marks;
        position->marking = 1;
        return starter == 0 ? next_kept(text, &position->marks) : finished(all.starter);
    }
}
