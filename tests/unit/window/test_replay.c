/* What is read a second time is written exactly where a gap asks for it (rule 6). */
#include "window/partition_fixture.h"

#include "window/replay.h"

/* ---- Gaps --------------------------------------------------------------------------------------- */

static const struct gap gaps[] = {{CLASS_EVENT, 1000, 10, 20, 3},
                                  {CLASS_EVENT, 1000, 30, 40, 1},
                                  {CLASS_EVENT, 0, 15, 35, 1},
                                  {CLASS_LATE, TS_NONE, 10, 12, 1},
                                  {CLASS_REJECTED, TS_NONE, 5, 5, 1}};

struct ended {
    int64_t to[8];
    int n;
};

static void on_ended(void *ctx, struct replay_gap *g) {
    struct ended *e = ctx;
    e->to[e->n++] = g->gap.to;
}

static void test_find_takes_class_window_and_both_ends(void **state) {
    (void)state;
    struct replay r;
    replay_init(&r, gaps, 5);
    assert_null(replay_find(&r, CLASS_EVENT, 1000, 9));
    assert_int_equal(replay_find(&r, CLASS_EVENT, 1000, 10)->gap.to, 20);
    assert_int_equal(replay_find(&r, CLASS_EVENT, 1000, 20)->gap.to, 20);
    assert_null(replay_find(&r, CLASS_EVENT, 1000, 21));
    assert_null(replay_find(&r, CLASS_EVENT, 1000, 29));
    assert_int_equal(replay_find(&r, CLASS_EVENT, 1000, 30)->gap.to, 40);
    assert_null(replay_find(&r, CLASS_EVENT, 1000, 41));
    assert_null(replay_find(&r, CLASS_EVENT, 0, 10));
    assert_int_equal(replay_find(&r, CLASS_EVENT, 0, 30)->gap.to, 35);
    assert_null(replay_find(&r, CLASS_EVENT, 2000, 15));
    assert_int_equal(replay_find(&r, CLASS_LATE, TS_NONE, 12)->gap.to, 12);
    assert_null(replay_find(&r, CLASS_REJECTED, TS_NONE, 12));
    replay_free(&r);
    assert_null(replay_find(&r, CLASS_EVENT, 1000, 10));
}

static void test_advance_ends_gaps_behind_the_position(void **state) {
    (void)state;
    struct replay r;
    struct ended e = {0};
    struct error error;
    replay_init(&r, gaps, 5);
    for (size_t i = 0; i < r.n; i++)
        r.gaps[i].written = r.gaps[i].gap.events;
    assert_int_equal(r.first_end, 5);
    assert_int_equal(replay_advance(&r, 5, on_ended, &e, false, &error), 0);
    assert_int_equal(e.n, 0);
    assert_int_equal(replay_advance(&r, 6, on_ended, &e, false, &error), 0);
    assert_int_equal(e.n, 1);
    assert_int_equal(replay_advance(&r, 21, on_ended, &e, false, &error), 0);
    assert_int_equal(e.n, 3);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.first_end, 35);
    assert_int_equal(replay_advance(&r, 41, on_ended, &e, false, &error), 0);
    assert_int_equal(r.n, 0);
    assert_true(r.first_end == INT64_MAX);
    replay_free(&r);
}

static void test_rule_6_too_few_events_stop(void **state) {
    (void)state;
    struct replay r;
    struct ended e = {0};
    struct error error;
    replay_init(&r, gaps, 1);
    r.gaps[0].written = 1;
    assert_int_equal(replay_advance(&r, 21, on_ended, &e, false, &error), -1);
    assert_int_equal(error.code, ERR_DATA_LOSS);
    assert_int_equal(replay_advance(&r, 21, on_ended, &e, true, &error), 0);
    assert_int_equal(e.n, 1);
    replay_free(&r);
}

/* ---- A partition that reads a second time ------------------------------------------------------- */

/* What another process left: `next`, gaps, and the listed rest as totals only. */
static void leave(int64_t next, const struct gap *left, size_t n) {
    struct checkpoint k = {
        .number = 1, .next = next, .replay_from = next, .replay_max_ts = TS_NONE};
    identity_copy(&k.identity, &f.sim.identity);
    memset(k.claim_id, 'a', 32);
    k.gaps = xcalloc(n, sizeof *k.gaps);
    for (size_t i = 0; i < n; i++) {
        k.gaps[k.n_gaps++] = left[i];
        if (left[i].from < k.replay_from)
            k.replay_from = left[i].from;
    }
    struct buffer b;
    buffer_init(&b, CHECKPOINT_BYTES_MAX);
    checkpoint_encode(&k, &b);
    memory_world_plant(f.sim.world, "job/clicks/p00002/chk-00000000000000000001.json", b.data,
                       b.len);
    buffer_free(&b);
    checkpoint_clear(&k);
}

static void events(int n) {
    for (int i = 0; i < n; i++)
        event(T + i);
}

static void test_rule_6_written_inside_the_gap_only_and_not_counted(void **state) {
    (void)state;
    events(10);
    leave(10, &(struct gap){CLASS_EVENT, T, 3, 5, 3}, 1);
    run();
    const struct partition *p = f.pr->p;
    assert_int_equal(p->read[CLASS_EVENT].events, 0);
    assert_int_equal(p->stats.events[CLASS_EVENT], 0);
    savepoint();
    assert_int_equal(visible("dt="), 1);
    size_t len;
    const char *key = memory_world_key(f.sim.world, "dt=", 0);
    assert_non_null(strstr(key, "-o00000000000000000003-"));
    assert_int_equal(memory_world_object(f.sim.world, key, &len)[0], '3');
    assert_int_equal(newest()->listed[CLASS_EVENT].events, 3);
    assert_int_equal(newest()->n_gaps, 0);
    assert_int_equal(newest()->next, 10);
}

static void test_rule_6_gap_file_ends_with_the_gap(void **state) {
    (void)state;
    events(10);
    leave(10, &(struct gap){CLASS_EVENT, T, 3, 5, 3}, 1);
    run();
    assert_int_equal(f.pr->p->n_windows, 0);
    event(T);
    run();
    assert_int_equal(f.pr->p->n_windows, 1);
    assert_int_equal(f.pr->p->windows[0]->entry.first, 10);
}

static void test_rule_6_gap_file_goes_on_where_the_gap_ends_at_next_less_one(void **state) {
    (void)state;
    events(10);
    leave(10, &(struct gap){CLASS_EVENT, T, 3, 9, 7}, 1);
    run();
    assert_int_equal(f.pr->p->n_windows, 1);
    event(T);
    run();
    assert_int_equal(f.pr->p->n_windows, 1);
    assert_int_equal(f.pr->p->windows[0]->entry.first, 3);
    assert_int_equal(f.pr->p->windows[0]->last_offset, 10);
    assert_int_equal(f.pr->p->read[CLASS_EVENT].events, 1);
}

static void test_rule_6_two_gaps_of_a_window_are_two_files(void **state) {
    (void)state;
    events(10);
    leave(10, (struct gap[]){{CLASS_EVENT, T, 1, 2, 2}, {CLASS_EVENT, T, 5, 6, 2}}, 2);
    run();
    savepoint();
    assert_int_equal(visible("dt="), 2);
}

static void test_rule_6_another_window_and_class_is_no_gap(void **state) {
    (void)state;
    events(4);
    add(RECORD_REJECTED, 0);
    leave(5, &(struct gap){CLASS_REJECTED, TS_NONE, 0, 4, 1}, 1);
    run();
    assert_int_equal(f.pr->p->n_windows, 0);
    assert_non_null(f.pr->p->rejected);
}

static void test_rule_6_fewer_events_than_stated_stop(void **state) {
    (void)state;
    struct error e;
    events(10);
    leave(10, &(struct gap){CLASS_EVENT, T, 3, 5, 4}, 1);
    assert_int_equal(try_run(&e), -1);
    assert_int_equal(e.code, ERR_DATA_LOSS);
    assert_int_equal(f.pr->p->status, PARTITION_FAILED);
}

static void test_rule_6_more_events_than_stated_stop(void **state) {
    (void)state;
    struct error e;
    events(10);
    leave(10, &(struct gap){CLASS_EVENT, T, 3, 5, 2}, 1);
    assert_int_equal(try_run(&e), -1);
    assert_int_equal(e.code, ERR_DATA_LOSS);
    assert_int_equal(f.pr->p->status, PARTITION_FAILED);
}

/* Reads on to `end`, then puts a checkpoint. */
static void read_to_and_checkpoint(int64_t end) {
    f.sim.log_end = f.sim.log.n; /* the partition must not see an end below next */
    struct error e;
    f.pr = sim_process_new(&f.sim);
    while (f.pr->p->status != PARTITION_RUNNING) {
        assert_int_equal(sim_process_run(f.pr, 0, &e), 0);
        while (sim_process_effect(f.pr, 0))
            ;
    }
    assert_int_equal(sim_process_run(f.pr, end - f.pr->at, &e), 0);
    while (sim_process_effect(f.pr, 0))
        ;
    partition_savepoint(f.pr->p);
    assert_int_equal(sim_process_run(f.pr, 0, &e), 0);
    while (sim_process_effect(f.pr, 0))
        ;
}

static void test_rule_6_checkpoint_meanwhile_keeps_next_and_lists_what_is_left(void **state) {
    (void)state;
    f.sim.reserve = 1; /* no part is cut */
    events(10);
    leave(10, (struct gap[]){{CLASS_EVENT, T, 2, 7, 6}, {CLASS_EVENT, T, 9, 9, 1}}, 2);
    read_to_and_checkpoint(5);
    assert_int_equal(newest()->next, 10);
    assert_int_equal(newest()->n_gaps, 2);
    assert_int_equal(newest()->gaps[0].from, 2); /* written, but in no part */
    assert_int_equal(newest()->gaps[0].to, 7);
    assert_int_equal(newest()->gaps[0].events, 6);
    assert_int_equal(newest()->gaps[1].from, 9);
    assert_int_equal(newest()->replay_from, 2);
}

static void test_rule_6_acknowledged_events_leave_the_gap(void **state) {
    (void)state;
    f.sim.config.max_file_size = 30;
    events(10);
    leave(10, &(struct gap){CLASS_EVENT, T, 0, 9, 10}, 1);
    read_to_and_checkpoint(8);
    assert_true(newest()->listed[CLASS_EVENT].events > 2);
    uint64_t left = 10 - newest()->listed[CLASS_EVENT].events;
    for (size_t i = 0; i < newest()->n_files; i++)
        left -= newest()->files[i].count.events;
    assert_int_equal(newest()->n_gaps, 1);
    assert_int_equal(newest()->gaps[0].events, left);
    assert_int_equal(newest()->gaps[0].from, 10 - left);
    assert_int_equal(newest()->gaps[0].to, 9);
}

static void test_rule_6_replay_classifies_as_the_first_time(void **state) {
    (void)state;
    event(T);
    event(T + 3000); /* closes T's window */
    event(T + 1);    /* late */
    event(T + 2999);
    run();
    savepoint();
    sim_process_kill(f.pr);
    f.pr = NULL;
    run();
    assert_int_equal(f.pr->p->read[CLASS_LATE].events, 1);
    assert_int_equal(f.pr->p->read[CLASS_EVENT].events, 3);
    expect_drained();
}

/* The late event's judgement needs the maximum before the replay point, which lies behind it. */
static void test_rule_6_replay_begins_with_the_maximum_before_its_point(void **state) {
    (void)state;
    event(T + 3000);
    run();
    partition_seal_all(f.pr->p);
    run();
    savepoint();
    event(T); /* late, unacknowledged: the replay point */
    run();
    savepoint();
    assert_int_equal(newest()->replay_from, 1);
    assert_true(newest()->replay_max_ts == T + 3000);
    crash_and_claim();
    assert_non_null(f.pr->p->late);
    expect_drained();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_takes_class_window_and_both_ends),
        cmocka_unit_test(test_advance_ends_gaps_behind_the_position),
        cmocka_unit_test(test_rule_6_too_few_events_stop),
        CASE(test_rule_6_written_inside_the_gap_only_and_not_counted),
        CASE(test_rule_6_gap_file_ends_with_the_gap),
        CASE(test_rule_6_gap_file_goes_on_where_the_gap_ends_at_next_less_one),
        CASE(test_rule_6_two_gaps_of_a_window_are_two_files),
        CASE(test_rule_6_another_window_and_class_is_no_gap),
        CASE(test_rule_6_fewer_events_than_stated_stop),
        CASE(test_rule_6_more_events_than_stated_stop),
        CASE(test_rule_6_checkpoint_meanwhile_keeps_next_and_lists_what_is_left),
        CASE(test_rule_6_acknowledged_events_leave_the_gap),
        CASE(test_rule_6_replay_classifies_as_the_first_time),
        CASE(test_rule_6_replay_begins_with_the_maximum_before_its_point),
    };
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
