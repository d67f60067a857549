"""A few lines of C that are built as the engine is: every path says whether its instruction set is on."""

from pathlib import Path

_CONDITIONS = {
    "plain": "1",
    "sse41": "defined(__SSE4_1__) && !defined(__AVX__)",
    "avx2": "defined(__AVX2__) && !defined(__FMA__) && !defined(__AVXVNNI__)",
    "avx_vnni": "defined(__AVXVNNI__) && !defined(__FMA__) && !defined(__AVX512F__)",
    "avx512_vnni": "defined(__AVX512VNNI__) && defined(__AVX512VL__) && defined(__AVX512BW__) && defined(__AVX512DQ__)",
    "neon": "defined(__ARM_NEON) && !defined(__ARM_FEATURE_DOTPROD)",
    "dotprod": "defined(__ARM_FEATURE_DOTPROD) && !defined(__ARM_FEATURE_MATMUL_INT8)",
    "i8mm": "defined(__ARM_FEATURE_MATMUL_INT8) && defined(__ARM_FEATURE_DOTPROD)",
    "wasm_simd": "defined(__wasm_simd128__)",
}
BITS = {name: 1 << bit for bit, name in enumerate(_CONDITIONS)}

# The paths are in the library as its bits say; the products are such that a fused one would differ.
_MAIN = """
#include <float.h>
#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__) || FLT_EVAL_METHOD != 0
#error "arithmetic that differs"
#endif
#if defined(__SSE3__) || defined(__ARM_FEATURE_DOTPROD)
#error "an instruction set beyond the baseline"
#endif
#if defined(_WIN32)
#define API __declspec(dllexport)
#else
#define API __attribute__((visibility("default")))
#endif

%(declared)s
API unsigned kdb_built(void);
unsigned kdb_built(void) { return 0%(bits)s; }

API float kdb_step(float a, float b, float c);
float kdb_step(float a, float b, float c) { return a * b + c; }

API void kdb_copy(void *to, const void *from, size_t size);
void kdb_copy(void *to, const void *from, size_t size) { memset(to, 0, size); memcpy(to, from, size); }

#if defined(__aarch64__) && defined(__linux__)
extern unsigned long getauxval(unsigned long) __attribute__((weak));
API unsigned long kdb_processor(void);
unsigned long kdb_processor(void) { return getauxval ? getauxval(16) : 0; }
#endif
#if defined(__aarch64__) && defined(_WIN32)
__declspec(dllimport) int __stdcall IsProcessorFeaturePresent(unsigned long feature);
API int kdb_processor(void);
int kdb_processor(void) { return IsProcessorFeaturePresent(43); }
#endif
"""
_PATH = """
#if !(%(condition)s)
#error "not the flags of its instruction set"
#endif
int kdb_path_%(name)s(void);
int kdb_path_%(name)s(void) { return 1; }
"""


def write_small_engine(folder: Path) -> Path:
    """Write the sources. Returns the folder."""
    folder.mkdir()
    declared = "".join(
        f"#ifdef KDB_HAVE_{name.upper()}\nint kdb_path_{name}(void);\n#define BIT_{name} (kdb_path_{name}() ? {bit}u : 0u)\n"
        f"#else\n#define BIT_{name} 0u\n#endif\n"
        for name, bit in BITS.items()
    )
    main = _MAIN % {"declared": declared, "bits": "".join(f" | BIT_{name}" for name in BITS)}
    (folder / "main.c").write_text(main, encoding="utf-8")
    for name, condition in _CONDITIONS.items():
        path = _PATH % {"condition": condition, "name": name}
        (folder / f"path_{name}.c").write_text(path, encoding="utf-8")
    return folder
