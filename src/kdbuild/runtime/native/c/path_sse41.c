/* x86-64 with SSE4.1, which every processor since 2008 has. */
#include <smmintrin.h>
#include <stdint.h>
#include <string.h>

typedef __m128 vf;
typedef __m128i vi;
typedef const unsigned char *act;

#define LANES 4
#define FLIP 0
#define TOKENS 2
#define PROJECT_GATES 1
#define PROJECT_VECTORS 4
#define STEP_GATES 4
#define STEP_VECTORS 2

static inline vf vf_set(float x) { return _mm_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm_loadu_ps(p); }
static inline void vf_store(float *p, vf x) { _mm_storeu_ps(p, x); }
static inline vf vf_add(vf x, vf y) { return _mm_add_ps(x, y); }
static inline vf vf_mul(vf x, vf y) { return _mm_mul_ps(x, y); }
static inline vf vf_div(vf x, vf y) { return _mm_div_ps(x, y); }
static inline vf vf_clamp(vf x, float limit) { return _mm_max_ps(_mm_min_ps(x, _mm_set1_ps(limit)), _mm_set1_ps(-limit)); }
static inline vf vf_zero_below(vf x, float limit) {
    return _mm_and_ps(_mm_cmpge_ps(_mm_andnot_ps(_mm_set1_ps(-0.0f), x), _mm_set1_ps(limit)), x);
}
static inline vf vf_from_int(vi x) { return _mm_cvtepi32_ps(x); }
static inline vi vi_load(const int32_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
static inline vi vi_zero(void) { return _mm_setzero_si128(); }
static inline act act_load(const unsigned char *p) { return p; }
static inline vi dot(vi sum, const int8_t *w, act a, const int lane) {
    int32_t four;
    memcpy(&four, a + 4 * lane, sizeof four);
    const __m128i x = _mm_set1_epi32(four);
    const __m128i row = _mm_loadu_si128((const __m128i *)(const void *)w);
    const __m128i pairs = _mm_maddubs_epi16(_mm_abs_epi8(x), _mm_sign_epi8(row, x));
    return _mm_add_epi32(sum, _mm_madd_epi16(pairs, _mm_set1_epi16(1)));
}
static inline void store_bytes(unsigned char *p, vf x) {
    const __m128i bits = _mm_castps_si128(_mm_add_ps(x, _mm_set1_ps(12582912.0f)));
    const __m128i words = _mm_packus_epi32(_mm_and_si128(bits, _mm_set1_epi32(0xFF)), _mm_setzero_si128());
    const int four = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    memcpy(p, &four, sizeof four);
}

#include "path.h"

extern const kdb_path_functions kdb_path_sse41;
const kdb_path_functions kdb_path_sse41 = {KDB_SSE41, FLIP, 0, project, step, dense};
