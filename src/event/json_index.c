#include "event/json_index.h"

#include <endian.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/compiler.h"

/* One block's bytes by kind, a bit each. */
struct kinds {
    uint64_t quote;
    uint64_t strange; /* backslashes, control characters and bytes that are not ASCII */
    uint64_t blank;   /* a space or below: outside strings JSON allows none but white space there */
};

/* Copies the block besides. */
typedef struct kinds kinds_fn(const char *p, char *copy);
typedef uint64_t backslashes_fn(const char *p);
typedef uint64_t parity_fn(uint64_t x);
typedef uint16_t *put_fn(uint16_t *dst, unsigned at, uint64_t stops);

/* How it is done with one kind of vector. */
struct means {
    kinds_fn *kinds;
    backslashes_fn *backslashes;
    parity_fn *parity;
    put_fn *put;
};

/* What goes on from block to block. */
struct progress {
    struct json_carry *carry;
    uint64_t carried; /* all ones: the next block begins within a string */
    unsigned at;      /* of the next block */
    uint16_t *stops;
    uint64_t *keep;
};

/* ---- The index, for any kind of vector ---------------------------------------------------------- */

/* The bits of the bytes that a backslash escapes. */
static uint64_t escaped_bytes(struct json_carry *carry, uint64_t backslash) {
    uint64_t escaped = carry->escape;
    carry->escape = false;
    backslash &= ~escaped;
    while (backslash) {
        unsigned at = (unsigned)__builtin_ctzll(backslash);
        if (at == JSON_BLOCK - 1) {
            carry->escape = true;
            break;
        }
        escaped |= UINT64_C(2) << at;
        backslash &= ~(UINT64_C(3) << at);
    }
    return escaped;
}

/* Each bit becomes the parity of itself and all below: 1 from an opening quote up to the byte before
 * the closing one. */
INLINE uint64_t parity(uint64_t x) {
    x ^= x << 1;
    x ^= x << 2;
    x ^= x << 4;
    x ^= x << 8;
    x ^= x << 16;
    x ^= x << 32;
    return x;
}

/* Appends the positions of a block that begins at `at`. */
INLINE uint16_t *put_positions(uint16_t *dst, unsigned at, uint64_t stops) {
    for (; stops; stops &= stops - 1)
        *dst++ = (uint16_t)(at + (unsigned)__builtin_ctzll(stops));
    return dst;
}

/* One block, copied to `copy`. */
INLINE void index_block(struct progress *p, const char *text, char *copy, const struct means *m) {
    struct kinds k = m->kinds(text, copy);
    if (UNLIKELY(k.strange || p->carry->escape))
        k.quote &= ~escaped_bytes(p->carry, m->backslashes(text));
    uint64_t in_string = m->parity(k.quote) ^ p->carried;
    p->carried = (uint64_t)((int64_t)in_string >> 63);
    *p->keep++ = in_string | ~k.blank;
    p->stops = m->put(p->stops, p->at, (k.quote & ~in_string) | (k.strange & in_string));
    p->at += JSON_BLOCK;
}

/* Always inlined, so that what it calls by way of m is as well. */
INLINE uint16_t *index_blocks(struct json_carry *carry, const char *text, size_t blocks, bool rest,
                              char *copy, uint16_t *stops, uint64_t *keep, const struct means *m) {
    struct progress p = {.carry = carry,
                         .carried = carry->in_string ? ~UINT64_C(0) : 0,
                         .stops = stops,
                         .keep = keep};
    size_t whole = blocks * JSON_BLOCK;
    for (size_t i = 0; i < whole; i += JSON_BLOCK)
        index_block(&p, text + i, copy + i, m);
    if (rest)
        index_block(&p, copy + whole, copy + whole, m);
    carry->in_string = p.carried != 0;
    return p.stops;
}

/* ---- Packing ------------------------------------------------------------------------------------ */

/* Copies the run [from, to). All copies have one length, which the compiler knows; what is too much is
 * overwritten by the next run. */
INLINE char *pack_run(const char *from, const char *to, char *dst) {
    enum { STEP = JSON_PACK_SLACK / 2 };
    char *end = dst + (to - from);
    for (;;) {
        memcpy(dst, from, STEP);
        dst += STEP;
        if (LIKELY(dst >= end))
            return end;
        from += STEP;
    }
}

/* Run by run: from one byte that is left out to the next. */
INLINE char *pack_runs(const char *text, const uint64_t *keep, size_t from, size_t to, char *dst) {
    const char *run = text + from;
    size_t i = from / JSON_BLOCK, last = to / JSON_BLOCK;
    uint64_t without = ~keep[i] & ~UINT64_C(0) << from % JSON_BLOCK;
    for (;; without = ~keep[++i]) {
        if (i == last)
            without &= ~(~UINT64_C(0) << to % JSON_BLOCK);
        for (; without; without &= without - 1) {
            const char *p = text + i * JSON_BLOCK + (unsigned)__builtin_ctzll(without);
            dst = pack_run(run, p, dst);
            run = p + 1;
        }
        if (i == last)
            return pack_run(run, text + to, dst);
    }
}

/* ---- Eight bytes at once in a common register --------------------------------------------------- */

#define EIGHT_TIMES(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS EIGHT_TIMES(0x80)

/* The high bit of each byte of x below limit, which is at most 0x80. No byte's sum carries into the
 * next. */
INLINE uint64_t below(uint64_t x, unsigned char limit) {
    return ~(((x & ~HIGH_BITS) + EIGHT_TIMES(0x80 - limit)) | x) & HIGH_BITS;
}

INLINE uint64_t equal(uint64_t x, unsigned char c) {
    return below(x ^ EIGHT_TIMES(c), 1);
}

/* The eight high bits in the low byte. */
INLINE uint64_t gather(uint64_t high) {
    return (high >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

INLINE struct kinds plain_kinds(const char *p, char *copy) {
    struct kinds k = {0};
    for (unsigned i = 0; i < JSON_BLOCK; i += 8) {
        uint64_t x;
        memcpy(&x, p + i, sizeof x);
        memcpy(copy + i, &x, sizeof x);
        x = le64toh(x);
        k.quote |= gather(equal(x, '"')) << i;
        k.strange |= gather(equal(x, '\\') | below(x, ' ') | (x & HIGH_BITS)) << i;
        k.blank |= gather(below(x, ' ' + 1)) << i;
    }
    return k;
}

INLINE uint64_t plain_backslashes(const char *p) {
    uint64_t found = 0;
    for (unsigned i = 0; i < JSON_BLOCK; i += 8) {
        uint64_t x;
        memcpy(&x, p + i, sizeof x);
        found |= gather(equal(le64toh(x), '\\')) << i;
    }
    return found;
}

static uint16_t *plain_index(struct json_carry *carry, const char *text, size_t blocks, bool rest,
                             char *copy, uint16_t *stops, uint64_t *keep) {
    static const struct means means = {plain_kinds, plain_backslashes, parity, put_positions};
    return index_blocks(carry, text, blocks, rest, copy, stops, keep, &means);
}

static char *plain_pack(const char *text, const uint64_t *keep, size_t from, size_t to, char *dst) {
    return pack_runs(text, keep, from, to, dst);
}

static const struct json_vectors plain = {plain_index, plain_pack};

#if defined(__x86_64__)

/* ---- SSE2, which every x86-64 has --------------------------------------------------------------- */

INLINE __m128i sse2_load(const char *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

INLINE uint64_t sse2_bits(__m128i v, unsigned at) {
    return (uint64_t)(uint32_t)_mm_movemask_epi8(v) << at;
}

/* As signed bytes, control characters and those that are not ASCII are exactly those below 0x20. */
INLINE struct kinds sse2_kinds(const char *p, char *copy) {
    struct kinds k = {0};
    __m128i space = _mm_set1_epi8(' '), backslash = _mm_set1_epi8('\\');
    for (unsigned i = 0; i < JSON_BLOCK; i += 16) {
        __m128i v = sse2_load(p + i);
        _mm_storeu_si128((__m128i *)(void *)(copy + i), v);
        k.quote |= sse2_bits(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), i);
        k.strange |=
            sse2_bits(_mm_or_si128(_mm_cmplt_epi8(v, space), _mm_cmpeq_epi8(v, backslash)), i);
        k.blank |= sse2_bits(_mm_cmpeq_epi8(_mm_max_epu8(v, space), space), i);
    }
    return k;
}

INLINE uint64_t sse2_backslashes(const char *p) {
    uint64_t found = 0;
    for (unsigned i = 0; i < JSON_BLOCK; i += 16)
        found |= sse2_bits(_mm_cmpeq_epi8(sse2_load(p + i), _mm_set1_epi8('\\')), i);
    return found;
}

static uint16_t *sse2_index(struct json_carry *carry, const char *text, size_t blocks, bool rest,
                            char *copy, uint16_t *stops, uint64_t *keep) {
    static const struct means means = {sse2_kinds, sse2_backslashes, parity, put_positions};
    return index_blocks(carry, text, blocks, rest, copy, stops, keep, &means);
}

static const struct json_vectors sse2 = {sse2_index, plain_pack};

/* ---- AVX2 --------------------------------------------------------------------------------------- */

#define AVX2 __attribute__((target("avx2,bmi,popcnt,pclmul")))

AVX2 INLINE uint64_t avx2_bits(__m256i low, __m256i high) {
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

AVX2 INLINE __m256i avx2_load(const char *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

AVX2 INLINE __m256i avx2_strange(__m256i v) {
    return _mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(' '), v),
                           _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\')));
}

AVX2 INLINE __m256i avx2_blank(__m256i v) {
    __m256i space = _mm256_set1_epi8(' ');
    return _mm256_cmpeq_epi8(_mm256_max_epu8(v, space), space);
}

AVX2 INLINE uint64_t avx2_equal(__m256i a, __m256i b, char c) {
    return avx2_bits(_mm256_cmpeq_epi8(a, _mm256_set1_epi8(c)),
                     _mm256_cmpeq_epi8(b, _mm256_set1_epi8(c)));
}

AVX2 INLINE struct kinds avx2_kinds(const char *p, char *copy) {
    __m256i a = avx2_load(p), b = avx2_load(p + 32);
    _mm256_storeu_si256((__m256i *)(void *)copy, a);
    _mm256_storeu_si256((__m256i *)(void *)(copy + 32), b);
    return (struct kinds){.quote = avx2_equal(a, b, '"'),
                          .strange = avx2_bits(avx2_strange(a), avx2_strange(b)),
                          .blank = avx2_bits(avx2_blank(a), avx2_blank(b))};
}

AVX2 INLINE uint64_t avx2_backslashes(const char *p) {
    return avx2_equal(avx2_load(p), avx2_load(p + 32), '\\');
}

/* The first four positions; returns the stops that are left. tzcnt, unlike __builtin_ctzll, is defined
 * for 0. */
AVX2 INLINE uint64_t avx2_put_four(uint16_t *dst, unsigned at, uint64_t stops) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        dst[i] = (uint16_t)(at + (unsigned)_tzcnt_u64(stops));
        stops &= stops - 1;
        __asm__ volatile("" ::: "memory"); /* else the four are gathered in a vector, at a price */
    }
    return stops;
}

/* Four by four: what is too many is overwritten later, and fewer branches depend on how many there
 * are. */
AVX2 INLINE uint16_t *avx2_put(uint16_t *dst, unsigned at, uint64_t stops) {
    uint16_t *end = dst + _mm_popcnt_u64(stops);
    while ((stops = avx2_put_four(dst, at, stops)))
        dst += 4;
    return end;
}

/* A product without carries: by all ones, each bit becomes the sum of itself and all below. */
AVX2 INLINE uint64_t avx2_parity(uint64_t x) {
    __m128i product = _mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)x), _mm_set1_epi8(-1), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

AVX2 static uint16_t *avx2_index(struct json_carry *carry, const char *text, size_t blocks,
                                 bool rest, char *copy, uint16_t *stops, uint64_t *keep) {
    static const struct means means = {avx2_kinds, avx2_backslashes, avx2_parity, avx2_put};
    return index_blocks(carry, text, blocks, rest, copy, stops, keep, &means);
}

AVX2 static char *avx2_pack(const char *text, const uint64_t *keep, size_t from, size_t to,
                            char *dst) {
    return pack_runs(text, keep, from, to, dst);
}

static const struct json_vectors avx2 = {avx2_index, avx2_pack};

/* ---- AVX-512 ------------------------------------------------------------------------------------ */

#define AVX512 __attribute__((target("avx512bw,avx512vl,avx512vbmi2,popcnt,bmi,pclmul")))

AVX512 INLINE struct kinds avx512_kinds(const char *p, char *copy) {
    __m512i v = _mm512_loadu_si512(p);
    __m512i space = _mm512_set1_epi8(' ');
    _mm512_storeu_si512(copy, v);
    return (struct kinds){
        .quote = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"')),
        .strange =
            _mm512_cmplt_epi8_mask(v, space) | _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\')),
        .blank = _mm512_cmple_epu8_mask(v, space),
    };
}

AVX512 INLINE uint64_t avx512_backslashes(const char *p) {
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p), _mm512_set1_epi8('\\'));
}

/* Sixteen positions at once, in order: those of the set bits among 0 to 63. */
AVX512 INLINE uint16_t *avx512_put(uint16_t *dst, unsigned at, uint64_t stops) {
    const __m512i all = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41,
        40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,
        17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    uint16_t *end = dst + _mm_popcnt_u64(stops);
    __m512i set = _mm512_maskz_compress_epi8(stops, all);
    for (;;) {
        __m256i sixteen = _mm256_cvtepu8_epi16(_mm512_castsi512_si128(set));
        _mm256_storeu_si256((__m256i *)(void *)dst,
                            _mm256_add_epi16(sixteen, _mm256_set1_epi16((short)at)));
        dst += 16;
        if (LIKELY(dst >= end))
            return end;
        set = _mm512_alignr_epi64(_mm512_setzero_si512(), set, 2);
    }
}

AVX512 static uint16_t *avx512_index(struct json_carry *carry, const char *text, size_t blocks,
                                     bool rest, char *copy, uint16_t *stops, uint64_t *keep) {
    static const struct means means = {avx512_kinds, avx512_backslashes, avx2_parity, avx512_put};
    return index_blocks(carry, text, blocks, rest, copy, stops, keep, &means);
}

AVX512 INLINE char *avx512_pack_block(const char *p, uint64_t keep, char *dst) {
    _mm512_storeu_si512(dst, _mm512_maskz_compress_epi8(keep, _mm512_loadu_si512(p)));
    return dst + _mm_popcnt_u64(keep);
}

/* Block by block. */
AVX512 static char *avx512_pack(const char *text, const uint64_t *keep, size_t from, size_t to,
                                char *dst) {
    size_t i = from / JSON_BLOCK, last = to / JSON_BLOCK;
    uint64_t word = keep[i] & ~UINT64_C(0) << from % JSON_BLOCK;
    for (; i < last; word = keep[++i])
        dst = avx512_pack_block(text + i * JSON_BLOCK, word, dst);
    return avx512_pack_block(text + i * JSON_BLOCK, word & ~(~UINT64_C(0) << to % JSON_BLOCK), dst);
}

static const struct json_vectors avx512 = {avx512_index, avx512_pack};

static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("popcnt") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("pclmul");
}

static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("pclmul");
}

const struct json_vectors *json_vectors_for(enum json_simd simd) {
    switch (simd) {
    case JSON_PLAIN:
        return &plain;
    case JSON_SSE2:
        return &sse2;
    case JSON_AVX2:
        return has_avx2() ? &avx2 : NULL;
    case JSON_AVX512:
        return has_avx512() ? &avx512 : NULL;
    default:
        return NULL;
    }
}

#else

const struct json_vectors *json_vectors_for(enum json_simd simd) {
    return simd == JSON_PLAIN ? &plain : NULL;
}

#endif

enum json_simd json_simd_best(void) {
    for (int simd = JSON_SIMD_COUNT - 1; simd > JSON_PLAIN; simd--)
        if (json_vectors_for((enum json_simd)simd))
            return (enum json_simd)simd;
    return JSON_PLAIN;
}
