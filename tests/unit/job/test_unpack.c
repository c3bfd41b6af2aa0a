/* Unpacking by pieces of any size gives what was packed; what is damaged or cut short is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buffer.h"
#include "base/random.h"
#include "job/unpack.h"
#include "support/fake_random.h"

enum { MEMBERS = 5, MEMBER_BYTES = 300 * 1024 };

static void collect(void *ctx, const char *data, size_t len) {
    assert_int_equal(buffer_append(ctx, data, len), 0);
}

/* Members of very different sizes and of bytes that shrink a little. */
static void pack(enum compression kind, struct buffer *plain, struct buffer *packed) {
    struct budget budget;
    struct fake_random random;
    fake_random_init(&random, 7);
    budget_init(&budget, 16 << 20);
    struct compressor *c = compressor_new(kind);
    for (size_t i = 0; i < MEMBERS; i++) {
        struct chunk *raw = chunk_new(&budget, MEMBER_BYTES);
        raw->len = i == 0 ? 1 : (uint32_t)(MEMBER_BYTES / (i * i));
        for (size_t j = 0; j < raw->len; j++)
            raw->data[j] = (char)('a' + random_below(&random.random, 16));
        (void)buffer_append(plain, raw->data, raw->len);
        struct chunk *frame = compressor_run(c, raw, &budget);
        (void)buffer_append(packed, frame->data, frame->len);
        chunk_free(raw);
        chunk_free(frame);
    }
    compressor_free(c);
}

/* 0, or -1 as feed or end said. */
static int unpack_all(enum compression kind, const struct buffer *packed, size_t len, size_t piece,
                      struct buffer *out) {
    struct unpack *u = unpack_new(kind, collect, out);
    struct error e;
    int rc = 0;
    buffer_reset(out);
    for (size_t at = 0; at < len && rc == 0; at += piece)
        rc = unpack_feed(u, packed->data + at, len - at < piece ? len - at : piece, &e);
    if (rc == 0)
        rc = unpack_end(u, &e);
    unpack_free(u);
    if (rc != 0)
        assert_int_equal(e.code, ERR_CORRUPT);
    return rc;
}

static void check(enum compression kind) {
    static const size_t pieces[] = {1, 7, 4096, 262144, SIZE_MAX / 2};
    struct buffer plain, packed, out;
    buffer_init(&plain, 4 << 20);
    buffer_init(&packed, 4 << 20);
    buffer_init(&out, 8 << 20);
    pack(kind, &plain, &packed);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        assert_int_equal(unpack_all(kind, &packed, packed.len, pieces[i], &out), 0);
        assert_int_equal(out.len, plain.len);
        assert_memory_equal(out.data, plain.data, plain.len);
    }
    assert_int_equal(unpack_all(kind, &packed, 0, 1, &out), 0);
    assert_int_equal(unpack_all(kind, &packed, packed.len - 1, 4096, &out), -1);
    assert_int_equal(unpack_all(kind, &packed, 5, 4096, &out), -1);
    for (size_t at = 0; at < packed.len; at += packed.len / 50) {
        packed.data[at] ^= 0x55;
        bool same = unpack_all(kind, &packed, packed.len, 4096, &out) == 0 &&
                    out.len == plain.len && memcmp(out.data, plain.data, plain.len) == 0;
        if (kind == COMPRESSION_GZIP && at > 30 && at < packed.len - 30)
            assert_false(same);
        packed.data[at] ^= 0x55;
    }
    buffer_free(&plain);
    buffer_free(&packed);
    buffer_free(&out);
}

static void test_gzip(void **state) {
    (void)state;
    check(COMPRESSION_GZIP);
}

static void test_zstd(void **state) {
    (void)state;
    check(COMPRESSION_ZSTD);
}

static void test_plain(void **state) {
    (void)state;
    struct buffer out;
    struct error e;
    buffer_init(&out, 100);
    struct unpack *u = unpack_new(COMPRESSION_NONE, collect, &out);
    assert_int_equal(unpack_feed(u, "ab", 2, &e), 0);
    assert_int_equal(unpack_feed(u, "", 0, &e), 0);
    assert_int_equal(unpack_feed(u, "c", 1, &e), 0);
    assert_int_equal(unpack_end(u, &e), 0);
    assert_string_equal(buffer_text(&out), "abc");
    unpack_free(u);
    buffer_free(&out);
}

static void test_kind(void **state) {
    (void)state;
    assert_int_equal(unpack_kind("dt=x/a.jsonl"), COMPRESSION_NONE);
    assert_int_equal(unpack_kind("dt=x/a.jsonl.gz"), COMPRESSION_GZIP);
    assert_int_equal(unpack_kind("dt=x/a.jsonl.zst"), COMPRESSION_ZSTD);
    assert_int_equal(unpack_kind("gz"), COMPRESSION_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_zstd),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
