/* From texts to an answer. */
#include <string.h>

#include "fpu.h"
#include "model.h"
#include "reading.h"

/* What a call needs, one part behind the other in the caller's scratch. */
typedef struct {
    kdb_reading reading;
    unsigned char *x;            /* [KDB_CHUNK][columns] */
    float *projected;            /* [KDB_CHUNK][blocks][gate][KDB_ROWS] */
    unsigned char *state, *next; /* [blocks * KDB_ROWS] */
    float *cell;
    unsigned char *pooled;
    unsigned char *below, *above; /* states of all tokens, [tokens][both directions], where there are several layers */
    unsigned char *features[2];   /* of each text, and the second's room is used by what pairs are joined to */
    unsigned char *joined;
    float *hidden;
    unsigned char *units;
    float *logits, *padded_logits;
    double *probabilities;
    uint64_t size;
} workspace;

static size_t states_of(const kdb_header *header) { return kdb_round_up(header->hidden, KDB_GROUP); }

/* base NULL: the size alone, in 64 bits, as it is what tells whether the parts' sizes fit into fewer. */
static workspace lay_out(const kdb_header *header, unsigned char *base) {
    const uint64_t padded = kdb_blocks(header->hidden) * KDB_ROWS, tokens = header->max_tokens;
    const uint64_t features = 2 * states_of(header), classes = kdb_blocks(header->classes) * KDB_ROWS;
    const uint64_t units = kdb_blocks(header->classifier) * KDB_ROWS;
    uint64_t columns = kdb_round_up(header->embedding, KDB_GROUP);
    if (header->layers > 1 && features > columns) columns = features;
    const uint64_t several = header->layers > 1 ? tokens * features : 0;
    workspace w;
    uint64_t used = 0;
    w.reading = kdb_reading_at(header, base, &used);
    w.x = kdb_take(base, &used, KDB_CHUNK * ((columns + 7) / 8 * 8) + 16);
    w.projected = (float *)(void *)kdb_take(base, &used, KDB_CHUNK * padded * KDB_GATES * sizeof(float));
    w.state = kdb_take(base, &used, padded);
    w.next = kdb_take(base, &used, padded);
    w.cell = (float *)(void *)kdb_take(base, &used, padded * sizeof(float));
    w.pooled = kdb_take(base, &used, padded);
    w.below = kdb_take(base, &used, several);
    w.above = kdb_take(base, &used, several);
    for (int i = 0; i < 2; i++) w.features[i] = kdb_take(base, &used, features);
    w.joined = kdb_take(base, &used, (header->flags & KDB_PAIRS) ? 4 * features : 0);
    w.hidden = (float *)(void *)kdb_take(base, &used, units * sizeof(float));
    w.units = kdb_take(base, &used, units);
    w.logits = (float *)(void *)kdb_take(base, &used, classes * sizeof(float));
    w.padded_logits = (float *)(void *)kdb_take(base, &used, classes * sizeof(float));
    w.probabilities = (double *)(void *)kdb_take(base, &used, classes * sizeof(double));
    w.size = used;
    return w;
}

static workspace workspace_in(const kdb_model *model, void *scratch) {
    return lay_out(kdb_header_of(model), (unsigned char *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63));
}

uint64_t kdb_scratch_bytes(const kdb_header *header) { return lay_out(header, NULL).size + 63; }

size_t kdb_scratch_size(const kdb_model *model) { return (size_t)kdb_scratch_bytes(kdb_header_of(model)); }

static const kdb_path_functions *path_of(const kdb_model *model) { return (const kdb_path_functions *)model->path; }

/* Copy the activations of a token into the chunk, 8 columns at a time, each `step` bytes behind the one before. */
static void put(unsigned char *to, size_t step, const unsigned char *from, size_t size, unsigned char flip) {
    uint64_t eight;
    for (; size >= sizeof eight; size -= sizeof eight, from += sizeof eight, to += step) {
        memcpy(&eight, from, sizeof eight);
        eight ^= flip * 0x0101010101010101u;
        memcpy(to, &eight, sizeof eight);
    }
    for (size_t i = 0; i < size; i++) to[i] = (unsigned char)(from[i] ^ flip);
}

/* Eight columns of 4 bits each, the first four in the low halves of the bytes, as bytes. */
static uint64_t eight_columns(const unsigned char *from) {
    uint32_t packed;
    memcpy(&packed, from, sizeof packed);
    const uint64_t both = (packed & 0x0F0F0F0Fu) | (uint64_t)(packed >> 4 & 0x0F0F0F0Fu) << 32;
    return ((both ^ 0x0808080808080808u) + 0x7878787878787878u) ^ 0x8080808080808080u; /* the sign, without a carry */
}

/* The same as `put` of a word vector of 4 bits a column. */
static void put_4_bits(unsigned char *to, size_t step, const unsigned char *from, size_t size, unsigned char flip) {
    for (; size > 0; size -= size < 8 ? size : 8, from += 4, to += step) {
        const uint64_t eight = eight_columns(from) ^ flip * 0x0101010101010101u;
        memcpy(to, &eight, size < sizeof eight ? size : sizeof eight);
    }
}

/* One direction of a layer over all tokens; its feature, [states], in `feature` where that isn't NULL. Reads word vectors
 * where layer is 0, else w->below. */
static void run_direction(const kdb_model *model, workspace *w, uint32_t layer, int backward, const uint32_t *ids,
                          size_t count, unsigned char *feature) {
    const kdb_header *header = kdb_header_of(model);
    const kdb_path_functions *path = path_of(model);
    const kdb_direction direction = kdb_direction_of(model, layer, backward);
    const size_t blocks = kdb_blocks(header->hidden), padded = blocks * KDB_ROWS, states = states_of(header);
    const size_t groups = kdb_input_groups(header, layer), columns = groups * KDB_GROUP;
    const unsigned char *table = kdb_section_of(model, KDB_EMBEDDING);
    const size_t vector_size = kdb_vector_size(header);
    for (size_t i = 0; i < padded; i++) w->cell[i] = 0;
    for (size_t start = 0; start < count; start += KDB_CHUNK) {
        const size_t tokens = count - start < KDB_CHUNK ? count - start : (size_t)KDB_CHUNK;
        const size_t paired = path->paired && tokens == KDB_CHUNK;
        float row_scales[KDB_CHUNK];
        for (size_t i = 0; i < tokens; i++) {
            const size_t token = backward ? count - 1 - (start + i) : start + i;
            unsigned char *to = w->x + (paired ? i / 2 * 2 * kdb_round_up(columns, 8) + i % 2 * 8 : i * columns);
            const size_t between = paired ? 16 : 8;
            if (layer > 0)
                put(to, between, w->below + token * columns, columns, 0);
            else if (header->flags & KDB_4_BITS)
                put_4_bits(to, between, table + ids[token] * vector_size, columns, path->flip);
            else
                put(to, between, table + ids[token] * vector_size, columns, path->flip);
            row_scales[i] = layer == 0 ? kdb_vector_scale(model, ids[token]) : 1.0f;
        }
        path->project(&direction, blocks, groups, w->x, row_scales, tokens, w->projected);
        for (size_t i = 0; i < tokens; i++) {
            const int first = start + i == 0;
            path->step(&direction, blocks, states / KDB_GROUP, w->projected + i * padded * KDB_GATES, w->state, start + i, w->cell,
                       w->next);
            unsigned char *swapped = w->state;
            w->state = w->next;
            w->next = swapped;
            if (feature && header->flags & KDB_MAX_POOLING) {
                for (size_t j = 0; j < states; j++) {
                    const int8_t now = (int8_t)(w->state[j] ^ path->flip), most = (int8_t)(w->pooled[j] ^ path->flip);
                    if (first || now > most) w->pooled[j] = w->state[j];
                }
            }
            if (!feature) {
                const size_t token = backward ? count - 1 - (start + i) : start + i;
                memcpy(w->above + token * 2 * states + (backward ? states : 0), w->state, states);
            }
        }
    }
    if (feature) memcpy(feature, header->flags & KDB_MAX_POOLING ? w->pooled : w->state, states);
}

static void encode(const kdb_model *model, workspace *w, const uint32_t *ids, size_t count, unsigned char *features) {
    const kdb_header *header = kdb_header_of(model);
    for (uint32_t layer = 0; layer < header->layers; layer++) {
        const int last = layer + 1 == header->layers;
        for (int backward = 0; backward < 2; backward++)
            run_direction(model, w, layer, backward, ids, count, last ? features + (backward ? states_of(header) : 0) : NULL);
        unsigned char *swapped = w->below;
        w->below = w->above;
        w->above = swapped;
    }
}

/* [u, v, u * v, |u - v| / 2], each within +-127. */
static void join(const kdb_model *model, workspace *w) {
    const size_t size = 2 * states_of(kdb_header_of(model));
    const unsigned char flip = path_of(model)->flip;
    for (size_t i = 0; i < size; i++) {
        const int u = (int8_t)(w->features[0][i] ^ flip), v = (int8_t)(w->features[1][i] ^ flip);
        const int product = u * v, difference = u < v ? v - u : u - v;
        const int rounded = (product < 0 ? product - 63 : product + 63) / 127; /* to nearest; 127 is odd: there are no ties */
        w->joined[i] = w->features[0][i];
        w->joined[size + i] = w->features[1][i];
        w->joined[2 * size + i] = (unsigned char)((unsigned char)(int8_t)rounded ^ flip);
        w->joined[3 * size + i] = (unsigned char)((unsigned)(difference + 1) / 2 ^ flip);
    }
}

static void classify_features(const kdb_model *model, workspace *w, float *logits) {
    const kdb_header *header = kdb_header_of(model);
    const kdb_path_functions *path = path_of(model);
    const kdb_matrix hidden = kdb_hidden_of(model), output = kdb_output_of(model);
    const size_t units = kdb_round_up(header->classifier, KDB_GROUP);
    if (header->flags & KDB_PAIRS) join(model, w);
    path->dense(&hidden, kdb_blocks(header->classifier), kdb_feature_groups(header),
                header->flags & KDB_PAIRS ? w->joined : w->features[0], 1.0f, w->hidden);
    float most = 0;
    for (size_t i = 0; i < header->classifier; i++) most = w->hidden[i] > most ? w->hidden[i] : most;
    if (most < 8.673617379884035e-19f) most = 0; /* 2^-60 */
    const float steps = most > 0 ? 127.0f / most : 0;
    for (size_t i = 0; i < units; i++) {
        const float value = i < header->classifier && w->hidden[i] > 0 ? w->hidden[i] * steps : 0;
        const int rounded = (int)((value + 12582912.0f) - 12582912.0f);
        w->units[i] = (unsigned char)((unsigned char)(rounded > 127 ? 127 : rounded) ^ path->flip);
    }
    path->dense(&output, kdb_blocks(header->classes), units / KDB_GROUP, w->units, most, w->padded_logits);
    memcpy(logits, w->padded_logits, header->classes * sizeof *logits);
}

static int texts_are_good(const kdb_model *model, const kdb_text *texts) {
    return kdb_is_text(&texts[0]) && (kdb_texts(model) == 1 || kdb_is_text(&texts[1]));
}

/* Read the texts and compute the logits. */
static void run(const kdb_model *model, workspace *w, const kdb_text *texts, kdb_answer *answer) {
    memset(answer, 0, sizeof *answer);
    for (uint32_t i = 0; i < kdb_texts(model); i++) {
        kdb_read(model, &w->reading, i, &texts[i], answer);
        encode(model, w, w->reading.ids[i], w->reading.id_counts[i], w->features[i]);
    }
    classify_features(model, w, w->logits);
}

int kdb_classify(const kdb_model *model, void *scratch, const kdb_text *texts, kdb_answer *answer, float *logits,
                 double *probabilities) {
    if (!texts_are_good(model, texts)) return KDB_ARGUMENT;
    workspace w = workspace_in(model, scratch);
    const kdb_fpu before = kdb_fpu_default();
    run(model, &w, texts, answer);
    if (logits) memcpy(logits, w.logits, kdb_classes(model) * sizeof *logits);
    answer->label = kdb_decide(model, w.logits, NULL, probabilities ? probabilities : w.probabilities);
    kdb_fpu_restore(before);
    return KDB_OK;
}

int kdb_logits(const kdb_model *model, void *scratch, const uint32_t *first, uint32_t first_count, const uint32_t *second,
               uint32_t second_count, float *logits) {
    workspace w = workspace_in(model, scratch);
    const uint32_t *ids[2] = {first, second};
    const uint32_t counts[2] = {first_count, second_count};
    for (uint32_t i = 0; i < kdb_texts(model); i++) {
        if (counts[i] == 0 || counts[i] > kdb_max_tokens(model)) return KDB_ARGUMENT;
        for (uint32_t j = 0; j < counts[i]; j++)
            if (ids[i][j] >= kdb_vocabulary(model)) return KDB_ARGUMENT;
    }
    const kdb_fpu before = kdb_fpu_default();
    for (uint32_t i = 0; i < kdb_texts(model); i++) encode(model, &w, ids[i], counts[i], w.features[i]);
    classify_features(model, &w, logits);
    kdb_fpu_restore(before);
    return KDB_OK;
}

/* How much the probability of a label falls from `full` where each word of a text is masked, all its ids together; how many
 * weights that are. */
static uint32_t explain(const kdb_model *model, workspace *w, uint32_t text, int32_t label, double full, double *weights) {
    const uint32_t masked = 2, count = w->reading.id_counts[text], *words = w->reading.words[text];
    uint32_t *ids = w->reading.ids[text], *kept = w->reading.kept, one, word = 0;
    if (!kept) kept = &one; /* every word has one id */
    for (uint32_t at = 0, length; word < w->reading.word_counts[text]; at += length, word++) {
        length = words ? words[word] : 1;
        memcpy(kept, ids + at, length * sizeof *ids);
        for (uint32_t i = 0; i < length; i++) ids[at + i] = masked;
        encode(model, w, ids, count, w->features[text]);
        classify_features(model, w, w->logits);
        kdb_probabilities(kdb_header_of(model), w->logits, w->probabilities);
        weights[word] = full - w->probabilities[label];
        memcpy(ids + at, kept, length * sizeof *ids);
    }
    encode(model, w, ids, count, w->features[text]);
    return word;
}

uint32_t kdb_explain(const kdb_model *model, void *scratch, const kdb_text *texts, int32_t label, kdb_answer *answer,
                     float *logits, double *weights) {
    workspace w = workspace_in(model, scratch);
    uint32_t written = 0;
    if (!texts_are_good(model, texts) || label >= (int32_t)kdb_classes(model)) return 0;
    const kdb_fpu before = kdb_fpu_default();
    run(model, &w, texts, answer);
    if (logits) memcpy(logits, w.logits, kdb_classes(model) * sizeof *logits);
    answer->label = kdb_decide(model, w.logits, NULL, w.probabilities);
    if (label < 0) label = kdb_best(model, w.logits);
    const double full = w.probabilities[label];
    for (uint32_t i = 0; i < kdb_texts(model); i++)
        written += explain(model, &w, i, label, full, weights + written);
    kdb_fpu_restore(before);
    return written;
}
