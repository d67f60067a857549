/* The file, as docs/native-format.md has it, and what the parts of the library say to each other. Internal. */
#ifndef KDB_MODEL_H
#define KDB_MODEL_H

#include "kdbuild.h"

#if defined(__FAST_MATH__)
#error "compiled with -ffast-math: the answers would differ between processors"
#endif
#include <float.h>
#if FLT_EVAL_METHOD != 0
#error "float is computed in a wider type here: the answers would differ between processors (on 32-bit x86, use -msse2 -mfpmath=sse)"
#endif
#if defined(__clang__) /* which contracts by default, and may be run without the flag against it; gcc has the flag alone */
#pragma STDC FP_CONTRACT OFF
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files are little-endian, and used where they lie"
#endif

#define KDB_FORMAT_VERSION 2u
#define KDB_ARITHMETIC_VERSION 1u

enum {
    KDB_ROWS = 16,          /* hidden units, or rows of a matrix, that lie side by side */
    KDB_GATES = 4,          /* input, forget, candidate, output */
    KDB_GROUP = 4,          /* columns of one row that lie side by side */
    KDB_CHUNK = 8,          /* tokens whose inputs are projected at a time */
    KDB_MOST_LAYERS = 8,
    KDB_MOST_COLUMNS = 65536, /* 65536 * 127 * 127 is below 2^31 */
    KDB_MOST_TOKENS = 1000000,
    KDB_MOST_VOCABULARY = 1 << 20,
    KDB_MOST_INDEX_BITS = 21,
    KDB_MOST_GOLDEN = 4096,
    KDB_MOST_SCRATCH = 1 << 30, /* bytes; so that a file is accepted by 32-bit processors or by none */
    KDB_HEADER = 512,
    KDB_TRAILER = 128,
    KDB_SIGNATURE = 96 /* bytes of the trailer that a signature takes */
};

/* Flags of the header; the last two are of format 2. */
enum { KDB_SEVERAL_LABELS = 1, KDB_PAIRS = 2, KDB_MAX_POOLING = 4, KDB_BUCKETS = 8, KDB_4_BITS = 16 };

/* Sections of the file; the layers' come last. */
enum { KDB_LABELS, KDB_TOKENS, KDB_INDEX, KDB_THRESHOLDS, KDB_EMBEDDING, KDB_EMBEDDING_SCALES, KDB_HEAD, KDB_GOLDEN, KDB_LAYER };

typedef struct {
    uint64_t offset; /* from the file's start, a multiple of 64 */
    uint64_t size;
} kdb_section;

typedef struct {
    unsigned char magic[8];
    uint32_t format, arithmetic, tokenizer, unicode;
    uint32_t flags;
    uint32_t vocabulary, embedding, hidden, layers, classifier, classes, max_tokens;
    uint32_t longest_token; /* bytes */
    uint32_t index_bits;    /* the hash index has 2^index_bits slots; 0 where it has buckets */
    uint32_t golden;        /* golden texts */
    uint32_t reserved;
    double temperature;
    double threshold; /* of the probability; 0: there is none */
    uint64_t file_size;
    uint64_t version; /* the first 8 bytes of content_digest */
    unsigned char padding[16];
    kdb_section sections[KDB_LAYER + KDB_MOST_LAYERS];
    unsigned char padding2[72];
    unsigned char content_digest[32]; /* SHA-256 of what lies between header and trailer */
    unsigned char header_digest[32];  /* SHA-256 of the header up to here */
} kdb_header;

typedef char kdb_header_has_its_size[sizeof(kdb_header) == KDB_HEADER ? 1 : -1];

/* Bytes of a word vector. */
static inline size_t kdb_vector_size(const kdb_header *header) {
    const uint32_t columns = header->embedding;
    return header->flags & KDB_4_BITS ? (columns + 7) / 8 * 4 : (columns + KDB_GROUP - 1) / KDB_GROUP * KDB_GROUP;
}

/* Bytes of its scale: a float, or the upper half of one. */
static inline size_t kdb_vector_scale_size(const kdb_header *header) { return header->flags & KDB_4_BITS ? 2 : 4; }

/* One direction of an LSTM layer. Rows are the gates of blocks of KDB_ROWS units: [block][gate][KDB_ROWS]. */
typedef struct {
    const int8_t *input;            /* [block][columns / KDB_GROUP][gate][KDB_ROWS][KDB_GROUP] */
    const int8_t *recurrent;        /* the same of the states */
    const float *input_scale;
    const float *recurrent_scale;   /* that of the row, times 1 / 127 */
    const float *bias;
    const int32_t *input_offset;    /* -128 times the sum of the row */
    const int32_t *recurrent_offset;
} kdb_direction;

/* A matrix whose product with a vector is wanted: [block][columns / KDB_GROUP][KDB_ROWS][KDB_GROUP]. */
typedef struct {
    const int8_t *weights;
    const float *scale;
    const float *bias;
    const int32_t *offset;
} kdb_matrix;

/* The arithmetic on one instruction set. Activations are int8, stored with `flip` xored into each byte: unsigned where the
 * instruction set multiplies unsigned bytes by signed ones. */
typedef struct {
    int number;
    unsigned char flip;
    unsigned char paired; /* whether x is in pairs of tokens where the chunk is whole: 8 columns of one, 8 of the other, and so on */
    /* out[token][block][gate][KDB_ROWS]: rows of x [tokens][groups * KDB_GROUP], projected, scaled and biased. tokens is at
     * most KDB_CHUNK. */
    void (*project)(const kdb_direction *direction, size_t blocks, size_t groups, const unsigned char *x,
                    const float *row_scales, size_t tokens, float *out);
    /* Step `number` of all units: state [groups * KDB_GROUP], which is 0 at first, to next; cell [blocks * KDB_ROWS] in place. */
    void (*step)(const kdb_direction *direction, size_t blocks, size_t groups, const float *projected,
                 const unsigned char *state, size_t number, float *cell, unsigned char *next);
    /* out[block][KDB_ROWS] = scale * (product * factor) + bias */
    void (*dense)(const kdb_matrix *matrix, size_t blocks, size_t groups, const unsigned char *x, float factor, float *out);
} kdb_path_functions;

const kdb_path_functions *kdb_find_path(int path); /* NULL where the library or the processor doesn't have it */
int kdb_best_path(void);

uint64_t kdb_scratch_bytes(const kdb_header *header);

static inline const kdb_header *kdb_header_of(const kdb_model *model) { return (const kdb_header *)(const void *)model->file; }

static inline const unsigned char *kdb_section_of(const kdb_model *model, int section) {
    return model->file + kdb_header_of(model)->sections[section].offset;
}

static inline int kdb_equal(const void *left, const void *right, size_t size) {
    const unsigned char *x = (const unsigned char *)left, *y = (const unsigned char *)right;
    while (size && *x == *y) x++, y++, size--;
    return size == 0;
}

static inline size_t kdb_round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

static inline size_t kdb_blocks(size_t rows) { return kdb_round_up(rows, KDB_ROWS) / KDB_ROWS; }

/* Groups of columns that a layer reads: of the word vectors, or of both directions' states of the layer below. */
static inline size_t kdb_input_groups(const kdb_header *header, uint32_t layer) {
    return layer == 0 ? kdb_round_up(header->embedding, KDB_GROUP) / KDB_GROUP
                      : 2 * (kdb_round_up(header->hidden, KDB_GROUP) / KDB_GROUP);
}

/* Groups of columns of the classifier's hidden layer: both directions' states, and for pairs [u, v, u * v, |u - v|]. */
static inline size_t kdb_feature_groups(const kdb_header *header) {
    return ((header->flags & KDB_PAIRS) ? 8 : 2) * (kdb_round_up(header->hidden, KDB_GROUP) / KDB_GROUP);
}

/* Bytes of one direction in its layer's section, and of a matrix. */
static inline uint64_t kdb_direction_size(uint64_t blocks, uint64_t input_groups, uint64_t state_groups) {
    const uint64_t rows = blocks * KDB_GATES * KDB_ROWS;
    return rows * (KDB_GROUP * (input_groups + state_groups) + 5 * sizeof(float));
}

static inline uint64_t kdb_matrix_size(uint64_t blocks, uint64_t groups) {
    return blocks * KDB_ROWS * (KDB_GROUP * groups + 3 * sizeof(float));
}

static inline kdb_matrix kdb_matrix_at(const unsigned char *place, size_t blocks, size_t groups) {
    const size_t rows = blocks * KDB_ROWS;
    kdb_matrix matrix;
    matrix.weights = (const int8_t *)place;
    matrix.scale = (const float *)(const void *)(place + rows * KDB_GROUP * groups);
    matrix.bias = matrix.scale + rows;
    matrix.offset = (const int32_t *)(const void *)(matrix.bias + rows);
    return matrix;
}

kdb_direction kdb_direction_of(const kdb_model *model, uint32_t layer, int backward);
float kdb_vector_scale(const kdb_model *model, uint32_t id);
kdb_matrix kdb_hidden_of(const kdb_model *model); /* of the classifier */
kdb_matrix kdb_output_of(const kdb_model *model);

/* Probabilities, softmax or a logistic function of each, of logits divided by the temperature. */
void kdb_probabilities(const kdb_header *header, const float *logits, double *probabilities);

/* Names with offsets: `count` + 1 of these from the section's start, then the names, a 0 byte after each. */
int kdb_names_are_good(const unsigned char *section, uint64_t size, uint32_t count);
const char *kdb_name_at(const unsigned char *section, uint32_t index, size_t *length);

int32_t kdb_best(const kdb_model *model, const float *logits); /* the index of the highest */

void kdb_sha256(const unsigned char *data, size_t size, unsigned char digest[32]);

#endif
