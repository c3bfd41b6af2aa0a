/* A vertex, its subtasks and their numbers, as Flink's REST tells them. */
#include "control/flink_fixture.h"

enum { WORKER, SINK };

/* "/jobs/ID/vertices/VERTEX" and what comes behind it. */
static json_t *get_of(struct control_world *w, int vertex, const char *more) {
    char uri[256], path[32];
    json_t *job = get(w, JOB);
    (void)snprintf(path, sizeof path, "vertices %d id", vertex);
    (void)snprintf(uri, sizeof uri, JOB "/vertices/%s%s", json_string_value(at(job, path)), more);
    json_decref(job);
    return get(w, uri);
}

static void test_ids(void **state) {
    struct control_world *w = *state;
    json_t *job = get(w, JOB), *again = get(w, JOB);
    const char *worker = json_string_value(at(job, "vertices 0 id"));
    const char *sink = json_string_value(at(job, "vertices 1 id"));
    assert_int_equal(strspn(worker, "0123456789abcdef"), 32);
    assert_int_equal(strspn(sink, "0123456789abcdef"), 32);
    assert_int_equal(strlen(worker), 32);
    assert_string_not_equal(worker, sink);
    text_is(again, "vertices 0 id", worker);
    w->info.id[0] = 'f';
    json_t *other = get(w, "/jobs/f123456789abcdef0123456789abcdef");
    assert_string_not_equal(json_string_value(at(other, "vertices 0 id")), worker);
    json_decref(job);
    json_decref(again);
    json_decref(other);
}

static void test_no_such_vertex(void **state) {
    static const char *const ends[] = {"", "/watermarks", "/backpressure", "/metrics"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char uri[256];
        (void)snprintf(uri, sizeof uri, JOB "/vertices/" CONTROL_JOB_ID "%s", ends[i]);
        json_decref(answer_of(*state, "GET", uri, "", 404));
    }
}

static void test_numbers_of_both(void **state) {
    struct control_world *w = *state;
    publish_two(w);
    json_t *json = get(w, JOB);
    number_is(json, "vertices 0 parallelism", 2);
    number_is(json, "vertices 0 start-time", STARTED + RUNNING_AFTER_MS);
    number_is(json, "vertices 0 metrics read-records", 9000);
    number_is(json, "vertices 0 metrics read-bytes", 450000);
    number_is(json, "vertices 0 metrics write-records", 8100);
    number_is(json, "vertices 0 metrics write-bytes", 540000);
    real_is(json, "vertices 0 metrics accumulated-busy-time", 4000);
    number_is(json, "vertices 0 metrics accumulated-backpressured-time", 300);
    number_is(json, "vertices 0 metrics accumulated-idle-time", 5700);
    number_is(json, "vertices 1 metrics read-records", 8100);
    number_is(json, "vertices 1 metrics read-bytes", 540000);
    number_is(json, "vertices 1 metrics write-records", 4500);
    number_is(json, "vertices 1 metrics write-bytes", 180000);
    real_is(json, "vertices 1 metrics accumulated-busy-time", 2500);
    number_is(json, "vertices 1 metrics accumulated-backpressured-time", 0);
    number_is(json, "vertices 1 metrics accumulated-idle-time", 7500);
    json_decref(json);
}

static void test_before_it_runs(void **state) {
    json_t *json = get(*state, JOB);
    number_is(json, "maxParallelism", -1);
    number_is(json, "vertices 0 parallelism", 0);
    number_is(json, "vertices 0 start-time", -1);
    number_is(json, "vertices 0 duration", -1);
    text_is(json, "vertices 0 status", "CREATED");
    json_decref(json);
}

static void test_state_of_each_partition(void **state) {
    static const struct {
        const char *partition, *task;
        enum job_state job;
    } table[] = {
        {"waiting", "SCHEDULED", JOB_RUNNING},    {"claiming", "INITIALIZING", JOB_RUNNING},
        {"claimed", "INITIALIZING", JOB_RUNNING}, {"running", "RUNNING", JOB_RUNNING},
        {"ending", "RUNNING", JOB_RUNNING},       {"ending", "CANCELING", JOB_CANCELLING},
        {"ended", "FINISHED", JOB_CANCELLING},    {"running", "CREATED", JOB_RESTARTING},
        {"ended", "CANCELED", JOB_CANCELED},      {"ended", "FINISHED", JOB_FINISHED}};
    struct control_world *w = *state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct partition_metrics p = some_partition(3);
        p.state = table[i].partition;
        publish(w, &p, 1);
        metrics_set_state(w->metrics, table[i].job);
        json_t *json = get_of(w, WORKER, "");
        text_is(json, "subtasks 0 status", table[i].task);
        json_decref(json);
    }
}

static void test_watermarks(void **state) {
    struct control_world *w = *state;
    struct partition_metrics two[] = {some_partition(3), some_partition(4)};
    two[1].watermark = 1729630000000;
    publish(w, two, 2);
    json_t *json = get_of(w, WORKER, "/watermarks");
    assert_int_equal(json_array_size(json), 2);
    text_is(json, "0 id", "0.currentInputWatermark");
    text_is(json, "0 value", "-9223372036854775808");
    text_is(json, "1 id", "1.currentInputWatermark");
    text_is(json, "1 value", "1729630000000");
    json_decref(json);
}

static void test_backpressure(void **state) {
    struct control_world *w = *state;
    publish_two(w);
    json_t *json = get_of(w, WORKER, "/backpressure");
    text_is(json, "status", "ok");
    text_is(json, "backpressureLevel", "high");
    text_is(json, "backpressure-level", "high");
    number_is(json, "end-timestamp", STARTED + 10000);
    has(json, "subtasks", 2);
    number_is(json, "subtasks 1 subtask", 1);
    number_is(json, "subtasks 1 attempt-number", 2);
    text_is(json, "subtasks 1 backpressureLevel", "high");
    real_is(json, "subtasks 1 ratio", 0.6);
    real_is(json, "subtasks 1 busyRatio", 0.25);
    real_is(json, "subtasks 1 idleRatio", 0.15);
    json_decref(json);
    json = get_of(w, SINK, "/backpressure");
    text_is(json, "backpressureLevel", "ok");
    real_is(json, "subtasks 0 ratio", 0);
    real_is(json, "subtasks 0 busyRatio", 0.4);
    real_is(json, "subtasks 0 idleRatio", 0.6);
    json_decref(json);
}

static void test_levels(void **state) {
    static const struct {
        uint64_t ms;
        const char *level;
    } table[] = {{0, "ok"}, {100, "ok"}, {101, "low"}, {500, "low"}, {501, "high"}, {1000, "high"}};
    struct control_world *w = *state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        metrics_publish(w->metrics,
                        &(struct job_metrics){.worker_rate = {.backpressured_ms = table[i].ms}});
        json_t *json = get_of(w, WORKER, "/backpressure");
        text_is(json, "backpressureLevel", table[i].level);
        json_decref(json);
    }
}

static void test_vertex(void **state) {
    struct control_world *w = *state;
    publish_two(w);
    json_t *json = get_of(w, SINK, "");
    text_is(json, "name", "Sink: s3://b/out/ (files, checkpoints)");
    number_is(json, "parallelism", 2);
    has(json, "subtasks", 2);
    number_is(json, "subtasks 1 subtask", 1);
    number_is(json, "subtasks 1 attempt", 2);
    text_is(json, "subtasks 1 host", "h");
    text_is(json, "subtasks 1 taskmanager-id", "h:42");
    number_is(json, "subtasks 0 metrics write-records", 2000);
    number_is(json, "subtasks 1 metrics write-records", 2500);
    number_is(json, "subtasks 1 status-duration RUNNING", 10000 - RUNNING_AFTER_MS);
    number_is(json, "subtasks 1 status-duration DEPLOYING", -1);
    number_is(json, "aggregated metrics write-records sum", 4500);
    number_is(json, "aggregated metrics write-records min", 2000);
    number_is(json, "aggregated metrics write-records max", 2500);
    number_is(json, "aggregated metrics write-records avg", 2250);
    number_is(json, "aggregated metrics write-records median", 2250);
    number_is(json, "aggregated status-duration RUNNING max", 10000 - RUNNING_AFTER_MS);
    json_decref(json);
}

static void test_names_of_metrics(void **state) {
    struct control_world *w = *state;
    publish_two(w);
    json_t *json = get_of(w, WORKER, "/metrics"), *job = get(w, JOB "/metrics");
    assert_int_equal(json_array_size(json), 26);
    text_is(json, "0 id", "0.numRecordsIn");
    assert_int_equal(json_object_size(at(json, "0")), 1); /* no values */
    text_is(job, "0 id", "numRestarts");
    assert_int_equal(json_object_size(at(job, "0")), 1);
    json_decref(json);
    json_decref(job);
}

static void test_metrics_that_are_asked_for(void **state) {
    struct control_world *w = *state;
    publish_two(w);
    json_t *json = get_of(w, WORKER,
                          "/metrics?get=1.numRecordsIn,0.busyTimeMsPerSecond,1.numRecords,x,"
                          "0.numBytesInPerSecond,"
                          "1.Source__Kafka.pendingRecords");
    assert_int_equal(json_array_size(json), 3);
    text_is(json, "0 id", "0.busyTimeMsPerSecond");
    text_is(json, "0 value", "250");
    text_is(json, "1 id", "1.numRecordsIn");
    text_is(json, "1 value", "5000");
    text_is(json, "2 value", "14");
    json_decref(json);
    json = get(w, JOB "/metrics?get=numRestarts,uptime,lastCheckpointDuration,downtime");
    assert_int_equal(json_array_size(json), 4);
    text_is(json, "0 value", "2");
    text_is(json, "1 value", "9800");
    text_is(json, "2 id", "downtime");
    text_is(json, "2 value", "0");
    text_is(json, "3 value", "-1");
    json_decref(json);
}

static void test_metrics_of_checkpoints(void **state) {
    struct control_world *w = *state;
    struct partition_metrics two[] = {some_partition(3), some_partition(4)};
    two[0].count.checkpoints = 7;
    two[0].checkpoint_age_ms = 900;
    two[0].checkpoint_duration_ms = 50;
    two[1].count.checkpoints = 5;
    two[1].count.checkpoint_failures = 2;
    two[1].checkpoint_pending = true;
    two[1].checkpoint_age_ms = 100;
    two[1].checkpoint_duration_ms = 70;
    two[1].checkpoint_bytes = 4000;
    publish(w, two, 2);
    json_t *json = get(w, JOB "/metrics?get=totalNumberOfCheckpoints,numberOfFailedCheckpoints,"
                              "lastCheckpointDuration,lastCheckpointSize");
    text_is(json, "0 value", "15");
    text_is(json, "1 value", "2");
    text_is(json, "2 value", "70");
    text_is(json, "3 value", "4000");
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_such_vertex, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers_of_both, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_before_it_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_state_of_each_partition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watermarks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_backpressure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_levels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vertex, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_of_metrics, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metrics_that_are_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metrics_of_checkpoints, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
