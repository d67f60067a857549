/* In the emulated system: yield the processor around the native engine's inferences, as count.py does.
 *
 *     count_native MODEL ROUNDS PATH TOKENS...
 *
 * PATH: a number, -1 for the best. Prints the path's name.
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "kdbuild.h"

int main(int argc, char **argv) {
    FILE *file = argc > 4 ? fopen(argv[1], "rb") : NULL;
    if (!file || fseek(file, 0, SEEK_END) != 0) return 2;
    const size_t size = (size_t)ftell(file);
    unsigned char *content = aligned_alloc(64, (size + 63) / 64 * 64);
    rewind(file);
    if (!content || fread(content, 1, size, file) != size) return 2;
    kdb_model model;
    const int code = kdb_open(&model, content, size, (unsigned)(atoi(argv[3]) + 1) << KDB_PATH_SHIFT);
    if (code != KDB_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], kdb_message(code));
        return 3;
    }
    void *scratch = malloc(kdb_scratch_size(&model));
    uint32_t *ids = malloc(4 * (size_t)kdb_max_tokens(&model));
    float *logits = malloc(4 * (size_t)kdb_classes(&model));
    if (!scratch || !ids || !logits) return 4;
    for (int argument = 4; argument < argc; argument++) {
        const uint32_t tokens = (uint32_t)atoi(argv[argument]);
        for (uint32_t i = 0; i < tokens; i++) ids[i] = 1 + i % 7;
        for (int warm = 0; warm < 2; warm++)
            if (kdb_logits(&model, scratch, ids, tokens, ids, tokens, logits) != KDB_OK) return 5;
        for (int round = 0; round < atoi(argv[2]); round++) {
            sched_yield();
            sched_yield();
            kdb_logits(&model, scratch, ids, tokens, ids, tokens, logits);
            sched_yield();
        }
    }
    puts(kdb_path_name(kdb_path(&model)));
    return 0;
}
