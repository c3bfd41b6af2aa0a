/* The road of a record: class, watermark, window, file, and when files are sealed (section 2 of the
 * semantics; rules 6, 7 and 12). */
#include "window/partition_fixture.h"

static struct totals read_of(enum event_class c) {
    return f.pr->p->read[c];
}

/* ---- Watermark and lateness --------------------------------------------------------------------- */

static void test_no_event_no_watermark(void **state) {
    (void)state;
    add(RECORD_REJECTED, T);
    add(RECORD_NULL, T);
    run();
    assert_int_equal(partition_watermark(f.pr->p), TS_NONE);
}

static void test_watermark_is_greatest_timestamp_less_disorder_less_one(void **state) {
    (void)state;
    event(T + 5000);
    event(T + 4000);
    run();
    assert_int_equal(partition_watermark(f.pr->p), T + 5000 - 2000 - 1);
}

static void test_event_is_not_late_one_ms_before_its_window_closes(void **state) {
    (void)state;
    event(T + 2999); /* watermark T + 998 */
    event(T);
    run();
    assert_int_equal(read_of(CLASS_LATE).events, 0);
}

static void test_event_is_late_when_watermark_is_its_window_end_less_one(void **state) {
    (void)state;
    event(T + 3000); /* watermark T + 999 */
    event(T + 999);
    event(T + 1000); /* of the next window */
    run();
    assert_int_equal(read_of(CLASS_LATE).events, 1);
    assert_int_equal(read_of(CLASS_EVENT).events, 2);
}

static void test_allowed_lateness_moves_the_edge(void **state) {
    (void)state;
    f.sim.config.rules.allowed_lateness = f.sim.log.rules.allowed_lateness = 500;
    event(T + 3499);
    event(T);
    event(T + 3500);
    event(T);
    run();
    assert_int_equal(read_of(CLASS_LATE).events, 1);
    assert_int_equal(read_of(CLASS_EVENT).events, 3);
}

/* ---- Sealing (rule 7) --------------------------------------------------------------------------- */

static void test_rule_7_window_close_seals_its_file(void **state) {
    (void)state;
    event(T);
    event(T + 2999);
    run();
    assert_int_equal(f.pr->p->n_windows, 2);
    event(T + 3000);
    run();
    assert_int_equal(f.pr->p->n_windows, 2); /* T + 2000 and T + 3000 */
    assert_int_equal(f.pr->p->windows[0]->entry.window, T + 2000);
    assert_int_equal(commits_unlisted(f.pr->p->commits), 1);
}

static void test_rule_7_allowed_lateness_keeps_the_file_open(void **state) {
    (void)state;
    f.sim.config.rules.allowed_lateness = 500;
    event(T);
    event(T + 3499);
    run();
    assert_int_equal(f.pr->p->n_windows, 2);
    event(T + 3500);
    run();
    assert_int_equal(f.pr->p->n_windows, 1);
}

static void test_rule_7_nothing_is_visible_before_its_checkpoint(void **state) {
    (void)state;
    event(T);
    event(T + 3000);
    run();
    pass(1000);
    assert_int_equal(visible("dt="), 0);
    savepoint();
    assert_int_equal(visible("dt="), 1);
    assert_int_equal(visible(f.sim.paths.manifest), 1);
    expect_consistent();
}

static void test_rule_7_size_rolls(void **state) {
    (void)state;
    f.sim.config.max_file_size = 20;
    for (int i = 0; i < 20; i++)
        event(T + i);
    run();
    assert_true(commits_unlisted(f.pr->p->commits) > 3);
    expect_drained();
}

static void test_rule_7_file_age_rolls(void **state) {
    (void)state;
    f.sim.config.max_file_age_ms = 3600 * 1000;
    event(T);
    run();
    pass(3600 * 1000 - 1000);
    assert_int_equal(f.pr->p->n_windows, 1);
    pass(1000);
    assert_int_equal(f.pr->p->n_windows, 0);
}

static void test_rule_7_late_and_rejected_files_roll_at_15_minutes(void **state) {
    (void)state;
    event(T + 3000);
    event(T);
    add(RECORD_REJECTED, 0);
    run();
    assert_true(f.pr->p->late && f.pr->p->rejected);
    pass(15 * 60 * 1000 - 1000);
    assert_true(f.pr->p->late && f.pr->p->rejected);
    pass(1000);
    assert_true(!f.pr->p->late && !f.pr->p->rejected);
    assert_int_equal(f.pr->p->n_windows, 1);
}

static void test_idle_flush_publishes_and_does_not_move_the_watermark(void **state) {
    (void)state;
    f.sim.config.idle_flush_ms = 5000;
    event(T);
    run();
    pass(4000);
    assert_int_equal(f.pr->p->n_windows, 1);
    pass(1000);
    assert_int_equal(f.pr->p->n_windows, 0);
    assert_int_equal(partition_watermark(f.pr->p), T - 2001);
    event(T + 1); /* goes to a further file of its window */
    run();
    assert_int_equal(read_of(CLASS_EVENT).events, 2);
    expect_drained();
    assert_int_equal(visible("dt="), 2);
}

static void test_rule_7_max_replay_seals(void **state) {
    (void)state;
    f.sim.config.max_replay = 10;
    f.sim.reserve = 1;
    event(T);
    for (int i = 0; i < 9; i++)
        add(RECORD_NULL, 0);
    run();
    assert_int_equal(f.pr->p->n_windows, 1); /* 10 records behind next */
    add(RECORD_NULL, 0);
    run();
    assert_int_equal(f.pr->p->n_windows, 0);
}

static void test_rule_7_emit_checkpoint_publishes_at_each_interval(void **state) {
    (void)state;
    f.sim.config.emit_checkpoint = true;
    f.sim.config.interval_ms = 1000;
    event(T);
    run();
    pass(1100);
    assert_int_equal(visible("dt="), 1);
    event(T + 1);
    pass(1100);
    assert_int_equal(visible("dt="), 2);
    assert_int_equal(partition_watermark(f.pr->p), T + 1 - 2001);
}

static void test_rule_7_relieve_ships_a_part_or_seals(void **state) {
    (void)state;
    f.sim.config.part_size = 1000;
    for (int i = 0; i < 10; i++)
        event(T + i);
    run();
    struct file *big = partition_largest(f.pr->p);
    assert_non_null(big);
    partition_relieve(f.pr->p, big);
    assert_false(big->sealed);
    run();
    assert_int_equal(big->entry.n_parts, 1);
    partition_relieve(f.pr->p, big); /* what is left is smaller than a part may be */
    assert_true(big->sealed);
    assert_null(partition_largest(f.pr->p));
    run();
    expect_drained();
}

static void test_rule_7_directory_ships_tails_with_each_checkpoint(void **state) {
    (void)state;
    event(T);
    event(T + 1);
    run();
    savepoint();
    assert_int_equal(newest()->n_gaps, 0);
    assert_int_equal(newest()->files[0].count.events, 2);
    assert_int_equal(newest()->replay_from, 2);
    assert_int_equal(visible("dt="), 0);
}

static int set_up_few_parts(void **state) {
    (void)state;
    static const struct memory_traits traits = {.min_part = 24, .max_parts = 3};
    return begin(&traits);
}

/* S3 takes 10,000; a part more would be refused, and the file with it. */
static void test_rule_7_a_file_with_all_its_parts_rolls(void **state) {
    (void)state;
    f.sim.reserve = CHUNK_MAX;
    f.sim.config.part_size = 24;
    for (int i = 0; i < 12; i++)
        event(T + i);
    run();
    expect_drained();
    assert_int_equal(visible("dt="), 2);
}

/* A part of 8 MB would wait for a checkpoint, which then waits for the disk. */
static void test_rule_7_directory_ships_early(void **state) {
    (void)state;
    f.sim.config.part_size = 8 * 1024 * 1024;
    run();
    assert_int_equal(f.pr->p->shared.ship_bytes, 128 * 1024);
}

enum { WINDOW = 1000 }; /* of the simulation's rules, which close it 2 s after its end */

static uint64_t waiting(size_t window) {
    return file_waiting_bytes(f.pr->p->windows[window]);
}

/* Three windows begin one after the other. */
static void three_windows(void) {
    for (int i = 0; i < 3; i++)
        event(T + i * WINDOW);
    run();
    assert_int_equal(f.pr->p->n_windows, 3);
}

static void test_directory_flushes_windows_that_rest(void **state) {
    (void)state;
    three_windows();
    assert_int_equal(waiting(0), 0); /* got nothing since the second began */
    assert_true(waiting(1) > 0 && waiting(2) > 0);
    event(T + 1); /* still taken */
    run();
    assert_true(waiting(0) > 0);
    crash_and_claim();
    expect_drained();
    assert_int_equal(visible("dt="), 3);
}

static void test_directory_keeps_windows_that_are_being_filled(void **state) {
    (void)state;
    event(T);
    event(T + WINDOW);
    event(T + 1);
    event(T + 2 * WINDOW);
    run();
    assert_int_equal(f.pr->p->n_windows, 3);
    assert_true(waiting(0) > 0);
    expect_drained();
}

/* Each part of S3's is a request, and has a smallest size. */
static void test_s3_keeps_windows_that_rest(void **state) {
    (void)state;
    three_windows();
    for (size_t i = 0; i < 3; i++)
        assert_true(waiting(i) > 0);
    expect_drained();
}

static void test_directory_relieves_without_sealing(void **state) {
    (void)state;
    event(T);
    run();
    struct file *only = partition_largest(f.pr->p);
    assert_non_null(only);
    partition_relieve(f.pr->p, only);
    assert_false(only->sealed);
    assert_int_equal(waiting(0), 0);
    expect_drained();
    assert_int_equal(visible("dt="), 1);
}

static void refused_part(enum error_code code) {
    struct error e;
    f.sim.reserve = CHUNK_MAX;
    run();
    memory_store_fail(f.pr->inner, STORE_UPLOAD_PART, 1, code, FAULT_BEFORE);
    for (int i = 0; i < 10; i++)
        event(T + i);
    (void)try_run(&e);
    assert_int_equal(f.pr->p->status, PARTITION_FAILED);
    assert_int_equal(f.pr->p->error.code, code);
    assert_non_null(strstr(f.pr->p->error.text, "partition "));
    assert_non_null(strstr(f.pr->p->error.text, "cannot store a part of s3://memory/dt="));
    uint64_t number = newest()->number;
    pass(10000); /* which is much longer than an interval */
    assert_int_equal(newest()->number, number);
    expect_consistent();
}

/* 403, a full disk: repeating does not help. The job ends, and puts no further checkpoint before. */
static void test_a_part_that_is_refused_ends_the_partition(void **state) {
    (void)state;
    f.sim.config.interval_ms = 1000;
    refused_part(ERR_DENIED);
}

static void test_no_space_for_a_part_ends_the_partition(void **state) {
    (void)state;
    f.sim.config.interval_ms = 1000;
    refused_part(ERR_NO_SPACE);
}

/* ---- The ends of the log (rule 12) -------------------------------------------------------------- */

static void test_rule_12_eof_moves_next_past_control_records(void **state) {
    (void)state;
    event(T);
    sim_log_add_hole(&f.sim.log);
    f.sim.log_end = f.sim.log.n;
    run();
    savepoint();
    assert_int_equal(newest()->next, 2);
    assert_int_equal(newest()->last_offset, 0);
    expect_consistent();
}

static void test_rule_12_a_log_that_ends_before_next_stops(void **state) {
    (void)state;
    struct error e;
    event(T);
    event(T);
    run();
    savepoint();
    crash_and_claim();
    assert_int_equal(partition_eof(f.pr->p, 1, &e), -1);
    assert_int_equal(e.code, ERR_DATA_LOSS);
    assert_int_equal(f.pr->p->status, PARTITION_FAILED);
}

static void test_rule_12_last_is_the_last_record_delivered(void **state) {
    (void)state;
    event(T);
    add(RECORD_NULL, 0);
    run();
    savepoint();
    assert_true(newest()->has_last);
    assert_int_equal(newest()->last_offset, 1);
    assert_int_equal(newest()->last_crc32c, sim_crc32c(&f.sim.log, 1));
    crash_and_claim(); /* which reads both again */
    event(T);
    f.sim.log_end = 2;
    savepoint();
    assert_int_equal(newest()->last_offset, 1);
}

/* Claims, with an event's gap 0..2 and next 3, but does not begin to read. */
static void claim_with_gap(bool allow_data_loss) {
    f.sim.reserve = 1;
    for (int i = 0; i < 3; i++)
        event(T + i);
    run();
    savepoint();
    sim_process_kill(f.pr);
    f.sim.config.allow_data_loss = allow_data_loss;
    f.pr = sim_process_new(&f.sim);
    while (f.pr->p->status == PARTITION_CLAIMING)
        assert_true(sim_process_effect(f.pr, 0));
    assert_int_equal(f.pr->p->status, PARTITION_CLAIMED);
    assert_int_equal(partition_position(f.pr->p), 0);
}

static void test_rule_12_log_start_behind_replay_point_stops(void **state) {
    (void)state;
    struct error e;
    claim_with_gap(false);
    assert_int_equal(partition_check_log_start(f.pr->p, 0, &e), 0);
    assert_int_equal(partition_check_log_start(f.pr->p, 1, &e), -1);
    assert_int_equal(e.code, ERR_DATA_LOSS);
}

static void test_rule_12_allow_data_loss_records_what_a_gap_lost(void **state) {
    (void)state;
    struct error e;
    claim_with_gap(true);
    assert_int_equal(partition_check_log_start(f.pr->p, 2, &e), 0);
    assert_int_equal(partition_position(f.pr->p), 2);
    run();
    savepoint();
    assert_int_equal(newest()->n_losses, 1);
    assert_int_equal(newest()->losses[0].from, 0);
    assert_int_equal(newest()->losses[0].to, 1);
    assert_int_equal(newest()->losses[0].events, 2);
    assert_int_equal(newest()->n_gaps, 1); /* the third event's */
    assert_int_equal(newest()->gaps[0].from, 2);
    assert_int_equal(newest()->gaps[0].events, 1);
}

/* A log that begins where it should, but a record of the gap is gone all the same. */
static void test_rule_12_allow_data_loss_records_a_loss_within_a_gap(void **state) {
    (void)state;
    claim_with_gap(true);
    f.sim.log.records[1].hole = true;
    event(T + 3);
    run();
    assert_int_equal(f.pr->p->n_losses, 1);
    assert_int_equal(f.pr->p->losses[0].from, 0);
    assert_int_equal(f.pr->p->losses[0].to, 2);
    assert_int_equal(f.pr->p->losses[0].events, 1);
}

static void test_rule_12_losses_stay_recorded_over_claims(void **state) {
    (void)state;
    struct error e;
    claim_with_gap(true);
    assert_int_equal(partition_check_log_start(f.pr->p, 2, &e), 0);
    run();
    savepoint();
    for (int i = 0; i < 2; i++) {
        crash_and_claim();
        event(T + 10 + i);
        run();
        savepoint();
        assert_int_equal(newest()->n_losses, 1);
        assert_int_equal(newest()->losses[0].from, 0);
        assert_int_equal(newest()->losses[0].to, 1);
        assert_int_equal(newest()->losses[0].events, 2);
    }
}

static void test_rule_12_allow_data_loss_past_next_records_an_unknown_loss(void **state) {
    (void)state;
    struct error e;
    claim_with_gap(true);
    assert_int_equal(partition_check_log_start(f.pr->p, 10, &e), 0);
    assert_int_equal(partition_position(f.pr->p), 10);
    const struct partition *p = f.pr->p;
    assert_int_equal(p->n_losses, 2);
    assert_int_equal(p->losses[0].from, 3);
    assert_int_equal(p->losses[0].to, 9);
    assert_int_equal(p->losses[0].events, -1);
    assert_int_equal(p->losses[1].from, 0);
    assert_int_equal(p->losses[1].to, 2);
    assert_int_equal(p->losses[1].events, 3);
    assert_false(partition_replaying(p));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_no_event_no_watermark),
        CASE(test_watermark_is_greatest_timestamp_less_disorder_less_one),
        CASE(test_event_is_not_late_one_ms_before_its_window_closes),
        CASE(test_event_is_late_when_watermark_is_its_window_end_less_one),
        CASE(test_allowed_lateness_moves_the_edge),
        CASE(test_rule_7_window_close_seals_its_file),
        CASE(test_rule_7_allowed_lateness_keeps_the_file_open),
        CASE(test_rule_7_nothing_is_visible_before_its_checkpoint),
        CASE(test_rule_7_size_rolls),
        CASE(test_rule_7_file_age_rolls),
        CASE(test_rule_7_late_and_rejected_files_roll_at_15_minutes),
        CASE(test_idle_flush_publishes_and_does_not_move_the_watermark),
        CASE(test_rule_7_max_replay_seals),
        CASE(test_rule_7_emit_checkpoint_publishes_at_each_interval),
        CASE(test_rule_7_relieve_ships_a_part_or_seals),
        DIRECTORY_CASE(test_rule_7_directory_ships_tails_with_each_checkpoint),
        cmocka_unit_test_setup_teardown(test_rule_7_a_file_with_all_its_parts_rolls,
                                        set_up_few_parts, tear_down),
        DIRECTORY_CASE(test_rule_7_directory_ships_early),
        DIRECTORY_CASE(test_directory_flushes_windows_that_rest),
        DIRECTORY_CASE(test_directory_keeps_windows_that_are_being_filled),
        CASE(test_s3_keeps_windows_that_rest),
        DIRECTORY_CASE(test_directory_relieves_without_sealing),
        CASE(test_a_part_that_is_refused_ends_the_partition),
        CASE(test_no_space_for_a_part_ends_the_partition),
        CASE(test_rule_12_eof_moves_next_past_control_records),
        CASE(test_rule_12_a_log_that_ends_before_next_stops),
        CASE(test_rule_12_last_is_the_last_record_delivered),
        CASE(test_rule_12_log_start_behind_replay_point_stops),
        CASE(test_rule_12_allow_data_loss_records_what_a_gap_lost),
        CASE(test_rule_12_allow_data_loss_records_a_loss_within_a_gap),
        CASE(test_rule_12_losses_stay_recorded_over_claims),
        CASE(test_rule_12_allow_data_loss_past_next_records_an_unknown_loss),
    };
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
