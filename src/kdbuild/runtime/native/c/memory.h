/* What compilers expect of every C library, and all that this one uses; freestanding.c has it where there is no library. */
#ifndef KDB_MEMORY_H
#define KDB_MEMORY_H

#ifdef KDB_FREESTANDING
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);
#ifdef __cplusplus
}
#endif
#else
#include <string.h>
#endif

#endif
