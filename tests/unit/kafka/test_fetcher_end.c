/* When the fetcher says that a partition's end is reached: once at each position, and never while something
 * that can be read lies behind it. */
#include "fetcher_fixture.h"

static void test_empty(void **state) {
    (void)state;
    struct world *w = world_up(2);
    begin_reading(w, 3);
    for (size_t p = 0; p < 3; p++)
        expect_only(w, p, "|0");
    world_down(w);
}

static void test_from_the_end_on(void **state) {
    (void)state;
    struct world *w = world_up(1);
    put_plain(w, 0, 0, 9);
    w->parts[0].from = 10;
    begin_reading(w, 1);
    expect_only(w, 0, "|10");
    put_plain(w, 0, 10, 11);
    expect_only(w, 0, "|10 10-11 |12");
    world_down(w);
}

static void test_again_behind_new_records(void **state) {
    (void)state;
    for (size_t max = 1; max < 4; max++) {
        struct world *w = world_up(1);
        w->max = max;
        begin_reading(w, 2);
        expect_only(w, 0, "|0");
        put_plain(w, 0, 0, 2);
        expect_only(w, 0, "|0 0-2 |3");
        put_plain(w, 0, 3, 3);
        put_plain(w, 1, 0, 5);
        expect_only(w, 0, "|0 0-2 |3 3 |4");
        expect_only(w, 1, "|0 0-5 |6");
        world_down(w);
    }
}

/* What is at the end counts in fetch()'s maximum, and can be what the sink stops at. */
static void test_end_is_an_event(void **state) {
    (void)state;
    struct world *w = world_up(1);
    put_plain(w, 0, 0, 2);
    w->parts[0].refused = 3;
    w->max = 3;
    begin_reading(w, 2);
    STEP_UNTIL(w, w->parts[0].n > 0);
    assert_string_equal(story(&w->parts[0]), "0-2");
    assert_int_equal(position(w, 0), 3);
    STEP_UNTIL(w, w->parts[0].left);
    assert_string_equal(story(&w->parts[0]), "0-2");
    put_plain(w, 0, 3, 9);
    expect_only(w, 1, "|0");
    assert_string_equal(story(&w->parts[0]), "0-2");
    world_down(w);
}

static void test_not_where_the_answer_has_no_room(void **state) {
    (void)state;
    struct world *w = world_up(1);
    for (int32_t p = 0; p < 3; p++)
        for (int64_t base = 0; base < 30; base += 5)
            put_plain(w, p, base, base + 4);
    fake_kafka_limit(w->brokers[0], 1, INT32_MAX);
    begin_reading(w, 3);
    for (size_t p = 0; p < 3; p++)
        expect_only(w, p, "0-29 |30");
    world_down(w);
}

static void test_behind_markers(void **state) {
    (void)state;
    for (int64_t from = 0; from <= 8; from++) {
        struct world *w = world_up(1);
        put_batch(w, 0, 0, 2, BATCH_TRANSACTIONAL, 7);
        put_marker(w, 0, 3, 7, true);
        put_batch(w, 0, 4, 5, BATCH_TRANSACTIONAL, 7);
        put_marker(w, 0, 6, 7, false);
        put_marker(w, 0, 7, 7, true); /* of nothing in this partition */
        w->parts[0].from = from;
        begin_reading(w, 1);
        expect_only(w, 0, from == 0 ? "0-2 |8" : from == 1 ? "1-2 |8" : from == 2 ? "2 |8" : "|8");
        assert_int_equal(position(w, 0), 8);
        world_down(w);
    }
}

/* The last stable offset is the end, although more can be heard of. */
static void test_open_transaction(void **state) {
    (void)state;
    for (int commits = 0; commits < 2; commits++) {
        struct world *w = world_up(1);
        put_plain(w, 0, 0, 4);
        put_batch(w, 0, 5, 9, BATCH_TRANSACTIONAL, 7);
        put_plain(w, 0, 10, 11);
        begin_reading(w, 1);
        expect_only(w, 0, "0-4 |5");
        assert_int_equal(fetcher_end(w->fetcher, 0), 12);
        assert_int_equal(position(w, 0), 5);
        put_plain(w, 0, 12, 12);
        expect_only(w, 0, "0-4 |5");
        assert_int_equal(fetcher_end(w->fetcher, 0), 13);
        put_marker(w, 0, 13, 7, commits);
        expect_only(w, 0, commits ? "0-4 |5 5-12 |14" : "0-4 |5 10-12 |14");
        world_down(w);
    }
}

static void test_high_watermark(void **state) {
    (void)state;
    for (int hidden = 0; hidden < 2; hidden++) {
        struct world *w = world_up(1);
        fake_kafka_behave(w->brokers[0], (struct fake_kafka_habits){.hides_stable = hidden});
        fake_kafka_limit(w->brokers[0], 1, 1);
        for (int64_t base = 0; base < 40; base += 10)
            put_plain(w, 0, base, base + 9);
        fake_kafka_set_high(w->brokers[0], 0, 20);
        begin_reading(w, 1);
        expect_only(w, 0, "0-19 |20");
        assert_int_equal(fetcher_end(w->fetcher, 0), 20);
        fake_kafka_set_high(w->brokers[0], 0,
                            10); /* as after another broker has become the leader */
        expect_only(w, 0, "0-19 |20");
        fake_kafka_set_high(w->brokers[0], 0, 30);
        expect_only(w, 0, "0-19 |20 20-29 |30");
        fake_kafka_set_high(w->brokers[0], 0, INT64_MAX);
        expect_only(w, 0, "0-19 |20 20-29 |30 30-39 |40");
        world_down(w);
    }
}

/* What waits was true when it was sent: the end at 10 is told although more has come since. */
static void test_answers_tell_their_own_end(void **state) {
    (void)state;
    struct world *w = world_up(1);
    put_plain(w, 0, 0, 9);
    fake_kafka_hold(w->brokers[0]); /* the fetcher asks once, and no more until it is served */
    begin_reading(w, 1);
    serve(w);
    fake_kafka_release(w->brokers[0]);
    DO_UNTIL(clock_sleep(1), fake_kafka_answers(w->brokers[0]) == 1);
    fake_kafka_hold(w->brokers[0]);
    w->max = 0;
    STEP_UNTIL(w, fetcher_has_records(w->fetcher));
    put_plain(w, 0, 10, 19);
    fake_kafka_release(w->brokers[0]);
    STEP_UNTIL(w, fetcher_end(w->fetcher, 0) == 20);
    w->max = 1000;
    expect_only(w, 0, "0-9 |10 10-19 |20");
    world_down(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_from_the_end_on),
        cmocka_unit_test(test_again_behind_new_records),
        cmocka_unit_test(test_end_is_an_event),
        cmocka_unit_test(test_not_where_the_answer_has_no_room),
        cmocka_unit_test(test_behind_markers),
        cmocka_unit_test(test_open_transaction),
        cmocka_unit_test(test_high_watermark),
        cmocka_unit_test(test_answers_tell_their_own_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
