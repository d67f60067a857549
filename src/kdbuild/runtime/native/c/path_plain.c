/* C without any instruction set's own functions: what every other path must equal, and what runs where there is none. */
#include <stdint.h>
#include <string.h>

#define LANES 4
#define FLIP 0
#define PROJECT_GATES 1
#if defined(__wasm__) /* code is downloaded, and more of it is no faster */
#define TOKENS 1
#define PROJECT_VECTORS 1
#else
#define TOKENS 2
#define PROJECT_VECTORS 4
#endif

#if defined(__GNUC__) && (defined(__SSE2__) || defined(__ARM_NEON))
/* The compiler's vectors, wherever the processor's baseline has some. */
#define STEP_GATES 4
#define STEP_VECTORS 2

typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef int16_t shorts __attribute__((vector_size(16)));
typedef uint32_t bits32 __attribute__((vector_size(16)));
typedef uint16_t bits16 __attribute__((vector_size(16)));
typedef const unsigned char *act;

static inline vf vf_set(float x) { const vf y = {x, x, x, x}; return y; }
static inline vf vf_load(const float *p) { vf y; memcpy(&y, p, sizeof y); return y; }
static inline void vf_store(float *p, vf x) { memcpy(p, &x, sizeof x); }
static inline vf vf_add(vf x, vf y) { return x + y; }
static inline vf vf_mul(vf x, vf y) { return x * y; }
static inline vf vf_div(vf x, vf y) { return x / y; }
static inline vf vf_select(vi condition, vf x, vf y) { return (vf)((condition & (vi)x) | (~condition & (vi)y)); }
static inline vf vf_clamp(vf x, float limit) {
    const vf high = vf_set(limit), low = vf_set(-limit);
    x = vf_select(x < high, x, high);
    return vf_select(x > low, x, low);
}
static inline vf vf_zero_below(vf x, float limit) {
    return (vf)(((x >= vf_set(limit)) | (x <= vf_set(-limit))) & (vi)x);
}
static inline vf vf_from_int(vi x) {
    const vf y = {(float)x[0], (float)x[1], (float)x[2], (float)x[3]};
    return y;
}
static inline vi vi_load(const int32_t *p) { vi y; memcpy(&y, p, sizeof y); return y; }
static inline vi vi_zero(void) { const vi y = {0, 0, 0, 0}; return y; }
static inline act act_load(const unsigned char *p) { return p; }
#if defined(__clang__) && defined(__SSE2__)
typedef int32_t ints __attribute__((vector_size(32)));

/* The sums of neighbours; clang has one instruction for it, which it recognises as this. */
static inline vi sum_pairs(bits16 pairs) {
    const ints all = __builtin_convertvector((shorts)pairs, ints);
    return __builtin_shufflevector(all, all, 0, 2, 4, 6) + __builtin_shufflevector(all, all, 1, 3, 5, 7);
}
#else
static inline vi sum_pairs(bits16 pairs) { return ((vi)((bits32)pairs << 16) >> 16) + ((vi)pairs >> 16); }
#endif

/* Bytes in 16-bit lanes: the even ones, sign extended, are x << 8 >> 8, the odd ones x >> 8. Two products fit into 16 bits,
 * as nothing is -128; unsigned, as a damaged file may have one. */
static inline vi dot(vi sum, const int8_t *w, act a, const int lane) {
    int32_t four;
    shorts row;
    memcpy(&four, a + 4 * lane, sizeof four);
    memcpy(&row, w, sizeof row);
    const vi repeated = {four, four, four, four};
    const shorts x = (shorts)repeated;
    const shorts low_row = (shorts)((bits16)row << 8) >> 8, low_x = (shorts)((bits16)x << 8) >> 8;
    const bits16 pairs = (bits16)low_row * (bits16)low_x + (bits16)(row >> 8) * (bits16)(x >> 8);
    return sum + sum_pairs(pairs);
}
static inline void store_bytes(unsigned char *p, vf x) {
    const vi bits = (vi)(x + vf_set(12582912.0f));
    for (int i = 0; i < LANES; i++) p[i] = (unsigned char)(bits[i] & 0xFF);
}
#else
#define STEP_GATES 1
#define STEP_VECTORS 1
#define EACH for (int i = 0; i < LANES; i++)

typedef struct { float lane[LANES]; } vf;
typedef struct { int32_t lane[LANES]; } vi;
typedef const unsigned char *act;

static inline vf vf_set(float x) { vf y; EACH y.lane[i] = x; return y; }
static inline vf vf_load(const float *p) { vf y; memcpy(&y, p, sizeof y); return y; }
static inline void vf_store(float *p, vf x) { memcpy(p, &x, sizeof x); }
static inline vf vf_add(vf x, vf y) { EACH x.lane[i] = x.lane[i] + y.lane[i]; return x; }
static inline vf vf_mul(vf x, vf y) { EACH x.lane[i] = x.lane[i] * y.lane[i]; return x; }
static inline vf vf_div(vf x, vf y) { EACH x.lane[i] = x.lane[i] / y.lane[i]; return x; }
static inline vf vf_clamp(vf x, float limit) {
    EACH x.lane[i] = x.lane[i] < limit ? x.lane[i] : limit;
    EACH x.lane[i] = x.lane[i] > -limit ? x.lane[i] : -limit;
    return x;
}
static inline vf vf_zero_below(vf x, float limit) {
    EACH x.lane[i] = x.lane[i] >= limit || x.lane[i] <= -limit ? x.lane[i] : 0.0f;
    return x;
}
static inline vf vf_from_int(vi x) { vf y; EACH y.lane[i] = (float)x.lane[i]; return y; }
static inline vi vi_load(const int32_t *p) { vi y; memcpy(&y, p, sizeof y); return y; }
static inline vi vi_zero(void) { vi y; EACH y.lane[i] = 0; return y; }
static inline act act_load(const unsigned char *p) { return p; }
static inline vi dot(vi sum, const int8_t *w, act a, const int lane) {
    const int8_t *x = (const int8_t *)a + 4 * lane;
    EACH sum.lane[i] += w[4 * i] * x[0] + w[4 * i + 1] * x[1] + w[4 * i + 2] * x[2] + w[4 * i + 3] * x[3];
    return sum;
}
static inline void store_bytes(unsigned char *p, vf x) {
    EACH {
        const float moved = x.lane[i] + 12582912.0f;
        uint32_t bits;
        memcpy(&bits, &moved, sizeof bits);
        p[i] = (unsigned char)(bits & 0xFF);
    }
}
#endif

#include "path.h"

extern const kdb_path_functions kdb_path_plain;
const kdb_path_functions kdb_path_plain = {KDB_PLAIN, FLIP, 0, project, step, dense};
