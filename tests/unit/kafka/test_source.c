#include "kafka_fixture.h"

#include <pthread.h>

#define SERVERS(state) embedded_bootstrap_servers(*(state))

static struct reader *reader_of(void **state) {
    struct kafka_config cfg = by_hand(SERVERS(state), "clicks");
    return reader_new(&cfg);
}

static void all_partitions_are_assigned_by_the_first_poll(void **state) {
    struct reader *r = reader_of(state);
    poll_ok(r, 1000);
    assert_int_equal(r->assignments, 1);
    assert_int_equal(r->n_assigned, 3);
    assert_int_equal(r->assigned[2], 2);
    reader_free(r);
}

static void a_list_is_assigned_as_it_stands(void **state) {
    static const int32_t list[] = {2, 0};
    struct kafka_config cfg = by_hand(SERVERS(state), "clicks");
    cfg.all = false;
    cfg.partitions = list;
    cfg.n_partitions = 2;
    struct reader *r = reader_new(&cfg);
    poll_ok(r, 1000);
    assert_int_equal(r->n_assigned, 2);
    assert_int_equal(r->assigned[0], 2);
    reader_free(r);
}

static void a_list_with_a_missing_partition_is_an_error(void **state) {
    static const int32_t list[] = {0, 7};
    struct kafka_config cfg = by_hand(SERVERS(state), "clicks");
    cfg.all = false;
    cfg.partitions = list;
    cfg.n_partitions = 2;
    struct reader *r = reader_new(&cfg);
    struct error e = {0};
    assert_int_equal(r->source->ops->poll(r->source, 1000, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "no partition 7"));
    reader_free(r);
}

static void absent_and_empty_keys_and_values_differ(void **state) {
    rd_kafka_t *rk = producer_new(SERVERS(state));
    produce(rk, "clicks", 0, 1700000000001, NULL, "no key");
    produce(rk, "clicks", 0, 1700000000002, "", "empty key");
    produce(rk, "clicks", 0, 1700000000003, "tombstone", NULL);
    produce(rk, "clicks", 0, 1700000000004, "empty value", "");
    producer_done(rk);
    struct reader *r = reader_of(state);
    assign_at(r, 0, 0);
    read_to_end(r, 0, 1);
    assert_int_equal(r->n, 4);
    assert_null(r->kept[0].record.key);
    assert_string_equal(r->kept[0].value, "no key");
    assert_non_null(r->kept[1].record.key);
    assert_int_equal(r->kept[1].record.key_len, 0);
    assert_null(r->kept[2].record.value);
    assert_string_equal(r->kept[2].key, "tombstone");
    assert_non_null(r->kept[3].record.value);
    assert_int_equal(r->kept[3].record.value_len, 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(r->kept[i].record.offset, i);
        assert_int_equal(r->kept[i].record.timestamp, 1700000000001 + i);
    }
    assert_int_equal(r->eof, 4);
    reader_free(r);
}

static void an_empty_partition_ends_at_once(void **state) {
    struct reader *r = reader_of(state);
    assign_at(r, 1, 0);
    read_to_end(r, 1, 1);
    assert_int_equal(r->eof, 0);
    assert_int_equal(r->n, 0);
    reader_free(r);
}

static void each_partition_is_fetched_alone(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 5);
    produce_numbers(SERVERS(state), "clicks", 1, 7);
    struct reader *r = reader_of(state);
    static const struct source_position both[] = {{0, 0}, {1, 0}};
    assert_int_equal(r->source->ops->assign(r->source, both, 2, NULL), 0);
    size_t of[2] = {0};
    for (int64_t until = now_ms() + 10000; r->eofs < 2;) {
        assert_true(now_ms() < until);
        poll_ok(r, 100);
        for (int32_t p = 0; p < 2; p++) {
            size_t before = r->n;
            (void)fetch(r, p, 2);
            of[p] += r->n - before;
        }
    }
    assert_int_equal(of[0], 5);
    assert_int_equal(of[1], 7);
    assert_int_equal(fetch(r, 2, 1000), 0); /* not assigned */
    reader_free(r);
}

static void a_partition_that_is_left_holds_nothing_up(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 50);
    produce_numbers(SERVERS(state), "clicks", 1, 50);
    struct reader *r = reader_of(state);
    static const struct source_position both[] = {{0, 0}, {1, 0}};
    assert_int_equal(r->source->ops->assign(r->source, both, 2, NULL), 0);
    /* More of it has been taken from the queue then. */
    POLL_UNTIL(r, fetch(r, 0, 1) == 1 || (fetch(r, 1, 1), false));
    r->source->ops->leave(r->source, 0);
    r->source->ops->leave(r->source, 2); /* not assigned */
    read_to_end(r, 1, 1);
    assert_int_equal(r->n, 51);
    assert_int_equal(fetch(r, 0, 1000), 0);
    r->eofs = 0;
    assign_at(r, 0, 1); /* back again */
    r->n = 0;
    read_to_end(r, 0, 1);
    assert_int_equal(r->n, 49);
    reader_free(r);
}

static void fetching_starts_at_the_assigned_offset(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 50);
    struct reader *r = reader_of(state);
    assign_at(r, 0, 17);
    read_to_end(r, 0, 1);
    assert_int_equal(r->n, 33);
    assert_int_equal(r->kept[0].record.offset, 17);
    reader_free(r);
}

static void fetch_delivers_no_more_than_asked(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 50);
    struct reader *r = reader_of(state);
    assign_at(r, 0, 0);
    POLL_UNTIL(r, fetch(r, 0, 1) == 1);
    size_t n = fetch(r, 0, 10);
    assert_true(n <= 10);
    read_to_end(r, 0, 1);
    assert_int_equal(r->n, 50);
    reader_free(r);
}

static void a_sink_that_stops_loses_nothing_after_a_new_assignment(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 200);
    struct reader *r = reader_of(state);
    for (int round = 1; round <= 5; round++) { /* ever back to an earlier offset */
        r->n = 0;
        r->stop_after = 20;
        assign_at(r, 0, 100 - 10 * round);
        POLL_UNTIL(r, (fetch(r, 0, 1000), r->n == 20));
        assert_int_equal(r->kept[0].record.offset, 100 - 10 * round);
    }
    r->n = 0;
    r->stop_after = 0;
    r->eofs = 0;
    assign_at(r, 0, 0);
    read_to_end(r, 0, 1);
    assert_int_equal(r->n, 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(r->kept[i].record.offset, i);
    reader_free(r);
}

/* librdkafka 2.0.2 aborts the process where a partition is taken away twice before it has stopped. */
static void assignments_may_follow_each_other_at_once(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 50);
    struct reader *r = reader_of(state);
    assign_at(r, 0, 0);
    read_to_end(r, 0, 1);
    for (int i = 0; i < 100; i++)
        assign_at(r, 0, i % 50);
    assign_at(r, 0, 10);
    r->n = 0;
    read_to_end(r, 0, 2);
    assert_int_equal(r->n, 40);
    reader_free(r);
}

static void a_position_past_the_end_is_an_error(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 3);
    struct reader *r = reader_of(state);
    assign_at(r, 0, 1000);
    read_to_end(r, 0, 1);
    assert_int_equal(r->errors, 1);
    assert_int_equal(r->error.code, ERR_DATA_LOSS);
    assert_int_equal(r->error_offset, 1000);
    reader_free(r);
}

static void nothing_is_assigned_after_giving_all_up(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 3);
    struct reader *r = reader_of(state);
    assign_at(r, 0, 0);
    read_to_end(r, 0, 1);
    assert_int_equal(r->source->ops->assign(r->source, NULL, 0, NULL), 0);
    produce_numbers(SERVERS(state), "clicks", 0, 3);
    poll_ok(r, 300);
    assert_int_equal(fetch(r, 0, 1000), 0);
    assert_int_equal(r->n, 3);
    reader_free(r);
}

static void poll_returns_when_records_wait(void **state) {
    struct reader *r = reader_of(state);
    poll_ok(r, 1000);
    assign_at(r, 0, 0);
    read_to_end(r, 0, 1);
    produce_numbers(SERVERS(state), "clicks", 0, 1);
    int64_t began = now_ms();
    poll_ok(r, 8000);
    assert_true(now_ms() - began < 4000);
    assert_true(fetch(r, 0, 1000) > 0);
    reader_free(r);
}

static void poll_ignores_records_while_suspended(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 5);
    struct reader *r = reader_of(state);
    poll_ok(r, 1000);
    assign_at(r, 0, 0);
    r->source->ops->suspend(r->source, true);
    int64_t began = now_ms();
    poll_ok(r, 400);
    assert_true(now_ms() - began >= 390);
    r->source->ops->suspend(r->source, false);
    began = now_ms();
    poll_ok(r, 5000); /* they came meanwhile */
    assert_true(now_ms() - began < 3000);
    read_to_end(r, 0, 1);
    assert_int_equal(r->n, 5);
    reader_free(r);
}

static void *wake_soon(void *arg) {
    struct timespec pause = {.tv_nsec = 100000000};
    struct source *s = arg;
    (void)nanosleep(&pause, NULL);
    s->ops->wake(s);
    return NULL;
}

static void wake_ends_a_poll_from_another_thread(void **state) {
    struct reader *r = reader_of(state);
    poll_ok(r, 1000);
    r->source->ops->suspend(r->source, true);
    pthread_t thread;
    int64_t began = now_ms();
    assert_int_equal(pthread_create(&thread, NULL, wake_soon, r->source), 0);
    poll_ok(r, 8000);
    assert_true(now_ms() - began < 4000);
    assert_int_equal(pthread_join(thread, NULL), 0);
    reader_free(r);
}

static void a_wake_before_the_poll_is_not_lost(void **state) {
    struct reader *r = reader_of(state);
    poll_ok(r, 1000);
    r->source->ops->wake(r->source);
    int64_t began = now_ms();
    poll_ok(r, 8000);
    assert_true(now_ms() - began < 4000);
    reader_free(r);
}

int main(void) {
#define ON_A_CLUSTER(f) cmocka_unit_test_setup_teardown(f, cluster_up, cluster_down)
#define READ_BY(f, who) \
    { #f "_by_" #who, f, cluster_up_for_##who, cluster_down, NULL }
#define READ_BY_BOTH(f) READ_BY(f, fetcher), READ_BY(f, librdkafka)
    const struct CMUnitTest tests[] = {
        ON_A_CLUSTER(all_partitions_are_assigned_by_the_first_poll),
        ON_A_CLUSTER(a_list_is_assigned_as_it_stands),
        ON_A_CLUSTER(a_list_with_a_missing_partition_is_an_error),
        READ_BY_BOTH(absent_and_empty_keys_and_values_differ),
        READ_BY_BOTH(an_empty_partition_ends_at_once),
        READ_BY_BOTH(each_partition_is_fetched_alone),
        READ_BY_BOTH(a_partition_that_is_left_holds_nothing_up),
        READ_BY_BOTH(fetching_starts_at_the_assigned_offset),
        READ_BY_BOTH(fetch_delivers_no_more_than_asked),
        READ_BY_BOTH(a_sink_that_stops_loses_nothing_after_a_new_assignment),
        READ_BY_BOTH(assignments_may_follow_each_other_at_once),
        READ_BY_BOTH(a_position_past_the_end_is_an_error),
        READ_BY_BOTH(nothing_is_assigned_after_giving_all_up),
        READ_BY_BOTH(poll_returns_when_records_wait),
        READ_BY_BOTH(poll_ignores_records_while_suspended),
        ON_A_CLUSTER(wake_ends_a_poll_from_another_thread),
        ON_A_CLUSTER(a_wake_before_the_poll_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
