/* Calls the engine's methods for Java with a table of functions of its own, as a virtual machine would.
 *     jni MODEL TEXTS OUT
 * TEXTS: how many there are, then of each its UTF-16 units' number and these. OUT: of each text the number of its ids, the ids, how
 * many tokens were read, unknown and whether it was truncated, and the bits of the logits; numbers are of 32 bits. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    void *address;
} buffer;

typedef struct {
    int32_t length;
    const uint16_t *units;
} string;

static int32_t get_string_length(void *env, void *text) {
    (void)env;
    return ((string *)text)->length;
}

static void get_string_region(void *env, void *text, int32_t start, int32_t length, uint16_t *units) {
    (void)env;
    memcpy(units, ((string *)text)->units + start, (size_t)length * sizeof *units);
}

static void *get_direct_buffer_address(void *env, void *direct) {
    (void)env;
    return ((buffer *)direct)->address;
}

#define METHOD(type, name) extern type Java_dev_kdbuild_core_NativeEngine_##name
METHOD(int32_t, modelSize)(void *env, void *type);
METHOD(int32_t, open)(void *env, void *type, void *model, void *file, int32_t size, int32_t verify);
METHOD(void, describe)(void *env, void *type, void *file, void *model, void *out);
METHOD(int32_t, logits)(void *env, void *type, void *file, void *model, void *scratch, void *ids, int32_t first, int32_t second,
                        void *out);
METHOD(int32_t, ids)(void *env, void *type, void *file, void *model, void *scratch, void *text, void *units, void *ids,
                     int32_t room, void *counts);
#define CALL(name) Java_dev_kdbuild_core_NativeEngine_##name

static void *room(size_t size) {
    void *made = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!made) exit(3);
    return made;
}

static unsigned char *content(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    if (!file || fseek(file, 0, SEEK_END)) exit(4);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *read = (unsigned char *)room(*size + 1);
    if (fread(read, 1, *size, file) != *size) exit(4);
    fclose(file);
    return read;
}

int main(int count, char **arguments) {
    static void *functions[235];
    void *table = functions, *env = &table;
    functions[164] = (void *)(uintptr_t)get_string_length;
    functions[220] = (void *)(uintptr_t)get_string_region;
    functions[230] = (void *)(uintptr_t)get_direct_buffer_address;
    if (count != 4) return 2;

    size_t size, texts_size;
    buffer file = {content(arguments[1], &size)};
    const unsigned char *texts = content(arguments[2], &texts_size);
    FILE *out = fopen(arguments[3], "wb");
    if (!out) return 4;
    buffer model = {room((size_t)CALL(modelSize)(env, NULL))};
    if (CALL(open)(env, NULL, &model, &file, (int32_t)size, 1)) return 5;
    int32_t numbers[5];
    buffer described = {numbers};
    CALL(describe)(env, NULL, &file, &model, &described);
    const int32_t classes = numbers[1], most = numbers[3];
    buffer scratch = {room((size_t)numbers[4])}, ids = {room(4 * (size_t)most)}, logits = {room(4 * (size_t)classes)};
    int32_t counted[4];
    buffer counts = {counted};

    uint32_t left;
    memcpy(&left, texts, sizeof left);
    texts += sizeof left;
    for (; left > 0; left--) {
        uint32_t length;
        memcpy(&length, texts, sizeof length);
        uint16_t *own = (uint16_t *)room(2 * (size_t)length + 2);
        memcpy(own, texts + sizeof length, 2 * (size_t)length);
        texts += sizeof length + 2 * (size_t)length;
        string text = {(int32_t)length, own};
        buffer units = {room(2 * (size_t)length + 2)};
        const int32_t found = CALL(ids)(env, NULL, &file, &model, &scratch, &text, &units, &ids, most, &counts);
        if (CALL(logits)(env, NULL, &file, &model, &scratch, &ids, found, 0, &logits)) return 6;
        fwrite(&found, 4, 1, out);
        fwrite(ids.address, 4, (size_t)found, out);
        fwrite(counted + 1, 4, 3, out);
        fwrite(logits.address, 4, (size_t)classes, out);
        free(own);
        free(units.address);
    }
    return fclose(out) != 0;
}
