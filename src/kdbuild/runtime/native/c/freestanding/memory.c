/* memcpy and memset where no C library is linked; compilers call them of their own accord, too. Hidden from users of the library.
 * Compiled with -ffreestanding and -fno-builtin, without which clang makes these loops calls to themselves. */
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-loop-distribute-patterns") /* gcc does the same in spite of those */
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    unsigned char *out = to;
    const unsigned char *in = from;
    while (size--) {
        *out++ = *in++;
    }
    return to;
}

void *memset(void *to, int value, size_t size) {
    unsigned char *out = to;
    while (size--) {
        *out++ = (unsigned char)value;
    }
    return to;
}

#ifdef _WIN32
/* Windows calls it when the library is loaded; 1: go on. */
int __stdcall DllMainCRTStartup(void *module, unsigned long reason, void *reserved);

int __stdcall DllMainCRTStartup(void *module, unsigned long reason, void *reserved) {
    (void)module;
    (void)reason;
    (void)reserved;
    return 1;
}
#endif
