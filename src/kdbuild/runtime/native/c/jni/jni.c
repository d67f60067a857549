/* The engine for Java: native methods of dev.kdbuild.core.NativeEngine, on Android and on the desktop.
 *
 * Memory is Java's: each buffer is a direct one, which the virtual machine keeps for as long as a method that it was given to
 * runs. Text comes as UTF-16 units, of which the lone surrogates are still there. */
#include <string.h>

#include "../kdbuild.h"

typedef void *jobject;
typedef const struct jni_functions *jni_env;

/* What is called of the table that the JNI specification numbers. */
struct jni_functions {
    void *before_strings[164];
    int32_t (*get_string_length)(jni_env *env, jobject string);
    void *before_regions[220 - 165];
    void (*get_string_region)(jni_env *env, jobject string, int32_t start, int32_t length, uint16_t *units);
    void *before_buffers[230 - 221];
    void *(*get_direct_buffer_address)(jni_env *env, jobject buffer);
};

#define METHOD(type, name) KDB_API type Java_dev_kdbuild_core_NativeEngine_##name
#define DECLARED(type, name, arguments) METHOD(type, name) arguments; METHOD(type, name) arguments

static void *address(jni_env *env, jobject buffer) { return (*env)->get_direct_buffer_address(env, buffer); }

/* Where a direct buffer begins, so that Java can cut it at a multiple of 64. */
DECLARED(int64_t, address, (jni_env *env, jobject type, jobject buffer)) {
    (void)type;
    return (int64_t)(uintptr_t)address(env, buffer);
}

/* Bytes of the memory that `open` fills. */
DECLARED(int32_t, modelSize, (jni_env *env, jobject type)) {
    (void)env, (void)type;
    return (int32_t)sizeof(kdb_model);
}

/* Opens `size` bytes of a file; 0 or the number of what is wrong. */
DECLARED(int32_t, open, (jni_env *env, jobject type, jobject model, jobject file, int32_t size, int32_t verify)) {
    (void)type;
    return kdb_open((kdb_model *)address(env, model), address(env, file), (size_t)size, verify ? KDB_VERIFY : 0);
}

static int32_t copied(const char *from, size_t length, jni_env *env, jobject out, int32_t room) {
    char *to = (char *)address(env, out);
    for (size_t i = 0; i < length && i < (size_t)room; i++) to[i] = from[i];
    return (int32_t)length;
}

/* A sentence for such a number, in ASCII, without a 0 byte behind it: its length, of which the first `room` bytes are written. */
DECLARED(int32_t, message, (jni_env *env, jobject type, int32_t code, jobject out, int32_t room)) {
    const char *found = kdb_message(code);
    (void)type;
    return copied(found, strlen(found), env, out, room);
}

/* Writes how many texts a model reads, its classes, vocabulary and most tokens, and the bytes of scratch that a call needs. */
DECLARED(void, describe, (jni_env *env, jobject type, jobject file, jobject model, jobject out)) {
    const kdb_model *opened = (const kdb_model *)address(env, model);
    int32_t *numbers = (int32_t *)address(env, out);
    (void)type, (void)file;
    numbers[0] = (int32_t)kdb_texts(opened);
    numbers[1] = (int32_t)kdb_classes(opened);
    numbers[2] = (int32_t)kdb_vocabulary(opened);
    numbers[3] = (int32_t)kdb_max_tokens(opened);
    numbers[4] = (int32_t)kdb_scratch_size(opened);
}

/* Logits of token ids; of a pair, those of the second text stand behind those of the first. 0, or KDB_ARGUMENT. */
DECLARED(int32_t, logits, (jni_env *env, jobject type, jobject file, jobject model, jobject scratch, jobject ids, int32_t first,
                           int32_t second, jobject out)) {
    const uint32_t *numbers = (const uint32_t *)address(env, ids);
    (void)type, (void)file;
    return kdb_logits((const kdb_model *)address(env, model), address(env, scratch), numbers, (uint32_t)first, numbers + first,
                      (uint32_t)second, (float *)address(env, out));
}

/* Token ids of a text, whose units `units` has room for: how many there are, of which the first `room` are written. `counts` is
 * an answer without a label. */
DECLARED(int32_t, ids, (jni_env *env, jobject type, jobject file, jobject model, jobject scratch, jobject string, jobject units,
                        jobject ids, int32_t room, jobject counts)) {
    kdb_text text;
    (void)type, (void)file;
    text.length = (size_t)(*env)->get_string_length(env, string);
    text.data = address(env, units);
    text.encoding = KDB_UTF16;
    (*env)->get_string_region(env, string, 0, (int32_t)text.length, (uint16_t *)address(env, units));
    return (int32_t)kdb_ids((const kdb_model *)address(env, model), address(env, scratch), &text, (uint32_t *)address(env, ids),
                            (uint32_t)room, (kdb_answer *)address(env, counts));
}

/* The name of a label, or the text of a token, in UTF-8: its length, of which the first `room` bytes are written; -1 where there
 * is none of that number. */
DECLARED(int32_t, name, (jni_env *env, jobject type, jobject file, jobject model, int32_t token, int32_t number, jobject out,
                         int32_t room)) {
    const kdb_model *opened = (const kdb_model *)address(env, model);
    size_t length = 0;
    const char *found = token ? kdb_token(opened, (uint32_t)number, &length) : kdb_label(opened, number, &length);
    (void)type, (void)file;
    return found ? copied(found, length, env, out, room) : -1;
}

/* A golden text in UTF-8, as `name`, and to `ids` how many ids it has, these, and the logits. */
DECLARED(int32_t, golden, (jni_env *env, jobject type, jobject file, jobject model, int32_t number, jobject ids, jobject out,
                           int32_t room)) {
    const kdb_model *opened = (const kdb_model *)address(env, model);
    uint32_t *numbers = (uint32_t *)address(env, ids), count;
    const uint32_t *found;
    const float *logits;
    kdb_text text;
    (void)type, (void)file;
    if (kdb_golden(opened, (uint32_t)number, &text, &found, &count, &logits) != KDB_OK) return -1;
    *numbers++ = count;
    for (uint32_t i = 0; i < count; i++) *numbers++ = found[i];
    for (uint32_t i = 0; i < kdb_classes(opened); i++) ((float *)(void *)numbers)[i] = logits[i];
    return copied((const char *)text.data, text.length, env, out, room);
}

/* Temperature, threshold (0: none), the tokenizer's version, the number of golden texts, and whether a text may have several
 * labels; then the logits from which these are given. */
DECLARED(void, calibration, (jni_env *env, jobject type, jobject file, jobject model, jobject out)) {
    const kdb_model *opened = (const kdb_model *)address(env, model);
    double *numbers = (double *)address(env, out);
    const float *limits = kdb_thresholds(opened);
    (void)type, (void)file;
    kdb_calibration(opened, &numbers[0], &numbers[1]);
    numbers[2] = kdb_tokenizer_version(opened);
    numbers[3] = kdb_golden_count(opened);
    numbers[4] = limits != NULL;
    for (uint32_t i = 0; limits && i < kdb_classes(opened); i++) numbers[5 + i] = limits[i];
}

