/* What a processor with AVX-512-VNNI could do at best: bytes a second that a product reads from a cache, and products a second
 * from registers. Prints both for blocks of several sizes: gigabytes, and thousand million multiply-adds, a second. */
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* As many sums as a loop needs so that none waits for the one before. */
static __m512i streamed(const char *data, size_t size) {
    __m512i sums[8], ones = _mm512_set1_epi8(1);
    for (int i = 0; i < 8; i++) sums[i] = _mm512_setzero_si512();
    for (size_t at = 0; at < size; at += 512)
        for (int i = 0; i < 8; i++) sums[i] = _mm512_dpbusd_epi32(sums[i], ones, _mm512_load_si512(data + at + 64 * i));
    for (int i = 1; i < 8; i++) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
    return sums[0];
}

static __m512i computed(size_t rounds, __m512i x) {
    __m512i sums[16];
    for (int i = 0; i < 16; i++) sums[i] = x;
    while (rounds--)
        for (int i = 0; i < 16; i++) sums[i] = _mm512_dpbusd_epi32(sums[i], x, x);
    for (int i = 1; i < 16; i++) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
    return sums[0];
}

int main(void) {
    static const size_t sizes[] = {16 << 10, 64 << 10, 360 << 10, 720 << 10, 1440 << 10};
    char *data = aligned_alloc(64, 2 << 20);
    volatile int sink = 0;
    for (size_t i = 0; i < 2 << 20; i++) data[i] = (char)(i % 251 % 127);
    printf("{\"gigabytes_a_second\": {");
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t size = sizes[s] / 512 * 512, rounds = (size_t)(256 << 20) / size;
        double best = 1e9;
        for (int trial = 0; trial < 7; trial++) {
            const double start = now();
            for (size_t i = 0; i < rounds; i++) sink += _mm512_reduce_add_epi32(streamed(data, size));
            const double seconds = now() - start;
            if (seconds < best) best = seconds;
        }
        printf("%s\"%zu\": %.1f", s ? ", " : "", sizes[s], (double)(size * rounds) / best / 1e9);
    }
    double best = 1e9;
    const size_t rounds = 1 << 20;
    for (int trial = 0; trial < 7; trial++) {
        const double start = now();
        sink += _mm512_reduce_add_epi32(computed(rounds, _mm512_set1_epi8(1)));
        const double seconds = now() - start;
        if (seconds < best) best = seconds;
    }
    printf("}, \"multiply_adds\": %.1f}\n", (double)rounds * 16 * 64 / best / 1e9);
    free(data);
    return 0;
}
