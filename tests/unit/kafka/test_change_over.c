/* When our own fetcher reads and when librdkafka does, and that nothing is lost or comes twice where one
 * takes over from the other. */
#include <pthread.h>
#include <time.h>

#include "change_over_fixture.h"

enum { PAUSE_MS = 2000, PAUSE_MAX = 300000, QUIET_MS = 60000 }; /* as in rdkafka_fetcher.c */

/* ---- Who reads ---- */

static void the_fetcher_reads_a_plain_cluster(void **state) {
    struct play *p = play_begin(state);
    produce_more(p, 20);
    read_all(p);
    assert_non_null(p->s->own.fetcher);
    trouble(p);
    begin_with_fetcher(p); /* librdkafka must give them up for it */
    produce_more(p, 20);
    read_all(p);
    assert_non_null(p->s->own.fetcher);
    play_end(p);
}

static void librdkafka_reads_where_that_is_set(void **state) {
    static const struct kafka_property fetching[] = {{"fetch.min.bytes", "1"}};
    for (int i = 0; i < 2; i++) {
        struct play *p = play_of(*state);
        struct kafka_config cfg = by_hand(servers(p->cluster), p->topic);
        cfg.librdkafka_only = i == 0;
        cfg.properties = fetching;
        cfg.n_properties = (size_t)i;
        play_read(p, &cfg);
        assert_false(p->s->own.allowed);
        assign_tails(p);
        produce_more(p, 5);
        read_all(p);
        assert_null(p->s->own.fetcher);
        play_end(p);
    }
}

static bool allows(const char *name, const char *value) {
    const struct kafka_property property = {name, value};
    struct kafka_config cfg = by_hand("127.0.0.1:1", "clicks");
    cfg.properties = &property;
    cfg.n_properties = 1;
    struct reader *r = reader_new(&cfg);
    bool allowed = rdkafka_of(r->source)->own.allowed;
    reader_free(r);
    return allowed;
}

static void only_harmless_properties_leave_the_fetcher_alone(void **state) {
    (void)state;
    static const struct kafka_property harmless[] = {{"client.id", "x"},
                                                     {"session.timeout.ms", "6000"},
                                                     {"heartbeat.interval.ms", "100"},
                                                     {"security.protocol", "plaintext"},
                                                     {"security.protocol", "PLAINTEXT"}};
    static const struct kafka_property others[] = {{"client.rack", "a"},
                                                   {"fetch.min.bytes", "1"},
                                                   {"security.protocol", "ssl"},
                                                   {"socket.keepalive.enable", "true"},
                                                   {"broker.address.family", "v4"}};
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        assert_true(allows(harmless[i].name, harmless[i].value));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(allows(others[i].name, others[i].value));
}

/* ---- Over and back ---- */

static void an_error_makes_librdkafka_read_for_a_while(void **state) {
    struct play *p = play_begin(state);
    produce_more(p, 20);
    read_all(p);
    trouble(p);
    produce_more(p, 20);
    read_all(p);
    assert_null(p->s->own.fetcher);
    back(p);
    produce_more(p, 20);
    read_all(p);
    assert_non_null(p->s->own.fetcher);
    play_end(p);
}

static void a_broker_goes_and_comes_back(void **state) {
    struct play *p = play_begin(state);
    produce_more(p, 20);
    read_all(p);
    broker(p, false);
    POLL_UNTIL(p->r, (fetch_each(p, 3), !p->s->own.fetcher));
    stay_with_librdkafka(p);
    broker(p, true);
    produce_more(p, 20);
    read_all(p);
    back(p);
    produce_more(p, 20);
    read_all(p);
    assert_non_null(p->s->own.fetcher);
    play_end(p);
}

/* The real pause is waited for. */
static void a_new_leader_is_found_after_the_pause(void **state) {
    struct play *p = play_begin(state);
    produce_more(p, 20);
    read_all(p);
    assert_int_equal(rd_kafka_mock_partition_set_leader(p->cluster->mock, p->topic, 0, OTHER), 0);
    int64_t began = now_ms();
    POLL_UNTIL(p->r, (fetch_each(p, 3), !p->s->own.fetcher));
    produce_more(p, 20);
    POLL_UNTIL(p->r, (fetch_each(p, 3), p->s->own.fetcher));
    assert_true(now_ms() - began >= PAUSE_MS);
    produce_more(p, 20);
    read_all(p);
    assert_non_null(p->s->own.fetcher);
    play_end(p);
}

/* Fetched in small steps, so that each change finds the partitions at other positions, with records that
 * came and were not delivered. */
static void changes_in_a_row_leave_each_partition_where_it_was(void **state) {
    struct play *p = play_begin(state);
    p->tails[2].stop_at = 5; /* left then, by the fetcher or by librdkafka, until the end */
    produce_more(p, 100);
    for (int i = 0; i < 4; i++) {
        trouble(p);
        (void)fetch_some(p, 0, 5);
        produce_more(p, 1);
        back(p);
        (void)fetch_some(p, 1, 7);
        produce_more(p, 1);
    }
    read_all(p);
    assert_int_equal(fetch_some(p, 2, 1000), 0);
    trouble(p);
    p->tails[1].stop_at = p->tails[1].produced; /* left while librdkafka reads */
    produce_more(p, 2);
    read_all(p);
    back(p);
    produce_more(p, 1);
    read_all(p);
    p->tails[1].stop_at = p->tails[2].stop_at = -1;
    assign_tails(p);
    read_all(p);
    play_end(p);
}

static void nothing_is_read_where_all_was_left(void **state) {
    struct play *p = play_begin(state);
    produce_more(p, 20);
    for (int32_t i = 0; i < PARTITIONS; i++)
        p->r->source->ops->leave(p->r->source, i);
    broker(p, false);
    for (int i = 0; i < 5; i++)
        poll_ok(p->r, 20);
    broker(p, true);
    p->s->own.due_ms = 0;
    for (int i = 0; i < 5; i++) {
        poll_ok(p->r, 20);
        fetch_each(p, 1000);
    }
    assert_true(p->tails[0].next == 0 && p->tails[1].next == 0 && p->tails[2].next == 0);
    assign_tails(p);
    read_all(p);
    play_end(p);
}

/* ---- The pause ---- */

static void tries_again(struct play *p, int64_t pause_ms) {
    p->s->own.due_ms = 0;
    int64_t began = now_ms();
    poll_ok(p->r, 0);
    assert_null(p->s->own.fetcher);
    assert_int_equal(p->s->own.pause_ms, pause_ms);
    assert_in_range(p->s->own.due_ms, began + pause_ms, now_ms() + pause_ms);
}

static void the_pause_is_doubled_by_each_trouble(void **state) {
    struct play *p = play_begin(state);
    broker(p, false);
    POLL_UNTIL(p->r, (fetch_each(p, 3), !p->s->own.fetcher));
    assert_int_equal(p->s->own.pause_ms, PAUSE_MS);
    tries_again(p, 2 * PAUSE_MS);
    tries_again(p, 4 * PAUSE_MS);
    p->s->own.pause_ms = PAUSE_MAX * 2 / 3;
    tries_again(p, PAUSE_MAX);
    tries_again(p, PAUSE_MAX);
    broker(p, true);
    p->s->own.pause_ms = PAUSE_MS;
    back(p);
    trouble(p); /* soon after */
    assert_int_equal(p->s->own.pause_ms, 2 * PAUSE_MS);
    back(p);
    p->s->own.since_ms -= QUIET_MS + 1000;
    trouble(p);
    assert_int_equal(p->s->own.pause_ms, PAUSE_MS);
    play_end(p);
}

static void what_does_not_pass_lasts_until_the_next_assignment(void **state) {
    struct play *p = play_begin(state);
    produce_more(p, 5);
    read_all(p);
    produce_with(p, 100, "snappy"); /* fewer would not become smaller, and go as they are */
    read_all(p);
    assert_null(p->s->own.fetcher);
    assert_true(p->s->own.due_ms == INT64_MAX);
    assign_tails(p); /* behind them */
    assert_true(p->s->own.due_ms < INT64_MAX);
    POLL_UNTIL(p->r, p->s->own.fetcher);
    produce_more(p, 5);
    read_all(p);
    assert_non_null(p->s->own.fetcher);
    play_end(p);
}

/* ---- Waiting ---- */

static double cpu_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* An answer is begun, and more of it to come. */
static void begin_answer(struct play *p) {
    produce_more(p, 50);
    POLL_UNTIL(p->r, (fetch_each(p, 1), fetcher_has_records(p->s->own.fetcher)));
}

/* poll() waits all the time, without running in circles. */
static void waits(struct play *p, int timeout_ms) {
    int64_t began = now_ms();
    double used = cpu_ms();
    poll_ok(p->r, timeout_ms);
    assert_true(now_ms() - began >= timeout_ms - 10);
    assert_true(cpu_ms() - used < timeout_ms / 15.0);
}

static void nothing_to_read_is_waited_for(void **state) {
    struct play *p = play_begin(state);
    read_all(p); /* empty */
    waits(p, 300);
    produce_more(p, 3);
    read_all(p);
    waits(p, 300);
    assert_non_null(p->s->own.fetcher);
    play_end(p);
}

static void a_suspended_source_waits_with_records_and_without_brokers(void **state) {
    struct play *p = play_begin(state);
    begin_answer(p);
    p->r->source->ops->suspend(p->r->source, true);
    waits(p, 300);
    p->r->source->ops->suspend(p->r->source, false);
    read_all(p);
    p->r->source->ops->suspend(p->r->source, true);
    broker(p, false);
    waits(p, 300);
    assert_non_null(p->s->own.fetcher);
    broker(p, true);
    p->r->source->ops->suspend(p->r->source, false);
    produce_more(p, 3);
    read_all(p);
    play_end(p);
}

static void *wake_soon(void *arg) {
    struct source *s = arg;
    (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    s->ops->wake(s);
    return NULL;
}

static void wake_ends_a_poll_while_the_fetcher_waits(void **state) {
    struct play *p = play_begin(state);
    read_all(p);
    for (int suspended = 0; suspended < 2; suspended++) {
        p->r->source->ops->suspend(p->r->source, suspended);
        pthread_t thread;
        int64_t began = now_ms();
        assert_int_equal(pthread_create(&thread, NULL, wake_soon, p->r->source), 0);
        poll_ok(p->r, 8000);
        assert_true(now_ms() - began < 4000);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    play_end(p);
}

/* ---- A group ---- */

static void a_member_changes_over_without_leaving_its_group(void **state) {
    static const struct kafka_property quick[] = {{"session.timeout.ms", "6000"},
                                                  {"heartbeat.interval.ms", "100"}};
    struct play *p = play_of(*state);
    struct kafka_config cfg = by_hand(servers(p->cluster), p->topic);
    cfg.use_group = true;
    cfg.properties = quick;
    cfg.n_properties = 2;
    play_read(p, &cfg);
    begin_with_fetcher(p);
    for (int i = 0; i < 2; i++) {
        produce_more(p, 10);
        read_all(p);
        assert_non_null(p->s->own.fetcher);
        trouble(p);
        produce_more(p, 10);
        read_all(p);
        back(p);
    }
    p->r->source->ops->commit(p->r->source, 1, 40);
    poll_ok(p->r, 0);
    assert_true(p->s->owned && p->r->assignments == 1 && p->r->revocations == 0);
    assert_int_equal(p->tails[1].next, 40);
    char topic[sizeof p->topic];
    memcpy(topic, p->topic, sizeof topic);
    play_end(p);
    assert_int_equal(committed(servers(*state), topic, 1), 40);
}

/* ---- The end ---- */

static void ends_are_those_of_the_fetchers_answers(void **state) {
    struct play *p = play_begin(state);
    struct source *s = p->r->source;
    produce_more(p, 30);
    read_all(p);
    produce_more(p, 5);
    begin_with_fetcher(p); /* so all of them were there when it asked */
    POLL_UNTIL(p->r, (fetch_some(p, 1, 1), fetch_some(p, 2, 1), fetch_some(p, 0, 1) > 0));
    assert_int_equal(p->tails[0].next, 31);
    assert_int_equal(s->ops->end(s, 0), 35);
    read_all(p);
    for (int32_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(s->ops->end(s, i), 35);
    broker(p, false);
    POLL_UNTIL(p->r, (fetch_each(p, 1000), !p->s->own.fetcher));
    assert_int_equal(s->ops->end(s, 0), 35); /* librdkafka can't have heard of it */
    stay_with_librdkafka(p);
    broker(p, true);
    produce_more(p, 5);
    read_all(p);
    assert_int_equal(s->ops->end(s, 0), 40);
    play_end(p);
}

static void a_source_ends_while_a_request_is_under_way(void **state) {
    struct play *p = play_begin(state);
    produce_more(p, 3);
    read_all(p);
    poll_ok(p->r, 0); /* the next one is sent with the answer before */
    play_end(p);
}

static void a_source_ends_in_the_middle_of_an_answer(void **state) {
    struct play *p = play_begin(state);
    begin_answer(p);
    poll_ok(p->r, 0); /* maybe the next one comes, too */
    play_end(p);
}

/* ---- assign() from inside ---- */

static int record_and_assign(void *ctx, const struct record *r) {
    struct play *p = ctx;
    if (tail_record(&p->tails[0], r) == 0)
        return 0;
    assign_tails(p);
    assign_tails(p);
    return 1;
}

static void note_last(void *ctx, const struct record *r) {
    const struct tail *t = &((struct play *)ctx)->tails[0];
    assert_int_equal(r->offset, t->next > t->stop_at ? t->stop_at - 1 : t->next - 1);
}

static void a_sink_may_assign_and_stop(void **state) {
    struct play *p = play_begin(state);
    struct source_sink sink = {p, record_and_assign, NULL, NULL, note_last};
    produce_more(p, 50);
    for (int i = 0; i < 4; i++) { /* the last two times librdkafka reads */
        p->tails[0].stop_at = p->tails[0].next + 3;
        POLL_UNTIL(p->r,
                   (p->r->source->ops->fetch(p->r->source, 0, 1000, &sink), fetch_some(p, 1, 1000),
                    fetch_some(p, 2, 1000), p->tails[0].next > p->tails[0].stop_at));
        assert_true(i < 2 || !p->s->own.fetcher);
        p->s->own.due_ms = i < 1 ? 0 : INT64_MAX - 1; /* for the next time */
    }
    p->tails[0].stop_at = -1;
    read_all(p);
    play_end(p);
}

static void assign_at_once(void *ctx, const int32_t *partitions, size_t n) {
    struct play *p = ctx;
    on_assigned(p->r, partitions, n);
    assign_tails(p);
}

static void a_handler_may_assign(void **state) {
    struct play *p = play_of(*state);
    struct kafka_config cfg = by_hand(servers(p->cluster), p->topic);
    p->r = reader_new(&cfg);
    p->s = rdkafka_of(p->r->source);
    p->s->handler = (struct source_handler){p, assign_at_once, NULL, NULL};
    produce_more(p, 5);
    read_all(p);
    play_end(p);
}

int main(void) {
#define CASE(f) cmocka_unit_test_teardown(f, mend)
    const struct CMUnitTest tests[] = {
        CASE(the_fetcher_reads_a_plain_cluster),
        CASE(librdkafka_reads_where_that_is_set),
        CASE(only_harmless_properties_leave_the_fetcher_alone),
        CASE(an_error_makes_librdkafka_read_for_a_while),
        CASE(a_broker_goes_and_comes_back),
        CASE(a_new_leader_is_found_after_the_pause),
        CASE(changes_in_a_row_leave_each_partition_where_it_was),
        CASE(nothing_is_read_where_all_was_left),
        CASE(the_pause_is_doubled_by_each_trouble),
        CASE(what_does_not_pass_lasts_until_the_next_assignment),
        CASE(nothing_to_read_is_waited_for),
        CASE(a_suspended_source_waits_with_records_and_without_brokers),
        CASE(wake_ends_a_poll_while_the_fetcher_waits),
        CASE(a_member_changes_over_without_leaving_its_group),
        CASE(ends_are_those_of_the_fetchers_answers),
        CASE(a_source_ends_while_a_request_is_under_way),
        CASE(a_source_ends_in_the_middle_of_an_answer),
        CASE(a_sink_may_assign_and_stop),
        CASE(a_handler_may_assign),
    };
    return cmocka_run_group_tests(tests, up, down);
}
