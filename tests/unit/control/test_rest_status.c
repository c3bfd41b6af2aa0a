/* /tidemark/...: from metrics and journal to JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/rest.h"
#include "support/control_world.h"

static int set_up(void **state) {
    *state = control_world_new();
    return 0;
}

static int tear_down(void **state) {
    control_world_free(*state);
    return 0;
}

static const char *const reasons[] = {"none", "invalid_json", "future"};

static struct partition_metrics partition(const struct control_world *w) {
    return (struct partition_metrics){.partition = 3,
                                      .state = "running",
                                      .count = {.events = {10, 2, 3, 4},
                                                .rejected = {0, 2, 1},
                                                .records = 20,
                                                .key_mismatches = 1,
                                                .bytes_in = 2000,
                                                .bytes_out = 1500,
                                                .files_published = 5,
                                                .events_published = 9,
                                                .bytes_published = 900,
                                                .checkpoints = 6,
                                                .checkpoint_failures = 1},
                                      .begin = 100,
                                      .position = 120,
                                      .end = 160,
                                      .record_ts = w->clock.wall - 2500,
                                      .max_ts = w->clock.wall - 4000,
                                      .watermark = w->clock.wall - 64000,
                                      .open_windows = 2,
                                      .open_files = 3,
                                      .checkpoint_number = 12,
                                      .checkpoint_age_ms = 7000,
                                      .checkpoint_duration_ms = 80,
                                      .checkpoint_bytes = 4096,
                                      .replay_from = 90,
                                      .read = {{100, 0xabc}, {1, 2}, {3, 4}, {5, 6}},
                                      .listed = {{50, UINT64_MAX}, {0}, {0}, {0}}};
}

/* Nothing is known of it yet. */
static struct partition_metrics new_partition(void) {
    return (struct partition_metrics){.partition = 0,
                                      .state = "waiting",
                                      .begin = -1,
                                      .position = -1,
                                      .end = -1,
                                      .record_ts = TS_NONE,
                                      .max_ts = TS_NONE,
                                      .watermark = TS_NONE,
                                      .checkpoint_age_ms = -1,
                                      .checkpoint_duration_ms = -1,
                                      .checkpoint_bytes = -1,
                                      .replay_from = -1};
}

static void publish(struct control_world *w, struct partition_metrics *p, size_t n) {
    struct job_metrics m = {.running = true,
                            .restarts = 2,
                            .memory_used = 5,
                            .memory_peak = 7,
                            .memory_limit = 900,
                            .worker_rate = {300, 20, 680},
                            .output_busy_rate = 150,
                            .records_rate = 10.12345,
                            .bytes_in_rate = 2048,
                            .bytes_out_rate = 0.5,
                            .reasons = reasons,
                            .n_reasons = 3,
                            .topic_partitions = 8,
                            .partitions = p,
                            .n_partitions = n};
    m.output.outcomes[STORE_UPLOAD_PART][ERR_NONE] = 30;
    m.output.outcomes[STORE_UPLOAD_PART][ERR_UNAVAILABLE] = 4;
    m.output.outcomes[STORE_PUT_IF_ABSENT][ERR_EXISTS] = 1; /* a normal answer */
    m.output.retries[STORE_UPLOAD_PART] = 4;
    m.output.bytes_out = 12345;
    m.output.under_way = 2;
    m.checkpoints.outcomes[STORE_PUT_IF_ABSENT][ERR_NONE] = 6;
    metrics_publish(w->metrics, &m);
}

/* The answer's JSON as text with keys in their order, without what is not asked about. */
static void is(const json_t *json, const char *expected) {
    assert_non_null(json);
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    if (strcmp(text, expected) != 0)
        fail_msg("it is\n%s\nnot\n%s", text, expected);
    free(text);
}

static const json_t *at(const json_t *o, const char *key) {
    const json_t *value = json_object_get(o, key);
    if (!value)
        fail_msg("there is no %s", key);
    return value;
}

static struct control_answer get(struct control_world *w, const char *path) {
    struct control_answer a = control_ask(w, "GET", path, "");
    if (a.status != 200 || !a.json || strcmp(a.type, "application/json") != 0)
        fail_msg("%s: %u %s %s", path, a.status, a.type, a.text);
    return a;
}

static void test_status_of_the_job(void **state) {
    struct control_world *w = *state;
    struct partition_metrics p = partition(w);
    fake_clock_advance(&w->clock, 5000);
    metrics_set_state(w->metrics, JOB_RUNNING);
    fake_clock_advance(&w->clock, 2000);
    publish(w, &p, 1);
    struct control_answer a = get(w, "/v1/tidemark/status");
    is(at(a.json, "job"),
       "{\"id\":\"" CONTROL_JOB_ID "\",\"name\":\"clicks\",\"state\":\"RUNNING\","
       "\"since_ms\":1729630805000,\"started_ms\":1729630800000,\"now_ms\":1729630807000,"
       "\"version\":\"1.2.3\",\"host\":\"h\",\"pid\":42,\"bounded\":false,\"embedded\":false,"
       "\"topic\":\"events\",\"group_id\":\"g\",\"brokers\":\"localhost:9092\","
       "\"output\":\"s3://b/out/\",\"checkpoints\":\"s3://b/chk/clicks/events/\","
       "\"window_size_ms\":300000,\"out_of_orderness_ms\":60000,\"allowed_lateness_ms\":0,"
       "\"checkpoint_interval_ms\":30000}");
    is(at(a.json, "rates"), "{\"records\":10.123,\"bytes_in\":2048.0,\"bytes_out\":0.5}");
    is(at(a.json, "worker"), "{\"busy\":300,\"backpressured\":20,\"idle\":680}");
    is(at(a.json, "stores"),
       "{\"output\":{\"under_way\":2,\"requests\":35,\"errors\":4,\"retries\":4,"
       "\"bytes_out\":12345,\"busy\":150},\"checkpoints\":{\"under_way\":0,\"requests\":6,"
       "\"errors\":0,\"retries\":0,\"bytes_out\":0}}");
    is(at(a.json, "memory"), "{\"used\":5,\"peak\":7,\"limit\":900}");
    is(at(a.json, "restarts"), "2");
    is(at(a.json, "progress"), "{\"done\":20,\"todo\":40,\"end_known\":true,\"share\":0.333,"
                               "\"seconds_left\":3.951}");
    is(at(a.json, "topic_partitions"), "8");
    control_answer_free(&a);
}

static void test_status_of_a_partition(void **state) {
    struct control_world *w = *state;
    struct partition_metrics p = partition(w);
    publish(w, &p, 1);
    struct control_answer a = get(w, "/tidemark/status");
    is(json_array_get(at(a.json, "partitions"), 0),
       "{\"partition\":3,\"state\":\"running\",\"owner\":\"h:42\",\"begin\":100,\"position\":120,"
       "\"end\":160,\"lag\":40,\"lag_seconds\":2.5,\"max_ts\":1729630796000,"
       "\"watermark\":1729630736000,\"watermark_delay_ms\":64000,\"replaying\":false,"
       "\"open_windows\":2,\"open_files\":3,\"events\":{\"event\":10,\"late\":2,\"rejected\":3,"
       "\"null\":4},\"rejected\":{\"invalid_json\":2,\"future\":1},\"key_mismatches\":1,"
       "\"records\":20,\"bytes_in\":2000,\"bytes_out\":1500,\"files_published\":5,"
       "\"events_published\":9,\"bytes_published\":900,\"checkpoint\":{\"number\":12,"
       "\"age_ms\":7000,\"duration_ms\":80,\"bytes\":4096,\"count\":6,\"failures\":1},"
       "\"replay_from\":90,\"read\":{\"event\":{\"events\":100,\"hash\":\"0000000000000abc\"},"
       "\"late\":{\"events\":1,\"hash\":\"0000000000000002\"},\"rejected\":{\"events\":3,"
       "\"hash\":\"0000000000000004\"},\"null\":{\"events\":5,\"hash\":\"0000000000000006\"}},"
       "\"listed\":{\"event\":{\"events\":50,\"hash\":\"ffffffffffffffff\"},"
       "\"late\":{\"events\":0,\"hash\":\"0000000000000000\"},\"rejected\":{\"events\":0,"
       "\"hash\":\"0000000000000000\"},\"null\":{\"events\":0,\"hash\":\"0000000000000000\"}}}");
    control_answer_free(&a);
}

static void test_what_is_not_known_is_null(void **state) {
    struct control_world *w = *state;
    struct partition_metrics p = new_partition();
    static const char *const keys[] = {"begin",     "position",           "end",
                                       "lag",       "lag_seconds",        "max_ts",
                                       "watermark", "watermark_delay_ms", "replay_from"};
    publish(w, &p, 1);
    struct control_answer a = get(w, "/tidemark/status");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        is(at(json_array_get(at(a.json, "partitions"), 0), keys[i]), "null");
    is(at(json_array_get(at(a.json, "partitions"), 0), "checkpoint"),
       "{\"number\":null,\"age_ms\":null,\"duration_ms\":null,\"bytes\":null,\"count\":0,"
       "\"failures\":0}");
    is(at(a.json, "progress"),
       "{\"done\":0,\"todo\":0,\"end_known\":false,\"share\":null,\"seconds_left\":null}");
    control_answer_free(&a);
}

static void test_status_before_the_worker_has_begun(void **state) {
    struct control_world *w = *state;
    struct control_answer a = get(w, "/tidemark/status");
    is(at(a.json, "partitions"), "[]");
    is(at(a.json, "topic_partitions"), "null");
    is(at(at(a.json, "job"), "state"), "\"CREATED\"");
    control_answer_free(&a);
}

static void test_lag(void **state) {
    (void)state;
    struct partition_metrics p = {.position = 5, .end = 5, .record_ts = TS_NONE};
    struct rest_lag lag = rest_lag(&p, 10000);
    assert_true(lag.records == 0 && lag.seconds == 0);
    p.position = 7; /* the end that was heard of last is older */
    assert_int_equal(rest_lag(&p, 10000).records, 0);
    p.position = 3;
    lag = rest_lag(&p, 10000);
    assert_true(lag.records == 2 && lag.seconds < 0);
    p.record_ts = 12000; /* by another machine's clock */
    assert_true(rest_lag(&p, 10000).seconds == 0);
}

static void test_health_is_judged(void **state) {
    struct control_world *w = *state;
    struct partition_metrics p = partition(w);
    publish(w, &p, 1);
    metrics_set_state(w->metrics, JOB_RUNNING);
    journal_add_error(w->journal, -1, "job_restarting", "no \xff broker");
    struct journal_checkpoint failed = {.partition = 3, .failed = true, .why = "too slow"};
    journal_add_checkpoint(w->journal, &failed);
    struct control_answer a = get(w, "/tidemark/status");
    const json_t *health = at(a.json, "health"), *findings = at(health, "findings");
    is(at(health, "level"), "\"bad\"");
    is(at(health, "summary"), "\"partition 3: the newest checkpoint is too slow\"");
    assert_int_equal(json_array_size(findings), 3);
    is(at(json_array_get(findings, 0), "partition"), "3");
    is(at(json_array_get(findings, 0), "stage"), "\"checkpoint\"");
    const json_t *second = json_array_get(findings, 1);
    is(at(second, "level"), "\"warn\"");
    is(at(second, "code"), "\"restarted\"");
    is(at(second, "partition"), "null");
    is(at(second, "text"), "\"the job has restarted 1 time within the last hour: no ? broker\"");
    control_answer_free(&a);
}

/* ---- Details ------------------------------------------------------------------------------------- */

static void test_files(void **state) {
    struct control_world *w = *state;
    struct open_file_metrics files[2] = {
        {.partition = 1,
         .class = CLASS_EVENT,
         .window_start = 300000,
         .window_end = 600000,
         .age_ms = 50,
         .events = 7,
         .bytes = 700,
         .acknowledged_events = 4,
         .state = FILE_SEALED},
        {.class = CLASS_LATE, .window_start = TS_NONE, .window_end = TS_NONE}};
    struct job_metrics m = {.files = files, .n_files = 2, .files_cut = true};
    w->info.allowed_lateness_ms = 5000;
    metrics_publish(w->metrics, &m);
    struct journal_file f = {.partition = 1,
                             .class = CLASS_REJECTED,
                             .window_start = TS_NONE,
                             .visibility_ms = -1,
                             .events = 3,
                             .bytes = 30,
                             .key = "a/b"};
    journal_add_file(w->journal, &f);
    f.events = 4;
    journal_add_file(w->journal, &f);
    struct control_answer a = get(w, "/tidemark/files?limit=1");
    is(at(a.json, "watched"), "false");
    assert_true(metrics_watched(w->metrics));
    is(at(a.json, "cut"), "true");
    is(at(a.json, "open"),
       "[{\"partition\":1,\"class\":\"event\",\"window_start\":300000,\"window_end\":600000,"
       "\"closes_at\":604999,\"state\":\"sealed\",\"events\":7,\"bytes\":700,"
       "\"acknowledged_events\":4,\"age_ms\":50},{\"partition\":0,\"class\":\"late\","
       "\"window_start\":null,\"window_end\":null,\"closes_at\":null,\"state\":\"open\","
       "\"events\":0,\"bytes\":0,\"acknowledged_events\":0,\"age_ms\":0}]");
    is(at(a.json, "published"),
       "[{\"id\":2,\"at_ms\":1729630800000,\"partition\":1,\"class\":\"rejected\","
       "\"window_start\":null,\"visibility_ms\":null,\"events\":4,\"bytes\":30,\"key\":\"a/b\"}]");
    is(at(a.json, "published_ever"), "2");
    control_answer_free(&a);
    a = get(w, "/tidemark/files");
    is(at(a.json, "watched"), "true");
    assert_int_equal(json_array_size(at(a.json, "published")), 2);
    control_answer_free(&a);
}

static void test_limits(void **state) {
    struct control_world *w = *state;
    static const struct {
        const char *query;
        size_t n;
    } cases[] = {{"", 50},          {"?limit=7", 7},     {"?limit=0", 50},
                 {"?limit=51", 50}, {"?limit=-1", 50},   {"?limit=7x", 50},
                 {"?limit=", 50},   {"?limit=%207", 50}, {"?limit=99999999999999999999999", 50}};
    for (int i = 0; i < 60; i++)
        journal_add_error(w->journal, -1, "x", "y");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/tidemark/errors%s", cases[i].query);
        struct control_answer a = get(w, path);
        assert_int_equal(json_array_size(at(a.json, "errors")), cases[i].n);
        is(at(a.json, "ever"), "60");
        control_answer_free(&a);
    }
}

static void test_checkpoints(void **state) {
    struct control_world *w = *state;
    struct journal_checkpoint c = {.partition = 2,
                                   .number = 9,
                                   .savepoint = true,
                                   .duration_ms = 30,
                                   .bytes = 500,
                                   .next = 77,
                                   .gaps = 1,
                                   .open_files = 2,
                                   .commits = 3};
    journal_add_checkpoint(w->journal, &c);
    c = (struct journal_checkpoint){
        .partition = 2, .failed = true, .duration_ms = 60000, .next = -1, .why = "too slow"};
    journal_add_checkpoint(w->journal, &c);
    struct control_answer a = get(w, "/tidemark/checkpoints");
    is(a.json, "{\"checkpoints\":[{\"id\":2,\"at_ms\":1729630800000,\"partition\":2,"
               "\"number\":null,\"failed\":true,\"savepoint\":false,\"duration_ms\":60000,"
               "\"bytes\":0,\"next\":null,\"gaps\":0,\"open_files\":0,\"commits\":0,"
               "\"why\":\"too slow\"},{\"id\":1,\"at_ms\":1729630800000,\"partition\":2,"
               "\"number\":9,\"failed\":false,\"savepoint\":true,\"duration_ms\":30,\"bytes\":500,"
               "\"next\":77,\"gaps\":1,\"open_files\":2,\"commits\":3,\"why\":null}],\"ever\":2}");
    control_answer_free(&a);
}

static void test_errors(void **state) {
    struct control_world *w = *state;
    journal_add_error(w->journal, 4, "partition_lost", "taken by \"x\"");
    journal_add_error(w->journal, -1, "job_failed", "no bucket");
    struct control_answer a = get(w, "/tidemark/errors");
    is(a.json, "{\"errors\":[{\"id\":2,\"at_ms\":1729630800000,\"partition\":null,"
               "\"kind\":\"job_failed\",\"text\":\"no bucket\"},{\"id\":1,"
               "\"at_ms\":1729630800000,\"partition\":4,\"kind\":\"partition_lost\","
               "\"text\":\"taken by \\\"x\\\"\"}],\"ever\":2}");
    control_answer_free(&a);
}

static void sample(struct control_world *w, bool late, const char *value, size_t kept, size_t len) {
    struct journal_sample s = {.partition = 1,
                               .offset = 55,
                               .record_ts = 1000,
                               .reason = late ? NULL : "no_key",
                               .detail = "it has none",
                               .ts = 2000,
                               .window_start = 0,
                               .watermark = 400000,
                               .value_len = len,
                               .kept = kept};
    memcpy(s.value, value, kept);
    journal_add_sample(w->journal, late, &s);
}

static void test_samples(void **state) {
    struct control_world *w = *state;
    sample(w, true, "{}", 2, 2);
    sample(w, false, "\x00\xff", 2, 900);
    struct control_answer a = get(w, "/tidemark/samples");
    is(a.json, "{\"late\":[{\"id\":1,\"at_ms\":1729630800000,\"partition\":1,\"offset\":55,"
               "\"record_ts\":1000,\"ts\":2000,\"window_start\":0,\"watermark\":400000,"
               "\"value\":\"{}\",\"value_len\":2,\"cut\":false}],\"rejected\":[{\"id\":1,"
               "\"at_ms\":1729630800000,\"partition\":1,\"offset\":55,\"record_ts\":1000,"
               "\"reason\":\"no_key\",\"detail\":\"it has none\",\"value_base64\":\"AP8=\","
               "\"value_len\":900,\"cut\":true}],\"late_ever\":1,\"rejected_ever\":1}");
    control_answer_free(&a);
}

static void value_is(const char *value, size_t kept, size_t len, const char *key,
                     const char *expected) {
    struct control_world *w = control_world_new();
    sample(w, true, value, kept, len);
    struct control_answer a = get(w, "/tidemark/samples");
    is(at(json_array_get(at(a.json, "late"), 0), key), expected);
    control_answer_free(&a);
    control_world_free(w);
}

/* Text that was cut within a character is still text. */
static void test_values_of_samples(void **state) {
    (void)state;
    value_is("a\0b", 3, 3, "value", "\"a\\u0000b\"");
    value_is("\xc3\xa9", 2, 9, "value", "\"\xc3\xa9\"");
    value_is("x\xc3", 2, 9, "value", "\"x\"");
    value_is("x\xe2\x82", 3, 9, "value", "\"x\"");
    value_is("x\xf0\x9f\x98", 4, 9, "value", "\"x\"");
    value_is("x\xf0\x9f\x98\x80", 5, 9, "value", "\"x\xf0\x9f\x98\x80\"");
    value_is("x\xc3", 2, 2, "value_base64", "\"eMM=\""); /* not cut: it was like this */
    value_is("\xff\xc3", 2, 9, "value_base64", "\"/8M=\"");
    value_is("\x80\x80\x80\x80\x80", 5, 9, "value_base64", "\"gICAgIA=\"");
    value_is("", 0, 0, "value", "\"\"");
}

static void test_settings(void **state) {
    struct control_world *w = *state;
    struct control_answer a = get(w, "/tidemark/settings");
    is(a.json, "{\"settings\":[{\"key\":\"name\",\"value\":\"clicks\",\"origin\":\"job.yaml:1\"},"
               "{\"key\":\"s3.secret_key\",\"value\":\"***\",\"origin\":\"environment\"}]}");
    control_answer_free(&a);
}

#define rest_test(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        rest_test(test_status_of_the_job),
        rest_test(test_status_of_a_partition),
        rest_test(test_what_is_not_known_is_null),
        rest_test(test_status_before_the_worker_has_begun),
        rest_test(test_lag),
        rest_test(test_health_is_judged),
        rest_test(test_files),
        rest_test(test_limits),
        rest_test(test_checkpoints),
        rest_test(test_errors),
        rest_test(test_samples),
        rest_test(test_values_of_samples),
        rest_test(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
