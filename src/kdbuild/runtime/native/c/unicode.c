#include "unicode.h"

#include "unicode_tables.h"

enum {
    HANGUL_L = 0x1100,
    HANGUL_V = 0x1161,
    HANGUL_T = 0x11A7,
    HANGUL_S = 0xAC00,
    HANGUL_L_COUNT = 19,
    HANGUL_V_COUNT = 21,
    HANGUL_T_COUNT = 28,
    HANGUL_S_COUNT = HANGUL_L_COUNT * HANGUL_V_COUNT * HANGUL_T_COUNT
};
enum { DOTTED_I = 0x130, DOT_ABOVE = 0x307 };
enum { IDEOGRAPHS = 0xF900, IDEOGRAPHS_COUNT = 0x1DA, IDEOGRAPHS_2 = 0x2F800, IDEOGRAPHS_2_COUNT = 0x21E };

uint32_t kdb_properties(uint32_t code) {
    if (code < 0x20000) {
        uint32_t block = kdb_unicode_middle[kdb_unicode_top[code >> 8] * 16u + (code >> 4 & 15u)];
        return kdb_unicode_kinds[kdb_unicode_leaves[block * 16u + (code & 15u)]];
    }
    if (code <= 0x3FFFD) return code - IDEOGRAPHS_2 < IDEOGRAPHS_2_COUNT ? KDB_MAPPED : 0;
    return code - 0xE0000u < 0x1000u ? KDB_DROP : KDB_WORD;
}

/* The index after the last of sorted points, from `low` on, that isn't greater than a point; `low` if there is none. */
static size_t after(const uint16_t *points, size_t low, size_t high, uint32_t point) {
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (points[middle] <= point)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int kdb_is_unspaced(uint32_t code) {
    size_t low = 0, high = sizeof kdb_unicode_unspaced / sizeof kdb_unicode_unspaced[0];
    if (code < kdb_unicode_unspaced[0]) return 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (kdb_unicode_unspaced[middle] <= code)
            low = middle + 1;
        else
            high = middle;
    }
    return low % 2 != 0;
}

static uint32_t ideograph(size_t index) {
    uint32_t plane = (uint32_t)(kdb_unicode_ideographs_plane_2[index / 8] >> index % 8 & 1) << 17;
    return plane | kdb_unicode_ideographs[index];
}

uint32_t kdb_lower(uint32_t code) {
    if (code - IDEOGRAPHS < IDEOGRAPHS_COUNT) return ideograph(code - IDEOGRAPHS);
    if (code - IDEOGRAPHS_2 < IDEOGRAPHS_2_COUNT) return ideograph(code - IDEOGRAPHS_2 + IDEOGRAPHS_COUNT);
    uint32_t plane = code >> 16, point = code & 0xFFFFu;
    if (plane > 1) return code;
    size_t low = kdb_unicode_lower_planes[plane], start = low, high = kdb_unicode_lower_planes[plane + 1];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (kdb_unicode_lower[middle].first <= point)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == start) return code;
    const kdb_unicode_range *range = &kdb_unicode_lower[low - 1];
    uint32_t offset = point - range->first;
    if (offset > range->span || offset % range->step != 0) return code;
    return plane << 16 | ((point + range->difference) & 0xFFFFu);
}

size_t kdb_ascii(uint32_t code, const uint8_t **text) {
    const size_t count = sizeof kdb_unicode_sequences / sizeof kdb_unicode_sequences[0];
    size_t length = 0;
    for (size_t i = 0; i < count && kdb_unicode_sequences[i].point <= code; i++) {
        if (kdb_unicode_sequences[i].point != code) continue;
        *text = kdb_unicode_sequences[i].text;
        while (length < 3 && (*text)[length] != 0) length++;
        break;
    }
    return length;
}

int kdb_decompose(uint32_t code, uint32_t *first, uint32_t *second) {
    uint32_t plane = code >> 16, point = code & 0xFFFFu;
    if (plane > 1) return 0;
    size_t low = kdb_unicode_whole_planes[plane], high = kdb_unicode_whole_planes[plane + 1];
    while (low < high) {
        size_t middle = (low + high) / 2, pair = kdb_unicode_by_whole[middle];
        if (kdb_unicode_wholes[pair] < point) {
            low = middle + 1;
        } else if (kdb_unicode_wholes[pair] > point) {
            high = middle;
        } else {
            size_t seconds = kdb_unicode_second_planes[2], composed = kdb_unicode_second_starts[seconds];
            *first = plane << 16 | kdb_unicode_firsts[pair];
            if (pair >= composed) {
                *second = plane << 16 | kdb_unicode_excluded_seconds[pair - composed];
                return 2;
            }
            size_t index = after(kdb_unicode_second_starts, 0, seconds, (uint32_t)pair) - 1;
            *second = plane << 16 | kdb_unicode_seconds[index];
            return 1;
        }
    }
    return 0;
}

static uint32_t compose_hangul(uint32_t first, uint32_t second) {
    uint32_t lead = first - HANGUL_L, vowel = second - HANGUL_V, syllable = first - HANGUL_S, tail = second - HANGUL_T;
    if (lead < HANGUL_L_COUNT && vowel < HANGUL_V_COUNT) return HANGUL_S + (lead * HANGUL_V_COUNT + vowel) * HANGUL_T_COUNT;
    if (syllable < HANGUL_S_COUNT && syllable % HANGUL_T_COUNT == 0 && tail - 1 < HANGUL_T_COUNT - 1) return first + tail;
    return 0;
}

uint32_t kdb_compose(uint32_t first, uint32_t second) {
    /* A capital I composes as i does, but with a dot above it gives the dotted capital, which in lower case is i alone. */
    if (first == 'I' && second != DOT_ABOVE) first = 'i';
    uint32_t plane = second >> 16, point = second & 0xFFFFu;
    if (plane > 1 || first >> 16 != plane) return 0;
    size_t start = kdb_unicode_second_planes[plane];
    size_t index = after(kdb_unicode_seconds, start, kdb_unicode_second_planes[plane + 1], point);
    if (index == start || kdb_unicode_seconds[index - 1] != point) return compose_hangul(first, second);
    size_t begin = kdb_unicode_second_starts[index - 1];
    size_t pair = after(kdb_unicode_firsts, begin, kdb_unicode_second_starts[index], first & 0xFFFFu);
    if (pair == begin || kdb_unicode_firsts[pair - 1] != (first & 0xFFFFu)) return 0;
    uint32_t whole = plane << 16 | kdb_unicode_wholes[pair - 1];
    return whole == DOTTED_I ? 'i' : whole;
}
