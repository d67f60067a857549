/* x86-64 with AVX2: 32 products an instruction, of absolute values by weights that take the other's sign. Neither is ever -128. */
#define FLIP 0
#include "path_256.h"

#define TOKENS 4
#define PROJECT_GATES 1
#define PROJECT_VECTORS 2
#define STEP_GATES 4
#define STEP_VECTORS 2

static inline vi dot(vi sum, const int8_t *w, act a, const int lane) {
    const __m256i x = broadcast(a, lane);
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(weights_at(w), x));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#include "path.h"

extern const kdb_path_functions kdb_path_avx2;
const kdb_path_functions kdb_path_avx2 = {KDB_AVX2, FLIP, 0, project, step, dense};
