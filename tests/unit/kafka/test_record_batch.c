/* Record batches: what a right one holds, and that no wrong one is believed or read beyond its end.
 * Whatever is read lies in exactly as much memory, for AddressSanitizer to see. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kafka/record_batch.h"
#include "support/batch_maker.h"

static char *exactly(const char *p, size_t n) {
    char *copy = xmalloc(n);
    memcpy(copy, p, n);
    return copy;
}

/* ---- Right ones ----------------------------------------------------------------------------- */

struct reading {
    char *bytes;
    size_t n;
    struct record_batch batch;
    struct record_cursor cursor;
};

static void read_bytes(struct reading *r, char *bytes, size_t n) {
    struct error e;
    *r = (struct reading){.bytes = bytes, .n = n};
    assert_int_equal(record_batch_read(&r->batch, r->bytes, r->n, &e), 1);
    assert_int_equal(r->batch.len, r->n);
    assert_true(record_batch_intact(&r->batch, r->bytes));
    record_cursor_begin(&r->cursor, &r->batch, r->batch.records, r->batch.records_len);
}

static void read_made(struct reading *r, struct batch_maker *m) {
    size_t n;
    char *bytes = batch_end(m, &n);
    read_bytes(r, bytes, n);
}

static bool same(const char *got, size_t got_len, const char *want) {
    if (!want)
        return !got && got_len == 0;
    return got && got_len == strlen(want) && memcmp(got, want, got_len) == 0;
}

static void next_is(struct reading *r, int64_t offset, int64_t timestamp, const char *key,
                    const char *value) {
    struct record got;
    assert_int_equal(record_cursor_next(&r->cursor, &got), 1);
    assert_int_equal(got.offset, offset);
    assert_int_equal(got.timestamp, timestamp);
    assert_true(same(got.key, got.key_len, key));
    assert_true(same(got.value, got.value_len, value));
}

static void ends(struct reading *r) {
    struct record got;
    assert_int_equal(record_cursor_next(&r->cursor, &got), 0);
    assert_int_equal(record_cursor_next(&r->cursor, &got), 0);
    free(r->bytes);
}

static void plain(void **state) {
    (void)state;
    struct batch_maker m;
    struct reading r;
    batch_begin(&m, 1000, 1729630800000, BATCH_TRANSACTIONAL, 77);
    batch_add(&m, 0, 0, "a", 1, "first", 5, 0);
    batch_add(&m, 1, 5, "b", 1, "second", 6, 0);
    batch_add(&m, 2, 70000, "c", 1, "third", 5, 0);
    read_made(&r, &m);
    assert_int_equal(r.batch.base_offset, 1000);
    assert_int_equal(r.batch.last_offset, 1002);
    assert_int_equal(r.batch.base_timestamp, 1729630800000);
    assert_int_equal(r.batch.max_timestamp, 1729630870000);
    assert_int_equal(r.batch.producer_id, 77);
    assert_int_equal(r.batch.codec, CODEC_NONE);
    assert_int_equal(r.batch.count, 3);
    assert_true(r.batch.transactional);
    assert_false(r.batch.control);
    assert_false(r.batch.log_append_time);
    assert_ptr_equal(r.batch.records, r.bytes + BATCH_RECORDS);
    assert_int_equal(r.batch.records_len, r.n - BATCH_RECORDS);
    next_is(&r, 1000, 1729630800000, "a", "first");
    next_is(&r, 1001, 1729630800005, "b", "second");
    next_is(&r, 1002, 1729630870000, "c", "third");
    ends(&r);
}

static void attributes(void **state) {
    (void)state;
    for (int a = 0; a < 1 << 7; a++) {
        struct batch_maker m;
        struct reading r;
        batch_begin(&m, 0, 0, a, -1);
        read_made(&r, &m);
        assert_int_equal(r.batch.codec, a & 7);
        assert_int_equal(r.batch.log_append_time, a >> 3 & 1);
        assert_int_equal(r.batch.transactional, a >> 4 & 1);
        assert_int_equal(r.batch.control, a >> 5 & 1);
        assert_int_equal(r.batch.producer_id, -1);
        ends(&r);
    }
}

static void no_key_and_an_empty_one(void **state) {
    (void)state;
    struct batch_maker m;
    struct reading r;
    batch_begin(&m, 0, 0, 0, -1);
    batch_add(&m, 0, 0, NULL, -1, "value", 5, 0);
    batch_add(&m, 1, 0, "", 0, "value", 5, 0);
    batch_add(&m, 2, 0, "key", 3, NULL, -1, 0);
    batch_add(&m, 3, 0, "key", 3, "", 0, 0);
    batch_add(&m, 4, 0, NULL, -1, NULL, -1, 0);
    batch_add(&m, 5, 0, "", 0, "", 0, 0);
    read_made(&r, &m);
    next_is(&r, 0, 0, NULL, "value");
    next_is(&r, 1, 0, "", "value");
    next_is(&r, 2, 0, "key", NULL);
    next_is(&r, 3, 0, "key", "");
    next_is(&r, 4, 0, NULL, NULL);
    next_is(&r, 5, 0, "", "");
    ends(&r);
}

static void headers_are_passed_over(void **state) {
    (void)state;
    struct batch_maker m;
    struct reading r;
    batch_begin(&m, 0, 0, 0, -1);
    batch_add(&m, 0, 0, "k", 1, "one", 3, 1);
    batch_add(&m, 1, 0, "k", 1, "many", 4, 100);
    batch_add(&m, 2, 0, NULL, -1, NULL, -1, 2);
    read_made(&r, &m);
    next_is(&r, 0, 0, "k", "one");
    next_is(&r, 1, 0, "k", "many");
    next_is(&r, 2, 0, NULL, NULL);
    ends(&r);
}

/* Around each length of a varint, both signs. */
static void all_timestamp_deltas(void **state) {
    (void)state;
    struct batch_maker m;
    struct reading r;
    const int64_t base = 1729630800000;
    batch_begin(&m, 0, base, 0, -1);
    int32_t n = 0;
    for (int bit = 0; bit < 62; bit++)
        for (int64_t d = -1; d <= 1; d++, n += 2) {
            batch_add(&m, n, (INT64_C(1) << bit) + d, NULL, -1, "v", 1, 0);
            batch_add(&m, n + 1, -(INT64_C(1) << bit) + d, NULL, -1, "v", 1, 0);
        }
    read_made(&r, &m);
    n = 0;
    for (int bit = 0; bit < 62; bit++)
        for (int64_t d = -1; d <= 1; d++, n += 2) {
            next_is(&r, n, base + (INT64_C(1) << bit) + d, NULL, "v");
            next_is(&r, n + 1, base - (INT64_C(1) << bit) + d, NULL, "v");
        }
    ends(&r);
}

/* Sums beyond 64 bits wrap around, as they do in Java; -1 is how producers say none. */
static void absurd_timestamps(void **state) {
    (void)state;
    struct batch_maker m;
    struct reading r;
    batch_begin(&m, 0, INT64_MAX, 0, -1);
    batch_add(&m, 0, 2, NULL, -1, "v", 1, 0);
    batch_add(&m, 1, INT64_MAX, NULL, -1, "v", 1, 0);
    batch_add(&m, 2, INT64_MIN, NULL, -1, "v", 1, 0);
    read_made(&r, &m);
    next_is(&r, 0, INT64_MIN + 1, NULL, "v");
    next_is(&r, 1, -2, NULL, "v");
    next_is(&r, 2, -1, NULL, "v");
    ends(&r);
    batch_begin(&m, 0, -1, 0, -1);
    batch_add(&m, 0, 0, NULL, -1, "v", 1, 0);
    read_made(&r, &m);
    next_is(&r, 0, -1, NULL, "v");
    ends(&r);
}

static void log_append_time(void **state) {
    (void)state;
    struct batch_maker m;
    struct reading r;
    batch_begin(&m, 10, 1000, BATCH_LOG_APPEND_TIME, -1);
    batch_add(&m, 0, 0, NULL, -1, "v", 1, 0);
    batch_add(&m, 1, -900, NULL, -1, "w", 1, 0);
    m.max_timestamp = 5000;
    read_made(&r, &m);
    next_is(&r, 10, 5000, NULL, "v");
    next_is(&r, 11, 5000, NULL, "w");
    ends(&r);
}

/* As librdkafka takes it. */
static void a_record_says_so_itself(void **state) {
    (void)state;
    struct batch_maker m;
    struct reading r;
    batch_begin(&m, 10, 1000, 0, -1);
    batch_add(&m, 0, 0, NULL, -1, "v", 1, 0);
    m.records.data[1] = BATCH_LOG_APPEND_TIME; /* behind the record's length */
    batch_add(&m, 1, -900, NULL, -1, "w", 1, 0);
    m.max_timestamp = 5000;
    read_made(&r, &m);
    next_is(&r, 10, 5000, NULL, "v");
    next_is(&r, 11, 100, NULL, "w");
    ends(&r);
}

/* Compaction takes records away and leaves the batch's offsets as they were. */
static void compacted(void **state) {
    (void)state;
    struct batch_maker m;
    struct reading r;
    batch_begin(&m, 500, 0, 0, -1);
    batch_add(&m, 3, 0, "a", 1, "v", 1, 0);
    batch_add(&m, 64, 1, "b", 1, "v", 1, 0);
    batch_add(&m, 9000, 2, "c", 1, "v", 1, 0);
    m.last_offset_delta = 10000;
    read_made(&r, &m);
    assert_int_equal(r.batch.base_offset, 500);
    assert_int_equal(r.batch.last_offset, 10500);
    next_is(&r, 503, 0, "a", "v");
    next_is(&r, 564, 1, "b", "v");
    next_is(&r, 9500, 2, "c", "v");
    ends(&r);
}

static void compacted_to_nothing(void **state) {
    (void)state;
    struct batch_maker m;
    struct reading r;
    batch_begin(&m, 500, 0, 0, 4);
    m.last_offset_delta = 41;
    read_made(&r, &m);
    assert_int_equal(r.batch.last_offset, 541);
    assert_int_equal(r.batch.count, 0);
    assert_int_equal(r.batch.records_len, 0);
    ends(&r);
}

static void the_last_offsets(void **state) {
    (void)state;
    struct batch_maker m;
    struct reading r;
    batch_begin(&m, INT64_MAX - 1 - INT32_MAX, 0, 0, -1);
    batch_add(&m, 0, 0, NULL, -1, "v", 1, 0);
    batch_add(&m, INT32_MAX, 0, NULL, -1, "w", 1, 0);
    read_made(&r, &m);
    assert_int_equal(r.batch.last_offset, INT64_MAX - 1);
    next_is(&r, INT64_MAX - 1 - INT32_MAX, 0, NULL, "v");
    next_is(&r, INT64_MAX - 1, 0, NULL, "w");
    ends(&r);
}

static void large_records(void **state) {
    (void)state;
    enum { LARGE = 3 << 20 };
    struct batch_maker m;
    struct reading r;
    char *large = xmalloc(LARGE + 1);
    memset(large, 'x', LARGE);
    large[LARGE] = '\0';
    batch_begin(&m, 0, 0, 0, -1);
    for (int i = 0, n = 1; n <= LARGE; i++, n = n * 3 + 1)
        batch_add(&m, i, 0, large, n, large, n, 0);
    read_made(&r, &m);
    for (int i = 0, n = 1; n <= LARGE; i++, n = n * 3 + 1)
        next_is(&r, i, 0, large + LARGE - n, large + LARGE - n);
    ends(&r);
    free(large);
}

/* What follows in a fetch's answer is of no concern. */
static void one_behind_another(void **state) {
    (void)state;
    struct batch_maker m;
    struct record_batch b;
    struct error e;
    size_t n;
    batch_begin(&m, 5, 0, 0, -1);
    batch_add(&m, 0, 0, NULL, -1, "v", 1, 0);
    char *one = batch_end(&m, &n);
    char *two = xmalloc(2 * n);
    memcpy(two, one, n);
    memcpy(two + n, one, n);
    assert_int_equal(record_batch_read(&b, two, 2 * n, &e), 1);
    assert_int_equal(b.len, n);
    assert_true(record_batch_intact(&b, two));
    assert_int_equal(b.records_len, n - BATCH_RECORDS);
    free(two);
    free(one);
}

/* ---- What was decompressed ------------------------------------------------------------------ */

static void decompressed_elsewhere(void **state) {
    (void)state;
    struct batch_maker m;
    struct reading r;
    batch_begin(&m, 20, 100, CODEC_ZSTD, -1);
    batch_add_raw(&m, "packed", 6, 1);
    m.last_offset_delta = 3;
    read_made(&r, &m);
    assert_int_equal(r.batch.codec, CODEC_ZSTD);
    char *records = exactly("\x10\x00\x02\x06\x01\x04hi\x00", 9);
    record_cursor_begin(&r.cursor, &r.batch, records, 9);
    next_is(&r, 23, 101, NULL, "hi");
    ends(&r);
    free(records);
}

static void decompressed_to_nothing(void **state) {
    (void)state;
    struct record_batch b = {.base_offset = 1, .last_offset = 1};
    struct record_cursor c;
    struct record r;
    record_cursor_begin(&c, &b, NULL, 0);
    assert_int_equal(record_cursor_next(&c, &r), 0);
    b.count = 1;
    record_cursor_begin(&c, &b, NULL, 0);
    assert_int_equal(record_cursor_next(&c, &r), -1);
}

/* ---- Control batches ------------------------------------------------------------------------ */

/* The first batch of a cluster's metadata log, as Kafka 4 wrote it: who leads. */
static void as_kafka_writes_it(void **state) {
    (void)state;
    static const unsigned char bytes[] = {
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x4f, 0x00,
        0x00, 0x00, 0x01, 0x02, 0x4b, 0x43, 0x0b, 0x96, 0x00, 0x20, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x01, 0xa2, 0x1c, 0x4f, 0x58, 0x32, 0x00, 0x00, 0x01, 0xa2,
        0x1c, 0x4f, 0x58, 0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x3a, 0x00, 0x00, 0x00,
        0x08, 0x00, 0x00, 0x00, 0x02, 0x26, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02,
        0x00, 0x00, 0x00, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00};
    struct reading r;
    struct record marker;
    read_bytes(&r, exactly((const char *)bytes, sizeof bytes), sizeof bytes);
    assert_true(r.batch.control);
    assert_false(r.batch.transactional);
    assert_int_equal(r.batch.producer_id, -1);
    assert_int_equal(r.batch.last_offset, 0);
    assert_int_equal(record_cursor_next(&r.cursor, &marker), 1);
    assert_int_equal(marker.timestamp, 0x01a21c4f5832);
    assert_int_equal(marker.key_len, 4);
    assert_int_equal(marker.value_len, 19);
    assert_false(record_batch_aborts(&marker));
    ends(&r);
}

static bool marker_aborts(int version, int type) {
    struct batch_maker m;
    struct reading r;
    struct record marker;
    batch_begin(&m, 90, 0, BATCH_TRANSACTIONAL | BATCH_CONTROL, 12);
    batch_add_marker(&m, version, type);
    read_made(&r, &m);
    assert_true(r.batch.control && r.batch.transactional);
    assert_int_equal(record_cursor_next(&r.cursor, &marker), 1);
    bool aborts = record_batch_aborts(&marker);
    ends(&r);
    return aborts;
}

static void markers(void **state) {
    (void)state;
    assert_true(marker_aborts(0, 0));
    assert_false(marker_aborts(0, 1));
    assert_true(marker_aborts(1, 0)); /* of a later Kafka */
    assert_false(marker_aborts(1, 1));
    assert_false(marker_aborts(0, 2));
    assert_false(marker_aborts(0, 256));
    assert_false(marker_aborts(-1, 0));
    assert_false(marker_aborts(-1, 1));
}

static void keys_that_are_no_marker(void **state) {
    (void)state;
    struct record none = {0};
    assert_false(record_batch_aborts(&none));
    for (size_t n = 0; n < 8; n++) {
        char *key = exactly("\0\0\0\0\0\0\0", n);
        struct record r = {.key = key, .key_len = n};
        assert_int_equal(record_batch_aborts(&r), n >= 4);
        free(key);
    }
}

/* ---- Cut short and damaged ------------------------------------------------------------------ */

/* One with everything in it, in *n bytes. */
static char *example(size_t *n) {
    struct batch_maker m;
    batch_begin(&m, 300, 1729630800000, 0, 9);
    batch_add(&m, 0, 0, "key", 3, "value", 5, 0);
    batch_add(&m, 1, -70, NULL, -1,
              "a longer value, of more than sixty-four bytes, for a length "
              "that takes two bytes",
              80, 2);
    batch_add(&m, 100, 1 << 20, "", 0, NULL, -1, 0);
    return batch_end(&m, n);
}

static void cut_short(void **state) {
    (void)state;
    size_t n;
    char *whole = example(&n);
    for (size_t k = 0; k < n; k++) {
        struct record_batch b;
        struct error e;
        char *part = exactly(whole, k);
        assert_int_equal(record_batch_read(&b, part, k, &e), 0);
        free(part);
    }
    free(whole);
}

/* CRC-32C finds every error of a byte. */
static void each_byte_damaged(void **state) {
    (void)state;
    size_t n;
    char *whole = example(&n);
    for (size_t i = BATCH_CRC; i < n; i++)
        for (int flip = 1; flip < 256; flip++) {
            struct record_batch b;
            struct error e;
            char *damaged = exactly(whole, n);
            damaged[i] = (char)(damaged[i] ^ flip);
            int rc = record_batch_read(&b, damaged, n, &e);
            assert_true(rc == 1 ? !record_batch_intact(&b, damaged) : e.code == ERR_CORRUPT);
            free(damaged);
        }
    free(whole);
}

/* What is not under the CRC. */
static void intact_where_brokers_write(void **state) {
    (void)state;
    struct record_batch b;
    struct error e;
    size_t n;
    char *whole = example(&n);
    batch_put(whole + BATCH_BASE_OFFSET, 8, 123456789);
    batch_put(whole + BATCH_LEADER_EPOCH, 4, -1);
    assert_int_equal(record_batch_read(&b, whole, n, &e), 1);
    assert_int_equal(b.last_offset, 123456789 + 100);
    assert_true(record_batch_intact(&b, whole));
    free(whole);
}

static void is_refused(const char *whole, size_t n, enum error_code code, const char *text) {
    struct record_batch b;
    struct error e = {0};
    char *exact = exactly(whole, n);
    assert_int_equal(record_batch_read(&b, exact, n, &e), -1);
    assert_int_equal(e.code, code);
    assert_false(e.retriable);
    assert_non_null(strstr(e.text, text));
    free(exact);
}

static void other_formats(void **state) {
    (void)state;
    size_t n;
    char *whole = example(&n);
    for (int magic = -128; magic < 128; magic++) {
        char text[64];
        (void)snprintf(text, sizeof text, "in format %d, %s", magic,
                       magic == 0 || magic == 1 ? "of before Kafka 0.11" : "and only");
        whole[BATCH_MAGIC] = (char)magic;
        if (magic != 2) {
            is_refused(whole, n, ERR_UNSUPPORTED, text);
            is_refused(whole, BATCH_MAGIC + 1, ERR_UNSUPPORTED, text);
        }
    }
    /* Theirs may be shorter than our header. */
    batch_put(whole + BATCH_MAGIC, 1, 1);
    batch_put(whole + BATCH_LENGTH, 4, 22);
    is_refused(whole, n, ERR_UNSUPPORTED, "the records at offset 300 are in format 1");
    free(whole);
}

/* The example with v, of so many bytes, written at a place of its header: refused, and why. */
static void refused_with(int at, int bytes, int64_t v, const char *text) {
    size_t n;
    char *whole = example(&n);
    batch_put(whole + at, bytes, v);
    batch_seal(whole, n);
    is_refused(whole, n, ERR_CORRUPT, text);
    is_refused(whole, BATCH_RECORDS, ERR_CORRUPT, text);
    free(whole);
}

static void impossible_headers(void **state) {
    (void)state;
    refused_with(BATCH_LENGTH, 4, 48, "offset 300 is damaged: its length is 48");
    refused_with(BATCH_LENGTH, 4, 0, "length is 0");
    refused_with(BATCH_LENGTH, 4, -1, "length is -1");
    refused_with(BATCH_LENGTH, 4, INT32_MIN, "length is -2147483648");
    refused_with(BATCH_COUNT, 4, -1, "count of records is -1");
    refused_with(BATCH_COUNT, 4, INT32_MIN, "count of records is -2147483648");
    refused_with(BATCH_LAST_OFFSET_DELTA, 4, -1, "last offset delta is -1");
    refused_with(BATCH_LAST_OFFSET_DELTA, 4, INT32_MIN, "last offset delta is -2147483648");
    refused_with(BATCH_BASE_OFFSET, 8, -1, "base offset is -1");
    refused_with(BATCH_BASE_OFFSET, 8, INT64_MIN, "base offset is -9223372036854775808");
    refused_with(BATCH_BASE_OFFSET, 8, INT64_MAX - 99, "last offset delta is 100");
    refused_with(BATCH_BASE_OFFSET, 8, INT64_MAX - 100, "last offset delta is 100");
}

/* The smallest length, which is right, and the largest. */
static void lengths_at_the_edges(void **state) {
    (void)state;
    struct record_batch b;
    struct error e;
    size_t n;
    char *whole = example(&n);
    batch_put(whole + BATCH_LENGTH, 4, 49);
    assert_int_equal(record_batch_read(&b, whole, n, &e), 1);
    assert_int_equal(b.len, BATCH_RECORDS);
    assert_int_equal(b.records_len, 0);
    batch_put(whole + BATCH_LENGTH, 4, INT32_MAX);
    assert_int_equal(record_batch_read(&b, whole, n, &e), 0);
    free(whole);
}

/* ---- Records that can't be ------------------------------------------------------------------ */

enum { BASE = 40, LAST_DELTA = 200 };

/* How many of `count` records are read from n bytes, -1 where they end in a fault. */
static int walk(const char *bytes, size_t n, int32_t count) {
    struct record_batch b = {.base_offset = BASE, .last_offset = BASE + LAST_DELTA, .count = count};
    struct record_cursor c;
    struct record r;
    char *exact = exactly(bytes, n);
    record_cursor_begin(&c, &b, exact, n);
    int rc, found = 0;
    while ((rc = record_cursor_next(&c, &r)) > 0)
        found++;
    free(exact);
    return rc < 0 ? -1 : found;
}

/* A string's bytes, which may hold NULs. */
#define WALK(bytes, count) walk(bytes, sizeof(bytes) - 1, count)

/* length, attributes, timestamp, offset, key, value, headers */
#define GOOD "\x10\x00\x00\x00\x02k\x02v\x00"

static void counts_that_do_not_fit(void **state) {
    (void)state;
    assert_int_equal(WALK(GOOD, 1), 1);
    assert_int_equal(WALK(GOOD, 0), -1); /* bytes are left */
    assert_int_equal(WALK(GOOD, 2), -1); /* none are */
    assert_int_equal(WALK(GOOD "\x00", 1), -1);
    assert_int_equal(WALK("", 0), 0);
    assert_int_equal(WALK("", 1), -1);
    assert_int_equal(WALK("", INT32_MAX), -1);
}

static void records_cut_short(void **state) {
    (void)state;
    size_t n;
    char *whole = example(&n);
    const char *records = whole + BATCH_RECORDS;
    n -= BATCH_RECORDS;
    assert_int_equal(walk(records, n, 3), 3);
    for (size_t k = 0; k < n; k++)
        for (int count = 1; count <= 3; count++)
            if (walk(records, k, count) >= 0) /* at a border, with a count that fits */
                assert_int_equal(walk(records, k, count + 1), -1);
    for (size_t k = 0; k < n; k++)
        assert_int_equal(walk(records, k, 3), -1);
    free(whole);
}

static void lengths_of_records(void **state) {
    (void)state;
    assert_int_equal(WALK("\x12\x00\x00\x00\x02k\x02v\x00", 1), -1); /* beyond the end */
    assert_int_equal(WALK("\x00", 1), -1);
    assert_int_equal(WALK("\x00\x00\x00\x00\x02k\x02v\x00", 1), -1);
    assert_int_equal(WALK("\x01\x00\x00\x00\x02k\x02v\x00", 1), -1);                 /* -1 */
    assert_int_equal(WALK("\xff\xff\xff\xff\x0f\x00\x00\x00\x02k\x02v\x00", 1), -1); /* INT32_MIN */
    assert_int_equal(WALK("\xfe\xff\xff\xff\x0f\x00\x00\x00\x02k\x02v\x00", 1), -1); /* INT32_MAX */
    /* Too short for what is in it, though more follows. */
    for (char length = 1; length < 8; length++) {
        char bytes[] = GOOD GOOD;
        bytes[0] = (char)(length * 2);
        assert_int_equal(walk(bytes, sizeof bytes - 1, 2), -1);
    }
}

static void lengths_of_keys_and_values(void **state) {
    (void)state;
    assert_int_equal(WALK("\x10\x00\x00\x00\x03k\x02v\x00", 1), -1); /* -2 */
    assert_int_equal(WALK("\x10\x00\x00\x00\x02k\x03v\x00", 1), -1);
    assert_int_equal(WALK("\x10\x00\x00\x00\x0ak\x02v\x00", 1), -1);      /* up to the end */
    assert_int_equal(WALK("\x10\x00\x00\x00\x08k\x02v\x00", 1), -1);      /* no headers */
    assert_int_equal(WALK("\x10\x00\x00\x00\x02k\x04v\x00", 1), -1);      /* likewise */
    assert_int_equal(WALK("\x10\x00\x00\x00\x02k\x06v\x00" GOOD, 2), -1); /* into the next record */
    assert_int_equal(WALK("\x10\x00\x00\x00\x0ck\x02v\x00" GOOD, 2), -1);
    assert_int_equal(WALK("\x16\x00\x00\x00\xff\xff\xff\xff\x0f\x02v\x00", 1), -1); /* INT32_MIN */
    assert_int_equal(WALK("\x16\x00\x00\x00\xfe\xff\xff\xff\x0f\x02v\x00", 1), -1); /* INT32_MAX */
    assert_int_equal(WALK("\x18\x00\x00\x00\x02k\xff\xff\xff\xff\x0fv\x00", 1), -1);
    assert_int_equal(WALK("\x18\x00\x00\x00\x02k\xfe\xff\xff\xff\x0fv\x00", 1), -1);
}

/* A number may be written with more bytes than it needs, up to what its type may take. */
static void varints_too_long(void **state) {
    (void)state;
    assert_int_equal(WALK("\x90\x80\x80\x80\x00\x00\x00\x00\x02k\x02v\x00", 1), 1);
    assert_int_equal(WALK("\x90\x80\x80\x80\x80\x00\x00\x00\x00\x02k\x02v\x00", 1), -1);
    assert_int_equal(WALK("\x18\x00\x00\x80\x80\x80\x80\x00\x02k\x02v\x00", 1), 1); /* the offset */
    assert_int_equal(WALK("\x1a\x00\x00\x80\x80\x80\x80\x80\x00\x02k\x02v\x00", 1), -1);
    assert_int_equal(WALK("\x18\x00\x00\x00\x82\x80\x80\x80\x00k\x02v\x00", 1), 1); /* the key */
    assert_int_equal(WALK("\x1a\x00\x00\x00\x82\x80\x80\x80\x80\x00k\x02v\x00", 1), -1);
    assert_int_equal(WALK("\x18\x00\x00\x00\x02k\x82\x80\x80\x80\x00v\x00", 1), 1); /* the value */
    assert_int_equal(WALK("\x1a\x00\x00\x00\x02k\x82\x80\x80\x80\x80\x00v\x00", 1), -1);
    /* The timestamp may take ten. */
    assert_int_equal(WALK("\x22\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x00\x02k\x02v\x00", 1),
                     1);
    assert_int_equal(
        WALK("\x24\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x00\x02k\x02v\x00", 1), -1);
    assert_int_equal(WALK("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1),
                     -1);
}

/* Two records with these offsets, from BASE. */
static int two_offsets(int32_t first, int32_t second) {
    struct batch_maker m;
    batch_begin(&m, BASE, 0, 0, -1);
    batch_add(&m, first, 0, NULL, -1, "v", 1, 0);
    batch_add(&m, second, 0, NULL, -1, "v", 1, 0);
    int found = walk(m.records.data, m.records.len, 2);
    buffer_free(&m.records);
    return found;
}

static void offsets_out_of_order(void **state) {
    (void)state;
    assert_int_equal(two_offsets(0, 1), 2);
    assert_int_equal(two_offsets(LAST_DELTA - 1, LAST_DELTA), 2);
    assert_int_equal(two_offsets(0, LAST_DELTA + 1), -1);
    assert_int_equal(two_offsets(0, INT32_MAX), -1);
    assert_int_equal(two_offsets(-1, 1), -1);
    assert_int_equal(two_offsets(INT32_MIN, 1), -1);
    assert_int_equal(two_offsets(1, 1), -1);
    assert_int_equal(two_offsets(0, 0), -1);
    assert_int_equal(two_offsets(2, 1), -1);
    assert_int_equal(two_offsets(2, -1), -1);
    assert_int_equal(two_offsets(2, INT32_MIN), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(attributes),
        cmocka_unit_test(no_key_and_an_empty_one),
        cmocka_unit_test(headers_are_passed_over),
        cmocka_unit_test(all_timestamp_deltas),
        cmocka_unit_test(absurd_timestamps),
        cmocka_unit_test(log_append_time),
        cmocka_unit_test(a_record_says_so_itself),
        cmocka_unit_test(compacted),
        cmocka_unit_test(compacted_to_nothing),
        cmocka_unit_test(the_last_offsets),
        cmocka_unit_test(large_records),
        cmocka_unit_test(one_behind_another),
        cmocka_unit_test(decompressed_elsewhere),
        cmocka_unit_test(decompressed_to_nothing),
        cmocka_unit_test(as_kafka_writes_it),
        cmocka_unit_test(markers),
        cmocka_unit_test(keys_that_are_no_marker),
        cmocka_unit_test(cut_short),
        cmocka_unit_test(each_byte_damaged),
        cmocka_unit_test(intact_where_brokers_write),
        cmocka_unit_test(other_formats),
        cmocka_unit_test(impossible_headers),
        cmocka_unit_test(lengths_at_the_edges),
        cmocka_unit_test(counts_that_do_not_fit),
        cmocka_unit_test(records_cut_short),
        cmocka_unit_test(lengths_of_records),
        cmocka_unit_test(lengths_of_keys_and_values),
        cmocka_unit_test(varints_too_long),
        cmocka_unit_test(offsets_out_of_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
