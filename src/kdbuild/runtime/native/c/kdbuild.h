/* kdbuild: a text classifier in one file, answered by one small library.
 *
 * The same model gives the same bits on every processor: token ids, logits, probabilities, label and explanation. C11 without
 * a library but memcpy, memset and strlen; nothing is allocated, nothing is global, and nothing is written but what the caller gives.
 *
 *     kdb_model model;
 *     if (kdb_open(&model, file, size, 0) != KDB_OK) ...        file: the bytes of model_int8.kdb, aligned to 64 bytes
 *     void *scratch = malloc(kdb_scratch_size(&model));          one for each call that runs at the same time
 *     kdb_text text = {"what a film", 11, KDB_UTF8};
 *     kdb_answer answer;
 *     kdb_classify(&model, scratch, &text, &answer, NULL, NULL);
 *     puts(answer.label < 0 ? "unsure" : kdb_label(&model, answer.label, NULL));
 */
#ifndef KDBUILD_H
#define KDBUILD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef KDB_API
#if defined(_WIN32) && defined(KDB_SHARED)
#define KDB_API __declspec(dllexport)
#elif defined(__GNUC__)
#define KDB_API __attribute__((visibility("default")))
#else
#define KDB_API
#endif
#endif

/* What a call returns; kdb_message has a sentence for each. */
enum {
    KDB_OK = 0,
    KDB_NOT_A_MODEL,     /* the first bytes aren't those of a model */
    KDB_NEWER,           /* the file's format, tokenizer, Unicode tables or arithmetic is one that this library doesn't have */
    KDB_TRUNCATED,       /* the file is shorter or longer than its header says */
    KDB_DAMAGED_HEADER,  /* the header's digest is wrong */
    KDB_DAMAGED,         /* a size, an offset or a value is impossible, or the content's digest is wrong */
    KDB_UNALIGNED,       /* the file's first byte isn't at a multiple of 64 */
    KDB_NO_PATH,         /* the path that the flags ask for isn't there on this processor */
    KDB_ARGUMENT         /* a number of texts, an id or a count is out of range */
};

/* Flags of kdb_open. */
enum {
    KDB_VERIFY = 1,      /* check the digest of the whole file and every weight, not only what safe answers depend on */
    KDB_PATH_SHIFT = 8   /* force a path: (1 + path) << KDB_PATH_SHIFT */
};

/* Paths: the same arithmetic for different instruction sets. */
enum {
    KDB_PLAIN = 0,
    KDB_SSE41,
    KDB_AVX2,
    KDB_AVX_VNNI,
    KDB_AVX512_VNNI,
    KDB_NEON,
    KDB_DOTPROD,
    KDB_I8MM,
    KDB_WASM_SIMD,
    KDB_PATHS
};

enum { KDB_UTF8 = 0, KDB_UTF16 = 1 };

typedef struct {
    const void *data;    /* bytes, or aligned 16-bit units in the machine's order; what is not valid is read as U+FFFD */
    size_t length;       /* of them */
    int encoding;        /* KDB_UTF8 or KDB_UTF16 */
} kdb_text;

typedef struct {
    int32_t label;       /* the label with the highest score; -1: below the threshold, or none given of several */
    uint32_t tokens;     /* how many were read, of all texts: words, or pieces where the model cuts words into them */
    uint32_t unknown;    /* how many of them aren't in the vocabulary */
    uint32_t truncated;  /* whether a text had more tokens than the model reads */
} kdb_answer;

/* The caller's; all of it is the library's own affair. */
typedef struct {
    const unsigned char *file;
    const void *path;
    const void *reserved[2];
} kdb_model;

/* Make a model of a file in memory, which must stay as it is for as long as the model is used. KDB_OK or what is wrong. */
KDB_API int kdb_open(kdb_model *model, const void *file, size_t size, unsigned flags);

/* Bytes of scratch that one call needs; depends on the model alone. Any alignment. */
KDB_API size_t kdb_scratch_size(const kdb_model *model);

KDB_API uint32_t kdb_classes(const kdb_model *model);
KDB_API uint32_t kdb_texts(const kdb_model *model);        /* 1, or 2 where the model reads pairs */
KDB_API uint32_t kdb_max_tokens(const kdb_model *model);   /* that are read of a text; words are no more */
KDB_API uint32_t kdb_vocabulary(const kdb_model *model);   /* tokens in the vocabulary */
KDB_API uint64_t kdb_version(const kdb_model *model);      /* the model's: the first 64 bits of its content's digest */
/* 1: a token is a word; 2: it is a piece of a word that isn't in the vocabulary, or a word that is. */
KDB_API uint32_t kdb_tokenizer_version(const kdb_model *model);
KDB_API int kdb_path(const kdb_model *model);              /* the path that answers */

/* What divides the logits before they become probabilities, and the probability below which the label is -1; 0: none. */
KDB_API void kdb_calibration(const kdb_model *model, double *temperature, double *threshold);

/* The logits from which labels are given, [classes]; NULL where a text has one label. */
KDB_API const float *kdb_thresholds(const kdb_model *model);

/* The name of a label or the text of a token, in UTF-8 with a 0 byte behind it; its length, unless that is NULL. NULL if the
 * index is out of range. */
KDB_API const char *kdb_label(const kdb_model *model, int32_t label, size_t *length);
KDB_API const char *kdb_token(const kdb_model *model, uint32_t id, size_t *length);

/* Answer kdb_texts(model) texts. logits [classes] and probabilities [classes] may be NULL. With several labels a text, label i
 * is given where given[i], see kdb_given. KDB_OK, or KDB_ARGUMENT for a text whose data is NULL and length isn't 0, whose 16-bit
 * units are at an odd address, or whose encoding is none. */
KDB_API int kdb_classify(const kdb_model *model, void *scratch, const kdb_text *texts, kdb_answer *answer, float *logits,
                         double *probabilities);

/* What kdb_classify makes of logits: probabilities [classes] and the label. threshold: the probability below which the label
 * is -1, where a text has one label; NULL: the model's own. */
KDB_API int32_t kdb_decide(const kdb_model *model, const float *logits, const double *threshold, double *probabilities);

/* Whether each label is given, [classes], where a text may have several; elsewhere the best alone. */
KDB_API void kdb_given(const kdb_model *model, const float *logits, unsigned char *given);

/* Token ids of a text, at most kdb_max_tokens, at least one: how many, of which the first `capacity` are written. 0 for a text
 * that kdb_classify refuses. */
KDB_API uint32_t kdb_ids(const kdb_model *model, void *scratch, const kdb_text *text, uint32_t *ids, uint32_t capacity,
                         kdb_answer *counts);

/* How many of a text's ids each of its words has, of which there are at most kdb_max_tokens: how many words, of which the first
 * `capacity` are written. 0 for a text without any, and for one that kdb_classify refuses. */
KDB_API uint32_t kdb_words(const kdb_model *model, void *scratch, const kdb_text *text, uint32_t *pieces, uint32_t capacity);

/* Logits [classes] of token ids; second and second_count are for pairs. */
KDB_API int kdb_logits(const kdb_model *model, void *scratch, const uint32_t *first, uint32_t first_count,
                       const uint32_t *second, uint32_t second_count, float *logits);

/* How much the probability of a label falls where each word is masked, all its ids together, [words of all texts], -1 to 1;
 * answers as kdb_classify. label -1: the likeliest. weights needs room for kdb_max_tokens of each text. Returns how many there
 * are. */
KDB_API uint32_t kdb_explain(const kdb_model *model, void *scratch, const kdb_text *texts, int32_t label,
                             kdb_answer *answer, float *logits, double *weights);

/* The words of a text, each followed by a line feed, in UTF-8: of each its tokens that are read, at most kdb_max_tokens in all.
 * Writes the first `size` bytes and returns how many there are in all, as snprintf does; 0 for a text that kdb_classify
 * refuses. */
KDB_API size_t kdb_tokens(const kdb_model *model, void *scratch, const kdb_text *text, char *out, size_t size);

/* A sentence for what a call returned. */
KDB_API const char *kdb_message(int code);

/* The paths that this processor has, 1 << path each. */
KDB_API unsigned kdb_paths(void);
KDB_API const char *kdb_path_name(int path);

/* The number of the golden texts in the file, and one of them: its text, ids and the logits that every processor must give.
 * Where the model reads pairs, texts 2 i and 2 i + 1 are one, and both have its logits. */
KDB_API uint32_t kdb_golden_count(const kdb_model *model);
KDB_API int kdb_golden(const kdb_model *model, uint32_t index, kdb_text *text, const uint32_t **ids, uint32_t *count,
                       const float **logits);

#ifdef __cplusplus
}
#endif
#endif
