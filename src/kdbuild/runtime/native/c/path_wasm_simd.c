/* WebAssembly with its 128-bit vectors; no relaxed ones, whose results differ between processors. */
#include <stdint.h>
#include <string.h>
#include <wasm_simd128.h>

typedef v128_t vf;
typedef v128_t vi;
typedef const unsigned char *act;

#define LANES 4
#define FLIP 0
#define TOKENS 4
#define PROJECT_GATES 1
#define PROJECT_VECTORS 2
#define STEP_GATES 4
#define STEP_VECTORS 2

static inline vf vf_set(float x) { return wasm_f32x4_splat(x); }
static inline vf vf_load(const float *p) { return wasm_v128_load(p); }
static inline void vf_store(float *p, vf x) { wasm_v128_store(p, x); }
static inline vf vf_add(vf x, vf y) { return wasm_f32x4_add(x, y); }
static inline vf vf_mul(vf x, vf y) { return wasm_f32x4_mul(x, y); }
static inline vf vf_div(vf x, vf y) { return wasm_f32x4_div(x, y); }
static inline vf vf_clamp(vf x, float limit) {
    return wasm_f32x4_pmax(wasm_f32x4_splat(-limit), wasm_f32x4_pmin(wasm_f32x4_splat(limit), x));
}
static inline vf vf_zero_below(vf x, float limit) {
    return wasm_v128_and(wasm_f32x4_ge(wasm_f32x4_abs(x), wasm_f32x4_splat(limit)), x);
}
static inline vf vf_from_int(vi x) { return wasm_f32x4_convert_i32x4(x); }
static inline vi vi_load(const int32_t *p) { return wasm_v128_load(p); }
static inline vi vi_zero(void) { return wasm_i32x4_splat(0); }
static inline act act_load(const unsigned char *p) { return p; }
/* Bytes in 16-bit lanes: the even ones, sign extended, are x << 8 >> 8, the odd ones x >> 8. */
static inline vi dot(vi sum, const int8_t *w, act a, const int lane) {
    int32_t four;
    memcpy(&four, a + 4 * lane, sizeof four);
    const v128_t x = wasm_i32x4_splat(four), row = wasm_v128_load(w);
    const v128_t even = wasm_i32x4_dot_i16x8(wasm_i16x8_shr(wasm_i16x8_shl(row, 8), 8), wasm_i16x8_shr(wasm_i16x8_shl(x, 8), 8));
    const v128_t odd = wasm_i32x4_dot_i16x8(wasm_i16x8_shr(row, 8), wasm_i16x8_shr(x, 8));
    return wasm_i32x4_add(sum, wasm_i32x4_add(even, odd));
}
static inline void store_bytes(unsigned char *p, vf x) {
    const v128_t bits = wasm_f32x4_add(x, wasm_f32x4_splat(12582912.0f));
    const v128_t bytes = wasm_i8x16_shuffle(bits, bits, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    wasm_v128_store32_lane(p, bytes, 0);
}

#include "path.h"

extern const kdb_path_functions kdb_path_wasm_simd;
const kdb_path_functions kdb_path_wasm_simd = {KDB_WASM_SIMD, FLIP, 0, project, step, dense};
