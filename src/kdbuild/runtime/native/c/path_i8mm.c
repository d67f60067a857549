/* ARM64 with 8-bit matrix products (Cortex-A510, A710, X2, Apple A15 and later): 32 products an instruction, of two rows with
 * two tokens. Only the input projection has several tokens at once; all else is done with the dot product. */
#include "model.h"
#include "path_128.h"
#include "unroll.h"

extern const kdb_path_functions kdb_path_dotprod, kdb_path_i8mm;

enum { PAIRS = KDB_CHUNK / 2, PARTS = 2 }; /* pairs of tokens, and vectors of 4 rows, at a time */

/* 8 columns of 2 rows from 4 columns of 4 rows each. */
KDB_INLINE int8x16_t upper_rows(int8x16_t left, int8x16_t right) {
    return vreinterpretq_s8_s32(vzip1q_s32(vreinterpretq_s32_s8(left), vreinterpretq_s32_s8(right)));
}
KDB_INLINE int8x16_t lower_rows(int8x16_t left, int8x16_t right) {
    return vreinterpretq_s8_s32(vzip2q_s32(vreinterpretq_s32_s8(left), vreinterpretq_s32_s8(right)));
}

/* sums[pair][part][0: rows 0 and 1, 1: rows 2 and 3], each [row 0: both tokens, row 1: both tokens]. */
KDB_INLINE void multiply(vi *sums, const int8x16_t *left, const int8x16_t *right, const int8x16_t *x) {
    KDB_UNROLL
    for (int part = 0; part < PARTS; part++) {
        const int8x16_t upper = upper_rows(left[part], right[part]), lower = lower_rows(left[part], right[part]);
        KDB_UNROLL
        for (int pair = 0; pair < PAIRS; pair++) {
            vi *sum = sums + (pair * PARTS + part) * 2;
            sum[0] = vmmlaq_s32(sum[0], upper, x[pair]);
            sum[1] = vmmlaq_s32(sum[1], lower, x[pair]);
        }
    }
}

/* A whole chunk. */
static void project_chunk(const kdb_direction *direction, size_t row, const int8_t *weights, size_t groups,
                          const unsigned char *x, const float *row_scales, size_t width, float *out) {
    const size_t stride = KDB_GATES * KDB_ROWS * KDB_GROUP;
    vi sums[PAIRS * PARTS * 2];
    KDB_UNROLL
    for (int i = 0; i < PAIRS * PARTS * 2; i++) sums[i] = vi_zero();
    const size_t pair_size = kdb_round_up(groups, 2) * 2 * KDB_GROUP;
    int8x16_t left[PARTS], right[PARTS], both[PAIRS];
    for (size_t steps = groups / 2; steps != 0; steps--) {
        KDB_UNROLL
        for (int part = 0; part < PARTS; part++) {
            left[part] = vld1q_s8(weights + part * 16);
            right[part] = vld1q_s8(weights + stride + part * 16);
        }
        KDB_UNROLL
        for (int pair = 0; pair < PAIRS; pair++) both[pair] = vreinterpretq_s8_u8(vld1q_u8(x + (size_t)pair * pair_size));
        multiply(sums, left, right, both);
        weights += 2 * stride;
        x += 16;
    }
    if (groups % 2 != 0) { /* the last 4 columns; whatever lies where there are none is multiplied by 0 */
        KDB_UNROLL
        for (int part = 0; part < PARTS; part++) {
            left[part] = vld1q_s8(weights + part * 16);
            right[part] = vdupq_n_s8(0);
        }
        KDB_UNROLL
        for (int pair = 0; pair < PAIRS; pair++) both[pair] = vreinterpretq_s8_u8(vld1q_u8(x + (size_t)pair * pair_size));
        multiply(sums, left, right, both);
    }
    KDB_UNROLL
    for (int part = 0; part < PARTS; part++) {
        const size_t place = row + (size_t)part * LANES;
        const vf scale = vf_load(direction->input_scale + place), bias = vf_load(direction->bias + place);
        KDB_UNROLL
        for (int pair = 0; pair < PAIRS; pair++) {
            const vi *sum = sums + (pair * PARTS + part) * 2;
            const vi of_token[2] = {vuzp1q_s32(sum[0], sum[1]), vuzp2q_s32(sum[0], sum[1])};
            KDB_UNROLL
            for (int i = 0; i < 2; i++)
                vf_store(out + (size_t)(2 * pair + i) * width + place,
                         vf_add(vf_mul(vf_mul(vf_from_int(of_token[i]), scale), vf_set(row_scales[2 * pair + i])), bias));
        }
    }
}

static void project(const kdb_direction *direction, size_t blocks, size_t groups, const unsigned char *x,
                    const float *row_scales, size_t tokens, float *out) {
    const size_t width = blocks * KDB_GATES * KDB_ROWS;
    if (tokens < KDB_CHUNK) {
        kdb_path_dotprod.project(direction, blocks, groups, x, row_scales, tokens, out);
        return;
    }
    for (size_t row = 0; row < width; row += PARTS * LANES) {
        const size_t block = row / (KDB_GATES * KDB_ROWS), within = row % (KDB_GATES * KDB_ROWS);
        project_chunk(direction, row, direction->input + (block * groups * KDB_GATES * KDB_ROWS + within) * KDB_GROUP, groups, x,
                      row_scales, width, out);
    }
}

static void step(const kdb_direction *direction, size_t blocks, size_t groups, const float *projected,
                 const unsigned char *state, size_t number, float *cell, unsigned char *next) {
    kdb_path_dotprod.step(direction, blocks, groups, projected, state, number, cell, next);
}

static void dense(const kdb_matrix *matrix, size_t blocks, size_t groups, const unsigned char *x, float factor, float *out) {
    kdb_path_dotprod.dense(matrix, blocks, groups, x, factor, out);
}

const kdb_path_functions kdb_path_i8mm = {KDB_I8MM, FLIP, 1, project, step, dense};
