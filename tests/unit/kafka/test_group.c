#include "kafka_fixture.h"

#include <time.h>

#define SERVERS(state) embedded_bootstrap_servers(*(state))

static struct reader *member(void **state) {
    static const struct kafka_property quick[] = {{"session.timeout.ms", "6000"},
                                                  {"heartbeat.interval.ms", "100"}};
    struct kafka_config cfg = by_hand(SERVERS(state), "clicks");
    cfg.use_group = true;
    cfg.properties = quick;
    cfg.n_properties = 2;
    return reader_new(&cfg);
}

/* Reads all that is assigned, from the start of each partition. */
static void assign_all(struct reader *r) {
    struct source_position at[PARTITIONS_MAX];
    for (size_t i = 0; i < r->n_assigned; i++)
        at[i] = (struct source_position){r->assigned[i], 0};
    assert_int_equal(r->source->ops->assign(r->source, at, r->n_assigned, NULL), 0);
}

static void fetch_all(struct reader *r) {
    for (size_t i = 0; i < r->n_assigned; i++)
        (void)fetch(r, r->assigned[i], 1000);
}

static void a_lone_member_gets_all_partitions(void **state) {
    for (int32_t p = 0; p < 3; p++)
        produce_numbers(SERVERS(state), "clicks", p, 10);
    struct reader *r = member(state);
    POLL_UNTIL(r, r->assignments == 1);
    assert_int_equal(r->n_assigned, 3);
    assign_all(r);
    POLL_UNTIL(r, (fetch_all(r), r->eofs == 3));
    assert_int_equal(r->n, 30);
    r->source->ops->commit(r->source, 0, 9);
    r->source->ops->commit(r->source, 2, 8);
    r->source->ops->commit(r->source, 0, 10);
    poll_ok(r, 50);
    r->source->ops->commit(r->source, 2, 10); /* sent when it leaves */
    reader_free(r);
    assert_int_equal(committed(SERVERS(state), "clicks", 0), 10);
    assert_true(committed(SERVERS(state), "clicks", 1) < 0);
    assert_int_equal(committed(SERVERS(state), "clicks", 2), 10);
}

static void a_slow_take_over_keeps_its_partitions(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 10);
    struct reader *r = member(state);
    POLL_UNTIL(r, r->assignments == 1);
    int64_t until = now_ms() + 1500;
    while (now_ms() < until)
        poll_ok(r, 50);
    assert_int_equal(r->revocations, 0);
    assert_int_equal(fetch(r, 0, 1000), 0);
    assign_all(r);
    POLL_UNTIL(r, (fetch_all(r), r->eofs == 3));
    assert_int_equal(r->n, 10);
    reader_free(r);
}

/* Polls both until each has a part of the three partitions; whoever is told assigns at once, unless
 * `slow`, which never does. */
static void settle(struct reader *a, struct reader *b, const struct reader *slow) {
    int64_t until = now_ms() + 30000;
    int seen_a = a->assignments, seen_b = b->assignments;
    while (a->n_assigned == 0 || b->n_assigned == 0 || a->n_assigned + b->n_assigned != 3) {
        assert_true(now_ms() < until);
        poll_ok(a, 20);
        poll_ok(b, 20);
        if (a->assignments != seen_a && a != slow)
            assign_all(a);
        if (b->assignments != seen_b && b != slow)
            assign_all(b);
        seen_a = a->assignments;
        seen_b = b->assignments;
    }
}

/* From the start of all partitions, and none of them twice. */
static void read_shares(struct reader *a, struct reader *b, size_t records) {
    a->n = b->n = 0;
    a->eofs = b->eofs = 0;
    assign_all(a);
    assign_all(b);
    POLL_UNTIL(a, (fetch_all(a), poll_ok(b, 0), fetch_all(b), a->eofs + b->eofs == 3));
    assert_int_equal(a->n + b->n, records);
    assert_true(a->n > 0 && b->n > 0);
}

static void a_second_member_takes_its_share(void **state) {
    for (int32_t p = 0; p < 3; p++)
        produce_numbers(SERVERS(state), "clicks", p, 10);
    struct reader *a = member(state);
    POLL_UNTIL(a, a->assignments == 1);
    assign_all(a);
    struct reader *b = member(state);
    settle(a, b, NULL);
    assert_true(a->revocations >= 1);
    assert_true(a->assigned[0] != b->assigned[0]);
    read_shares(a, b, 30);
    reader_free(b);
    POLL_UNTIL(a, a->n_assigned == 3); /* what b leaves comes back */
    reader_free(a);
}

static void a_member_can_lose_what_it_never_took(void **state) {
    struct reader *a = member(state);
    POLL_UNTIL(a, a->assignments == 1);
    struct reader *b = member(state);
    settle(a, b, a);
    assert_true(a->revocations >= 1);
    reader_free(a);
    reader_free(b);
}

static void nothing_can_be_assigned_after_a_revocation(void **state) {
    struct reader *r = member(state);
    struct source_position at = {0, 0};
    struct error e = {0};
    poll_ok(r, 10); /* joining, nothing is ours yet */
    if (r->assignments == 0)
        assert_int_equal(r->source->ops->assign(r->source, &at, 1, &e), -1);
    reader_free(r);
}

int main(void) {
#define ON_A_CLUSTER(f) cmocka_unit_test_setup_teardown(f, cluster_up, cluster_down)
#define READ_BY(f, who) \
    { #f "_by_" #who, f, cluster_up_for_##who, cluster_down, NULL }
#define READ_BY_BOTH(f) READ_BY(f, fetcher), READ_BY(f, librdkafka)
    const struct CMUnitTest tests[] = {
        READ_BY_BOTH(a_lone_member_gets_all_partitions),
        READ_BY_BOTH(a_slow_take_over_keeps_its_partitions),
        READ_BY_BOTH(a_second_member_takes_its_share),
        ON_A_CLUSTER(a_member_can_lose_what_it_never_took),
        ON_A_CLUSTER(nothing_can_be_assigned_after_a_revocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
