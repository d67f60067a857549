/* ARM with NEON alone: ARMv7, and ARM64 before the dot product. Products of two pairs fit into 16 bits, as nothing is -128. */
#include "path_128.h"

typedef int8x16_t act;

#if defined(__aarch64__)
#define TOKENS 4
#define PROJECT_GATES 1
#define PROJECT_VECTORS 4
#define STEP_GATES 4
#define STEP_VECTORS 4
#else
#define TOKENS 2
#define PROJECT_GATES 1
#define PROJECT_VECTORS 4
#define STEP_GATES 1
#define STEP_VECTORS 4
#endif

static inline act act_load(const unsigned char *p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }
static inline __attribute__((always_inline)) int8x8_t lane_of(act a, const int lane) {
    const int32x4_t x = vreinterpretq_s32_s8(a);
    return vreinterpret_s8_s32(lane == 0   ? vdup_lane_s32(vget_low_s32(x), 0)
                               : lane == 1 ? vdup_lane_s32(vget_low_s32(x), 1)
                               : lane == 2 ? vdup_lane_s32(vget_high_s32(x), 0)
                                           : vdup_lane_s32(vget_high_s32(x), 1));
}
static inline __attribute__((always_inline)) vi dot(vi sum, const int8_t *w, act a, const int lane) {
    const int8x16_t row = vld1q_s8(w);
    const int8x8_t x = lane_of(a, lane);
    const int16x8_t low = vmull_s8(vget_low_s8(row), x), high = vmull_s8(vget_high_s8(row), x);
#if defined(__aarch64__)
    const int16x8_t pairs = vpaddq_s16(low, high);
#else
    const int16x8_t pairs = vcombine_s16(vpadd_s16(vget_low_s16(low), vget_high_s16(low)),
                                         vpadd_s16(vget_low_s16(high), vget_high_s16(high)));
#endif
    return vpadalq_s16(sum, pairs);
}

#include "path.h"

extern const kdb_path_functions kdb_path_neon;
const kdb_path_functions kdb_path_neon = {KDB_NEON, FLIP, 0, project, step, dense};
