/* Looking up the vocabulary. Internal. */
#ifndef KDB_VOCABULARY_H
#define KDB_VOCABULARY_H

#include "model.h"

/* Bytes of the hash index. */
uint64_t kdb_index_size(const kdb_header *header);

/* Whether names and index stay within their sections. */
int kdb_vocabulary_is_good(const kdb_model *model);

/* The id of a text in UTF-8, 1 (that of <unk>) where there is none; of the entry marked as continuing a word, if `continues`. */
uint32_t kdb_token_id(const kdb_model *model, int continues, const unsigned char *text, size_t length);

/* The id of the longest entry that a text begins with, and the length of what it matches; 1 where there is none. Linear in the
 * length of the longest token, but for entries that begin alike, which are compared one by one. */
uint32_t kdb_longest_match(const kdb_model *model, int continues, const unsigned char *text, size_t size, size_t *length);

#endif
