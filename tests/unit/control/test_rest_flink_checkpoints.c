/* Checkpoints as Flink's REST tells them. */
#include "control/flink_fixture.h"

static void completed(struct control_world *w, int32_t partition, uint64_t number, int64_t ms,
                      uint64_t bytes) {
    fake_clock_advance(&w->clock, 1000);
    journal_add_checkpoint(w->journal, &(struct journal_checkpoint){.partition = partition,
                                                                    .number = number,
                                                                    .duration_ms = ms,
                                                                    .bytes = bytes});
}

static void failed(struct control_world *w, int32_t partition) {
    struct journal_checkpoint c = {.partition = partition, .failed = true, .duration_ms = 60000};
    (void)snprintf(c.why, sizeof c.why, "not durable");
    fake_clock_advance(&w->clock, 1000);
    journal_add_checkpoint(w->journal, &c);
}

static void test_none_yet(void **state) {
    json_t *json = get(*state, JOB "/checkpoints");
    number_is(json, "counts total", 0);
    is_null(json, "latest completed");
    is_null(json, "latest savepoint");
    is_null(json, "latest failed");
    is_null(json, "latest restored");
    has(json, "history", 0);
    number_is(json, "summary end_to_end_duration max", 0);
    text_is(json, "summary end_to_end_duration p50", "NaN");
    json_decref(json);
}

static void test_counts(void **state) {
    struct control_world *w = *state;
    struct partition_metrics two[] = {some_partition(3), some_partition(4)};
    two[0].count.checkpoints = 10;
    two[0].count.restores = 1;
    two[1].count.checkpoints = 20;
    two[1].count.checkpoint_failures = 2;
    two[1].count.restores = 2;
    two[1].checkpoint_pending = true;
    publish(w, two, 2);
    json_t *json = get(w, JOB "/checkpoints");
    number_is(json, "counts completed", 30);
    number_is(json, "counts failed", 2);
    number_is(json, "counts in_progress", 1);
    number_is(json, "counts total", 33);
    number_is(json, "counts restored", 3);
    json_decref(json);
}

static void test_history(void **state) {
    struct control_world *w = *state;
    completed(w, 3, 7, 40, 1000);
    completed(w, 4, 9, 50, 2000);
    failed(w, 4);
    completed(w, 3, 8, 60, 3000);
    json_t *json = get(w, JOB "/checkpoints");
    has(json, "history", 4);
    text_is(json, "history 0 className", "completed");
    number_is(json, "history 0 id", 4);
    text_is(json, "history 0 status", "COMPLETED");
    number_is(json, "history 0 trigger_timestamp", STARTED + 4000 - 60);
    number_is(json, "history 0 latest_ack_timestamp", STARTED + 4000);
    number_is(json, "history 0 state_size", 3000);
    number_is(json, "history 0 end_to_end_duration", 60);
    number_is(json, "history 0 num_acknowledged_subtasks", 1);
    text_is(json, "history 0 external_path",
            "s3://b/chk/clicks/events/p00003/chk-00000000000000000008.json");
    flag_is(json, "history 0 discarded", false);
    text_is(json, "history 1 className", "failed");
    text_is(json, "history 1 status", "FAILED");
    number_is(json, "history 1 latest_ack_timestamp", -1);
    number_is(json, "history 1 failure_timestamp", STARTED + 3000);
    text_is(json, "history 1 failure_message", "not durable");
    number_is(json, "history 1 num_acknowledged_subtasks", 0);
    flag_is(json, "history 2 discarded", false); /* partition 4 has no newer one */
    flag_is(json, "history 3 discarded", true);
    number_is(json, "latest completed id", 4);
    number_is(json, "latest failed id", 3);
    is_null(json, "latest savepoint");
    json_decref(json);
}

static void test_savepoint(void **state) {
    struct control_world *w = *state;
    journal_add_checkpoint(w->journal,
                           &(struct journal_checkpoint){.number = 5, .savepoint = true});
    completed(w, 0, 6, 1, 1);
    json_t *json = get(w, JOB "/checkpoints");
    number_is(json, "latest savepoint id", 1);
    flag_is(json, "latest savepoint is_savepoint", true);
    text_is(json, "latest savepoint checkpoint_type", "SAVEPOINT");
    number_is(json, "latest completed id", 2);
    text_is(json, "latest completed checkpoint_type", "CHECKPOINT");
    json_decref(json);
}

static void test_restored(void **state) {
    struct control_world *w = *state;
    struct partition_metrics two[] = {some_partition(3), some_partition(4)};
    two[0].restored = 17;
    two[0].restored_at_ms = STARTED + 50;
    two[1].restored = 12;
    two[1].restored_at_ms = STARTED + 40;
    publish(w, two, 2);
    json_t *json = get(w, JOB "/checkpoints");
    number_is(json, "latest restored id", 17);
    number_is(json, "latest restored restore_timestamp", STARTED + 50);
    text_is(json, "latest restored external_path",
            "s3://b/chk/clicks/events/p00003/chk-00000000000000000017.json");
    json_decref(json);
}

static void test_summary(void **state) {
    static const int64_t durations[] = {50, 10, 40, 20, 30};
    struct control_world *w = *state;
    for (size_t i = 0; i < 5; i++)
        completed(w, 0, i + 1, durations[i], 100 * (i + 1));
    failed(w, 0); /* does not count */
    json_t *json = get(w, JOB "/checkpoints");
    number_is(json, "summary end_to_end_duration min", 10);
    number_is(json, "summary end_to_end_duration max", 50);
    number_is(json, "summary end_to_end_duration avg", 30);
    real_is(json, "summary end_to_end_duration p50", 30);
    real_is(json, "summary end_to_end_duration p90", 50);
    number_is(json, "summary state_size min", 100);
    number_is(json, "summary checkpointed_size max", 500);
    number_is(json, "summary alignment_buffered max", 0);
    json_decref(json);
}

/* As commons-math's Percentile, which is Flink's: at p/100 (n + 1), counted from 1. */
static void test_percentiles_lie_between_values(void **state) {
    struct control_world *w = *state;
    for (int i = 1; i <= 12; i++)
        completed(w, 0, (uint64_t)i, 10 * (int64_t)i, 1);
    json_t *json = get(w, JOB "/checkpoints");
    real_is(json, "summary end_to_end_duration p50", 65);
    real_is(json, "summary end_to_end_duration p90", 117);
    real_is(json, "summary end_to_end_duration p95", 120);
    json_decref(json);
}

static void test_details(void **state) {
    struct control_world *w = *state;
    completed(w, 3, 7, 40, 1000);
    completed(w, 4, 9, 50, 2000);
    json_t *json = get(w, JOB "/checkpoints/details/1");
    json_t *job = get(w, JOB);
    text_is(json, "className", "completed");
    number_is(json, "id", 1);
    has(json, "tasks", 1);
    json_t *task = json_object_get(at(json, "tasks"), json_string_value(at(job, "vertices 0 id")));
    assert_non_null(task);
    number_is(task, "state_size", 1000);
    number_is(task, "end_to_end_duration", 40);
    text_is(task, "status", "COMPLETED");
    json_decref(json);
    json_decref(job);
    json_decref(answer_of(w, "GET", JOB "/checkpoints/details/3", "", 404));
    json_decref(answer_of(w, "GET", JOB "/checkpoints/details/1x", "", 404));
    json_decref(answer_of(w, "GET", JOB "/checkpoints/details/0", "", 404));
}

static void test_config(void **state) {
    json_t *json = get(*state, JOB "/checkpoints/config");
    text_is(json, "mode", "exactly_once");
    number_is(json, "interval", 30000);
    number_is(json, "timeout", 60000);
    number_is(json, "min_pause", 5000);
    number_is(json, "tolerable_failed_checkpoints", 3);
    text_is(json, "checkpoint_storage", "s3://b/chk/clicks/events/");
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_none_yet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_history, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_savepoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_summary, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_percentiles_lie_between_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_details, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
