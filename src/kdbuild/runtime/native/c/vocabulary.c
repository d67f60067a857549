/* From the bytes of a token to its id: the hash index, as docs/native-format.md has it. */
#include "vocabulary.h"

#define FNV_OFFSET 2166136261u
#define FNV_PRIME 16777619u

enum { MARK = '#', MARK_LENGTH = 2 }; /* "##" stands before what continues a word */

/* FNV-1a (Fowler, Noll, Vo). */
static uint32_t hashed(uint32_t hash, uint32_t byte) { return (hash ^ byte) * FNV_PRIME; }

/* The hash of what comes before the text of an entry. */
static uint32_t start_of(int continues) {
    return continues ? hashed(hashed(FNV_OFFSET, MARK), MARK) : FNV_OFFSET;
}

static int is_entry(const char *entry, size_t size, int continues, const unsigned char *text, size_t length) {
    if (continues) {
        if (size < MARK_LENGTH || entry[0] != MARK || entry[1] != MARK) return 0;
        entry += MARK_LENGTH;
        size -= MARK_LENGTH;
    }
    return size == length && kdb_equal(entry, text, length);
}

/* The id of an entry with a hash. A slot holds an id in its low 20 bits and 12 bits of the hash above them; 0: empty. */
static uint32_t find(const kdb_model *model, uint32_t hash, int continues, const unsigned char *text, size_t length) {
    const uint32_t *slots = (const uint32_t *)(const void *)kdb_section_of(model, KDB_INDEX);
    const uint32_t mask = ((uint32_t)1 << kdb_header_of(model)->index_bits) - 1;
    uint32_t slot = (hash ^ hash >> 15) & mask;
    for (uint32_t tried = 0; tried <= mask; tried++, slot = (slot + 1) & mask) {
        if (slots[slot] == 0) return 1;
        if ((slots[slot] ^ hash) >> 20 != 0) continue;
        size_t size;
        const char *entry = kdb_token(model, slots[slot] & 0xFFFFF, &size);
        if (entry && is_entry(entry, size, continues, text, length)) return slots[slot] & 0xFFFFF;
    }
    return 1;
}

uint32_t kdb_token_id(const kdb_model *model, int continues, const unsigned char *text, size_t length) {
    uint32_t hash = start_of(continues);
    for (size_t i = 0; i < length; i++) hash = hashed(hash, text[i]);
    return find(model, hash, continues, text, length);
}

uint32_t kdb_longest_match(const kdb_model *model, int continues, const unsigned char *text, size_t size, size_t *length) {
    const size_t longest = kdb_header_of(model)->longest_token;
    uint32_t hash = start_of(continues), found = 1;
    for (size_t i = 0; i < size && i < longest;) {
        hash = hashed(hash, text[i++]);
        if (i < size && (text[i] & 0xC0) == 0x80) continue; /* within a character */
        const uint32_t id = find(model, hash, continues, text, i);
        if (id == 1) continue;
        found = id;
        *length = i;
    }
    return found;
}
