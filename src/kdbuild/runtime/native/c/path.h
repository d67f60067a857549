/* All arithmetic of the network, written once for vectors of any width. A file path_*.c defines the vectors of an instruction
 * set and includes this one. What is computed is the same everywhere, bit by bit: sums of products in int32, and in float only
 * additions, multiplications and divisions of their own, in the order in which they stand here.
 *
 * The file defines:
 *   LANES              floats in a vector, a divisor of KDB_ROWS
 *   vf, vi, act        vectors of float, of int32, and what `act_load` makes of activations
 *   FLIP               what activations are xored with: 0x80 where the products take them as unsigned, else 0
 *   TOKENS, PROJECT_GATES, PROJECT_VECTORS   tokens, gates and vectors of a block that are projected at a time
 *   STEP_GATES, STEP_VECTORS                 the same of the recurrent product: gates are all or one
 *   vf_set vf_load vf_store vf_add vf_sub vf_mul vf_div vf_clamp(x, limit) vf_zero_below(x, limit) vf_from_int
 *   vi_load vi_zero
 *   act_load(p)        reads 16 activations; those behind the last of a vector may be anything, but can be read
 *   dot(sum, w, a, lane)   sum[i] += the 4 products of w[4 * i ..] and activations 4 * lane .. of a; lane is a constant
 *   store_bytes(p, x)  stores round(x) of LANES floats within +-127 as bytes, xored with FLIP
 */
#include "model.h"
#include "unroll.h"

enum { VECTORS = KDB_ROWS / LANES };

/* Sums of products of `gates * vectors` vectors of rows with `tokens` activations: sums[token][gate][vector]. The weights of
 * a group of columns are `stride` bytes behind those of the group before. */
KDB_INLINE void products(const int8_t *weights, size_t stride, size_t groups, const unsigned char *x, size_t x_stride,
                         const int tokens, const int gates, const int vectors, vi *sums) {
#define KDB_LANE(lane)                                                                                                     \
    KDB_UNROLL                                                                                                             \
    for (int part = 0; part < gates * vectors; part++) {                                                                   \
        const int8_t *w = weights + lane * stride + (size_t)(part / vectors * KDB_ROWS + part % vectors * LANES) * KDB_GROUP; \
        KDB_UNROLL                                                                                                         \
        for (int token = 0; token < tokens; token++)                                                                       \
            sums[token * gates * vectors + part] = dot(sums[token * gates * vectors + part], w, a[token], lane);           \
    }
    act a[TOKENS];
    for (size_t left = groups / 4; left != 0; left--) {
        KDB_UNROLL
        for (int token = 0; token < tokens; token++) a[token] = act_load(x + (size_t)token * x_stride);
        KDB_LANE(0)
        KDB_LANE(1)
        KDB_LANE(2)
        KDB_LANE(3)
        weights += 4 * stride;
        x += 4 * KDB_GROUP;
    }
    if (groups % 4 != 0) { /* what is loaded beyond the end isn't used */
        KDB_UNROLL
        for (int token = 0; token < tokens; token++) a[token] = act_load(x + (size_t)token * x_stride);
        KDB_LANE(0)
        if (groups % 4 > 1) {
            KDB_LANE(1)
        }
        if (groups % 4 > 2) {
            KDB_LANE(2)
        }
    }
#undef KDB_LANE
}

KDB_INLINE vi first_sum(const int32_t *offset) { return FLIP ? vi_load(offset) : vi_zero(); }

/* Some tokens of a chunk. */
KDB_INLINE void project_tokens(const kdb_direction *direction, size_t block, size_t blocks, size_t groups,
                               const unsigned char *x, const float *row_scales, const int tokens, float *out) {
    const size_t width = blocks * KDB_GATES * KDB_ROWS;
    const int8_t *weights = direction->input + block * groups * KDB_GATES * KDB_ROWS * KDB_GROUP;
    for (int at = 0; at < KDB_GATES * VECTORS; at += PROJECT_GATES * PROJECT_VECTORS) {
        const size_t rows = (size_t)(at / VECTORS * KDB_ROWS + at % VECTORS * LANES);
        const size_t row = block * KDB_GATES * KDB_ROWS + rows;
        vi sums[TOKENS * PROJECT_GATES * PROJECT_VECTORS];
        vf factors[TOKENS];
        KDB_UNROLL
        for (int token = 0; token < tokens; token++) factors[token] = vf_set(row_scales[token]);
        KDB_UNROLL
        for (int part = 0; part < PROJECT_GATES * PROJECT_VECTORS; part++) {
            const vi sum = first_sum(direction->input_offset + row +
                                     (size_t)(part / PROJECT_VECTORS * KDB_ROWS + part % PROJECT_VECTORS * LANES));
            KDB_UNROLL
            for (int token = 0; token < tokens; token++) sums[token * PROJECT_GATES * PROJECT_VECTORS + part] = sum;
        }
        products(weights + rows * KDB_GROUP, KDB_GATES * KDB_ROWS * KDB_GROUP, groups, x, groups * KDB_GROUP, tokens,
                 PROJECT_GATES, PROJECT_VECTORS, sums);
        KDB_UNROLL
        for (int part = 0; part < PROJECT_GATES * PROJECT_VECTORS; part++) {
            const size_t place = row + (size_t)(part / PROJECT_VECTORS * KDB_ROWS + part % PROJECT_VECTORS * LANES);
            const vf scale = vf_load(direction->input_scale + place), bias = vf_load(direction->bias + place);
            KDB_UNROLL
            for (int token = 0; token < tokens; token++) {
                const vf product = vf_mul(vf_from_int(sums[token * PROJECT_GATES * PROJECT_VECTORS + part]), scale);
                vf_store(out + (size_t)token * width + place, vf_add(vf_mul(product, factors[token]), bias));
            }
        }
    }
}

static void project(const kdb_direction *direction, size_t blocks, size_t groups, const unsigned char *x,
                    const float *row_scales, size_t tokens, float *out) {
    const size_t width = blocks * KDB_GATES * KDB_ROWS;
    for (size_t block = 0; block < blocks; block++) {
        size_t token = 0;
        for (; token + TOKENS <= tokens; token += TOKENS)
            project_tokens(direction, block, blocks, groups, x + token * groups * KDB_GROUP, row_scales + token, TOKENS,
                           out + token * width);
        for (; token < tokens; token++)
            project_tokens(direction, block, blocks, groups, x + token * groups * KDB_GROUP, row_scales + token, 1,
                           out + token * width);
    }
}

/* tanh(x) is about numerator / denominator, at most 1.3e-6 off; 1 is never reached. The logistic function of 2 * x is
 * (denominator + numerator) / (2 * denominator). Fitted over +-7, beyond which x is cut; scaled for a first factor of 1. */
KDB_INLINE void tanh_parts(vf x, vf *numerator, vf *denominator) {
    x = vf_clamp(x, 7.0f);
    const vf y = vf_mul(x, x);
    const vf p = vf_add(vf_mul(vf_add(vf_mul(vf_add(y, vf_set(579.384888f)), y), vf_set(31303.1777f)), y), vf_set(254451.109f));
    const vf q = vf_add(vf_mul(vf_add(vf_mul(vf_add(vf_mul(vf_set(36.221489f), y), vf_set(5361.86328f)), y),
                                      vf_set(116116.797f)), y), vf_set(254452.203f));
    *numerator = vf_mul(x, p);
    *denominator = q;
}

/* The gates of LANES units: the new cell state, in place, and the new state, times 127. Two divisions instead of five. */
KDB_INLINE vf gates(vf input, vf forget, vf candidate, vf output, float *cell) {
    const vf half = vf_set(0.5f);
    vf in, id, fn, fd, gn, gd, on, od, cn, cd;
    tanh_parts(vf_mul(input, half), &in, &id);
    tanh_parts(vf_mul(forget, half), &fn, &fd);
    tanh_parts(candidate, &gn, &gd);
    tanh_parts(vf_mul(output, half), &on, &od);
    const vf ig = vf_mul(id, gd);
    const vf kept = vf_mul(vf_mul(vf_add(fd, fn), vf_load(cell)), ig);
    const vf added = vf_mul(vf_mul(vf_add(id, in), gn), fd);
    const vf new_cell = vf_zero_below(vf_div(vf_add(kept, added), vf_mul(vf_add(fd, fd), ig)), 8.673617379884035e-19f);
    vf_store(cell, new_cell);
    tanh_parts(new_cell, &cn, &cd);
    return vf_div(vf_mul(vf_add(od, on), cn), vf_mul(vf_mul(od, vf_set(0.0157480314f)), cd)); /* 2 / 127 */
}

static void step(const kdb_direction *direction, size_t blocks, size_t groups, const float *projected,
                 const unsigned char *state, size_t number, float *cell, unsigned char *next) {
    const size_t block_size = groups * KDB_GATES * KDB_ROWS * KDB_GROUP;
    const int first = number == 0;
    for (size_t i = 0; i < blocks; i++) {
        const size_t block = number % 2 ? blocks - 1 - i : i; /* to and fro: the last blocks are still in the nearest cache */
        const size_t row = block * KDB_GATES * KDB_ROWS;
        for (int vector = 0; vector < VECTORS; vector += STEP_VECTORS) {
            vi sums[KDB_GATES * STEP_VECTORS];
            KDB_UNROLL
            for (int part = 0; part < KDB_GATES * STEP_VECTORS; part++) sums[part] = vi_zero();
            if (!first) {
                KDB_UNROLL
                for (int gate = 0; gate < KDB_GATES; gate += STEP_GATES) {
                    KDB_UNROLL
                    for (int part = 0; part < STEP_GATES * STEP_VECTORS; part++)
                        sums[gate * STEP_VECTORS + part] =
                            first_sum(direction->recurrent_offset + row +
                                      (size_t)((gate + part / STEP_VECTORS) * KDB_ROWS +
                                               (vector + part % STEP_VECTORS) * LANES));
                    products(direction->recurrent + block * block_size +
                                 (size_t)(gate * KDB_ROWS + vector * LANES) * KDB_GROUP,
                             KDB_GATES * KDB_ROWS * KDB_GROUP, groups, state, 0, 1, STEP_GATES, STEP_VECTORS,
                             sums + gate * STEP_VECTORS);
                }
            }
            KDB_UNROLL
            for (int part = 0; part < STEP_VECTORS; part++) {
                const size_t lane = (size_t)(vector + part) * LANES;
                vf z[KDB_GATES];
                KDB_UNROLL
                for (int gate = 0; gate < KDB_GATES; gate++) {
                    const size_t place = row + (size_t)gate * KDB_ROWS + lane;
                    z[gate] = vf_load(projected + place);
                    if (!first)
                        z[gate] = vf_add(z[gate], vf_mul(vf_from_int(sums[gate * STEP_VECTORS + part]),
                                                         vf_load(direction->recurrent_scale + place)));
                }
                store_bytes(next + block * KDB_ROWS + lane,
                            gates(z[0], z[1], z[2], z[3], cell + block * KDB_ROWS + lane));
            }
        }
    }
}

static void dense(const kdb_matrix *matrix, size_t blocks, size_t groups, const unsigned char *x, float factor, float *out) {
    for (size_t block = 0; block < blocks; block++) {
        vi sums[VECTORS];
        KDB_UNROLL
        for (int vector = 0; vector < VECTORS; vector++)
            sums[vector] = first_sum(matrix->offset + block * KDB_ROWS + (size_t)vector * LANES);
        products(matrix->weights + block * groups * KDB_ROWS * KDB_GROUP, KDB_ROWS * KDB_GROUP, groups, x, 0, 1, 1, VECTORS,
                 sums);
        KDB_UNROLL
        for (int vector = 0; vector < VECTORS; vector++) {
            const size_t place = block * KDB_ROWS + (size_t)vector * LANES;
            const vf product = vf_mul(vf_from_int(sums[vector]), vf_load(matrix->scale + place));
            vf_store(out + place, vf_add(vf_mul(product, vf_set(factor)), vf_load(matrix->bias + place)));
        }
    }
}
