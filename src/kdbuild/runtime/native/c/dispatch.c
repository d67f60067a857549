/* Which paths this processor has. Compiled without flags of any instruction set. */
#include "model.h"

extern const kdb_path_functions kdb_path_plain, kdb_path_sse41, kdb_path_avx2, kdb_path_avx_vnni, kdb_path_avx512_vnni,
    kdb_path_neon, kdb_path_dotprod, kdb_path_i8mm, kdb_path_wasm_simd;

/* KDB_HAVE_… is defined for each path whose object is in the library. */
static const kdb_path_functions *compiled(int path) {
    switch (path) {
    case KDB_PLAIN: return &kdb_path_plain;
#ifdef KDB_HAVE_SSE41
    case KDB_SSE41: return &kdb_path_sse41;
#endif
#ifdef KDB_HAVE_AVX2
    case KDB_AVX2: return &kdb_path_avx2;
#endif
#ifdef KDB_HAVE_AVX_VNNI
    case KDB_AVX_VNNI: return &kdb_path_avx_vnni;
#endif
#ifdef KDB_HAVE_AVX512_VNNI
    case KDB_AVX512_VNNI: return &kdb_path_avx512_vnni;
#endif
#ifdef KDB_HAVE_NEON
    case KDB_NEON: return &kdb_path_neon;
#endif
#ifdef KDB_HAVE_DOTPROD
    case KDB_DOTPROD: return &kdb_path_dotprod;
#endif
#ifdef KDB_HAVE_I8MM
    case KDB_I8MM: return &kdb_path_i8mm;
#endif
#ifdef KDB_HAVE_WASM_SIMD
    case KDB_WASM_SIMD: return &kdb_path_wasm_simd;
#endif
    default: return NULL;
    }
}

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>

static unsigned processor(void) {
    unsigned a, b, c, d, paths = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    if (c & (1u << 19) && c & (1u << 9)) paths |= 1u << KDB_SSE41;
    if (!(c & (1u << 27))) return paths; /* the system doesn't say which registers it keeps */
    unsigned kept, high;
    __asm__ volatile("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));
    if ((kept & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return paths;
    const unsigned leaf7_b = b, leaf7_c = c;
    if (leaf7_b & (1u << 5)) paths |= 1u << KDB_AVX2;
    if (a >= 1 && leaf7_b & (1u << 5) && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & (1u << 4))
        paths |= 1u << KDB_AVX_VNNI;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
    if ((kept & 0xE6) == 0xE6 && (leaf7_b & avx512) == avx512 && leaf7_c & (1u << 11)) paths |= 1u << KDB_AVX512_VNNI;
    return paths;
}
#elif defined(__aarch64__) && defined(__APPLE__)
static unsigned processor(void) { return 1u << KDB_NEON | 1u << KDB_DOTPROD; } /* every one since 2018 */
#elif defined(__aarch64__) && defined(_WIN32)
__declspec(dllimport) int __stdcall IsProcessorFeaturePresent(unsigned long feature);
static unsigned processor(void) { return 1u << KDB_NEON | (IsProcessorFeaturePresent(43) ? 1u << KDB_DOTPROD : 0); }
#elif defined(__aarch64__)
/* Of the system's C library, which every process there has; weak, so that nothing fails where it can't be found. */
extern unsigned long getauxval(unsigned long) __attribute__((weak));

static unsigned processor(void) {
    enum { CAPABILITIES = 16, CAPABILITIES_2 = 26 };
    unsigned paths = 1u << KDB_NEON;
    if (!getauxval) return paths;
    if (getauxval(CAPABILITIES) & (1ul << 20)) paths |= 1u << KDB_DOTPROD;
    if (getauxval(CAPABILITIES) & (1ul << 20) && getauxval(CAPABILITIES_2) & (1ul << 13)) paths |= 1u << KDB_I8MM;
    return paths;
}
#else
static unsigned processor(void) { return 1u << KDB_NEON | 1u << KDB_WASM_SIMD; } /* what is compiled in is there */
#endif

unsigned kdb_paths(void) {
    const unsigned there = processor();
    unsigned paths = 1u << KDB_PLAIN;
    for (int path = 1; path < KDB_PATHS; path++)
        if (there & (1u << path) && compiled(path)) paths |= 1u << path;
    return paths;
}

const kdb_path_functions *kdb_find_path(int path) {
    return path >= 0 && path < KDB_PATHS && kdb_paths() & (1u << path) ? compiled(path) : NULL;
}

int kdb_best_path(void) {
    const unsigned paths = kdb_paths();
    int path = KDB_PATHS - 1;
    while (!(paths & (1u << path))) path--;
    return path;
}

const char *kdb_path_name(int path) {
    static const char *const names[] = {"plain", "sse41", "avx2", "avx-vnni", "avx512-vnni", "neon", "dotprod", "i8mm", "wasm-simd"};
    return path >= 0 && path < KDB_PATHS ? names[path] : NULL;
}
