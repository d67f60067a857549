/* From an id to the token's bytes and back: names and hash index, as docs/native-format.md has them. */
#include "vocabulary.h"

#include <string.h>

#define FNV_OFFSET 2166136261u
#define FNV_PRIME 16777619u
#define EVERY_BYTE 0x0101010101010101u

enum { MARK = '#', MARK_LENGTH = 2 }; /* "##" stands before what continues a word */

enum {
    GROUP = 8,         /* names from one offset to the next */
    IN_A_BUCKET = 8,   /* tokens, on average */
    SPECIAL = 3        /* ids that no text has */
};

static int has_buckets(const kdb_header *header) { return (header->flags & KDB_BUCKETS) != 0; }

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

/* A hash index with buckets: where each begins, and then of all tokens, bucket by bucket, the ids and the low 8 bits of their
 * hashes. Numbers are of 16 bits where all ids are. */
typedef struct {
    const unsigned char *starts, *ids, *tags;
    uint32_t buckets, tokens;
    int wide;
} bucket_index;

static bucket_index buckets_of(const kdb_header *header, const unsigned char *section) {
    bucket_index index;
    index.wide = header->vocabulary > 65536;
    index.tokens = header->vocabulary - SPECIAL;
    index.buckets = index.tokens / IN_A_BUCKET + 1;
    index.starts = section;
    index.ids = section + ((size_t)index.buckets + 1) * (index.wide ? 4 : 2);
    index.tags = index.ids + (size_t)index.tokens * (index.wide ? 4 : 2);
    return index;
}

static uint32_t number_at(const bucket_index *index, const unsigned char *numbers, uint32_t place) {
    return index->wide ? ((const uint32_t *)(const void *)numbers)[place] : ((const uint16_t *)(const void *)numbers)[place];
}

uint64_t kdb_index_size(const kdb_header *header) {
    if (!has_buckets(header)) return (uint64_t)4 << header->index_bits;
    const uint64_t tokens = header->vocabulary - SPECIAL, size = header->vocabulary > 65536 ? 4 : 2;
    return (tokens / IN_A_BUCKET + 2 + tokens) * size + tokens;
}

/* Names in groups: an offset from the section's start for each group and for the end, then the names, a 0 byte after each. */
static int groups_are_good(const unsigned char *section, uint64_t size, uint32_t count) {
    const uint32_t *offsets = (const uint32_t *)(const void *)section;
    const uint32_t groups = (count + GROUP - 1) / GROUP;
    const uint64_t start = 4 * ((uint64_t)groups + 1);
    if (size < start || offsets[0] != start || offsets[groups] > size) return 0;
    for (uint32_t i = 0; i < groups; i++) {
        const uint32_t names = count - i * GROUP < GROUP ? count - i * GROUP : (uint32_t)GROUP;
        uint32_t ends = 0;
        if (offsets[i] >= offsets[i + 1] || offsets[i + 1] > size || section[offsets[i + 1] - 1] != 0) return 0;
        for (uint32_t at = offsets[i]; at < offsets[i + 1]; at++) ends += section[at] == 0;
        if (ends != names) return 0;
    }
    return 1;
}

static int buckets_are_good(const bucket_index *index) {
    uint32_t before = 0;
    for (uint32_t i = 0; i <= index->buckets; i++) {
        const uint32_t start = number_at(index, index->starts, i);
        if (start < before || start > index->tokens) return 0;
        before = start;
    }
    return before == index->tokens;
}

int kdb_vocabulary_is_good(const kdb_model *model) {
    const kdb_header *header = kdb_header_of(model);
    const unsigned char *names = kdb_section_of(model, KDB_TOKENS);
    const uint64_t size = header->sections[KDB_TOKENS].size;
    if (!has_buckets(header)) return kdb_names_are_good(names, size, header->vocabulary);
    const bucket_index index = buckets_of(header, kdb_section_of(model, KDB_INDEX));
    return groups_are_good(names, size, header->vocabulary) && buckets_are_good(&index);
}

const char *kdb_token(const kdb_model *model, uint32_t id, size_t *length) {
    const unsigned char *section = kdb_section_of(model, KDB_TOKENS);
    if (id >= kdb_vocabulary(model)) return NULL;
    if (!has_buckets(kdb_header_of(model))) return kdb_name_at(section, id, length);
    const char *name = (const char *)section + ((const uint32_t *)(const void *)section)[id / GROUP];
    for (uint32_t before = id % GROUP; before > 0; name++) before -= *name == 0;
    if (length) *length = strlen(name);
    return name;
}

static int has_entry(const kdb_model *model, uint32_t id, int continues, const unsigned char *text, size_t length) {
    size_t size;
    const char *entry = kdb_token(model, id, &size);
    return entry && is_entry(entry, size, continues, text, length);
}

static uint32_t find_in_buckets(const kdb_model *model, uint32_t hash, int continues, const unsigned char *text, size_t length) {
    const bucket_index index = buckets_of(kdb_header_of(model), kdb_section_of(model, KDB_INDEX));
    const uint32_t bucket = (uint32_t)((uint64_t)(hash ^ hash >> 15) * index.buckets >> 32);
    const uint32_t end = number_at(&index, index.starts, bucket + 1);
    for (uint32_t at = number_at(&index, index.starts, bucket); at < end; at += 8) {
        uint64_t differ;
        memcpy(&differ, index.tags + at, sizeof differ); /* beyond the last one there are more sections, or the trailer */
        differ ^= (hash & 0xFF) * EVERY_BYTE;
        /* The top bit of each byte that is 0, and of some above such a byte, which is no harm. */
        uint64_t equal = (differ - EVERY_BYTE) & ~differ & (EVERY_BYTE << 7);
        for (uint32_t place = at; equal != 0 && place < end; place++, equal >>= 8)
            if (equal & 0x80) {
                const uint32_t id = number_at(&index, index.ids, place);
                if (has_entry(model, id, continues, text, length)) return id;
            }
    }
    return 1;
}

/* The id of an entry with a hash. A slot holds an id in its low 20 bits and 12 bits of the hash above them; 0: empty. */
static uint32_t find_in_slots(const kdb_model *model, uint32_t hash, int continues, const unsigned char *text, size_t length) {
    const uint32_t *slots = (const uint32_t *)(const void *)kdb_section_of(model, KDB_INDEX);
    const uint32_t mask = ((uint32_t)1 << kdb_header_of(model)->index_bits) - 1;
    uint32_t slot = (hash ^ hash >> 15) & mask;
    for (uint32_t tried = 0; tried <= mask; tried++, slot = (slot + 1) & mask) {
        if (slots[slot] == 0) return 1;
        if ((slots[slot] ^ hash) >> 20 != 0) continue;
        if (has_entry(model, slots[slot] & 0xFFFFF, continues, text, length)) return slots[slot] & 0xFFFFF;
    }
    return 1;
}

static uint32_t find(const kdb_model *model, uint32_t hash, int continues, const unsigned char *text, size_t length) {
    return has_buckets(kdb_header_of(model)) ? find_in_buckets(model, hash, continues, text, length)
                                             : find_in_slots(model, hash, continues, text, length);
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
