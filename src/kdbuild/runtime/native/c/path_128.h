/* Vectors of 128 bits on ARM, for all paths there. */
#include <arm_neon.h>

typedef float32x4_t vf;
typedef int32x4_t vi;

#define LANES 4
#define FLIP 0

static inline vf vf_set(float x) { return vdupq_n_f32(x); }
static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf x) { vst1q_f32(p, x); }
static inline vf vf_add(vf x, vf y) { return vaddq_f32(x, y); }
static inline vf vf_mul(vf x, vf y) { return vmulq_f32(x, y); }
static inline vf vf_div(vf x, vf y) {
#if defined(__aarch64__)
    return vdivq_f32(x, y);
#else /* there is none for vectors, and the estimate isn't exact */
    float a[4], b[4];
    vst1q_f32(a, x);
    vst1q_f32(b, y);
    for (int lane = 0; lane < 4; lane++) a[lane] = a[lane] / b[lane];
    return vld1q_f32(a);
#endif
}
static inline vf vf_clamp(vf x, float limit) { return vmaxq_f32(vminq_f32(x, vdupq_n_f32(limit)), vdupq_n_f32(-limit)); }
static inline vf vf_zero_below(vf x, float limit) {
    const uint32x4_t large = vcgeq_f32(vabsq_f32(x), vdupq_n_f32(limit));
    return vreinterpretq_f32_u32(vandq_u32(large, vreinterpretq_u32_f32(x)));
}
static inline vf vf_from_int(vi x) { return vcvtq_f32_s32(x); }
static inline vi vi_load(const int32_t *p) { return vld1q_s32(p); }
static inline vi vi_zero(void) { return vdupq_n_s32(0); }
static inline void store_bytes(unsigned char *p, vf x) {
    const uint32x4_t bits = vreinterpretq_u32_f32(vaddq_f32(x, vdupq_n_f32(12582912.0f)));
    const uint16x4_t words = vmovn_u32(bits);
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
    vst1_lane_u32((uint32_t *)(void *)p, vreinterpret_u32_u8(bytes), 0);
}
