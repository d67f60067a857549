#include "utf.h"

#include "unicode.h"

static uint32_t decode_utf16(const uint16_t *units, size_t length, size_t *at) {
    uint32_t unit = units[(*at)++];
    if ((unit & 0xF800u) != 0xD800u) return unit;
    if (unit < 0xDC00u && *at < length && (units[*at] & 0xFC00u) == 0xDC00u)
        return 0x10000u + ((unit - 0xD800u) << 10) + (units[(*at)++] - 0xDC00u);
    return KDB_REPLACEMENT;
}

static uint32_t decode_utf8(const unsigned char *bytes, size_t length, size_t *at) {
    uint32_t lead = bytes[(*at)++];
    if (lead < 0x80u) return lead;
    if (lead < 0xC2u || lead > 0xF4u) return KDB_REPLACEMENT;
    int rest = lead < 0xE0u ? 1 : lead < 0xF0u ? 2 : 3;
    uint32_t code = lead & (0x3Fu >> rest);
    /* The second byte's bounds keep out what is too long, surrogates, and what lies beyond U+10FFFF. */
    uint32_t low = lead == 0xE0u ? 0xA0u : lead == 0xF0u ? 0x90u : 0x80u;
    uint32_t high = lead == 0xEDu ? 0x9Fu : lead == 0xF4u ? 0x8Fu : 0xBFu;
    for (; rest > 0; rest--) {
        if (*at >= length || bytes[*at] < low || bytes[*at] > high) return KDB_REPLACEMENT;
        code = code << 6 | (bytes[(*at)++] & 0x3Fu);
        low = 0x80u;
        high = 0xBFu;
    }
    return code;
}

uint32_t kdb_decode(const kdb_text *text, size_t *at) {
    if (text->encoding == KDB_UTF16) return decode_utf16((const uint16_t *)text->data, text->length, at);
    return decode_utf8((const unsigned char *)text->data, text->length, at);
}

size_t kdb_encode(uint32_t code, unsigned char bytes[4]) {
    if (code < 0x80u) {
        bytes[0] = (unsigned char)code;
        return 1;
    }
    size_t length = code < 0x800u ? 2 : code < 0x10000u ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6) bytes[i] = (unsigned char)(0x80u | (code & 0x3Fu));
    bytes[0] = (unsigned char)((0xF0u << (4 - length) & 0xF0u) | code);
    return length;
}
