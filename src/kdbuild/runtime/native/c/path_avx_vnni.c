/* x86-64 with AVX-VNNI: 32 products of unsigned by signed bytes an instruction. */
#define FLIP 0x80
#include "path_256.h"

#define TOKENS 4
#define PROJECT_GATES 1
#define PROJECT_VECTORS 2
#define STEP_GATES 4
#define STEP_VECTORS 2

static inline vi dot(vi sum, const int8_t *w, act a, const int lane) {
    return _mm256_dpbusd_avx_epi32(sum, broadcast(a, lane), weights_at(w));
}

#include "path.h"

extern const kdb_path_functions kdb_path_avx_vnni;
const kdb_path_functions kdb_path_avx_vnni = {KDB_AVX_VNNI, FLIP, 0, project, step, dense};
