/* What the libraries' own compressors wrote comes out again, into a buffer of any size and the same
 * one each time; what is damaged, cut short, too long or of another codec is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <isa-l/igzip_lib.h>
#include <lz4frame.h>
#include <zstd.h>

#include "base/memory.h"
#include "kafka/decompress.h"
#include "support/fake_random.h"

enum { MAX = 4 << 20 };

/* ---- Packing --------------------------------------------------------------------------------- */

enum { WITH_SIZE = 1, LINKED = 2, CHECKSUM = 4, BIG_BLOCKS = 8 };

static const struct way {
    enum codec codec;
    unsigned flags;
} ways[] = {
    {CODEC_GZIP, 0},
    {CODEC_LZ4, 0}, /* as librdkafka and Java write it */
    {CODEC_LZ4, WITH_SIZE},
    {CODEC_LZ4, LINKED},
    {CODEC_LZ4, LINKED | WITH_SIZE | CHECKSUM},
    {CODEC_LZ4, BIG_BLOCKS},
    {CODEC_LZ4, BIG_BLOCKS | LINKED | CHECKSUM},
    {CODEC_ZSTD, 0},
    {CODEC_ZSTD, WITH_SIZE},
    {CODEC_ZSTD, WITH_SIZE | CHECKSUM},
    {CODEC_ZSTD, CHECKSUM},
};
enum { WAYS = sizeof ways / sizeof *ways };

static char *room_for(struct buffer *packed, size_t n) {
    char *p = buffer_reserve(packed, n);
    assert_non_null(p);
    return p;
}

static void pack_gzip(const char *data, size_t n, struct buffer *packed) {
    size_t bound = n + n / 1000 + 1000;
    uint8_t *tables = xmalloc(ISAL_DEF_LVL1_DEFAULT);
    struct isal_zstream *z = xmalloc(sizeof *z);
    isal_deflate_stateless_init(z);
    z->gzip_flag = IGZIP_GZIP;
    z->level = 1;
    z->level_buf = tables;
    z->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
    z->next_in = (uint8_t *)(uintptr_t)data;
    z->avail_in = (uint32_t)n;
    z->next_out = (uint8_t *)room_for(packed, bound);
    z->avail_out = (uint32_t)bound;
    z->end_of_stream = 1;
    assert_int_equal(isal_deflate_stateless(z), COMP_OK);
    packed->len += z->total_out;
    free(z);
    free(tables);
}

static void pack_lz4(const char *data, size_t n, unsigned flags, struct buffer *packed) {
    LZ4F_preferences_t p = LZ4F_INIT_PREFERENCES;
    LZ4F_cctx *c = NULL;
    p.frameInfo.blockMode = flags & LINKED ? LZ4F_blockLinked : LZ4F_blockIndependent;
    p.frameInfo.blockSizeID = flags & BIG_BLOCKS ? LZ4F_max4MB : LZ4F_max64KB;
    p.frameInfo.contentSize = flags & WITH_SIZE ? n : 0;
    if (flags & CHECKSUM) {
        p.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
        p.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
    }
    assert_false(LZ4F_isError(LZ4F_createCompressionContext(&c, LZ4F_VERSION)));
    /* Not LZ4F_compressFrame, which makes blocks independent where there is one. */
    size_t bound = LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(n, &p);
    char *to = room_for(packed, bound);
    size_t len = LZ4F_compressBegin(c, to, bound, &p);
    assert_false(LZ4F_isError(len));
    size_t more = LZ4F_compressUpdate(c, to + len, bound - len, data, n, NULL);
    assert_false(LZ4F_isError(more));
    len += more;
    more = LZ4F_compressEnd(c, to + len, bound - len, NULL);
    assert_false(LZ4F_isError(more));
    packed->len += len + more;
    assert_false(LZ4F_isError(LZ4F_freeCompressionContext(c)));
}

static void pack_zstd(const char *data, size_t n, unsigned flags, struct buffer *packed) {
    size_t bound = ZSTD_compressBound(n);
    ZSTD_CCtx *c = ZSTD_createCCtx();
    assert_non_null(c);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, (flags & WITH_SIZE) != 0);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, (flags & CHECKSUM) != 0);
    size_t len = ZSTD_compress2(c, room_for(packed, bound), bound, data, n);
    assert_false(ZSTD_isError(len));
    packed->len += len;
    (void)ZSTD_freeCCtx(c);
}

/* Appends a frame to what is packed already. */
static void pack(struct way way, const char *data, size_t n, struct buffer *packed) {
    if (way.codec == CODEC_GZIP)
        pack_gzip(data, n, packed);
    else if (way.codec == CODEC_LZ4)
        pack_lz4(data, n, way.flags, packed);
    else
        pack_zstd(data, n, way.flags, packed);
}

/* ---- What every test has --------------------------------------------------------------------- */

static struct decompressor *d; /* one for all codecs, as in the program */
static char *text;             /* MAX bytes that shrink to about half */
static struct buffer packed, out;

static int set_up(void **state) {
    (void)state;
    struct fake_random random;
    fake_random_init(&random, 11);
    text = xmalloc(MAX);
    for (size_t i = 0; i < MAX; i += 8) {
        uint64_t bits = random_u64(&random.random);
        for (size_t j = 0; j < 8; j++)
            text[i + j] = (char)('a' + (bits >> 4 * j & 15));
    }
    d = decompressor_new();
    buffer_init(&packed, 3 * (size_t)MAX);
    buffer_init(&out, MAX);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    decompressor_free(d);
    free(text);
    buffer_free(&packed);
    buffer_free(&out);
    return 0;
}

static void repack(struct way way, const char *data, size_t n) {
    buffer_reset(&packed);
    pack(way, data, n, &packed);
}

static int unpack(enum codec codec, size_t n, struct error *e) {
    *e = (struct error){0};
    return decompress(d, codec, packed.data, n, &out, e);
}

static void assert_holds(enum codec codec, const char *data, size_t n) {
    struct error e;
    if (unpack(codec, packed.len, &e) != 0)
        fail_msg("%s, %zu bytes: %s", codec_name(codec), n, e.text);
    assert_int_equal(out.len, n);
    if (n)
        assert_memory_equal(out.data, data, n);
    assert_int_equal(out.data[n], '\0');
    assert_false(out.overflow);
}

static void assert_fails(enum codec codec, size_t n, enum error_code code) {
    struct error e;
    assert_int_equal(unpack(codec, n, &e), -1);
    assert_int_equal(e.code, code);
    assert_non_null(strstr(e.text, codec_name(codec)));
    assert_int_equal(out.len, 0);
    assert_string_equal(buffer_text(&out), "");
}

static void new_buffer(size_t max) {
    buffer_free(&out);
    buffer_init(&out, max);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void test_round_trip(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 65535, 65536, 65537, 1 << 20, MAX};
    for (size_t w = 0; w < WAYS; w++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            repack(ways[w], text, sizes[i]);
            new_buffer(MAX);
            assert_holds(ways[w].codec, text, sizes[i]);
            assert_holds(ways[w].codec, text, sizes[i]); /* with the memory that is there now */
        }
}

/* Far more than the first guess at it. */
static void test_much_from_little(void **state) {
    (void)state;
    char *same = xcalloc(1, MAX);
    for (size_t w = 0; w < WAYS; w++) {
        repack(ways[w], same, MAX);
        assert_true(packed.len < MAX / 100);
        new_buffer(MAX);
        assert_holds(ways[w].codec, same, MAX);
    }
    free(same);
}

static void test_frames_in_a_row(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 0, 300000, 65536, 100, 0};
    for (size_t w = 0; w < WAYS; w++) {
        size_t n = 0;
        buffer_reset(&packed);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            pack(ways[w], text + n, sizes[i], &packed);
            n += sizes[i];
        }
        new_buffer(MAX);
        assert_holds(ways[w].codec, text, n);
    }
}

/* The formats allow frames that hold nothing for us, and both libraries read over them. */
static void test_skippable_frames(void **state) {
    (void)state;
    static const char skipped[] = "\x53\x2a\x4d\x18\x03\0\0\0abc";
    for (size_t w = 0; w < WAYS; w++) {
        if (ways[w].codec == CODEC_GZIP)
            continue;
        buffer_reset(&packed);
        assert_int_equal(buffer_append(&packed, skipped, sizeof skipped - 1), 0);
        pack(ways[w], text, 1000, &packed);
        assert_int_equal(buffer_append(&packed, skipped, sizeof skipped - 1), 0);
        assert_holds(ways[w].codec, text, 1000);
    }
}

static void test_cut_at_every_byte(void **state) {
    (void)state;
    for (size_t w = 0; w < WAYS; w++)
        for (size_t size = 0; size <= 600; size += 300) {
            repack(ways[w], text, size);
            for (size_t n = 0; n < packed.len; n++)
                assert_fails(ways[w].codec, n, ERR_CORRUPT);
            assert_holds(ways[w].codec, text, size);
        }
}

/* Behind a whole frame, too. */
static void test_cut_second_frame(void **state) {
    (void)state;
    for (size_t w = 0; w < WAYS; w++) {
        repack(ways[w], text, 100);
        size_t first = packed.len;
        pack(ways[w], text + 100, 200, &packed);
        for (size_t n = first + 1; n < packed.len; n++)
            assert_fails(ways[w].codec, n, ERR_CORRUPT);
        assert_holds(ways[w].codec, text, 300);
    }
}

/* In a copy of exactly the frame's size, so that the sanitizer sees who reads on. A damaged header
 * may claim more than the maximum. */
static void test_flipped_bits(void **state) {
    (void)state;
    struct error e;
    new_buffer(1 << 20);
    for (size_t w = 0; w < WAYS; w++) {
        repack(ways[w], text, 300);
        bool guarded = ways[w].codec == CODEC_GZIP || ways[w].flags & CHECKSUM;
        char *copy = xmalloc(packed.len);
        for (size_t bit = 0; bit < packed.len * 8; bit++) {
            memcpy(copy, packed.data, packed.len);
            copy[bit / 8] ^= (char)(1 << bit % 8);
            e = (struct error){0};
            if (decompress(d, ways[w].codec, copy, packed.len, &out, &e) != 0) {
                assert_true(e.code == ERR_CORRUPT || e.code == ERR_LIMIT);
                assert_true(e.text[0] != '\0');
            } else if (guarded) {
                assert_int_equal(out.len,
                                 300); /* what was flipped says nothing, like gzip's time */
                assert_memory_equal(out.data, text, 300);
            }
        }
        free(copy);
        assert_holds(ways[w].codec, text, 300);
    }
    new_buffer(MAX);
}

static void test_behind_the_frame(void **state) {
    (void)state;
    for (size_t w = 0; w < WAYS; w++)
        for (size_t garbage = 1; garbage < 40; garbage += 6) {
            repack(ways[w], text, 100);
            for (size_t i = 0; i < garbage; i++)
                (void)buffer_append(&packed, "x", 1);
            assert_fails(ways[w].codec, packed.len, ERR_CORRUPT);
        }
}

static void test_no_frame_of_the_codec(void **state) {
    (void)state;
    for (size_t w = 0; w < WAYS; w++) {
        repack(ways[w], text, 1000);
        for (enum codec codec = CODEC_GZIP; codec <= CODEC_ZSTD; codec++)
            if (codec != ways[w].codec && codec != CODEC_SNAPPY)
                assert_fails(codec, packed.len, ERR_CORRUPT);
    }
}

/* The maximum fits, one byte more does not: with a new buffer, and with one that has grown. */
static void test_maximum(void **state) {
    (void)state;
    static const size_t sizes[] = {0,     1,     2,     5,      100,    4095,
                                   65535, 65536, 65537, 131071, 131072, 1 << 20};
    for (size_t w = 0; w < WAYS; w++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            new_buffer(sizes[i]);
            for (int again = 0; again < 2; again++) {
                repack(ways[w], text, sizes[i] + 1);
                assert_fails(ways[w].codec, packed.len, ERR_LIMIT);
                assert_true(out.cap <= sizes[i] + 1);
                repack(ways[w], text, sizes[i]);
                assert_holds(ways[w].codec, text, sizes[i]);
            }
        }
    new_buffer(MAX);
}

/* Where a buffer ends must not matter, but the libraries go other ways close to it. */
static void test_room_to_the_byte(void **state) {
    (void)state;
    for (size_t w = 0; w < WAYS; w++) {
        repack(ways[w], text, 700);
        for (size_t max = 600; max < 800; max++) {
            new_buffer(max);
            if (max < 700)
                assert_fails(ways[w].codec, packed.len, ERR_LIMIT);
            else
                assert_holds(ways[w].codec, text, 700);
        }
    }
    new_buffer(MAX);
}

static void test_frames_pass_the_maximum(void **state) {
    (void)state;
    for (size_t w = 0; w < WAYS; w++) {
        repack(ways[w], text, 500);
        pack(ways[w], text + 500, 501, &packed);
        new_buffer(1000);
        assert_fails(ways[w].codec, packed.len, ERR_LIMIT);
        new_buffer(1001);
        assert_holds(ways[w].codec, text, 1001);
    }
    new_buffer(MAX);
}

/* A header that claims 2^60 bytes. Of lz4's frames one byte is a hash of the header. */
static void test_claimed_size(void **state) {
    (void)state;
    static const char zstd[] = "\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x10\1\0\0";
    new_buffer(200000);
    buffer_reset(&packed);
    assert_int_equal(buffer_append(&packed, zstd, sizeof zstd - 1), 0);
    assert_fails(CODEC_ZSTD, packed.len, ERR_CORRUPT);
    assert_int_equal(out.cap, 200001);
    int believed = 0;
    repack((struct way){CODEC_LZ4, WITH_SIZE}, text, 100);
    memcpy(packed.data + 6, "\0\0\0\0\0\0\0\x10", 8);
    for (int hash = 0; hash < 256; hash++) {
        new_buffer(200000);
        packed.data[14] = (char)hash;
        assert_fails(CODEC_LZ4, packed.len, ERR_CORRUPT);
        believed += out.cap == 200001;
    }
    assert_int_equal(believed, 1);
    new_buffer(MAX);
}

/* What is left of a frame that ended too early must not reach into those that come later. */
static void test_after_a_failure(void **state) {
    (void)state;
    new_buffer(100000);
    for (size_t w = 0; w < WAYS; w++)
        for (size_t v = 0; v < WAYS; v++) {
            repack(ways[w], text, 100000);
            assert_fails(ways[w].codec, packed.len / 2, ERR_CORRUPT);
            repack(ways[v], text, 300);
            assert_holds(ways[v].codec, text, 300);
            repack(ways[w], text, 60000);
            pack(ways[w], text, 60000, &packed);
            assert_fails(ways[w].codec, packed.len, ERR_LIMIT);
            repack(ways[v], text, 300);
            assert_holds(ways[v].codec, text, 300);
        }
    new_buffer(MAX);
}

static void test_memory_is_kept(void **state) {
    (void)state;
    new_buffer(MAX);
    repack(ways[0], text, 1 << 20);
    assert_holds(ways[0].codec, text, 1 << 20);
    const char *data = out.data;
    size_t cap = out.cap;
    for (size_t w = 0; w < WAYS; w++)
        for (size_t size = 1 << 20; size > 0; size /= 32) {
            repack(ways[w], text, size);
            assert_holds(ways[w].codec, text, size);
            assert_ptr_equal(out.data, data);
            assert_int_equal(out.cap, cap);
        }
}

static void test_first_guess(void **state) {
    (void)state;
    for (size_t w = 0; w < WAYS; w++) {
        repack(ways[w], text, 100);
        new_buffer(MAX);
        assert_holds(ways[w].codec, text, 100);
        assert_in_range(out.cap, 64 * 1024 + 1, 128 * 1024);
    }
}

static void test_codecs_that_are_not_known(void **state) {
    (void)state;
    repack(ways[0], text, 100);
    assert_fails(CODEC_SNAPPY, packed.len, ERR_UNSUPPORTED);
    assert_fails((enum codec)6, packed.len, ERR_UNSUPPORTED);
    assert_fails(CODEC_SNAPPY, 0, ERR_UNSUPPORTED);
    assert_holds(ways[0].codec, text, 100);
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(codec_name(CODEC_NONE), "none");
    assert_string_equal(codec_name(CODEC_GZIP), "gzip");
    assert_string_equal(codec_name(CODEC_SNAPPY), "snappy");
    assert_string_equal(codec_name(CODEC_LZ4), "lz4");
    assert_string_equal(codec_name(CODEC_ZSTD), "zstd");
    assert_string_equal(codec_name((enum codec)5), "codec 5");
    assert_string_equal(codec_name((enum codec)7), "codec 7");
    decompressor_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_much_from_little),
        cmocka_unit_test(test_frames_in_a_row),
        cmocka_unit_test(test_skippable_frames),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_cut_second_frame),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_behind_the_frame),
        cmocka_unit_test(test_no_frame_of_the_codec),
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_room_to_the_byte),
        cmocka_unit_test(test_frames_pass_the_maximum),
        cmocka_unit_test(test_claimed_size),
        cmocka_unit_test(test_after_a_failure),
        cmocka_unit_test(test_memory_is_kept),
        cmocka_unit_test(test_first_guess),
        cmocka_unit_test(test_codecs_that_are_not_known),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
