/* Runs a fuzzer without libFuzzer: driver SECONDS RUNS FILE... replays the files, then changes them at random, as often or as long
 * as is said. It follows no coverage; what it tries is the same in each run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

enum { MOST = 1 << 14 };

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) __attribute__((weak));

static uint64_t random_state = 88172645463325252u;

static size_t random_below(size_t limit) { /* xorshift64 (Marsaglia 2003) */
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return limit ? (size_t)(random_state >> 16) % limit : 0;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most) {
    const size_t at = random_below(size), length = 1 + random_below(8);
    switch (random_below(5)) {
    case 0:
        if (size) data[at] ^= (uint8_t)(1u << random_below(8));
        return size;
    case 1:
        if (size) data[at] = (uint8_t)random_below(256);
        return size;
    case 2:
        if (at + length > size) return size;
        memmove(data + at, data + at + length, size - at - length);
        return size - length;
    case 3:
        if (size + length > most) return size;
        memmove(data + at + length, data + at, size - at);
        for (size_t i = 0; i < length; i++) data[at + i] = (uint8_t)random_below(256);
        return size + length;
    default:
        if (at + length <= size) memmove(data + random_below(size - length + 1), data + at, length);
        return size;
    }
}

int main(int argc, char **argv) {
    static uint8_t inputs[1 << 12][MOST];
    static size_t sizes[1 << 12];
    static uint8_t changed[MOST];
    const time_t end = time(NULL) + (argc > 1 ? atol(argv[1]) : 0);
    const long most = argc > 2 ? atol(argv[2]) : 0;
    size_t count = 0;
    long runs = 0;
    for (int i = 3; i < argc && count < 1 << 12; i++, count++) {
        FILE *file = fopen(argv[i], "rb");
        fuzz_check(file != NULL, "an input can be read");
        sizes[count] = fread(inputs[count], 1, MOST, file);
        fclose(file);
        LLVMFuzzerTestOneInput(inputs[count], sizes[count]);
    }
    fuzz_check(count > 0, "there are inputs");
    for (; runs < most || time(NULL) < end; runs++) {
        const size_t chosen = random_below(count);
        size_t size = sizes[chosen];
        memcpy(changed, inputs[chosen], size);
        for (size_t times = 1 + random_below(4); times > 0; times--)
            size = LLVMFuzzerCustomMutator ? LLVMFuzzerCustomMutator(changed, size, MOST, (unsigned)random_below(1u << 30))
                                           : LLVMFuzzerMutate(changed, size, MOST);
        LLVMFuzzerTestOneInput(changed, size);
    }
    printf("%zu inputs, %ld changed ones\n", count, runs);
    return 0;
}
