/* What the engine uses of a C library, and compilers of their own accord, for targets that bring none. */
#ifndef KDB_FREESTANDING_STRING_H
#define KDB_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
int memcmp(const void *first, const void *second, size_t size);
void *memset(void *to, int value, size_t size);
size_t strlen(const char *text);

/* Compilers take a call of memcpy for what it is only where they know the library; of a few bytes, it is one instruction. */
#ifdef __GNUC__
#define memcpy(to, from, size) __builtin_memcpy(to, from, size)
#define memset(to, value, size) __builtin_memset(to, value, size)
#endif

#endif
