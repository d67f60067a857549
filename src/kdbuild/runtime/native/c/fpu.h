/* The floating-point unit in its default state during a call: to nearest, subnormal numbers kept. Internal. */
#ifndef KDB_FPU_H
#define KDB_FPU_H

#include <stdint.h>

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
typedef unsigned kdb_fpu;
static inline kdb_fpu kdb_fpu_default(void) {
    const kdb_fpu before = _mm_getcsr();
    _mm_setcsr(0x1F80);
    return before;
}
static inline void kdb_fpu_restore(kdb_fpu before) { _mm_setcsr(before); }
#elif defined(__aarch64__)
typedef uint64_t kdb_fpu;
static inline void kdb_fpu_restore(kdb_fpu before) { __asm__ volatile("msr fpcr, %0" : : "r"(before) : "memory"); }
static inline kdb_fpu kdb_fpu_default(void) {
    kdb_fpu before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before) : : "memory");
    kdb_fpu_restore(0);
    return before;
}
#elif defined(__arm__)
typedef uint32_t kdb_fpu;
static inline void kdb_fpu_restore(kdb_fpu before) { __asm__ volatile("vmsr fpscr, %0" : : "r"(before) : "memory"); }
static inline kdb_fpu kdb_fpu_default(void) {
    kdb_fpu before;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(before) : : "memory");
    kdb_fpu_restore(0);
    return before;
}
#else /* WebAssembly has no such state */
typedef int kdb_fpu;
static inline kdb_fpu kdb_fpu_default(void) { return 0; }
static inline void kdb_fpu_restore(kdb_fpu before) { (void)before; }
#endif

#endif
