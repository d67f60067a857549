/* Runs a TFLite model with the C interface of Android's TensorFlow Lite library.
 *
 *     run_model LIBRARY MODEL ROUNDS < ids
 *
 * Prints the library's version. A line of standard input is a text: the number of its token ids, and the ids. A line of
 * standard output is its logits, in as many digits as give the same numbers back. With ROUNDS above 0 each text is then
 * run that often again between sched_yield calls, two before and one after, by which a plugin of the emulator counts
 * instructions. */

#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

/* Android's compilers keep a canary 40 bytes after the thread pointer, where the desktop's keep a program's first
 * thread-local variables: this one takes their place, and nobody writes to it. */
_Thread_local volatile long canary[8];

#define LONGEST 4096
#define MOST_CLASSES 4096

static void *library;

static void *function(const char *name) {
    void *address = dlsym(library, name);
    if (!address) {
        fprintf(stderr, "Error: %s\n", dlerror());
        exit(1);
    }
    return address;
}

static void check(int status, const char *what) {
    if (status) {
        fprintf(stderr, "Error: %s ended with %d\n", what, status);
        exit(1);
    }
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    canary[0] = 0;
    library = dlopen(arguments[1], RTLD_NOW);
    if (!library) {
        fprintf(stderr, "Error: %s\n", dlerror());
        return 1;
    }
    void *(*load)(const char *) = function("TfLiteModelCreateFromFile");
    void *(*make_options)(void) = function("TfLiteInterpreterOptionsCreate");
    void (*set_threads)(void *, int) = function("TfLiteInterpreterOptionsSetNumThreads");
    void *(*make)(void *, void *) = function("TfLiteInterpreterCreate");
    int (*resize)(void *, int, const int *, int) = function("TfLiteInterpreterResizeInputTensor");
    int (*allocate)(void *) = function("TfLiteInterpreterAllocateTensors");
    void *(*input)(void *, int) = function("TfLiteInterpreterGetInputTensor");
    const void *(*output)(void *, int) = function("TfLiteInterpreterGetOutputTensor");
    int (*write)(void *, const void *, size_t) = function("TfLiteTensorCopyFromBuffer");
    int (*invoke)(void *) = function("TfLiteInterpreterInvoke");
    size_t (*bytes)(const void *) = function("TfLiteTensorByteSize");
    int (*read)(const void *, void *, size_t) = function("TfLiteTensorCopyToBuffer");
    const char *(*version)(void) = function("TfLiteVersion");

    void *model = load(arguments[2]);
    void *options = make_options();
    set_threads(options, 1);
    void *interpreter = model ? make(model, options) : NULL;
    if (!interpreter) {
        fprintf(stderr, "Error: %s can't be loaded\n", arguments[2]);
        return 1;
    }
    printf("%s\n", version());
    int rounds = atoi(arguments[3]), shape[2] = {1, 0};
    static int ids[LONGEST];
    static float logits[MOST_CLASSES];
    while (scanf("%d", &shape[1]) == 1 && shape[1] > 0 && shape[1] <= LONGEST) {
        for (int place = 0; place < shape[1]; place++)
            if (scanf("%d", &ids[place]) != 1) return 2;
        check(resize(interpreter, 0, shape, 2), "resizing");
        check(allocate(interpreter), "allocating");
        check(write(input(interpreter, 0), ids, sizeof(int) * (size_t)shape[1]), "writing");
        check(invoke(interpreter), "invoking");
        const void *tensor = output(interpreter, 0);
        size_t size = bytes(tensor);
        if (size > sizeof logits) return 2;
        check(read(tensor, logits, size), "reading");
        for (size_t place = 0; place < size / sizeof(float); place++) printf("%.9g ", logits[place]);
        printf("\n");
        for (int round = 0; round < rounds; round++) {
            sched_yield();
            sched_yield();
            check(invoke(interpreter), "invoking");
            sched_yield();
        }
    }
    return 0;
}
