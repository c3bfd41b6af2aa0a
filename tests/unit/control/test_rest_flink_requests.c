/* Savepoint, stop and cancel as Flink's clients ask for them, and how they learn what became of it. */
#include "control/flink_fixture.h"

#define SAVEPOINTS JOB "/savepoints"
#define STOP JOB "/stop"

/* Asks, and returns the trigger's id in id. */
static void post(struct control_world *w, const char *uri, const char *body,
                 char id[REQUEST_ID_MAX]) {
    json_t *json = answer_of(w, "POST", uri, body, 202);
    (void)snprintf(id, REQUEST_ID_MAX, "%s", json_string_value(at(json, "request-id")));
    assert_int_equal(strspn(id, "0123456789abcdef"), 32);
    json_decref(json);
}

static json_t *status_of(struct control_world *w, const char *id) {
    char uri[160];
    (void)snprintf(uri, sizeof uri, SAVEPOINTS "/%s", id);
    return get(w, uri);
}

static void status_is(struct control_world *w, const char *id, const char *want) {
    json_t *json = status_of(w, id);
    text_is(json, "status id", want);
    json_decref(json);
}

static void refused(struct control_world *w, const char *uri, const char *body, const char *why) {
    json_t *json = answer_of(w, "POST", uri, body, 400);
    if (!strstr(json_string_value(at(json, "errors 0")), why))
        fail_msg("%s is refused with: %s", body, json_string_value(at(json, "errors 0")));
    json_decref(json);
    assert_int_equal(requests_savepoints(w->requests), 0);
    assert_int_equal(w->command, 0);
}

/* What Flink 1.18.1's command line sends. */
static void test_savepoint(void **state) {
    struct control_world *w = *state;
    char id[REQUEST_ID_MAX];
    post(w, SAVEPOINTS,
         "{\"target-directory\":null,\"cancel-job\":false,\"formatType\":\"CANONICAL\","
         "\"triggerId\":null}",
         id);
    assert_int_equal(requests_savepoints(w->requests), 1);
    assert_int_equal(w->command, 0);
    json_t *json = status_of(w, id);
    text_is(json, "status id", "IN_PROGRESS");
    is_null(json, "operation");
    json_decref(json);
    requests_savepoints_done(w->requests, 1, true, "s3://b/chk/");
    json = status_of(w, id);
    text_is(json, "status id", "COMPLETED");
    text_is(json, "operation location", "s3://b/chk/");
    json_decref(json);
}

static void test_savepoint_without_a_body(void **state) {
    struct control_world *w = *state;
    char id[REQUEST_ID_MAX];
    post(w, SAVEPOINTS, "", id);
    post(w, SAVEPOINTS, " {}\n", id);
    assert_int_equal(requests_savepoints(w->requests), 2);
}

static void test_savepoint_that_failed(void **state) {
    struct control_world *w = *state;
    char id[REQUEST_ID_MAX];
    post(w, SAVEPOINTS, "{}", id);
    requests_savepoints_done(w->requests, 1, false, "no partition");
    json_t *json = status_of(w, id);
    text_is(json, "status id", "COMPLETED");
    assert_null(json_object_get(at(json, "operation"), "location"));
    text_is(json, "operation failure-cause class",
            "org.apache.flink.runtime.checkpoint.CheckpointException");
    text_is(json, "operation failure-cause stack-trace", "no partition");
    /* 0xaced0005, an object of a class of 41 letters; Flink reads it in the e2e test. */
    const char *base64 =
        json_string_value(at(json, "operation failure-cause serialized-throwable"));
    assert_memory_equal(base64, "rO0ABXNyAClvcmcuYXBhY2hlLmZsaW5r", 32);
    json_decref(json);
}

static void test_savepoint_that_cancels(void **state) {
    struct control_world *w = *state;
    char id[REQUEST_ID_MAX];
    post(w, SAVEPOINTS, "{\"cancel-job\":true}", id);
    assert_int_equal(w->command, CONTROL_STOP);
    assert_true(requests_untold(w->requests));
    requests_ended(w->requests, true, "s3://b/chk/");
    status_is(w, id, "COMPLETED");
    assert_false(requests_untold(w->requests));
}

static void test_stop(void **state) {
    struct control_world *w = *state;
    char id[REQUEST_ID_MAX];
    post(w, STOP, "{\"targetDirectory\":null,\"drain\":false,\"formatType\":\"CANONICAL\"}", id);
    assert_int_equal(w->command, CONTROL_STOP);
    status_is(w, id, "IN_PROGRESS");
    requests_ended(w->requests, true, "s3://b/chk/");
    json_t *json = status_of(w, id);
    text_is(json, "operation location", "s3://b/chk/");
    json_decref(json);
}

static void test_drain(void **state) {
    struct control_world *w = *state;
    char id[REQUEST_ID_MAX];
    post(w, STOP, "{\"drain\":true,\"formatType\":\"native\"}", id);
    assert_int_equal(w->command, CONTROL_DRAIN);
}

static void test_place_of_a_savepoint(void **state) {
    struct control_world *w = *state;
    char id[REQUEST_ID_MAX];
    refused(w, SAVEPOINTS, "{\"target-directory\":\"s3://elsewhere/\"}",
            "s3://b/chk/clicks/events/");
    refused(w, STOP, "{\"targetDirectory\":\"s3://b/chk/clicks\"}", "nowhere else");
    refused(w, STOP, "{\"targetDirectory\":7}", "nowhere else");
    post(w, SAVEPOINTS, "{\"target-directory\":\"s3://b/chk/clicks/events\"}", id);
    static char key[] = "checkpoint.path", value[] = "s3://b/chk/";
    w->settings[0].key = key;
    w->settings[0].value = value;
    post(w, SAVEPOINTS, "{\"target-directory\":\"s3://b/chk\"}", id);
}

static void test_bodies_that_are_wrong(void **state) {
    struct control_world *w = *state;
    refused(w, SAVEPOINTS, "{", "no JSON object: ");
    refused(w, SAVEPOINTS, "[]", "no JSON object");
    refused(w, SAVEPOINTS, "{\"cancel-job\":false,\"cancel-job\":true}", "duplicate");
    refused(w, SAVEPOINTS, "{\"cancel-job\":\"yes\"}", "cancel-job is true or false");
    refused(w, STOP, "{\"drained\":true}", "unknown key drained");
    refused(w, STOP, "{\"cancel-job\":true}", "unknown key cancel-job");
    refused(w, STOP, "{\"drain\":1}", "drain is true or false");
    refused(w, STOP, "{\"formatType\":\"AVRO\"}", "CANONICAL or NATIVE");
    refused(w, STOP, "{\"triggerId\":\"12\"}", "32 hex digits");
    refused(w, STOP, "{\"triggerId\":\"0123456789abcdef0123456789abcdeg\"}", "32 hex digits");
}

/* A client that heard no answer asks again with the id that it gave. */
static void test_trigger_id_of_the_client(void **state) {
    struct control_world *w = *state;
    char id[REQUEST_ID_MAX];
    for (int i = 0; i < 2; i++) {
        post(w, SAVEPOINTS, "{\"triggerId\":\"00112233445566778899AABBCCDDEEFF\"}", id);
        assert_string_equal(id, "00112233445566778899aabbccddeeff");
    }
    assert_int_equal(requests_savepoints(w->requests), 1);
    status_is(w, "00112233445566778899AABBCCDDEEFF", "IN_PROGRESS");
}

static void test_no_such_trigger(void **state) {
    struct control_world *w = *state;
    char id[REQUEST_ID_MAX], uri[160];
    post(w, SAVEPOINTS, "{}", id);
    (void)snprintf(uri, sizeof uri, SAVEPOINTS "/%s0", id);
    json_decref(answer_of(w, "GET", uri, "", 404));
    json_decref(answer_of(w, "GET", SAVEPOINTS "/00112233445566778899aabbccddeeff", "", 404));
}

static void test_cancel(void **state) {
    struct control_world *w = *state;
    json_decref(answer_of(w, "PATCH", JOB "?mode=cancel", "", 202));
    assert_int_equal(w->command, CONTROL_STOP);
    assert_false(requests_untold(w->requests)); /* nobody asks what became of it */
}

static void test_cancel_is_the_mode_where_none_is_named(void **state) {
    struct control_world *w = *state;
    json_decref(answer_of(w, "PATCH", JOB, "{}", 202));
    assert_int_equal(w->command, CONTROL_STOP);
}

static void test_other_modes(void **state) {
    struct control_world *w = *state;
    json_t *json = answer_of(w, "PATCH", JOB "?mode=stop", "", 308);
    assert_non_null(strstr(json_string_value(at(json, "errors 0")), "has been removed"));
    json_decref(json);
    json_decref(answer_of(w, "PATCH", JOB "?mode=kill", "", 400));
    assert_int_equal(w->command, 0);
}

static void test_cancel_after_its_end(void **state) {
    struct control_world *w = *state;
    metrics_set_state(w->metrics, JOB_FINISHED);
    json_t *json = answer_of(w, "PATCH", JOB, "", 409);
    assert_non_null(strstr(json_string_value(at(json, "errors 0")), "(FINISHED)"));
    json_decref(json);
    assert_int_equal(w->command, 0);
    metrics_set_state(w->metrics, JOB_CANCELED);
    json_decref(answer_of(w, "PATCH", JOB, "", 202));
}

static void test_another_job(void **state) {
    struct control_world *w = *state;
#define OTHER "/jobs/ffffffffffffffffffffffffffffffff"
    json_decref(answer_of(w, "PATCH", OTHER, "", 404));
    json_decref(answer_of(w, "POST", OTHER "/savepoints", "{}", 404));
    json_decref(answer_of(w, "POST", OTHER "/stop", "{}", 404));
    assert_int_equal(w->command, 0);
    assert_int_equal(requests_savepoints(w->requests), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_savepoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_savepoint_without_a_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_savepoint_that_failed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_savepoint_that_cancels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_drain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_place_of_a_savepoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bodies_that_are_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trigger_id_of_the_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_such_trigger, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_is_the_mode_where_none_is_named, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_other_modes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_after_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_job, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
