/* ARM64 with the dot product (Cortex-A55, A75, Apple A11 and later): 16 products an instruction. */
#include "path_128.h"

typedef int8x16_t act;

#define TOKENS 4
#define PROJECT_GATES 1
#define PROJECT_VECTORS 4
#define STEP_GATES 4
#define STEP_VECTORS 4

static inline act act_load(const unsigned char *p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }
/* The lane is a constant once this is inlined, but the intrinsic wants it in writing. */
static inline __attribute__((always_inline)) vi dot(vi sum, const int8_t *w, act a, const int lane) {
    const int8x16_t row = vld1q_s8(w);
    return lane == 0   ? vdotq_laneq_s32(sum, row, a, 0)
           : lane == 1 ? vdotq_laneq_s32(sum, row, a, 1)
           : lane == 2 ? vdotq_laneq_s32(sum, row, a, 2)
                       : vdotq_laneq_s32(sum, row, a, 3);
}

#include "path.h"

extern const kdb_path_functions kdb_path_dotprod;
const kdb_path_functions kdb_path_dotprod = {KDB_DOTPROD, FLIP, 0, project, step, dense};
