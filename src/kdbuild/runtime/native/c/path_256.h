/* Vectors of 256 bits, for the two paths that have them. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef __m256 vf;
typedef __m256i vi;
typedef const unsigned char *act;

#define LANES 8

static inline vf vf_set(float x) { return _mm256_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
static inline vf vf_add(vf x, vf y) { return _mm256_add_ps(x, y); }
static inline vf vf_mul(vf x, vf y) { return _mm256_mul_ps(x, y); }
static inline vf vf_div(vf x, vf y) { return _mm256_div_ps(x, y); }
static inline vf vf_clamp(vf x, float limit) {
    return _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(limit)), _mm256_set1_ps(-limit));
}
static inline vf vf_zero_below(vf x, float limit) {
    const vf size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
    return _mm256_and_ps(_mm256_cmp_ps(size, _mm256_set1_ps(limit), _CMP_GE_OQ), x);
}
static inline vf vf_from_int(vi x) { return _mm256_cvtepi32_ps(x); }
static inline vi vi_load(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
static inline vi vi_zero(void) { return _mm256_setzero_si256(); }
static inline act act_load(const unsigned char *p) { return p; }
static inline __m256i broadcast(act a, const int lane) {
    int32_t four;
    memcpy(&four, a + 4 * lane, sizeof four);
    return _mm256_set1_epi32(four);
}
static inline __m256i weights_at(const int8_t *w) { return _mm256_loadu_si256((const __m256i *)(const void *)w); }
static inline void store_bytes(unsigned char *p, vf x) {
    const __m256i bits = _mm256_castps_si256(_mm256_add_ps(x, _mm256_set1_ps(12582912.0f)));
    const __m256i low = _mm256_and_si256(bits, _mm256_set1_epi32(0xFF));
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    const __m128i bytes = _mm_packus_epi16(words, words);
    _mm_storel_epi64((__m128i *)(void *)p, _mm_xor_si128(bytes, _mm_set1_epi8((char)FLIP)));
}
