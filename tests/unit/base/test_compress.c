#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include "base/compress.h"
#include "support/fake_random.h"

static struct budget budget;

static struct chunk *raw_chunk(const void *data, size_t len) {
    struct chunk *c = chunk_new(&budget, len ? len : 1);
    memcpy(c->data, data, len);
    c->len = (uint32_t)len;
    return c;
}

/* All members of data, as gzip -d would. */
static size_t gunzip(const char *data, size_t len, char *out, size_t cap) {
    struct inflate_state *state = malloc(sizeof *state);
    size_t total = 0;
    assert_non_null(state);
    isal_inflate_init(state);
    state->next_in = (uint8_t *)(uintptr_t)data;
    state->avail_in = (uint32_t)len;
    while (state->avail_in) {
        isal_inflate_reset(state);
        state->crc_flag = ISAL_GZIP;
        state->next_out = (uint8_t *)out + total;
        state->avail_out = (uint32_t)(cap - total);
        assert_int_equal(isal_inflate(state), ISAL_DECOMP_OK);
        assert_int_equal(state->block_state, ISAL_BLOCK_FINISH);
        total += state->total_out;
    }
    free(state);
    return total;
}

static size_t decompress(enum compression kind, const char *data, size_t len, char *out,
                         size_t cap) {
    if (kind == COMPRESSION_GZIP)
        return gunzip(data, len, out, cap);
    size_t n = ZSTD_decompress(out, cap, data, len);
    assert_false(ZSTD_isError(n));
    return n;
}

static size_t round_trip_with(struct compressor *c, enum compression kind, const void *data,
                              size_t len) {
    struct chunk *raw = raw_chunk(data, len);
    struct chunk *frame = compressor_run(c, raw, &budget);
    char *back = malloc(len + 1);
    assert_non_null(back);
    size_t size = frame->len;
    assert_int_equal(frame->len, frame->cap); /* the budget counts what is held, no more */
    assert_null(frame->next);
    assert_int_equal(decompress(kind, frame->data, frame->len, back, len + 1), len);
    assert_memory_equal(back, data, len);
    free(back);
    chunk_free(frame);
    chunk_free(raw);
    return size;
}

static size_t round_trip(enum compression kind, const void *data, size_t len) {
    struct compressor *c = compressor_new(kind);
    size_t n = round_trip_with(c, kind, data, len);
    compressor_free(c);
    assert_int_equal(atomic_load(&budget.used), 0);
    return n;
}

static char *lines(size_t len) {
    char *text = malloc(len + 128);
    assert_non_null(text);
    for (size_t n = 0, i = 0; n < len; i++)
        n += (size_t)sprintf(text + n,
                             "{\"user_id\":\"u%zu\",\"timestamp\":%zu,\"page\":\"/p%zu\"}\n",
                             i * 7919 % 10007, 1729630800000 + i, i % 97);
    return text;
}

static char *noise(size_t len) {
    struct fake_random r;
    char *data = malloc(len + 1);
    assert_non_null(data);
    fake_random_init(&r, 42);
    r.random.bytes(&r.random, data, len);
    return data;
}

static const enum compression kinds[] = {COMPRESSION_GZIP, COMPRESSION_ZSTD};
#define EACH_KIND for (const enum compression *k = kinds; k < kinds + 2; k++)

static void test_events_shrink_and_come_back(void **state) {
    (void)state;
    char *text = lines(CHUNK_MAX);
    EACH_KIND
    assert_true(round_trip(*k, text, CHUNK_MAX) < CHUNK_MAX / 3);
    free(text);
}

static void test_empty_and_single_bytes(void **state) {
    (void)state;
    EACH_KIND {
        assert_true(round_trip(*k, "", 0) > 0);
        (void)round_trip(*k, "\n", 1);
        (void)round_trip(*k, "{}\n", 3);
    }
}

static void test_incompressible_grows_little(void **state) {
    (void)state;
    char *data = noise(CHUNK_MAX);
    EACH_KIND
    assert_true(round_trip(*k, data, CHUNK_MAX) < CHUNK_MAX + 256);
    free(data);
}

static void test_every_size_around_a_stored_block(void **state) {
    (void)state;
    char *data = noise(131080);
    EACH_KIND {
        struct compressor *c = compressor_new(*k);
        for (size_t n = 65530; n < 65545; n++)
            (void)round_trip_with(c, *k, data, n);
        for (size_t n = 131064; n < 131076; n++)
            (void)round_trip_with(c, *k, data, n);
        compressor_free(c);
    }
    free(data);
}

/* One event may be larger than a chunk usually is. */
static void test_an_oversized_chunk(void **state) {
    (void)state;
    char *data = noise(1 << 21);
    EACH_KIND(void) round_trip(*k, data, 1 << 21);
    free(data);
}

static void test_a_context_is_reused(void **state) {
    (void)state;
    char *text = lines(CHUNK_MAX), *data = noise(CHUNK_MAX);
    EACH_KIND {
        struct compressor *c = compressor_new(*k);
        size_t first = round_trip_with(c, *k, text, 50000);
        (void)round_trip_with(c, *k, data, CHUNK_MAX);
        (void)round_trip_with(c, *k, "", 0);
        assert_int_equal(round_trip_with(c, *k, text, 50000), first);
        compressor_free(c);
    }
    free(data);
    free(text);
}

static void test_frames_join(void **state) {
    (void)state;
    char *text = lines(60000);
    EACH_KIND {
        struct compressor *c = compressor_new(*k);
        char joined[60000 + 256], back[60000 + 1];
        size_t n = 0;
        for (size_t at = 0; at < 60000; at += 20000) {
            struct chunk *raw = raw_chunk(text + at, 20000);
            struct chunk *frame = compressor_run(c, raw, &budget);
            memcpy(joined + n, frame->data, frame->len);
            n += frame->len;
            chunk_free(frame);
            chunk_free(raw);
        }
        assert_int_equal(decompress(*k, joined, n, back, sizeof back), 60000);
        assert_memory_equal(back, text, 60000);
        compressor_free(c);
    }
    free(text);
}

/* The tool that people have at hand must take what is written. */
static void test_gzip_accepts_joined_members(void **state) {
    (void)state;
    if (system("gzip --version > /dev/null 2>&1") != 0)
        skip();
    FILE *f = popen("gzip -t", "w");
    assert_non_null(f);
    struct compressor *c = compressor_new(COMPRESSION_GZIP);
    char *text = lines(100000);
    for (int i = 0; i < 3; i++) {
        struct chunk *raw = raw_chunk(text, (size_t)i * 50000);
        struct chunk *frame = compressor_run(c, raw, &budget);
        assert_int_equal(fwrite(frame->data, 1, frame->len, f), frame->len);
        chunk_free(frame);
        chunk_free(raw);
    }
    assert_int_equal(pclose(f), 0);
    free(text);
    compressor_free(c);
}

static void test_suffixes(void **state) {
    (void)state;
    assert_string_equal(compression_suffix(COMPRESSION_NONE), "");
    assert_string_equal(compression_suffix(COMPRESSION_GZIP), ".gz");
    assert_string_equal(compression_suffix(COMPRESSION_ZSTD), ".zst");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_shrink_and_come_back),
        cmocka_unit_test(test_empty_and_single_bytes),
        cmocka_unit_test(test_incompressible_grows_little),
        cmocka_unit_test(test_every_size_around_a_stored_block),
        cmocka_unit_test(test_an_oversized_chunk),
        cmocka_unit_test(test_a_context_is_reused),
        cmocka_unit_test(test_frames_join),
        cmocka_unit_test(test_gzip_accepts_joined_members),
        cmocka_unit_test(test_suffixes),
    };
    budget_init(&budget, 1 << 30);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
