/* The model as a C array: what kdb_open takes. */
#ifndef KDBUILD_MODEL_H
#define KDBUILD_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

extern const void *const kdbuild_model; /* aligned to 64 bytes */
extern const size_t kdbuild_model_size;

#ifdef __cplusplus
}
#endif
#endif
