/* From words to the pieces that the vocabulary has of them: tokenizer version 2, the twin of kdbuild.runtime.text.pieces.
 * Internal.
 *
 * A longest match needs no more of a text than the longest token: memory depends on that alone. What is longer, a word or a run
 * of characters of a script without spaces, goes through a window; a word is read a second time for it. */
#ifndef KDB_PIECES_H
#define KDB_PIECES_H

#include "model.h"
#include "text.h"

typedef struct {
    uint32_t id;                /* 1: unknown */
    const unsigned char *bytes; /* its text, until the next call */
    size_t length;
    int begins;  /* whether a word begins with it */
    int goes_on; /* whether it belongs to the unknown piece before it: that comes in parts, a character each */
} kdb_piece;

/* What a word that is being cut goes on with beyond what is read of it. */
typedef enum { KDB_NO_MORE, KDB_MORE_OF_WORD, KDB_MORE_OF_RUN } kdb_more;

/* Without a pointer into itself; to be started before use. */
typedef struct {
    const kdb_model *model;
    kdb_tokenizer words;
    kdb_token_text word; /* the last word that was read */
    kdb_stream start;    /* where it begins, or the spaces before it */
    int ahead;           /* whether it comes after what is cut now */

    /* What is cut now: the part of it that is read and not cut yet, and what comes beyond that. */
    const unsigned char *bytes;
    size_t size;
    kdb_more more;
    kdb_tokenizer rest; /* of a word that is longer than the window */
    size_t left;        /* bytes of it */
    unsigned char *window;

    int inside;   /* whether a piece of it came already */
    int unspaced; /* whether that one ends in a character of a script without spaces */
    int unknown;  /* whether that one was unknown */
} kdb_pieces;

/* Bytes of room that reading needs. */
uint64_t kdb_pieces_room(const kdb_header *header);

/* Begin with a text. */
void kdb_pieces_start(kdb_pieces *pieces, const kdb_model *model, const kdb_text *text, unsigned char *room);

/* The next piece, or part of an unknown one: 1, or 0 at the end. */
int kdb_pieces_next(kdb_pieces *pieces, kdb_piece *piece);

#endif
