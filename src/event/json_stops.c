#include "event/json_stops.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* One block as a word whose bits are the stops. */
#define INLINE static inline __attribute__((always_inline))

typedef uint64_t block_fn(const char *p);
typedef uint32_t *put_fn(uint32_t *dst, uint32_t at, uint64_t stops);

/* Appends the positions of a block that begins at `at`. */
INLINE uint32_t *put_positions(uint32_t *dst, uint32_t at, uint64_t stops) {
    for (; stops; stops &= stops - 1)
        *dst++ = at + (uint32_t)__builtin_ctzll(stops);
    return dst;
}

/* The same for each kind of vector: always inlined, so that block and put are
 * as well. */
INLINE size_t find_stops(const char *text, size_t n, uint32_t *positions, block_fn *block,
                         put_fn *put) {
    uint32_t *dst = positions;
    for (size_t i = 0; i < n; i += JSON_STOPS_BLOCK)
        dst = put(dst, (uint32_t)i, block(text + i));
    return (size_t)(dst - positions);
}

#define EIGHT_TIMES(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The high bit of each byte of x that equals c. No byte's sum carries into the next. */
INLINE uint64_t equal_bytes(uint64_t x, unsigned char c) {
    uint64_t y = x ^ EIGHT_TIMES(c);
    return ~(((y & EIGHT_TIMES(0x7f)) + EIGHT_TIMES(0x7f)) | y) & EIGHT_TIMES(0x80);
}

/* Eight bytes at once in a common register. */
INLINE uint64_t plain_block(const char *p) {
    uint64_t stops = 0;
    for (unsigned i = 0; i < JSON_STOPS_BLOCK; i += 8) {
        uint64_t x;
        memcpy(&x, p + i, sizeof x);
        x = le64toh(x);
        uint64_t control = ~((x & EIGHT_TIMES(0x7f)) + EIGHT_TIMES(0x80 - 0x20));
        uint64_t found =
            ((control | x) & EIGHT_TIMES(0x80)) | equal_bytes(x, '"') | equal_bytes(x, '\\');
        /* Gathers the eight high bits in the top byte. */
        stops |= (found >> 7) * UINT64_C(0x0102040810204080) >> 56 << i;
    }
    return stops;
}

static size_t stops_plain(const char *text, size_t n, uint32_t *positions) {
    return find_stops(text, n, positions, plain_block, put_positions);
}

#if defined(__x86_64__)

/* As signed bytes, control characters and those that are not ASCII are exactly
 * those below 0x20. */
INLINE uint64_t sse2_quarter(const char *p) {
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), low));
}

INLINE uint64_t sse2_block(const char *p) {
    return sse2_quarter(p) | sse2_quarter(p + 16) << 16 | sse2_quarter(p + 32) << 32 |
           sse2_quarter(p + 48) << 48;
}

static size_t stops_sse2(const char *text, size_t n, uint32_t *positions) {
    return find_stops(text, n, positions, sse2_block, put_positions);
}

#define AVX2 __attribute__((target("avx2,bmi,popcnt")))

AVX2 INLINE uint64_t avx2_half(const char *p) {
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i quote = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"'));
    __m256i backslash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'));
    __m256i low = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), v);
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(quote, backslash), low));
}

AVX2 INLINE uint64_t avx2_block(const char *p) {
    return avx2_half(p) | avx2_half(p + 32) << 32;
}

/* Always eight positions: what is too many is overwritten later, and fewer branches depend on how
 * many there are. tzcnt, unlike __builtin_ctzll, is defined for 0. */
AVX2 INLINE uint32_t *avx2_put(uint32_t *dst, uint32_t at, uint64_t stops) {
    enum { ALWAYS = 8 };
    uint32_t *end = dst + _mm_popcnt_u64(stops);
#pragma GCC unroll 8
    for (int i = 0; i < ALWAYS; i++) {
        dst[i] = at + (uint32_t)_tzcnt_u64(stops);
        stops &= stops - 1;
    }
    if (__builtin_expect(stops != 0, 0))
        put_positions(dst + ALWAYS, at, stops);
    return end;
}

AVX2 static size_t stops_avx2(const char *text, size_t n, uint32_t *positions) {
    return find_stops(text, n, positions, avx2_block, avx2_put);
}

#define AVX512 __attribute__((target("avx512bw,avx512vbmi2,popcnt")))

AVX512 INLINE uint64_t avx512_block(const char *p) {
    __m512i v = _mm512_loadu_si512(p);
    return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"')) |
           _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\')) |
           _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8(0x20));
}

/* Sixteen positions at once, in order: those of the set bits among 0 to 63. */
AVX512 INLINE uint32_t *avx512_put(uint32_t *dst, uint32_t at, uint64_t stops) {
    const __m512i all = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41,
        40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,
        17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    uint32_t *end = dst + _mm_popcnt_u64(stops);
    __m512i set = _mm512_maskz_compress_epi8(stops, all);
    for (;;) {
        __m512i sixteen = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(set));
        _mm512_storeu_si512(dst, _mm512_add_epi32(sixteen, _mm512_set1_epi32((int)at)));
        dst += 16;
        if (__builtin_expect(dst >= end, 1))
            return end;
        set = _mm512_alignr_epi64(_mm512_setzero_si512(), set, 2);
    }
}

AVX512 static size_t stops_avx512(const char *text, size_t n, uint32_t *positions) {
    return find_stops(text, n, positions, avx512_block, avx512_put);
}

static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2") &&
           __builtin_cpu_supports("popcnt");
}

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("popcnt");
}

json_stops_fn *json_stops_for(enum json_simd simd) {
    switch (simd) {
    case JSON_PLAIN:
        return stops_plain;
    case JSON_SSE2:
        return stops_sse2;
    case JSON_AVX2:
        return has_avx2() ? stops_avx2 : NULL;
    case JSON_AVX512:
        return has_avx512() ? stops_avx512 : NULL;
    default:
        return NULL;
    }
}

#else

json_stops_fn *json_stops_for(enum json_simd simd) {
    return simd == JSON_PLAIN ? stops_plain : NULL;
}

#endif

enum json_simd json_simd_best(void) {
    for (int simd = JSON_SIMD_COUNT - 1; simd > JSON_PLAIN; simd--)
        if (json_stops_for((enum json_simd)simd))
            return (enum json_simd)simd;
    return JSON_PLAIN;
}
