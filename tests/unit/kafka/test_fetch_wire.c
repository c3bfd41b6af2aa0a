/* Fetch requests and their answers byte by byte, and that no answer is believed or read beyond its
 * end. Whatever is read lies in exactly as much memory, for AddressSanitizer to see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "kafka/fetch_wire.h"

static const struct fetch_limits limits = {
    .wait_ms = 500, .bytes = 0x01020304, .partition_bytes = 0x00100000};

/* ---- Requests -------------------------------------------------------------------------------- */

static const unsigned char wanted_request[] = {
    0,    0,    0,    115,                          /* length */
    0,    1,    0,    10,                           /* Fetch, version */
    0x12, 0x34, 0x56, 0x78,                         /* correlation */
    0,    4,    't',  'i',  'd',  'e',              /* client id */
    0xff, 0xff, 0xff, 0xff,                         /* replica id: a consumer */
    0,    0,    0x01, 0xf4,                         /* max wait ms */
    0,    0,    0,    1,                            /* min bytes */
    1,    2,    3,    4,                            /* max bytes */
    1,                                              /* isolation: read committed */
    0,    0,    0,    0,                            /* session id */
    0xff, 0xff, 0xff, 0xff,                         /* session epoch */
    0,    0,    0,    1,                            /* topics */
    0,    6,    'e',  'v',  'e',  'n',  't',  's',  /* topic */
    0,    0,    0,    2,                            /* partitions */
    0,    0,    0,    3,                            /* partition */
    0xff, 0xff, 0xff, 0xff,                         /* current leader epoch */
    0,    1,    2,    3,    4,    5,    6,    7,    /* fetch offset */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* log start offset */
    0,    0x10, 0,    0,                            /* partition max bytes */
    0,    0,    1,    0,                            /* partition */
    0xff, 0xff, 0xff, 0xff,                         /* current leader epoch */
    0,    0,    0,    0,    0,    0,    0,    0,    /* fetch offset */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* log start offset */
    0,    0x10, 0,    0,                            /* partition max bytes */
    0,    0,    0,    0,                            /* forgotten topics */
};

static int write_request(struct buffer *out) {
    struct fetch_request r;
    fetch_request_begin(&r, out, 0x12345678, "tide", "events", &limits);
    fetch_request_add(&r, 3, 0x0001020304050607);
    fetch_request_add(&r, 256, 0);
    return fetch_request_end(&r);
}

static void is_wanted(const struct buffer *b) {
    assert_int_equal(b->len, sizeof wanted_request);
    assert_memory_equal(b->data, wanted_request, sizeof wanted_request);
}

static void request_bytes(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b, 1 << 20);
    assert_int_equal(write_request(&b), 0);
    is_wanted(&b);
    buffer_reset(&b); /* as the next one is written */
    assert_int_equal(write_request(&b), 0);
    is_wanted(&b);
    buffer_free(&b);
}

static void request_beyond_the_maximum(void **state) {
    (void)state;
    struct buffer b;
    for (size_t max = 0; max < sizeof wanted_request; max++) {
        buffer_init(&b, max);
        assert_int_equal(write_request(&b), -1);
        assert_true(b.len <= max);
        buffer_free(&b);
    }
    buffer_init(&b, sizeof wanted_request);
    assert_int_equal(write_request(&b), 0);
    is_wanted(&b);
    buffer_free(&b);
}

static uint32_t number_at(const struct buffer *b, size_t at) {
    const unsigned char *p = (const unsigned char *)b->data + at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* More than a byte counts. */
static void request_for_many_partitions(void **state) {
    (void)state;
    enum { MANY = 1000, BEFORE = 59, EACH = 28, AFTER = 4 };
    struct buffer b;
    struct fetch_request r;
    buffer_init(&b, 1 << 20);
    fetch_request_begin(&r, &b, -1, "tide", "events", &limits);
    for (int32_t i = 0; i < MANY; i++)
        fetch_request_add(&r, i, INT64_C(1) << 40 | i);
    assert_int_equal(fetch_request_end(&r), 0);
    assert_int_equal(b.len, BEFORE + MANY * EACH + AFTER);
    assert_int_equal(number_at(&b, 0), b.len - 4);
    assert_int_equal(number_at(&b, 8), UINT32_MAX);
    assert_int_equal(number_at(&b, BEFORE - 4), MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(number_at(&b, BEFORE + i * EACH), i);
        assert_int_equal(number_at(&b, BEFORE + i * EACH + 8), 1 << 8);
        assert_int_equal(number_at(&b, BEFORE + i * EACH + 12), i);
    }
    buffer_free(&b);
}

/* ---- Answers --------------------------------------------------------------------------------- */

enum { CORRELATION = 7 };

static const unsigned char an_answer[] = {
    0,    0,    0,    7,                                 /* correlation */
    0,    0,    0,    9,                                 /* throttle time */
    0,    0,                                             /* error */
    0,    0,    0,    0,                                 /* session id */
    0,    0,    0,    1,                                 /* topics */
    0,    6,    'e',  'v',  'e',  'n',  't',  's',       /* topic */
    0,    0,    0,    2,                                 /* partitions */
    0,    0,    1,    2,                                 /* partition */
    0,    0,                                             /* error */
    1,    2,    3,    4,    5,    6,    7,    8,         /* high watermark */
    1,    2,    3,    4,    5,    6,    7,    0,         /* last stable offset */
    0,    0,    0,    0,    0,    0,    0,    5,         /* log start offset */
    0,    0,    0,    2,                                 /* aborted transactions */
    0,    0,    0,    0,    0,    0,    0x0f, 0xa0,      /* producer id */
    0,    0,    0,    0,    0,    0,    0,    60,        /* first offset */
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,      /* producer id */
    0,    0,    0,    1,    0,    0,    0,    0,         /* first offset */
    0,    0,    0,    5,    'b',  'a',  't',  'c',  'h', /* records */
    0,    0,    0,    4,                                 /* partition */
    0,    6,                                             /* error: not the leader */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,      /* high watermark */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,      /* last stable offset */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,      /* log start offset */
    0xff, 0xff, 0xff, 0xff,                              /* aborted transactions: null */
    0xff, 0xff, 0xff, 0xff,                              /* records: null */
};

/* An answer that is being read. */
struct reading {
    char *bytes;
    size_t n;
    struct fetch_answer answer;
    struct fetch_part part;
    struct error e;
};

static int begin(struct reading *r, const void *bytes, size_t n) {
    *r = (struct reading){.bytes = xmalloc(n), .n = n};
    memcpy(r->bytes, bytes, n);
    return fetch_answer_begin(&r->answer, r->bytes, n, CORRELATION, "events", &r->e);
}

static int next(struct reading *r) {
    return fetch_answer_next(&r->answer, &r->part, &r->e);
}

/* Reads on to the end, or to what is wrong. */
static int rest(struct reading *r) {
    int rc;
    while ((rc = next(r)) == 1)
        ;
    return rc;
}

static void end(struct reading *r, int rc) {
    assert_int_equal(rc, 0);
    assert_int_equal(next(r), 0);
    free(r->bytes);
}

static void fails(struct reading *r, int rc, enum error_code code) {
    assert_int_equal(rc, -1);
    assert_int_equal(r->e.code, code);
    assert_true(r->e.text[0]);
    free(r->bytes);
}

static void is_corrupt(const void *bytes, size_t n) {
    struct reading r;
    int rc = begin(&r, bytes, n);
    fails(&r, rc ? rc : rest(&r), ERR_CORRUPT);
}

static void part_is(struct reading *r, int32_t partition, int16_t error, const char *records) {
    assert_int_equal(next(r), 1);
    assert_int_equal(r->part.partition, partition);
    assert_int_equal(r->part.error, error);
    assert_int_equal(r->part.records_len, strlen(records));
    assert_memory_equal(r->part.records, records, r->part.records_len);
    assert_true(r->part.records >= r->bytes && r->part.records <= r->bytes + r->n); /* no copy */
}

static void aborted_is(const struct reading *r, int32_t i, int64_t producer_id,
                       int64_t first_offset) {
    int64_t id = 0, first = 0;
    fetch_aborted(&r->part, i, &id, &first);
    assert_int_equal(id, producer_id);
    assert_int_equal(first, first_offset);
}

static void answer_bytes(void **state) {
    (void)state;
    struct reading r;
    assert_int_equal(begin(&r, an_answer, sizeof an_answer), 0);
    part_is(&r, 0x0102, 0, "batch");
    assert_int_equal(r.part.high, 0x0102030405060708);
    assert_int_equal(r.part.stable, 0x0102030405060700);
    assert_int_equal(r.part.n_aborted, 2);
    aborted_is(&r, 0, 4000, 60);
    aborted_is(&r, 1, INT64_MAX, INT64_C(1) << 32);
    part_is(&r, 4, 6, "");
    assert_int_equal(r.part.high, -1);
    assert_int_equal(r.part.stable, -1);
    assert_int_equal(r.part.n_aborted, 0);
    end(&r, next(&r));
}

static void every_truncation(void **state) {
    (void)state;
    for (size_t n = 0; n < sizeof an_answer; n++)
        is_corrupt(an_answer, n);
}

static void bytes_behind_the_answer(void **state) {
    (void)state;
    char bytes[sizeof an_answer + 9] = "";
    memcpy(bytes, an_answer, sizeof an_answer);
    for (size_t n = sizeof an_answer + 1; n <= sizeof bytes; n++)
        is_corrupt(bytes, n);
}

/* ---- Made answers ---------------------------------------------------------------------------- */

static void put(struct buffer *b, int bytes, int64_t v) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
        char byte = (char)((uint64_t)v >> shift);
        assert_int_equal(buffer_append(b, &byte, 1), 0);
    }
}

static void put_answer(struct buffer *b, int32_t correlation, int16_t error, int32_t topics) {
    buffer_init(b, 1 << 20);
    put(b, 4, correlation);
    put(b, 4, 0);
    put(b, 2, error);
    put(b, 4, 0);
    put(b, 4, topics);
}

static void put_topic(struct buffer *b, const char *name, int32_t partitions) {
    put(b, 2, (int64_t)strlen(name));
    assert_int_equal(buffer_puts(b, name), 0);
    put(b, 4, partitions);
}

/* Up to the aborted transactions. */
static void put_part(struct buffer *b, int32_t partition, int16_t error, int32_t n_aborted) {
    put(b, 4, partition);
    put(b, 2, error);
    put(b, 8, 100);
    put(b, 8, 90);
    put(b, 8, 0);
    put(b, 4, n_aborted);
}

static void put_records(struct buffer *b, int32_t len, const char *records) {
    put(b, 4, len);
    assert_int_equal(buffer_puts(b, records), 0);
}

static int begin_made(struct reading *r, struct buffer *b) {
    int rc = begin(r, b->data, b->len);
    buffer_free(b);
    return rc;
}

static void made_is_corrupt(struct buffer *b) {
    is_corrupt(b->data, b->len);
    buffer_free(b);
}

static void several_partitions(void **state) {
    (void)state;
    struct buffer b;
    struct reading r;
    put_answer(&b, CORRELATION, 0, 1);
    put_topic(&b, "events", 4);
    put_part(&b, 2, 0, 0);
    put_records(&b, 3, "two");
    put_part(&b, 0, 0, 1);
    put(&b, 8, 77);
    put(&b, 8, 50);
    put_records(&b, 4, "zero");
    put_part(&b, INT32_MAX, 0, -1);
    put_records(&b, 0, "");
    put_part(&b, 1, 0, 0);
    put_records(&b, 3, "one");
    assert_int_equal(begin_made(&r, &b), 0);
    part_is(&r, 2, 0, "two");
    assert_int_equal(r.part.n_aborted, 0);
    part_is(&r, 0, 0, "zero");
    assert_int_equal(r.part.high, 100);
    assert_int_equal(r.part.stable, 90);
    assert_int_equal(r.part.n_aborted, 1);
    aborted_is(&r, 0, 77, 50);
    part_is(&r, INT32_MAX, 0, "");
    assert_int_equal(r.part.n_aborted, 0);
    part_is(&r, 1, 0, "one");
    end(&r, next(&r));
}

static void errors_of_partitions(void **state) {
    (void)state;
    static const int16_t errors[] = {1, -1, 0, 3, 6, 74, INT16_MAX, INT16_MIN};
    enum { N = sizeof errors / sizeof *errors };
    struct buffer b;
    struct reading r;
    put_answer(&b, CORRELATION, 0, 1);
    put_topic(&b, "events", N);
    for (int32_t i = 0; i < N; i++) {
        put_part(&b, i, errors[i], -1);
        put_records(&b, -1, "");
    }
    assert_int_equal(begin_made(&r, &b), 0);
    for (int32_t i = 0; i < N; i++)
        part_is(&r, i, errors[i], "");
    end(&r, next(&r));
}

/* Brokers name a topic once; nothing says that they must. */
static void topics_with_few_partitions(void **state) {
    (void)state;
    struct buffer b;
    struct reading r;
    put_answer(&b, CORRELATION, 0, 4);
    put_topic(&b, "events", 0);
    put_topic(&b, "events", 1);
    put_part(&b, 5, 0, 0);
    put_records(&b, 4, "five");
    put_topic(&b, "events", 0);
    put_topic(&b, "events", 1);
    put_part(&b, 6, 0, 0);
    put_records(&b, 3, "six");
    assert_int_equal(begin_made(&r, &b), 0);
    part_is(&r, 5, 0, "five");
    part_is(&r, 6, 0, "six");
    end(&r, next(&r));
}

static void no_topics(void **state) {
    (void)state;
    struct buffer b;
    struct reading r;
    put_answer(&b, CORRELATION, 0, 0);
    assert_int_equal(begin_made(&r, &b), 0);
    end(&r, next(&r));
    put_answer(&b, CORRELATION, 0, 0);
    put(&b, 1, 0);
    made_is_corrupt(&b);
}

static void an_error_of_the_whole(void **state) {
    (void)state;
    struct buffer b;
    struct reading r;
    put_answer(&b, CORRELATION, 70, 0);
    fails(&r, begin_made(&r, &b), ERR_UNAVAILABLE);
    assert_non_null(strstr(r.e.text, "70"));
    put_answer(&b, CORRELATION, -1, 0);
    fails(&r, begin_made(&r, &b), ERR_UNAVAILABLE);
    assert_non_null(strstr(r.e.text, "-1"));
}

static void the_answer_to_another(void **state) {
    (void)state;
    static const int32_t others[] = {CORRELATION - 1, CORRELATION + 1, CORRELATION << 24,
                                     -CORRELATION, INT32_MIN | CORRELATION};
    struct buffer b;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        put_answer(&b, others[i], 0, 0);
        made_is_corrupt(&b);
    }
}

static void a_negative_correlation(void **state) {
    (void)state;
    struct buffer b;
    struct fetch_answer a;
    struct error e;
    put_answer(&b, INT32_MIN, 0, 0);
    assert_int_equal(fetch_answer_begin(&a, b.data, b.len, INT32_MIN, "events", &e), 0);
    buffer_free(&b);
}

static void another_topic(void **state) {
    (void)state;
    static const char *const names[] = {"eventz", "Events", "event", "events2", ""};
    struct buffer b;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        put_answer(&b, CORRELATION, 0, 1);
        put_topic(&b, names[i], 0);
        made_is_corrupt(&b);
    }
    put_answer(&b, CORRELATION, 0, 2);
    put_topic(&b, "events", 0);
    put_topic(&b, "others", 0);
    made_is_corrupt(&b);
}

/* Of a name that would be ours if it were as long. */
static void a_topic_of_another_length(void **state) {
    (void)state;
    static const int16_t lengths[] = {0, 5, 7, 0x106, -1, INT16_MIN};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct buffer b;
        put_answer(&b, CORRELATION, 0, 1);
        put(&b, 2, lengths[i]);
        assert_int_equal(buffer_puts(&b, "events"), 0);
        put(&b, 4, 0);
        made_is_corrupt(&b);
    }
}

static void negative_counts(void **state) {
    (void)state;
    static const int32_t counts[] = {-1, -2, INT32_MIN};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct buffer b;
        struct reading r;
        put_answer(&b, CORRELATION, 0, counts[i]);
        fails(&r, begin_made(&r, &b), ERR_CORRUPT);
        put_answer(&b, CORRELATION, 0, 1);
        put_topic(&b, "events", counts[i]);
        made_is_corrupt(&b);
    }
}

/* As Kafka's own consumer takes them: all are null. */
static void negative_lengths(void **state) {
    (void)state;
    static const int32_t lengths[] = {-1, -2, INT32_MIN};
    enum { N = sizeof lengths / sizeof *lengths };
    struct buffer b;
    struct reading r;
    put_answer(&b, CORRELATION, 0, 1);
    put_topic(&b, "events", N);
    for (int32_t i = 0; i < N; i++) {
        put_part(&b, i, 0, lengths[i]);
        put_records(&b, lengths[i], "");
    }
    assert_int_equal(begin_made(&r, &b), 0);
    for (int32_t i = 0; i < N; i++) {
        part_is(&r, i, 0, "");
        assert_int_equal(r.part.n_aborted, 0);
    }
    end(&r, next(&r));
}

/* More of each than there is. */
static void counts_beyond_the_end(void **state) {
    (void)state;
    struct buffer b;
    put_answer(&b, CORRELATION, 0, 2);
    put_topic(&b, "events", 0);
    made_is_corrupt(&b);
    put_answer(&b, CORRELATION, 0, INT32_MAX);
    put_topic(&b, "events", 0);
    made_is_corrupt(&b);
    put_answer(&b, CORRELATION, 0, 1);
    put_topic(&b, "events", INT32_MAX);
    put_part(&b, 0, 0, 0);
    put_records(&b, 0, "");
    made_is_corrupt(&b);
}

static void records_beyond_the_end(void **state) {
    (void)state;
    static const int32_t lengths[] = {8, 0x10000, INT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct buffer b;
        put_answer(&b, CORRELATION, 0, 1);
        put_topic(&b, "events", 1);
        put_part(&b, 0, 0, 0);
        put_records(&b, lengths[i], "records");
        made_is_corrupt(&b);
    }
}

/* Counts of which 16 times as many bytes are, in 32 bits, as few as there are, or fewer. */
static void aborted_beyond_the_end(void **state) {
    (void)state;
    static const int32_t counts[] = {2,          0x10000,    0x07ffffff, 0x08000000, 0x0fffffff,
                                     0x10000000, 0x10000001, 0x7fffffff, 0x70000000, 0x70000001};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct buffer b;
        put_answer(&b, CORRELATION, 0, 1);
        put_topic(&b, "events", 1);
        put_part(&b, 0, 0, counts[i]);
        put(&b, 8, 1);
        put(&b, 8, 2);
        put_records(&b, 0, "");
        made_is_corrupt(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_bytes),
        cmocka_unit_test(request_beyond_the_maximum),
        cmocka_unit_test(request_for_many_partitions),
        cmocka_unit_test(answer_bytes),
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(bytes_behind_the_answer),
        cmocka_unit_test(several_partitions),
        cmocka_unit_test(errors_of_partitions),
        cmocka_unit_test(topics_with_few_partitions),
        cmocka_unit_test(no_topics),
        cmocka_unit_test(an_error_of_the_whole),
        cmocka_unit_test(the_answer_to_another),
        cmocka_unit_test(a_negative_correlation),
        cmocka_unit_test(another_topic),
        cmocka_unit_test(a_topic_of_another_length),
        cmocka_unit_test(negative_counts),
        cmocka_unit_test(negative_lengths),
        cmocka_unit_test(counts_beyond_the_end),
        cmocka_unit_test(records_beyond_the_end),
        cmocka_unit_test(aborted_beyond_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
