/* When checkpoints are put, what their outcome means, and how a partition ends (rules 9 and 13). */
#include "window/partition_fixture.h"

static uint64_t number(void) {
    return newest()->number;
}

/* ---- When (rule 13) ----------------------------------------------------------------------------- */

static void test_rule_13_every_interval(void **state) {
    (void)state;
    f.sim.config.interval_ms = 30000;
    event(T);
    run();
    pass(29000);
    assert_int_equal(number(), 1);
    pass(1000);
    assert_int_equal(number(), 2);
    event(T);
    pass(29000);
    assert_int_equal(number(), 2);
    pass(2000);
    assert_int_equal(number(), 3);
}

static void test_rule_13_unchanged_state_is_not_put(void **state) {
    (void)state;
    f.sim.config.interval_ms = 1000;
    event(T);
    run();
    pass(1500);
    assert_int_equal(number(), 2);
    pass(20000);
    assert_int_equal(number(), 2);
}

static void test_rule_13_sealed_files_wait_for_min_pause_only(void **state) {
    (void)state;
    f.sim.config.min_pause_ms = 5000;
    event(T);
    event(T + 3000);
    run();
    pass(4000);
    assert_int_equal(number(), 1);
    pass(1500);
    assert_true(number() > 1);
    assert_int_equal(visible("dt="), 1);
}

static void test_rule_13_much_that_was_read_waits_for_min_pause_only(void **state) {
    (void)state;
    f.sim.config.min_pause_ms = 5000;
    f.sim.config.max_replay = 100;
    for (int i = 0; i < 9; i++)
        event(T);
    run();
    pass(6000);
    assert_int_equal(number(), 1);
    event(T);
    pass(100);
    assert_int_equal(number(), 2);
    for (int i = 0; i < 10; i++)
        event(T);
    pass(4500);
    assert_int_equal(number(), 2);
    pass(1000);
    assert_int_equal(number(), 3);
    pass(20000);
    assert_int_equal(number(), 3);
}

/* Rule 7: at each interval's tick, not at the checkpoints between that closed windows ask for. */
static void test_emit_checkpoint_seals_at_the_interval_only(void **state) {
    (void)state;
    f.sim.config.emit_checkpoint = true;
    f.sim.config.interval_ms = 30000;
    f.sim.config.min_pause_ms = 5000;
    event(T);
    event(T + 3000);
    run();
    pass(10000);
    assert_int_equal(visible("dt="), 1);
    pass(21000);
    assert_int_equal(visible("dt="), 2);
    event(T + 3001);
    pass(28000);
    assert_int_equal(visible("dt="), 2);
    pass(3000);
    assert_int_equal(visible("dt="), 3);
}

static void test_waits_while_others_begin(void **state) {
    (void)state;
    size_t may_begin = 0;
    f.sim.config.interval_ms = 1000;
    f.sim.config.may_begin = &may_begin;
    event(T);
    run();
    pass(1500);
    assert_int_equal(number(), 1);
    may_begin = 2;
    pass(500);
    assert_int_equal(number(), 2);
    assert_int_equal(may_begin, 1);
}

static void test_savepoint_is_put_although_nothing_changed(void **state) {
    (void)state;
    event(T);
    run();
    savepoint();
    savepoint();
    assert_int_equal(number(), 3);
}

/* ---- Time-outs (rule 13) ------------------------------------------------------------------------ */

static void test_rule_13_time_outs_are_counted_and_tolerated(void **state) {
    (void)state;
    event(T);
    run();
    partition_savepoint(f.pr->p);
    pass_silently(4 * 60000 - 5000);
    assert_int_equal(f.pr->p->stats.checkpoint_failures, 3);
    assert_int_equal(f.pr->p->status, PARTITION_RUNNING);
    run(); /* it goes on unchanged and becomes durable */
    assert_int_equal(number(), 2);
    assert_int_equal(f.pr->p->failures, 0);
}

static void test_rule_13_more_than_tolerable_failures_fail(void **state) {
    (void)state;
    event(T);
    run();
    partition_savepoint(f.pr->p);
    pass_silently(4 * 60000 + 30000);
    assert_int_equal(f.pr->p->status, PARTITION_FAILED);
    assert_true(f.pr->p->error.retriable);
}

static void test_rule_13_a_claim_times_out_as_well(void **state) {
    (void)state;
    f.pr = sim_process_new(&f.sim);
    memory_store_fail_all(f.pr->inner, ERR_NONE);
    for (int i = 0; i < 2; i++) /* LIST, LIST of manifests: carried out, answered */
        assert_true(sim_process_effect(f.pr, 0) && sim_process_effect(f.pr, 0));
    pass_silently(4 * 60000 - 5000);
    assert_int_equal(f.pr->p->status, PARTITION_CLAIMING);
    pass_silently(30000);
    assert_int_equal(f.pr->p->status, PARTITION_FAILED);
    assert_true(f.pr->p->error.retriable);
}

/* ---- The end ------------------------------------------------------------------------------------ */

static void test_drain_publishes_all_and_ends_clean(void **state) {
    (void)state;
    event(T + 3000);
    event(T);
    add(RECORD_REJECTED, 0);
    add(RECORD_NULL, 0);
    run();
    expect_drained();
    assert_int_equal(visible("dt="), 1);
    assert_int_equal(visible("_late/"), 1);
    assert_int_equal(visible("_rejected/"), 1);
}

static void test_drain_of_nothing_ends(void **state) {
    (void)state;
    run();
    partition_stop(f.pr->p, STOP_DRAIN);
    run();
    assert_int_equal(f.pr->p->status, PARTITION_STOPPED);
}

static void test_drain_does_not_end_while_a_part_is_under_way(void **state) {
    (void)state;
    event(T);
    run();
    memory_store_hold(f.pr->inner, true);
    partition_stop(f.pr->p, STOP_DRAIN);
    struct error e;
    for (int i = 0; i < 10; i++) { /* the part is never answered, all else is */
        for (size_t k = 0; k < memory_store_pending(f.pr->inner);)
            if (memory_store_pending_op(f.pr->inner, k)->kind == STORE_UPLOAD_PART)
                k++;
            else
                (void)memory_store_step(f.pr->inner, k);
        fake_clock_advance(&f.sim.clock, 30000);
        assert_int_equal(sim_process_run(f.pr, 10, &e), 0);
    }
    assert_int_equal(f.pr->p->status, PARTITION_RUNNING);
    expect_drained();
}

static void test_keep_leaves_files_open_and_the_next_claim_freezes_them(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++)
        event(T + i);
    run();
    partition_stop(f.pr->p, STOP_KEEP);
    run();
    assert_int_equal(f.pr->p->status, PARTITION_STOPPED);
    assert_int_equal(newest()->n_files, 1);
    assert_true(newest()->files[0].n_parts > 0);
    uint64_t acknowledged = newest()->files[0].count.events;
    assert_int_equal(newest()->n_gaps, 1);
    assert_int_equal(newest()->gaps[0].events, 20 - acknowledged);
    assert_int_equal(visible("dt="), 0);
    crash_and_claim();
    assert_int_equal(newest()->n_files, 0);
    assert_int_equal(newest()->listed[CLASS_EVENT].events, acknowledged);
    assert_int_equal(visible("dt="), 1);
    expect_drained();
}

/* The last checkpoint stands: that its files are not visible yet holds nobody up for long. */
static void test_keep_ends_although_publishing_does_not(void **state) {
    (void)state;
    event(T);
    event(T + 3000);
    run();
    for (int i = 1; i <= 100; i++)
        memory_store_fail(f.pr->inner, STORE_UPLOAD_COMPLETE, i, ERR_UNAVAILABLE, FAULT_BEFORE);
    partition_stop(f.pr->p, STOP_KEEP);
    pass(2000);
    assert_int_equal(f.pr->p->status, PARTITION_RUNNING);
    assert_int_equal(newest()->n_commits, 1);
    pass(2000);
    assert_int_equal(f.pr->p->status, PARTITION_STOPPED);
    crash_and_claim();
    expect_drained();
}

static void test_keep_then_drain_drains(void **state) {
    (void)state;
    event(T);
    run();
    memory_store_hold(f.pr->inner, true);
    partition_stop(f.pr->p, STOP_KEEP);
    struct error e;
    assert_int_equal(sim_process_run(f.pr, 10, &e), 0);
    partition_stop(f.pr->p, STOP_DRAIN);
    run();
    expect_drained();
}

/* ---- Lost uploads (rule 9) ---------------------------------------------------------------------- */

static void drop_all_uploads(void) {
    char id[32];
    for (int i = 1; i < 50; i++) {
        (void)snprintf(id, sizeof id, "upload-%06d", i);
        (void)memory_world_drop_upload(f.sim.world, id);
    }
}

static void fill_and_drop(void) {
    for (int i = 0; i < 60; i++)
        event(T + i % 3 * 900);
    run();
    savepoint();
    assert_true(newest()->n_files > 1);
    drop_all_uploads();
}

static void test_rule_9_parts_of_dropped_uploads_claim_again_and_rebuild(void **state) {
    (void)state;
    fill_and_drop();
    for (int i = 0; i < 60; i++)
        event(T + i % 3 * 900);
    run(); /* several parts fail in one poll */
    assert_int_equal(f.pr->p->status, PARTITION_RECLAIM);
    expect_consistent();
    sim_process_claim_again(f.pr);
    run(); /* Complete says so as well: a gap in the place of each */
    assert_int_equal(f.pr->p->status, PARTITION_RECLAIM);
    assert_int_equal(f.pr->p->reclaim_offset, newest()->replay_from);
    expect_consistent();
    sim_process_claim_again(f.pr);
    run();
    expect_drained();
}

static void test_rule_9_frozen_uploads_that_are_gone_are_rebuilt(void **state) {
    (void)state;
    fill_and_drop();
    crash_and_claim();
    assert_int_equal(f.pr->p->status, PARTITION_RECLAIM);
    assert_int_equal(newest()->n_commits, 0);
    assert_int_equal(newest()->listed[CLASS_EVENT].events, 0);
    sim_process_claim_again(f.pr);
    run();
    expect_drained();
}

static void test_rule_9_an_inherited_commit_that_is_gone_stops_after_a_minute(void **state) {
    (void)state;
    fill_and_drop();
    sim_process_kill(f.pr);
    f.pr = sim_process_new(&f.sim); /* lists the files, dies before it publishes them */
    while (f.pr->p->status == PARTITION_CLAIMING)
        assert_true(sim_process_effect(f.pr, 0));
    crash_and_claim();
    assert_int_equal(f.pr->p->status, PARTITION_RUNNING);
    pass(59000);
    assert_int_equal(f.pr->p->status, PARTITION_RUNNING);
    pass(20000);
    assert_int_equal(f.pr->p->status, PARTITION_FAILED);
    assert_int_equal(f.pr->p->error.code, ERR_NO_SUCH_UPLOAD);
    assert_non_null(strstr(f.pr->p->error.text, "dt="));
    expect_consistent();
    f.sim.config.lost = LOST_REBUILD;
    crash_and_claim();
    pass(80000); /* the minute is waited for all the same */
    assert_int_equal(f.pr->p->status, PARTITION_RECLAIM);
    sim_process_claim_again(f.pr);
    run();
    expect_drained();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_rule_13_every_interval),
        CASE(test_rule_13_unchanged_state_is_not_put),
        CASE(test_rule_13_sealed_files_wait_for_min_pause_only),
        CASE(test_rule_13_much_that_was_read_waits_for_min_pause_only),
        CASE(test_waits_while_others_begin),
        CASE(test_emit_checkpoint_seals_at_the_interval_only),
        CASE(test_savepoint_is_put_although_nothing_changed),
        CASE(test_rule_13_time_outs_are_counted_and_tolerated),
        CASE(test_rule_13_more_than_tolerable_failures_fail),
        CASE(test_rule_13_a_claim_times_out_as_well),
        CASE(test_drain_publishes_all_and_ends_clean),
        CASE(test_drain_of_nothing_ends),
        CASE(test_drain_does_not_end_while_a_part_is_under_way),
        CASE(test_keep_leaves_files_open_and_the_next_claim_freezes_them),
        CASE(test_keep_ends_although_publishing_does_not),
        CASE(test_keep_then_drain_drains),
        DIRECTORY_CASE(test_keep_then_drain_drains),
        CASE(test_rule_9_parts_of_dropped_uploads_claim_again_and_rebuild),
        CASE(test_rule_9_frozen_uploads_that_are_gone_are_rebuilt),
        CASE(test_rule_9_an_inherited_commit_that_is_gone_stops_after_a_minute),
    };
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
