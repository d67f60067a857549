/* x86-64 with AVX-512 and VNNI: 64 products of unsigned by signed bytes an instruction. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef __m512 vf;
typedef __m512i vi;
typedef const unsigned char *act;

#define LANES 16
#define FLIP 0x80
#define TOKENS 4
#define PROJECT_GATES 4
#define PROJECT_VECTORS 1
#define STEP_GATES 4
#define STEP_VECTORS 1

/* gcc 12 warns of its own header where these functions aren't masked. */
#define ALL ((__mmask16)0xFFFF)

static inline vf vf_set(float x) { return _mm512_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
static inline vf vf_add(vf x, vf y) { return _mm512_add_ps(x, y); }
static inline vf vf_mul(vf x, vf y) { return _mm512_mul_ps(x, y); }
static inline vf vf_div(vf x, vf y) { return _mm512_div_ps(x, y); }
static inline vf vf_clamp(vf x, float limit) {
    return _mm512_maskz_max_ps(ALL, _mm512_maskz_min_ps(ALL, x, _mm512_set1_ps(limit)), _mm512_set1_ps(-limit));
}
static inline vf vf_zero_below(vf x, float limit) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(limit), _CMP_GE_OQ), x);
}
static inline vf vf_from_int(vi x) { return _mm512_maskz_cvtepi32_ps(ALL, x); }
static inline vi vi_load(const int32_t *p) { return _mm512_loadu_si512(p); }
static inline vi vi_zero(void) { return _mm512_setzero_si512(); }
static inline act act_load(const unsigned char *p) { return p; }
static inline vi dot(vi sum, const int8_t *w, act a, const int lane) {
    int32_t four;
    memcpy(&four, a + 4 * lane, sizeof four);
    return _mm512_dpbusd_epi32(sum, _mm512_set1_epi32(four), _mm512_loadu_si512(w));
}
static inline void store_bytes(unsigned char *p, vf x) {
    const __m512i bits = _mm512_castps_si512(_mm512_add_ps(x, _mm512_set1_ps(12582912.0f)));
    _mm_storeu_si128((__m128i *)(void *)p, _mm_xor_si128(_mm512_maskz_cvtepi32_epi8(ALL, bits), _mm_set1_epi8((char)FLIP)));
}

#include "path.h"

extern const kdb_path_functions kdb_path_avx512_vnni;
const kdb_path_functions kdb_path_avx512_vnni = {KDB_AVX512_VNNI, FLIP, 0, project, step, dense};
