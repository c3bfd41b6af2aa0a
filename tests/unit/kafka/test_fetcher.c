/* What the fetcher delivers, in which pieces, and what it asks for meanwhile. */
#include "fetcher_fixture.h"

enum { BATCH = 10 /* records, where a test does not say otherwise */ };

static const int codecs[] = {CODEC_NONE, CODEC_GZIP, CODEC_LZ4, CODEC_ZSTD};

static void put_batches(struct world *w, int32_t partition, int64_t from, int n, int attributes) {
    for (int i = 0; i < n; i++)
        put_batch(w, partition, from + i * BATCH, from + (i + 1) * BATCH - 1, attributes, NOBODY);
}

static size_t batch_size(int32_t partition, int64_t base, int64_t last) {
    struct batch_maker m;
    size_t n;
    begin_batch_at(&m, base, 0, NOBODY);
    for (int64_t offset = base; offset <= last; offset++)
        add_record(&m, partition, offset);
    free(batch_end(&m, &n));
    return n;
}

/* ---- Partitions and brokers ---- */

static void test_one_broker(void **state) {
    (void)state;
    struct world *w = world_up(1);
    put_batches(w, 0, 0, 3, 0);
    put_batches(w, 2, 0, 1, 0);
    begin_reading(w, 3);
    expect_only(w, 0, "0-29 |30");
    expect_only(w, 1, "|0");
    expect_only(w, 2, "0-9 |10");
    world_down(w);
}

static void test_two_brokers(void **state) {
    (void)state;
    struct world *w = world_up(2);
    for (int32_t p = 0; p < 5; p++)
        put_batches(w, p, 0, p, 0);
    begin_reading(w, 5);
    expect_only(w, 0, "|0");
    expect_only(w, 1, "0-9 |10");
    expect_only(w, 2, "0-19 |20");
    expect_only(w, 3, "0-29 |30");
    expect_only(w, 4, "0-39 |40");
    world_down(w);
}

static void test_two_brokers_in_small_answers(void **state) {
    (void)state;
    struct world *w = world_up(2);
    for (int32_t p = 0; p < 4; p++)
        put_batches(w, p, 0, 10, codecs[p]);
    fake_kafka_limit(w->brokers[0], 100, 100);
    fake_kafka_limit(w->brokers[1], 3000, 100);
    begin_reading(w, 4);
    w->max = 7;
    for (size_t p = 0; p < 4; p++)
        expect(w, p, "0-99 |100");
    world_down(w);
}

static void test_partitions_that_are_not_read(void **state) {
    (void)state;
    struct world *w = world_up(1);
    struct source_sink sink = {&w->parts[0], take_record, take_end, take_error, take_last};
    begin_reading(w, 1);
    assert_int_equal(fetcher_fetch(w->fetcher, 1, 10, &sink), 0);
    assert_int_equal(fetcher_fetch(w->fetcher, -1, 10, &sink), 0);
    assert_int_equal(fetcher_end(w->fetcher, 1), -1);
    assert_int_equal(fetcher_end(w->fetcher, 0), -1);
    fetcher_leave(w->fetcher, 7);
    fetcher_leave(w->fetcher, -1);
    expect_only(w, 0, "|0");
    assert_int_equal(fetcher_end(w->fetcher, 0), 0);
    put_batches(w, 0, 0, 2, 0);
    expect_only(w, 0, "|0 0-19 |20");
    assert_int_equal(fetcher_end(w->fetcher, 0), 20);
    fetcher_free(NULL);
    world_down(w);
}

/* ---- Batches ---- */

static void test_begins_within_a_batch(void **state) {
    (void)state;
    static const char *const stories[] = {"10-29 |30", "11-29 |30", "12-29 |30", "13-29 |30",
                                          "14-29 |30", "15-29 |30", "16-29 |30", "17-29 |30",
                                          "18-29 |30", "19-29 |30", "20-29 |30"};
    for (int64_t from = 10; from <= 20; from++) {
        struct world *w = world_up(1);
        put_batches(w, 0, 0, 3, codecs[from % 4]);
        w->parts[0].from = from;
        begin_reading(w, 1);
        expect_only(w, 0, stories[from - 10]);
        world_down(w);
    }
}

static void test_max_is_a_limit(void **state) {
    (void)state;
    for (size_t max = 1; max <= 25; max++) {
        struct world *w = world_up(1);
        put_batches(w, 0, 0, 2, max % 2 ? CODEC_LZ4 : 0);
        begin_reading(w, 1);
        w->max = max;
        STEP_UNTIL(w, w->parts[0].n > 0);
        assert_int_equal(w->parts[0].n, max < 21 ? max : 21);
        expect_only(w, 0, "0-19 |20");
        w->max = 0;
        put_batches(w, 0, 20, 1, 0);
        STEP_UNTIL(w, fetcher_has_records(w->fetcher));
        assert_int_equal(take_from(w, 0), 0);
        w->max = max;
        expect_only(w, 0, "0-19 |20 20-29 |30");
        world_down(w);
    }
}

static void test_batches_cut_short(void **state) {
    (void)state;
    size_t whole = batch_size(0, 0, BATCH - 1);
    static const size_t more[] = {0, 1, 11, 12, 16, 17, 18, 60, 61, 62, 200};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        struct world *w = world_up(1);
        put_batches(w, 0, 0, 8, 0);
        fake_kafka_limit(w->brokers[0], (int32_t)(whole + more[i]), INT32_MAX);
        begin_reading(w, 1);
        expect_only(w, 0, "0-79 |80");
        world_down(w);
    }
}

/* The first batch of an answer comes whole, however large: here beyond what the request allows. */
static void test_large_batches(void **state) {
    (void)state;
    struct world *w = world_up(1);
    w->memory = 0;
    w->parts[0].from = w->parts[1].from = LARGE_FROM;
    put_batch(w, 0, LARGE_FROM, LARGE_FROM + 199, 0, NOBODY);
    put_batch(w, 0, LARGE_FROM + 200, LARGE_FROM + 200, 0, NOBODY);
    put_batch(w, 1, LARGE_FROM, LARGE_FROM + 699, CODEC_ZSTD, NOBODY);
    put_batch(w, 1, LARGE_FROM + 700, LARGE_FROM + 701, CODEC_GZIP, NOBODY);
    begin_reading(w, 2);
    w->max = 90;
    expect_only(w, 0, "1000000-1000200 |1000201");
    expect_only(w, 1, "1000000-1000701 |1000702");
    world_down(w);
}

static void put_gaps(struct world *w, int attributes) {
    struct batch_maker m;
    begin_batch_at(&m, 0, attributes, NOBODY);
    add_record(&m, 0, 2);
    add_record(&m, 0, 5);
    m.last_offset_delta = 9;
    append(w, 0, &m);
    begin_batch_at(&m, 10, 0, NOBODY); /* of which nothing is left */
    m.last_offset_delta = 9;
    append(w, 0, &m);
    begin_batch_at(&m, 30, attributes, NOBODY);
    add_record(&m, 0, 30);
    add_record(&m, 0, 39);
    append(w, 0, &m);
    begin_batch_at(&m, 40, 0, NOBODY);
    m.last_offset_delta = 4;
    append(w, 0, &m);
}

static void test_gaps(void **state) {
    (void)state;
    static const struct {
        int64_t from;
        const char *story;
    } cases[] = {
        {0, "2 5 30 39 |45"}, {2, "2 5 30 39 |45"}, {3, "5 30 39 |45"}, {6, "30 39 |45"},
        {10, "30 39 |45"},    {15, "30 39 |45"},    {20, "30 39 |45"},  {29, "30 39 |45"},
        {30, "30 39 |45"},    {31, "39 |45"},       {40, "|45"},        {44, "|45"},
        {45, "|45"},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct world *w = world_up(1);
        put_gaps(w, i % 2 ? CODEC_ZSTD : 0);
        w->parts[0].from = cases[i / 2].from;
        begin_reading(w, 1);
        expect_only(w, 0, cases[i / 2].story);
        assert_int_equal(position(w, 0), 45);
        world_down(w);
    }
}

/* Behind each record, and behind whole batches when it is known that nothing more is in them. */
static void test_positions(void **state) {
    (void)state;
    static const struct {
        size_t max;
        int64_t position;
    } steps[] = {{1, 3}, {1, 6}, {1, 31}, {1, 40}, {1, 45}};
    struct world *w = world_up(1);
    put_gaps(w, CODEC_GZIP);
    begin_reading(w, 1);
    assert_int_equal(position(w, 0), 0);
    STEP_UNTIL(w, (w->max = 0, fetcher_has_records(w->fetcher)));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        w->max = steps[i].max;
        assert_int_equal(take_from(w, 0), steps[i].max);
        assert_int_equal(position(w, 0), steps[i].position);
    }
    expect_only(w, 0, "2 5 30 39 |45");
    world_down(w);
}

static void test_codecs(void **state) {
    (void)state;
    for (int mixed = 0; mixed < 5; mixed++) {
        struct world *w = world_up(1);
        for (int i = 0; i < 8; i++)
            put_batches(w, 0, i * BATCH, 1, codecs[(mixed < 4 ? mixed : i) % 4]);
        begin_reading(w, 1);
        w->max = mixed % 2 ? 1000 : 3;
        expect_only(w, 0, "0-79 |80");
        world_down(w);
    }
}

/* ---- The last record of a fetch ---- */

/* A transaction that is aborted; its marker is packed, and longer than all else that is unpacked. */
static void put_aborted(struct world *w, int64_t base, int codec) {
    static char long_value[CONTENT_MAX];
    struct batch_maker m;
    memset(long_value, '!', sizeof long_value);
    put_batch(w, 0, base, base, BATCH_TRANSACTIONAL | codec, 5);
    begin_batch_at(&m, base + 1, BATCH_TRANSACTIONAL | BATCH_CONTROL | codec, 5);
    batch_add(&m, 0, 0, "\0\0\0\0", 4, long_value, sizeof long_value, 0);
    append(w, 0, &m);
    fake_kafka_add_aborted(w->brokers[0], 0, 5, base, base + 1);
}

/* It may be looked at again when later batches have been unpacked, of which none had a record. */
static void test_last_record_of_a_fetch(void **state) {
    (void)state;
    for (int c = 0; c < 16; c++)
        for (int before = 1; before <= 3; before++)
            for (int behind = 0; behind <= 4; behind++) {
                struct world *w = world_up(1);
                put_batches(w, 0, 0, before, codecs[c % 4]);
                for (int i = 0; i < behind; i++)
                    put_aborted(w, before * BATCH + i * 2, codecs[c / 4]);
                begin_reading(w, 1);
                STEP_UNTIL(w, (w->max = 0, fetcher_has_records(w->fetcher)));
                w->max = 1000; /* take_last() looks */
                assert_int_equal(take_from(w, 0), before * BATCH + 1);
                assert_int_equal(w->parts[0].newest, before * BATCH - 1);
                world_down(w);
            }
}

/* Nothing is fetched until so many requests were sent. */
static void serve_until_asked(struct world *w, size_t requests) {
    w->max = 0;
    STEP_UNTIL(w, (wait_for_brokers(w), fake_kafka_requests(w->brokers[0]) >= requests));
}

static void test_a_fetch_goes_over_answers(void **state) {
    (void)state;
    for (int codec = 0; codec <= CODEC_ZSTD; codec += CODEC_LZ4) {
        struct world *w = world_up(1);
        put_batches(w, 0, 0, 1, codec);
        put_aborted(w, BATCH, CODEC_LZ4);
        fake_kafka_limit(w->brokers[0], 1, 1);
        begin_reading(w, 1);
        serve_until_asked(w, 3);
        w->max = 1000;
        assert_int_equal(take_from(w, 0), BATCH);
        assert_int_equal(position(w, 0), BATCH + 1);
        expect_only(w, 0, "0-9 |12");
        world_down(w);
    }
}

/* ---- What is asked for ---- */

/* While one answer is delivered, another one waits, and the next one was asked for. */
static void test_asks_ahead(void **state) {
    (void)state;
    struct world *w = world_up(1);
    struct fake_kafka_ask asks[FAKE_KAFKA_PARTITIONS];
    put_batches(w, 0, 0, 5, 0);
    fake_kafka_limit(w->brokers[0], 1, 1);
    begin_reading(w, 1);
    serve_until_asked(w, 3);
    STEP_UNTIL(w, (wait_for_brokers(w), fake_kafka_answers(w->brokers[0]) == 3));
    for (int i = 0; i < 20; i++)
        serve(w);
    assert_int_equal(fake_kafka_requests(w->brokers[0]), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fake_kafka_request(w->brokers[0], i, asks), 1);
        assert_int_equal(asks[0].offset, (int64_t)i * BATCH);
    }
    assert_int_equal(position(w, 0), 0);
    w->max = 1000;
    assert_int_equal(take_from(w, 0), 2 * BATCH);
    assert_false(fetcher_has_records(w->fetcher));
    expect_only(w, 0, "0-49 |50");
    world_down(w);
}

static void put_large(struct world *w, int32_t partition, int n, int64_t records) {
    w->parts[partition].from = LARGE_FROM;
    for (int64_t base = LARGE_FROM; n > 0; n--, base += records)
        put_batch(w, partition, base, base + records - 1, 0, NOBODY);
}

static void assert_begins_with(struct world *w, size_t request, int32_t partition, int64_t offset) {
    struct fake_kafka_ask asks[FAKE_KAFKA_PARTITIONS];
    assert_int_equal(fake_kafka_request(w->brokers[0], request, asks), w->n_parts);
    assert_int_equal(asks[0].partition, partition);
    assert_int_equal(asks[0].offset, LARGE_FROM + offset);
}

/* Where an answer has room for one partition only, they take turns: of two batches, which are more than
 * the 4 MiB of a turn. */
static void test_partitions_take_turns(void **state) {
    (void)state;
    enum { N = 3, TURNS = 2, RECORDS = 75 };
    struct world *w = world_up(1);
    for (int32_t p = 0; p < N; p++)
        put_large(w, p, 2 * TURNS, RECORDS);
    begin_reading(w, N);
    for (size_t p = 0; p < N; p++)
        expect_only(w, p, "1000000-1000299 |1000300");
    for (int32_t i = 0; i < 2 * N * TURNS; i++) {
        int32_t turn = i / 2;
        assert_begins_with(w, (size_t)i, turn % N, (turn / N * 2 + i % 2) * (int64_t)RECORDS);
    }
    world_down(w);
}

/* A turn ends also where nothing more can be read. */
static void test_turns_at_the_end(void **state) {
    (void)state;
    enum { N = 4, RECORDS = 30 };
    struct world *w = world_up(1);
    for (int32_t p = 0; p < N; p++)
        put_large(w, p, 1, RECORDS);
    begin_reading(w, N);
    for (size_t p = 0; p < N; p++)
        expect_only(w, p, "1000000-1000029 |1000030");
    for (int32_t p = 0; p < N; p++)
        assert_begins_with(w, (size_t)p, p, 0);
    world_down(w);
}

/* ---- Leaving ---- */

static void leave(struct world *w, size_t i) {
    fetcher_leave(w->fetcher, (int32_t)i);
    w->parts[i].left = true;
}

static struct world *three_partitions(void) {
    struct world *w = world_up(1);
    for (int32_t p = 0; p < 3; p++)
        put_batches(w, p, 0, 2, p == 1 ? CODEC_LZ4 : 0);
    begin_reading(w, 3);
    serve_until_asked(w, 2);
    w->max = 5;
    assert_int_equal(take_from(w, 0), 5);
    return w;
}

static bool is_asked_for(struct world *w, int32_t partition) {
    struct fake_kafka_ask asks[FAKE_KAFKA_PARTITIONS];
    size_t n = fake_kafka_request(w->brokers[0], fake_kafka_requests(w->brokers[0]) - 1, asks);
    for (size_t i = 0; i < n; i++)
        if (asks[i].partition == partition)
            return true;
    return false;
}

static void test_leaves_the_one_that_is_delivered(void **state) {
    (void)state;
    struct world *w = three_partitions();
    leave(w, 0);
    assert_int_equal(position(w, 0), NOTHING);
    assert_int_equal(take_from(w, 0), 0);
    assert_int_equal(take_from(w, 1), 5);
    expect_only(w, 1, "0-19 |20");
    expect_only(w, 2, "0-19 |20");
    expect_only(w, 0, "0-4");
    assert_false(is_asked_for(w, 0));
    assert_true(is_asked_for(w, 1));
    world_down(w);
}

static void test_leaves_others(void **state) {
    (void)state;
    struct world *w = three_partitions();
    leave(w, 1);
    leave(w, 2);
    expect_only(w, 0, "0-19 |20");
    expect_only(w, 1, "");
    expect_only(w, 2, "");
    put_batches(w, 0, 20, 1, 0);
    expect_only(w, 0, "0-19 |20 20-29 |30");
    world_down(w);
}

static bool waits_for_nobody(const struct world *w) {
    struct pollfd fds[BROKERS_MAX];
    fetcher_poll_fds(w->fetcher, fds);
    for (size_t i = 0; i < w->n_brokers; i++)
        if (fds[i].fd >= 0)
            return false;
    return true;
}

static void test_leaves_all(void **state) {
    (void)state;
    struct world *w = three_partitions();
    assert_false(waits_for_nobody(w));
    leave(w, 2);
    leave(w, 0);
    leave(w, 1);
    assert_false(fetcher_has_records(w->fetcher));
    STEP_UNTIL(w, waits_for_nobody(w));
    size_t requests = fake_kafka_requests(w->brokers[0]);
    for (int i = 0; i < 20; i++)
        step(w);
    assert_true(waits_for_nobody(w));
    assert_int_equal(fake_kafka_requests(w->brokers[0]), requests);
    assert_false(w->failed);
    assert_string_equal(story(&w->parts[0]), "0-4");
    world_down(w);
}

static int leave_at_three(void *ctx, const struct record *r) {
    struct world *w = ctx;
    keep(&w->parts[0], r->offset);
    if (r->offset == 3)
        leave(w, 0);
    return 0;
}

static void test_sink_leaves_its_partition(void **state) {
    (void)state;
    struct world *w = world_up(1);
    struct source_sink sink = {.ctx = w, .record = leave_at_three};
    put_batches(w, 0, 0, 2, 0);
    put_batches(w, 1, 0, 2, 0);
    begin_reading(w, 2);
    serve_until_asked(w, 2);
    assert_int_equal(fetcher_fetch(w->fetcher, 0, 1000, &sink), 4);
    w->max = 1000;
    expect_only(w, 1, "0-19 |20");
    expect_only(w, 0, "0-3");
    world_down(w);
}

static void test_sink_stops(void **state) {
    (void)state;
    for (int64_t refused = 0; refused <= 20; refused++) {
        struct world *w = world_up(1);
        for (int32_t p = 0; p < 3; p++)
            put_batches(w, p, 0, 2, p == 1 ? CODEC_ZSTD : 0);
        w->parts[refused % 3].refused = refused;
        begin_reading(w, 3);
        w->max = refused % 2 ? 6 : 1000;
        for (size_t p = 0; p < 3; p++)
            if (p != (size_t)refused % 3)
                expect_only(w, p, "0-19 |20");
        assert_true(w->parts[refused % 3].left);
        assert_int_equal(w->parts[refused % 3].n, refused);
        assert_false(is_asked_for(w, (int32_t)(refused % 3)));
        world_down(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_broker),
        cmocka_unit_test(test_two_brokers),
        cmocka_unit_test(test_two_brokers_in_small_answers),
        cmocka_unit_test(test_partitions_that_are_not_read),
        cmocka_unit_test(test_begins_within_a_batch),
        cmocka_unit_test(test_max_is_a_limit),
        cmocka_unit_test(test_batches_cut_short),
        cmocka_unit_test(test_large_batches),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_codecs),
        cmocka_unit_test(test_last_record_of_a_fetch),
        cmocka_unit_test(test_a_fetch_goes_over_answers),
        cmocka_unit_test(test_asks_ahead),
        cmocka_unit_test(test_partitions_take_turns),
        cmocka_unit_test(test_turns_at_the_end),
        cmocka_unit_test(test_leaves_the_one_that_is_delivered),
        cmocka_unit_test(test_leaves_others),
        cmocka_unit_test(test_leaves_all),
        cmocka_unit_test(test_sink_leaves_its_partition),
        cmocka_unit_test(test_sink_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
