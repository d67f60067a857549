/* Answers its arguments, a line each: the label, or - where the model isn't sure or gives none; then all probabilities.
 *     kdbuild_example artefact/model_int8.kdb "a warm , funny film" "what a waste" */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kdbuild.h"

int main(int count, char **arguments) {
    FILE *file = count > 1 ? fopen(arguments[1], "rb") : NULL;
    if (!file || fseek(file, 0, SEEK_END)) return fprintf(stderr, "usage: %s MODEL TEXT...\n", arguments[0]), 2;
    const size_t size = (size_t)ftell(file);
    char *memory = (char *)malloc(size + 63);
    if (!memory) return fputs("no memory\n", stderr), 1;
    char *model_file = memory + (64 - (uintptr_t)memory % 64) % 64;
    rewind(file);
    const size_t read = fread(model_file, 1, size, file);
    fclose(file);

    kdb_model model;
    const int problem = kdb_open(&model, model_file, read, KDB_VERIFY);
    if (problem) return fprintf(stderr, "%s: %s\n", arguments[1], kdb_message(problem)), free(memory), 1;
    const int classes = (int)kdb_classes(&model), texts = (int)kdb_texts(&model);
    void *scratch = malloc(kdb_scratch_size(&model)); /* one for each thread */
    double *probabilities = (double *)malloc((size_t)classes * sizeof *probabilities);
    if (!scratch || !probabilities) return fputs("no memory\n", stderr), 1;

    for (int i = 2; i + texts <= count; i += texts) { /* two at a time where the model reads pairs */
        kdb_text text[2];
        kdb_answer answer;
        for (int k = 0; k < texts; k++) {
            text[k].data = arguments[i + k];
            text[k].length = strlen(arguments[i + k]);
            text[k].encoding = KDB_UTF8;
        }
        kdb_classify(&model, scratch, text, &answer, NULL, probabilities);
        printf("%s", answer.label < 0 ? "-" : kdb_label(&model, answer.label, NULL));
        for (int k = 0; k < classes; k++) printf("\t%s %.4f", kdb_label(&model, k, NULL), probabilities[k]);
        printf("\n");
    }
    free(probabilities), free(scratch), free(memory);
    return 0;
}
