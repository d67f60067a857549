#include "repair.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

void repair_digests(unsigned char *file, size_t size) {
    static const unsigned char magic[8] = {0x89, 'K', 'D', 'B', '\r', '\n', 0x1A, '\n'};
    kdb_header header;
    if (size < KDB_HEADER + KDB_TRAILER) return;
    memset(file + size - KDB_TRAILER, 0, KDB_TRAILER);
    memcpy(&header, file, sizeof header);
    memcpy(header.magic, magic, sizeof magic);
    header.file_size = size;
    kdb_sha256(file + KDB_HEADER, size - KDB_HEADER - KDB_TRAILER, header.content_digest);
    memcpy(&header.version, header.content_digest, sizeof header.version);
    kdb_sha256((const unsigned char *)&header, offsetof(kdb_header, header_digest), header.header_digest);
    memcpy(file, &header, sizeof header);
}

static void repair_rows(const int8_t *constant, const int32_t *offset, size_t blocks, size_t groups, size_t gates) {
    const size_t rows = gates * KDB_ROWS;
    int8_t *weights = (int8_t *)(uintptr_t)constant;
    int32_t *offsets = (int32_t *)(uintptr_t)offset;
    for (size_t row = 0; row < blocks * rows; row++) {
        offsets[row] = 0;
        for (size_t column = 0; column < groups * KDB_GROUP; column++) {
            int8_t *weight = weights + ((row / rows * groups + column / KDB_GROUP) * rows + row % rows) * KDB_GROUP + column % KDB_GROUP;
            if (*weight == -128) *weight = -127;
            offsets[row] -= 128 * *weight;
        }
    }
}

void repair_weights(unsigned char *file, size_t size) {
    unsigned char *copy;
    kdb_model model;
    repair_digests(file, size);
    copy = (unsigned char *)fuzz_copy(file, size);
    if (kdb_open(&model, copy, size, 0) == KDB_OK) {
        const kdb_header *header = kdb_header_of(&model);
        const size_t states = kdb_round_up(header->hidden, KDB_GROUP) / KDB_GROUP;
        const kdb_matrix hidden = kdb_hidden_of(&model), output = kdb_output_of(&model);
        unsigned char *table = copy + header->sections[KDB_EMBEDDING].offset;
        for (uint64_t i = 0; i < header->sections[KDB_EMBEDDING].size; i++) {
            if (header->flags & KDB_4_BITS) {
                if ((table[i] & 0x0F) == 0x08) table[i] ^= 0x01;
                if ((table[i] & 0xF0) == 0x80) table[i] ^= 0x10;
            } else if (table[i] == 0x80) {
                table[i] = 0x81;
            }
        }
        for (uint32_t layer = 0; layer < header->layers; layer++)
            for (int which = 0; which < 2; which++) {
                const kdb_direction direction = kdb_direction_of(&model, layer, which);
                const size_t blocks = kdb_blocks(header->hidden);
                repair_rows(direction.input, direction.input_offset, blocks, kdb_input_groups(header, layer), KDB_GATES);
                repair_rows(direction.recurrent, direction.recurrent_offset, blocks, states, KDB_GATES);
            }
        repair_rows(hidden.weights, hidden.offset, kdb_blocks(header->classifier), kdb_feature_groups(header), 1);
        repair_rows(output.weights, output.offset, kdb_blocks(header->classes),
                    kdb_round_up(header->classifier, KDB_GROUP) / KDB_GROUP, 1);
        memcpy(file, copy, size);
        repair_digests(file, size);
    }
    free(copy);
}
