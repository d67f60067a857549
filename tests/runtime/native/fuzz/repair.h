/* Makes a changed file whole again, so that its values are tried and not only its digests. */
#ifndef KDB_FUZZ_REPAIR_H
#define KDB_FUZZ_REPAIR_H

#include <stddef.h>

/* Set magic, size, and the digests. */
void repair_digests(unsigned char *file, size_t size);

/* Where the sizes are right: make weights of -128 -127, and set each row's offset; then the digests. */
void repair_weights(unsigned char *file, size_t size);

#endif
