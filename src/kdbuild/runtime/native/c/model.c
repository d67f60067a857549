/* Opening a file: everything that a later call relies on is checked here, and nothing is parsed or copied. */
#include "model.h"

#include <string.h>

#include "text.h"
#include "vocabulary.h"

static const unsigned char magic[8] = {0x89, 'K', 'D', 'B', '\r', '\n', 0x1A, '\n'};

static int is_bad_float(float value, float lowest, float highest) { return !(value >= lowest && value <= highest); }

/* Scales are from 2^-40 to 2^20, biases 0 or from 2^-60 to 2^40 in size: no sum of the arithmetic can then overflow or become
 * so small that a processor that flushes subnormal numbers differs. */
static int scales_are_good(const float *scales, size_t count) {
    int bad = 0;
    for (size_t i = 0; i < count; i++) bad |= is_bad_float(scales[i], 9.094947017729282e-13f, 1048576.0f);
    return !bad;
}

static int biases_are_good(const float *biases, size_t count) {
    int bad = 0;
    for (size_t i = 0; i < count; i++) {
        const float size = biases[i] < 0 ? -biases[i] : biases[i];
        bad |= biases[i] != 0 && is_bad_float(size, 8.673617379884035e-19f, 1099511627776.0f);
    }
    return !bad;
}

static int vector_scales_are_good(const kdb_model *model) {
    const kdb_header *header = kdb_header_of(model);
    const void *scales = kdb_section_of(model, KDB_EMBEDDING_SCALES);
    if (!(header->flags & KDB_4_BITS)) return scales_are_good((const float *)scales, header->vocabulary);
    const uint16_t *halves = (const uint16_t *)scales;
    int bad = 0;
    for (uint32_t id = 0; id < header->vocabulary; id++) bad |= halves[id] < 0x2B80 || halves[id] > 0x4980; /* 2^-40, 2^20 */
    return !bad;
}

static int is_finite(const float *values, size_t count) {
    int bad = 0;
    for (size_t i = 0; i < count; i++) bad |= is_bad_float(values[i], -3.4028234663852886e38f, 3.4028234663852886e38f);
    return !bad;
}

int kdb_names_are_good(const unsigned char *section, uint64_t size, uint32_t count) {
    const uint32_t *offsets = (const uint32_t *)(const void *)section;
    const uint64_t start = 4 * ((uint64_t)count + 1);
    if (size < start || offsets[0] != start || offsets[count] > size) return 0;
    for (uint32_t i = 0; i < count; i++)
        if (offsets[i] >= offsets[i + 1] || offsets[i + 1] > size || section[offsets[i + 1] - 1] != 0) return 0;
    return 1;
}

static int golden_is_good(const kdb_header *header, const unsigned char *section, uint64_t size);

static int values_are_good(const kdb_model *model) {
    const kdb_header *header = kdb_header_of(model);
    const size_t blocks = kdb_blocks(header->hidden);
    if (!kdb_names_are_good(kdb_section_of(model, KDB_LABELS), header->sections[KDB_LABELS].size, header->classes) ||
        !kdb_vocabulary_is_good(model) ||
        !is_finite((const float *)(const void *)kdb_section_of(model, KDB_THRESHOLDS), header->classes) ||
        !vector_scales_are_good(model) ||
        !golden_is_good(header, kdb_section_of(model, KDB_GOLDEN), header->sections[KDB_GOLDEN].size))
        return 0;
    for (uint32_t layer = 0; layer < header->layers; layer++) {
        for (int direction = 0; direction < 2; direction++) {
            const kdb_direction weights = kdb_direction_of(model, layer, direction);
            const size_t rows = blocks * KDB_GATES * KDB_ROWS;
            if (!scales_are_good(weights.input_scale, rows) || !scales_are_good(weights.recurrent_scale, rows) ||
                !biases_are_good(weights.bias, rows))
                return 0;
        }
    }
    const kdb_matrix hidden = kdb_hidden_of(model), output = kdb_output_of(model);
    const size_t units = kdb_blocks(header->classifier) * KDB_ROWS, classes = kdb_blocks(header->classes) * KDB_ROWS;
    return scales_are_good(hidden.scale, units) && biases_are_good(hidden.bias, units) &&
           scales_are_good(output.scale, classes) && biases_are_good(output.bias, classes);
}

static int is_from(uint32_t value, uint32_t lowest, uint32_t highest) { return value >= lowest && value <= highest; }

/* Sizes of the network, and that each section has the size that they make. */
static int shape_is_good(const kdb_header *header) {
    if (!is_from(header->vocabulary, 3, KDB_MOST_VOCABULARY) || !is_from(header->embedding, 1, KDB_MOST_COLUMNS / 8) ||
        !is_from(header->hidden, 1, KDB_MOST_COLUMNS / 8 - 3) || !is_from(header->layers, 1, KDB_MOST_LAYERS) ||
        !is_from(header->classifier, 1, KDB_MOST_COLUMNS) || !is_from(header->classes, 2, KDB_MOST_COLUMNS) ||
        !is_from(header->max_tokens, 1, KDB_MOST_TOKENS) || !is_from(header->longest_token, 1, 65536) ||
        !is_from(header->index_bits, 0, KDB_MOST_INDEX_BITS) || header->golden > KDB_MOST_GOLDEN ||
        header->flags > (header->format == 1 ? 7u : 31u))
        return 0;
    if (header->flags & KDB_BUCKETS && header->index_bits != 0) return 0;
    if (!(header->temperature >= 1e-6 && header->temperature <= 1e6) || !(header->threshold >= 0 && header->threshold < 1))
        return 0;
    const uint64_t blocks = kdb_blocks(header->hidden), states = kdb_round_up(header->hidden, KDB_GROUP) / KDB_GROUP;
    const uint64_t units = kdb_round_up(header->classifier, KDB_GROUP) / KDB_GROUP;
    uint64_t sizes[KDB_LAYER + KDB_MOST_LAYERS];
    for (int i = 0; i < KDB_LAYER + KDB_MOST_LAYERS; i++) sizes[i] = 0;
    sizes[KDB_LABELS] = header->sections[KDB_LABELS].size; /* as long as their names are */
    sizes[KDB_TOKENS] = header->sections[KDB_TOKENS].size;
    sizes[KDB_GOLDEN] = header->sections[KDB_GOLDEN].size;
    sizes[KDB_INDEX] = kdb_index_size(header);
    sizes[KDB_THRESHOLDS] = 4 * (uint64_t)header->classes;
    sizes[KDB_EMBEDDING] = (uint64_t)header->vocabulary * kdb_vector_size(header);
    sizes[KDB_EMBEDDING_SCALES] = (uint64_t)header->vocabulary * kdb_vector_scale_size(header);
    sizes[KDB_HEAD] = kdb_matrix_size(kdb_blocks(header->classifier), kdb_feature_groups(header)) +
                      kdb_matrix_size(kdb_blocks(header->classes), units);
    for (uint32_t layer = 0; layer < header->layers; layer++)
        sizes[KDB_LAYER + layer] = 2 * kdb_direction_size(blocks, kdb_input_groups(header, layer), states);
    uint64_t end = KDB_HEADER;
    for (int i = 0; i < KDB_LAYER + KDB_MOST_LAYERS; i++) {
        const kdb_section section = header->sections[i];
        if (section.size != sizes[i] || (section.size == 0 && section.offset != 0)) return 0;
        if (section.size == 0) continue;
        if (section.offset % 64 != 0 || section.offset < end || section.offset > header->file_size ||
            section.size > header->file_size - section.offset)
            return 0;
        end = section.offset + section.size;
    }
    return end <= header->file_size - KDB_TRAILER && kdb_scratch_bytes(header) <= KDB_MOST_SCRATCH;
}

/* Nothing that a product reads is the lowest number of its bits, and each row's offset is what its weights make it. */
static int rows_are_good(const int8_t *weights, const int32_t *offsets, size_t blocks, size_t groups, size_t gates) {
    const size_t rows = gates * KDB_ROWS;
    int bad = 0;
    for (size_t block = 0; block < blocks; block++, offsets += rows) {
        int32_t sums[KDB_GATES * KDB_ROWS] = {0};
        for (size_t group = 0; group < groups; group++)
            for (size_t row = 0; row < rows; row++)
                for (size_t column = 0; column < KDB_GROUP; column++, weights++) {
                    bad |= *weights == -128;
                    sums[row] += *weights;
                }
        for (size_t row = 0; row < rows; row++) bad |= offsets[row] != -128 * sums[row];
    }
    return !bad;
}

static int weights_are_good(const kdb_model *model) {
    const kdb_header *header = kdb_header_of(model);
    const size_t blocks = kdb_blocks(header->hidden), states = kdb_round_up(header->hidden, KDB_GROUP) / KDB_GROUP;
    const size_t units = kdb_round_up(header->classifier, KDB_GROUP) / KDB_GROUP;
    const unsigned char *table = kdb_section_of(model, KDB_EMBEDDING);
    int good = 1;
    for (uint64_t i = 0; i < header->sections[KDB_EMBEDDING].size; i++)
        good &= header->flags & KDB_4_BITS ? (table[i] & 0x0F) != 0x08 && (table[i] & 0xF0) != 0x80 : table[i] != 0x80;
    for (uint32_t layer = 0; good && layer < header->layers; layer++)
        for (int which = 0; which < 2; which++) {
            const kdb_direction direction = kdb_direction_of(model, layer, which);
            good &= rows_are_good(direction.input, direction.input_offset, blocks, kdb_input_groups(header, layer), KDB_GATES);
            good &= rows_are_good(direction.recurrent, direction.recurrent_offset, blocks, states, KDB_GATES);
        }
    const kdb_matrix hidden = kdb_hidden_of(model), output = kdb_output_of(model);
    return good &&
           rows_are_good(hidden.weights, hidden.offset, kdb_blocks(header->classifier), kdb_feature_groups(header), 1) &&
           rows_are_good(output.weights, output.offset, kdb_blocks(header->classes), units, 1);
}

/* All zeros, or from format 2 on a signature and zeros behind it. Whether that holds is the caller's affair. */
static int trailer_is_good(const kdb_header *header, const unsigned char *trailer) {
    static const unsigned char mark[8] = {'K', 'D', 'B', 'S', 'I', 'G', 'N', 1};
    int bad = 0;
    size_t i = header->format > 1 && kdb_equal(trailer, mark, sizeof mark) ? (size_t)KDB_SIGNATURE : 0;
    for (; i < KDB_TRAILER; i++) bad |= trailer[i];
    return !bad;
}

/* The content's digest, and what no answer's safety depends on, only its value. */
static int content_is_good(const kdb_model *model, size_t size) {
    const kdb_header *header = kdb_header_of(model);
    unsigned char digest[32];
    kdb_sha256(model->file + KDB_HEADER, size - KDB_HEADER - KDB_TRAILER, digest);
    return kdb_equal(digest, header->content_digest, sizeof digest) &&
           kdb_equal(digest, &header->version, sizeof header->version) &&
           trailer_is_good(header, model->file + size - KDB_TRAILER) && weights_are_good(model);
}

int kdb_open(kdb_model *model, const void *file, size_t size, unsigned flags) {
    unsigned char digest[32];
    const unsigned char *bytes = (const unsigned char *)file;
    memset(model, 0, sizeof *model);
    if (!file || size < sizeof magic || !kdb_equal(bytes, magic, sizeof magic)) return KDB_NOT_A_MODEL;
    if (size < KDB_HEADER + KDB_TRAILER) return KDB_TRUNCATED;
    if ((uintptr_t)bytes % 64 != 0) return KDB_UNALIGNED;
    const kdb_header *header = (const kdb_header *)file;
    if (header->format > KDB_FORMAT_VERSION) return KDB_NEWER;
    kdb_sha256(bytes, offsetof(kdb_header, header_digest), digest);
    if (!kdb_equal(digest, header->header_digest, sizeof digest)) return KDB_DAMAGED_HEADER;
    if (header->file_size != size) return KDB_TRUNCATED;
    if (header->arithmetic != KDB_ARITHMETIC_VERSION || (header->tokenizer != KDB_WORDS && header->tokenizer != KDB_PIECES) ||
        header->unicode != KDB_UNICODE_VERSION)
        return KDB_NEWER;
    if (header->format == 0 || !shape_is_good(header)) return KDB_DAMAGED;
    model->file = bytes;
    if (!values_are_good(model)) return KDB_DAMAGED;
    if (flags & KDB_VERIFY && !content_is_good(model, size)) return KDB_DAMAGED;
    const unsigned forced = flags >> KDB_PATH_SHIFT;
    model->path = kdb_find_path(forced ? (int)forced - 1 : kdb_best_path());
    return model->path ? KDB_OK : KDB_NO_PATH;
}

static kdb_direction direction_at(const unsigned char *place, size_t blocks, size_t input_groups, size_t state_groups) {
    const size_t rows = blocks * KDB_GATES * KDB_ROWS;
    kdb_direction direction;
    direction.input = (const int8_t *)place;
    direction.recurrent = direction.input + rows * KDB_GROUP * input_groups;
    direction.input_scale = (const float *)(const void *)(direction.recurrent + rows * KDB_GROUP * state_groups);
    direction.recurrent_scale = direction.input_scale + rows;
    direction.bias = direction.recurrent_scale + rows;
    direction.input_offset = (const int32_t *)(const void *)(direction.bias + rows);
    direction.recurrent_offset = direction.input_offset + rows;
    return direction;
}

kdb_direction kdb_direction_of(const kdb_model *model, uint32_t layer, int backward) {
    const kdb_header *header = kdb_header_of(model);
    const size_t blocks = kdb_blocks(header->hidden), states = kdb_round_up(header->hidden, KDB_GROUP) / KDB_GROUP;
    const size_t inputs = kdb_input_groups(header, layer);
    const unsigned char *section = kdb_section_of(model, KDB_LAYER + (int)layer);
    return direction_at(section + (backward ? kdb_direction_size(blocks, inputs, states) : 0), blocks, inputs, states);
}

float kdb_vector_scale(const kdb_model *model, uint32_t id) {
    const kdb_header *header = kdb_header_of(model);
    const size_t size = kdb_vector_scale_size(header);
    unsigned char bytes[sizeof(float)] = {0};
    float scale;
    memcpy(bytes + sizeof scale - size, kdb_section_of(model, KDB_EMBEDDING_SCALES) + (size_t)id * size, size);
    memcpy(&scale, bytes, sizeof scale);
    return scale;
}

kdb_matrix kdb_hidden_of(const kdb_model *model) {
    const kdb_header *header = kdb_header_of(model);
    return kdb_matrix_at(kdb_section_of(model, KDB_HEAD), kdb_blocks(header->classifier), kdb_feature_groups(header));
}

kdb_matrix kdb_output_of(const kdb_model *model) {
    const kdb_header *header = kdb_header_of(model);
    const size_t units = kdb_blocks(header->classifier), groups = kdb_round_up(header->classifier, KDB_GROUP) / KDB_GROUP;
    return kdb_matrix_at(kdb_section_of(model, KDB_HEAD) + kdb_matrix_size(units, kdb_feature_groups(header)),
                         kdb_blocks(header->classes), groups);
}

uint32_t kdb_classes(const kdb_model *model) { return kdb_header_of(model)->classes; }
uint32_t kdb_texts(const kdb_model *model) { return (kdb_header_of(model)->flags & KDB_PAIRS) ? 2 : 1; }
uint32_t kdb_max_tokens(const kdb_model *model) { return kdb_header_of(model)->max_tokens; }
uint32_t kdb_vocabulary(const kdb_model *model) { return kdb_header_of(model)->vocabulary; }
uint64_t kdb_version(const kdb_model *model) { return kdb_header_of(model)->version; }
uint32_t kdb_tokenizer_version(const kdb_model *model) { return kdb_header_of(model)->tokenizer; }
int kdb_path(const kdb_model *model) { return ((const kdb_path_functions *)model->path)->number; }

const char *kdb_name_at(const unsigned char *section, uint32_t index, size_t *length) {
    const uint32_t *offsets = (const uint32_t *)(const void *)section;
    if (length) *length = offsets[index + 1] - offsets[index] - 1;
    return (const char *)section + offsets[index];
}

const char *kdb_label(const kdb_model *model, int32_t label, size_t *length) {
    if (label < 0 || (uint32_t)label >= kdb_classes(model)) return NULL;
    return kdb_name_at(kdb_section_of(model, KDB_LABELS), (uint32_t)label, length);
}

/* A golden text: the number of its bytes, of ids and, 4 bytes each: the ids, the logits, the bytes. Pairs are two of them. */
static int golden_is_good(const kdb_header *header, const unsigned char *section, uint64_t size) {
    uint64_t at = 0;
    if (header->flags & KDB_PAIRS && header->golden % 2) return 0;
    for (uint32_t i = 0; i < header->golden; i++) {
        uint32_t counts[2];
        if (size - at < sizeof counts) return 0;
        memcpy(counts, section + at, sizeof counts);
        const uint64_t ids = counts[1], need = 8 + 4 * ids + 4 * (uint64_t)header->classes + ((uint64_t)counts[0] + 3) / 4 * 4;
        if (ids == 0 || ids > header->max_tokens || need > size - at) return 0;
        at += need;
    }
    return at == size;
}

int kdb_golden(const kdb_model *model, uint32_t index, kdb_text *text, const uint32_t **ids, uint32_t *count,
               const float **logits) {
    const kdb_header *header = kdb_header_of(model);
    const unsigned char *at = kdb_section_of(model, KDB_GOLDEN);
    if (index >= header->golden) return KDB_ARGUMENT;
    for (;; index--) {
        const uint32_t *counts = (const uint32_t *)(const void *)at;
        const uint32_t *found = counts + 2;
        const float *values = (const float *)(const void *)(found + counts[1]);
        const unsigned char *bytes = (const unsigned char *)(values + header->classes);
        if (index == 0) {
            text->data = bytes;
            text->length = counts[0];
            text->encoding = KDB_UTF8;
            *ids = found;
            *count = counts[1];
            *logits = values;
            return KDB_OK;
        }
        at = bytes + ((size_t)counts[0] + 3) / 4 * 4;
    }
}

uint32_t kdb_golden_count(const kdb_model *model) { return kdb_header_of(model)->golden; }

const char *kdb_message(int code) {
    switch (code) {
    case KDB_OK: return "all is well";
    case KDB_NOT_A_MODEL: return "isn't a model of kdbuild";
    case KDB_NEWER: return "needs a newer version of kdbuild's library";
    case KDB_TRUNCATED: return "has another size than its header says";
    case KDB_DAMAGED_HEADER: return "has a damaged header: its digest is wrong";
    case KDB_DAMAGED: return "is damaged: a size or a value is impossible, or a digest is wrong";
    case KDB_UNALIGNED: return "doesn't begin at a multiple of 64 bytes in memory";
    case KDB_NO_PATH: return "asks for instructions that this processor or this library doesn't have";
    case KDB_ARGUMENT: return "was asked with an argument that is out of range";
    default: return "failed for a reason that this version doesn't know";
    }
}
