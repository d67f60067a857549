/* The functions that compilers expect even where no C library is linked. Hidden from users of the library.
 * Compiled with -ffreestanding and -fno-builtin, without which clang makes these loops calls to themselves. */
#include <stdint.h>
#include <string.h>

#undef memcpy
#undef memset

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

void *memmove(void *to, const void *from, size_t size) {
    unsigned char *out = to;
    const unsigned char *in = from;
    if (out < in) {
        while (size--) {
            *out++ = *in++;
        }
    } else {
        while (size--) {
            out[size] = in[size];
        }
    }
    return to;
}

int memcmp(const void *first, const void *second, size_t size) {
    const unsigned char *a = first, *b = second;
    for (; size; size--, a++, b++) {
        if (*a != *b) {
            return *a < *b ? -1 : 1;
        }
    }
    return 0;
}

/* clang's for a memcmp that is only compared with 0. */
int bcmp(const void *first, const void *second, size_t size);

int bcmp(const void *first, const void *second, size_t size) {
    return memcmp(first, second, size);
}

void *memset(void *to, int value, size_t size) {
    unsigned char *out = to;
    while (size--) {
        *out++ = (unsigned char)value;
    }
    return to;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length]) {
        length++;
    }
    return length;
}

#ifdef __arm__
/* The processors of this target may lack an instruction that divides. The quotient of two 32-bit numbers is no nearer to the
 * next integer than 2^-32 of it, so that of doubles, which are exact to 2^-52, is never rounded up to it. */
uint32_t __aeabi_uidiv(uint32_t dividend, uint32_t divisor);
uint64_t __aeabi_uidivmod(uint32_t dividend, uint32_t divisor);

uint32_t __aeabi_uidiv(uint32_t dividend, uint32_t divisor) {
    return (uint32_t)((double)dividend / (double)divisor);
}

/* The quotient is the result's low half, the remainder its high half. */
uint64_t __aeabi_uidivmod(uint32_t dividend, uint32_t divisor) {
    const uint32_t quotient = __aeabi_uidiv(dividend, divisor);
    return (uint64_t)(dividend - quotient * divisor) << 32 | quotient;
}
#endif

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
