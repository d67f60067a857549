/* Loops over a few vectors, which are unrolled: their sums stay in registers. Internal. */
#ifndef KDB_UNROLL_H
#define KDB_UNROLL_H

#if defined(KDB_UNROLL) /* empty where code is to be short */
#elif defined(__clang__)
#define KDB_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define KDB_UNROLL _Pragma("GCC unroll 64")
#else
#define KDB_UNROLL
#endif
#if defined(__GNUC__)
#define KDB_INLINE static inline __attribute__((always_inline))
#else
#define KDB_INLINE static inline
#endif

#endif
