/* The process, its job and what went wrong, as Flink's REST tells it. That Flink itself can read the
 * answers is seen in tests/e2e/test_flink_cli.py. */
#include "control/flink_fixture.h"

static void test_overview(void **state) {
    json_t *json = get(*state, "/overview");
    number_is(json, "taskmanagers", 1);
    number_is(json, "slots-total", 1);
    number_is(json, "slots-available", 0);
    number_is(json, "jobs-running", 1);
    number_is(json, "jobs-failed", 0);
    text_is(json, "flink-version", "1.18.1");
    text_is(json, "flink-commit", "tidemark-1.2.3");
    json_decref(json);
}

static void test_overview_counts_the_job_by_its_end(void **state) {
    static const struct {
        enum job_state state;
        const char *name;
    } ends[] = {{JOB_RESTARTING, "jobs-running"},
                {JOB_CANCELLING, "jobs-running"},
                {JOB_CANCELED, "jobs-cancelled"},
                {JOB_FINISHED, "jobs-finished"},
                {JOB_FAILED, "jobs-failed"}};
    static const char *const all[] = {"jobs-running", "jobs-cancelled", "jobs-finished",
                                      "jobs-failed"};
    struct control_world *w = *state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        metrics_set_state(w->metrics, ends[i].state);
        json_t *json = get(w, "/v1/overview");
        for (size_t k = 0; k < 4; k++)
            number_is(json, all[k], strcmp(all[k], ends[i].name) == 0);
        json_decref(json);
    }
}

static void test_config_offers_nothing_that_is_not_there(void **state) {
    json_t *json = get(*state, "/config");
    flag_is(json, "features web-submit", false);
    flag_is(json, "features web-cancel", true);
    flag_is(json, "features web-rescale", false);
    text_is(json, "flink-revision", "tidemark-1.2.3");
    json_decref(json);
}

static void test_jobs(void **state) {
    struct control_world *w = *state;
    publish_two(w);
    json_t *json = get(w, "/jobs");
    text_is(json, "jobs 0 id", CONTROL_JOB_ID);
    text_is(json, "jobs 0 status", "RUNNING");
    json_decref(json);
    json = get(w, "/jobs/overview");
    has(json, "jobs", 1);
    text_is(json, "jobs 0 jid", CONTROL_JOB_ID);
    text_is(json, "jobs 0 name", "clicks");
    number_is(json, "jobs 0 start-time", STARTED);
    number_is(json, "jobs 0 end-time", -1);
    number_is(json, "jobs 0 duration", 10000);
    number_is(json, "jobs 0 last-modification", STARTED + RUNNING_AFTER_MS);
    number_is(json, "jobs 0 tasks total", 4);
    number_is(json, "jobs 0 tasks running", 4);
    number_is(json, "jobs 0 tasks canceled", 0);
    json_decref(json);
}

static void test_job(void **state) {
    struct control_world *w = *state;
    publish_two(w);
    json_t *json = get(w, JOB);
    text_is(json, "state", "RUNNING");
    number_is(json, "now", STARTED + 10000);
    number_is(json, "maxParallelism", 6);
    has(json, "timestamps", 11);
    number_is(json, "timestamps CREATED", STARTED);
    number_is(json, "timestamps RUNNING", STARTED + RUNNING_AFTER_MS);
    number_is(json, "timestamps FAILED", 0);
    number_is(json, "status-counts RUNNING", 2);
    number_is(json, "status-counts CREATED", 0);
    text_is(json, "plan jid", CONTROL_JOB_ID);
    json_decref(json);
}

static void test_job_that_has_ended(void **state) {
    struct control_world *w = *state;
    publish_two(w);
    metrics_set_state(w->metrics, JOB_FAILED);
    fake_clock_advance(&w->clock, 700);
    json_t *json = get(w, JOB);
    number_is(json, "end-time", STARTED + 10000);
    number_is(json, "duration", 10000);
    number_is(json, "vertices 1 end-time", STARTED + 10000);
    number_is(json, "vertices 1 duration", 10000 - RUNNING_AFTER_MS);
    text_is(json, "vertices 0 status", "FAILED");
    number_is(json, "vertices 0 tasks FAILED", 2);
    json_decref(json);
}

static void test_another_job(void **state) {
    json_decref(answer_of(*state, "GET", "/jobs/ffffffffffffffffffffffffffffffff", "", 404));
    json_decref(answer_of(*state, "GET", "/jobs/ffffffffffffffffffffffffffffffff/plan", "", 404));
}

static void test_plan(void **state) {
    struct control_world *w = *state;
    publish_two(w);
    json_t *json = get(w, JOB "/plan"), *job = get(w, JOB);
    has(json, "plan nodes", 2);
    text_is(json, "plan nodes 0 description", "Source: Kafka events -> Parse -> Window -> Append");
    text_is(json, "plan nodes 1 description", "Sink: s3://b/out/ (files, checkpoints)");
    number_is(json, "plan nodes 1 parallelism", 2);
    has(json, "plan nodes 0 inputs", 0);
    text_is(json, "plan nodes 1 inputs 0 id", json_string_value(at(json, "plan nodes 0 id")));
    text_is(json, "plan nodes 1 id", json_string_value(at(job, "vertices 1 id")));
    json_decref(json);
    json_decref(job);
}

static void test_settings(void **state) {
    json_t *json = get(*state, JOB "/config");
    number_is(json, "execution-config job-parallelism", 1);
    has(json, "execution-config user-config", 2);
    text_is(json, "execution-config user-config name", "clicks");
    text_is(json, "execution-config user-config s3.secret_key", "***");
    json_decref(json);
}

/* ---- What went wrong ---- */

static void test_nothing_went_wrong(void **state) {
    json_t *json = get(*state, JOB "/exceptions");
    is_null(json, "root-exception");
    is_null(json, "timestamp");
    has(json, "exceptionHistory entries", 0);
    flag_is(json, "exceptionHistory truncated", false);
    json_decref(json);
}

static void test_exceptions(void **state) {
    struct control_world *w = *state;
    journal_add_error(w->journal, 4, "partition_lost", "another process took it");
    fake_clock_advance(&w->clock, 1000);
    journal_add_error(w->journal, -1, "job_restarting", "the store is away: caf\xc3");
    json_t *json = get(w, JOB "/exceptions");
    text_is(json, "root-exception", "the store is away: caf?");
    number_is(json, "timestamp", STARTED + 1000);
    has(json, "exceptionHistory entries", 2);
    text_is(json, "exceptionHistory entries 0 exceptionName", "job_restarting");
    assert_null(json_object_get(at(json, "exceptionHistory entries 0"), "taskName"));
    text_is(json, "exceptionHistory entries 1 stacktrace", "another process took it");
    number_is(json, "exceptionHistory entries 1 timestamp", STARTED);
    text_is(json, "exceptionHistory entries 1 taskName",
            "Source: Kafka events -> Parse -> Window -> Append (partition 4)");
    text_is(json, "exceptionHistory entries 1 location", "h:42");
    has(json, "all-exceptions", 1);
    text_is(json, "all-exceptions 0 exception", "another process took it");
    flag_is(json, "truncated", false);
    json_decref(json);
}

static void test_no_more_exceptions_than_wanted(void **state) {
    struct control_world *w = *state;
    for (int i = 0; i < JOURNAL_ERRORS; i++)
        journal_add_error(w->journal, -1, "job_restarting", i ? "again" : "first");
    json_t *json = get(w, JOB "/exceptions?maxExceptions=3");
    has(json, "exceptionHistory entries", 3);
    flag_is(json, "exceptionHistory truncated", true);
    json_decref(json);
    json = get(w, JOB "/exceptions");
    has(json, "exceptionHistory entries", JOURNAL_ERRORS);
    flag_is(json, "exceptionHistory truncated", false);
    json_decref(json);
    journal_add_error(w->journal, -1, "job_restarting", "one more than is kept");
    json = get(w, JOB "/exceptions");
    flag_is(json, "exceptionHistory truncated", true);
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_overview, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_overview_counts_the_job_by_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config_offers_nothing_that_is_not_there, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_jobs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_job, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_job_that_has_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_job, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_plan, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_went_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_exceptions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_more_exceptions_than_wanted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
