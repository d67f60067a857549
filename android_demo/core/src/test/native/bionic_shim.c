/* What Android's TensorFlow Lite library needs and the GNU C library lacks; preloaded in tests.
 *
 * Android's standard streams are three structures in a row, which the library knows by their addresses: the functions
 * that it writes to them with are replaced here by some that take the desktop's streams instead. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ANDROID_FILE 152 /* bytes, on 64-bit processors */
char __sF[3][ANDROID_FILE];

static FILE *desktop(FILE *stream) {
    char *address = (char *)stream;
    if (address < __sF[0] || address > __sF[2]) return stream;
    return address == __sF[0] ? stdin : address == __sF[1] ? stdout : stderr;
}

int vfprintf(FILE *stream, const char *format, va_list arguments) {
    int (*next)(FILE *, const char *, va_list) = dlsym(RTLD_NEXT, "vfprintf");
    return next(desktop(stream), format, arguments);
}

int fprintf(FILE *stream, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int written = vfprintf(stream, format, arguments);
    va_end(arguments);
    return written;
}

int fputc(int character, FILE *stream) { return putc(character, desktop(stream)); }

size_t fwrite(const void *data, size_t size, size_t count, FILE *stream) {
    size_t (*next)(const void *, size_t, size_t, FILE *) = dlsym(RTLD_NEXT, "fwrite");
    return next(data, size, count, desktop(stream));
}

int fflush(FILE *stream) {
    int (*next)(FILE *) = dlsym(RTLD_NEXT, "fflush");
    return next(desktop(stream));
}

int *__errno(void) { return &errno; }

size_t __strlen_chk(const char *text, size_t size) {
    (void)size;
    return strlen(text);
}

int __android_log_vprint(int priority, const char *tag, const char *format, va_list arguments) {
    int written = fprintf(stderr, "%d %s: ", priority, tag);
    written += vfprintf(stderr, format, arguments);
    return written + fprintf(stderr, "\n");
}

/* A phone says by these how old its system is; the desktop is none. */
int __system_property_get(const char *name, char *value) {
    (void)name;
    *value = '\0';
    return 0;
}

void android_set_abort_message(const char *message) { fprintf(stderr, "abort: %s\n", message); }
