/* Reading texts: their ids, and which of these make up a word. Internal. */
#ifndef KDB_READING_H
#define KDB_READING_H

#include "model.h"

/* What is read of the texts of a call, in the caller's scratch. */
typedef struct {
    uint32_t *ids[2];       /* of each text */
    uint32_t *words[2];     /* of each text: how many ids each word has; NULL where that is one */
    uint32_t *kept;         /* room for the ids of a word; NULL likewise */
    uint32_t id_counts[2];  /* at least 1: a text without a word is read as an unknown one */
    uint32_t word_counts[2];
    unsigned char *room;
} kdb_reading;

/* The next part of a scratch that begins at `base`, a multiple of 64; NULL where its size alone is wanted. */
static inline unsigned char *kdb_take(unsigned char *base, uint64_t *used, uint64_t size) {
    unsigned char *place = base ? base + *used : NULL;
    *used += (size + 63) / 64 * 64;
    return place;
}

kdb_reading kdb_reading_at(const kdb_header *header, unsigned char *base, uint64_t *used);

int kdb_is_text(const kdb_text *text);

/* Read a text as the first or second one; counts are added to. */
void kdb_read(const kdb_model *model, kdb_reading *reading, uint32_t number, const kdb_text *text, kdb_answer *counts);

#endif
