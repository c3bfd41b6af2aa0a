/* The metrics' text, read as Prometheus reads format 0.0.4, and their table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/memory.h"
#include "control/metrics.h"
#include "control/metrics_table.h"
#include "support/fake_clock.h"
#include "support/prometheus_text.h"

static const char *const reasons[] = {"none", "invalid_json", "future"};

static struct partition_metrics partition(int32_t id) {
    return (struct partition_metrics){.partition = id,
                                      .state = "running",
                                      .position = 1000 + id,
                                      .end = -1,
                                      .max_ts = TS_NONE,
                                      .watermark = TS_NONE,
                                      .count = {.events = {10, 2, 3, 4}, .rejected = {0, 2, 1}},
                                      .checkpoint_age_ms = -1,
                                      .checkpoint_duration_ms = -1,
                                      .checkpoint_bytes = -1,
                                      .replay_from = -1};
}

#define WALL INT64_C(1729630800500)

/* The text for this job; the caller frees it. */
static char *render_whole(const struct job_metrics *now, enum job_state state) {
    struct fake_clock clock;
    fake_clock_init(&clock);
    clock.wall = WALL;
    struct metrics *m = metrics_new(&clock.clock);
    struct buffer b;
    buffer_init(&b, 1 << 20);
    metrics_set_state(m, state);
    metrics_publish(m, now);
    metrics_render(m, &b);
    metrics_free(m);
    char *text = xstrdup(buffer_text(&b));
    buffer_free(&b);
    return text;
}

/* The text for these partitions; the caller frees it. */
static char *render(struct partition_metrics *partitions, size_t n) {
    return render_whole(&(struct job_metrics){.running = true,
                                              .restarts = 2,
                                              .memory_used = 5,
                                              .memory_peak = 7,
                                              .memory_budget = 8,
                                              .memory_limit = 9,
                                              .reasons = reasons,
                                              .n_reasons = 3,
                                              .partitions = partitions,
                                              .n_partitions = n},
                        JOB_RUNNING);
}

static void has(const char *text, const char *line) {
    char *whole = xasprintf("\n%s\n", line);
    if (!strstr(text, whole))
        fail_msg("there is no line %s in:\n%s", line, text);
    free(whole);
}

static void has_not(const char *text, const char *words) {
    if (strstr(text, words))
        fail_msg("%s stands in:\n%s", words, text);
}

static void test_values(void **state) {
    (void)state;
    struct partition_metrics p[2] = {partition(0), partition(7)};
    p[0].watermark = 1729630800123;
    p[0].checkpoint_age_ms = 1500;
    p[1].replay_from = 2000;
    char *text = render(p, 2);
    has(text, "tidemark_up 1");
    has(text, "tidemark_kafka_up 1");
    has(text, "tidemark_start_time_seconds 1729630800.500");
    has(text, "tidemark_restarts_total 2");
    has(text, "tidemark_memory_peak_bytes 7");
    has(text, "tidemark_records_total{partition=\"7\",class=\"late\"} 2");
    has(text, "tidemark_rejected_total{partition=\"0\",reason=\"invalid_json\"} 2");
    has(text, "tidemark_position{partition=\"7\"} 1007");
    has(text, "tidemark_replay_from{partition=\"7\"} 2000");
    has(text, "tidemark_watermark_seconds{partition=\"0\"} 1729630800.123");
    has(text, "tidemark_checkpoint_age_seconds{partition=\"0\"} 1.500");
    has(text, "tidemark_memory_budget_bytes 8");
    has_not(text, "reason=\"none\"");
    has_not(text, "tidemark_replay_from{partition=\"0\"}"); /* not known */
    has_not(text, "tidemark_watermark_seconds{partition=\"7\"}");
    has_not(text, "tidemark_checkpoint_age_seconds{partition=\"7\"}");
    free(text);
}

/* A watermark before 1970 is a value like any other. */
static void test_negative_watermark(void **state) {
    (void)state;
    struct partition_metrics p = partition(0);
    p.watermark = -1500;
    char *text = render(&p, 1);
    has(text, "tidemark_watermark_seconds{partition=\"0\"} -1.500");
    free(text);
}

/* ---- The format --------------------------------------------------------------------------------- */

/* Everything is known: every family has samples. */
static void test_text_is_well_formed(void **state) {
    (void)state;
    struct partition_metrics p[2] = {partition(0), partition(1)};
    p[0].watermark = p[0].max_ts = p[0].checkpoint_age_ms = p[0].checkpoint_duration_ms = 5;
    p[0].end = p[0].replay_from = p[0].checkpoint_bytes = 5000;
    p[0].record_ts = WALL;
    struct job_metrics now = {.running = true,
                              .topic_partitions = 3,
                              .output_directory = "/",
                              .reasons = reasons,
                              .n_reasons = 3,
                              .partitions = p,
                              .n_partitions = 2};
    for (int kind = 0; kind < STORE_KIND_COUNT; kind++)
        for (int o = 0; o < STORE_OUTCOMES; o++) {
            store_counters_answered(&now.output, (enum store_kind)kind, (enum error_code)o, 7);
            store_counters_answered(&now.checkpoints, (enum store_kind)kind, (enum error_code)o,
                                    100 * o);
        }
    char *text = render_whole(&now, JOB_RUNNING), *save = NULL;
    struct prometheus_text r;
    char *copy = xstrdup(text);
    prometheus_read(&r, copy);
    prometheus_forget(&r);
    free(copy);
    assert_int_equal(r.n_families, metrics_families);
    bool typed = false; /* each TYPE is followed by a sample */
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (typed && line[0] == '#')
            fail_msg("no samples before: %s", line);
        typed = strncmp(line, "# TYPE", 6) == 0;
    }
    assert_false(typed);
    free(text);
}

static void test_before_anything_is_published(void **state) {
    (void)state;
    struct metrics *m = metrics_new(clock_system());
    struct buffer b;
    struct prometheus_text r;
    buffer_init(&b, 1 << 20);
    metrics_render(m, &b);
    has(buffer_text(&b), "tidemark_up 0");
    has(buffer_text(&b), "tidemark_job_state{state=\"CREATED\"} 1");
    has(buffer_text(&b), "tidemark_visibility_delay_seconds_count 0");
    has_not(buffer_text(&b), "operation=");
    prometheus_read(&r, b.data);
    prometheus_forget(&r);
    assert_int_equal(r.n_families, metrics_families);
    assert_false(metrics_healthy(m));
    buffer_free(&b);
    metrics_free(m);
}

/* ---- What single families say --------------------------------------------------------------------- */

static void test_job_state_is_one_of_all(void **state) {
    (void)state;
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        char *text = render_whole(&(struct job_metrics){0}, (enum job_state)i), *at = text;
        char *line =
            xasprintf("tidemark_job_state{state=\"%s\"} 1", job_state_name((enum job_state)i));
        int ones = 0;
        has(text, line);
        while ((at = strstr(at, "\ntidemark_job_state{")) != NULL) {
            at = strchr(at, '}');
            ones += strncmp(at, "} 1\n", 4) == 0;
        }
        assert_int_equal(ones, 1);
        free(line);
        free(text);
    }
}

static void test_lag(void **state) {
    (void)state;
    struct partition_metrics p[6];
    for (int32_t i = 0; i < 6; i++)
        p[i] = partition(i);
    p[0].end = 1000 + 500; /* behind */
    p[0].record_ts = WALL - 90500;
    p[1].end = 1001; /* at the end: the record's age does not count */
    p[1].record_ts = WALL - 90500;
    p[2].record_ts = WALL - 90500; /* the end is not known */
    p[3].end = 2000;               /* nothing read yet: seconds are not known */
    p[3].record_ts = TS_NONE;
    p[4].end = 2000; /* the producer's clock is ahead */
    p[4].record_ts = WALL + 5000;
    p[5].position = -1; /* not claimed */
    p[5].end = 2000;
    char *text = render(p, 6);
    has(text, "tidemark_lag_offsets{partition=\"0\"} 500");
    has(text, "tidemark_lag_seconds{partition=\"0\"} 90.500");
    has(text, "tidemark_lag_offsets{partition=\"1\"} 0");
    has(text, "tidemark_lag_seconds{partition=\"1\"} 0.000");
    has_not(text, "tidemark_lag_offsets{partition=\"2\"}");
    has_not(text, "tidemark_lag_seconds{partition=\"2\"}");
    has(text, "tidemark_lag_offsets{partition=\"3\"} 997");
    has_not(text, "tidemark_lag_seconds{partition=\"3\"}");
    has(text, "tidemark_lag_seconds{partition=\"4\"} 0.000");
    has_not(text, "tidemark_lag_offsets{partition=\"5\"}");
    has_not(text, "tidemark_position{partition=\"5\"}");
    free(text);
}

static void test_watermark_delay(void **state) {
    (void)state;
    struct partition_metrics p[3] = {partition(0), partition(1), partition(2)};
    p[0].watermark = WALL - 600250;
    p[1].watermark = WALL + 1000; /* timestamps of the future, within event.max_future */
    char *text = render(p, 3);
    has(text, "tidemark_watermark_delay_seconds{partition=\"0\"} 600.250");
    has(text, "tidemark_watermark_delay_seconds{partition=\"1\"} -1.000");
    has_not(text, "tidemark_watermark_delay_seconds{partition=\"2\"}");
    free(text);
}

static void test_running(void **state) {
    (void)state;
    struct partition_metrics p[2] = {partition(0), partition(1)};
    p[1].state = "claiming";
    p[1].replaying = true;
    char *text = render(p, 2);
    has(text, "tidemark_partition_running{partition=\"0\"} 1");
    has(text, "tidemark_partition_running{partition=\"1\"} 0");
    has(text, "tidemark_partition_replaying{partition=\"0\"} 0");
    has(text, "tidemark_partition_replaying{partition=\"1\"} 1");
    free(text);
    struct job_metrics failed = {.running = false, .partitions = p, .n_partitions = 2};
    text = render_whole(&failed, JOB_FAILED);
    has(text, "tidemark_partition_running{partition=\"0\"} 0");
    assert_null(strstr(text, "\ntidemark_kafka_up ")); /* nobody asks then */
    free(text);
    struct job_metrics silent = {.running = true, .kafka_silent = true};
    text = render_whole(&silent, JOB_RUNNING);
    has(text, "tidemark_kafka_up 0");
    free(text);
}

static void test_visibility_histogram(void **state) {
    (void)state;
    struct job_metrics now = {0};
    delay_observe(&now.visibility, 100); /* a bound holds what equals it */
    delay_observe(&now.visibility, 101);
    delay_observe(&now.visibility, 4000);
    delay_observe(&now.visibility, 10000000); /* above all bounds */
    delay_observe(&now.visibility, -5);       /* a clock that went back: 0 */
    char *text = render_whole(&now, JOB_RUNNING);
    has(text, "tidemark_visibility_delay_seconds_bucket{le=\"0.1\"} 2");
    has(text, "tidemark_visibility_delay_seconds_bucket{le=\"0.5\"} 3");
    has(text, "tidemark_visibility_delay_seconds_bucket{le=\"2.5\"} 3");
    has(text, "tidemark_visibility_delay_seconds_bucket{le=\"5\"} 4");
    has(text, "tidemark_visibility_delay_seconds_bucket{le=\"1800\"} 4");
    has(text, "tidemark_visibility_delay_seconds_bucket{le=\"+Inf\"} 5");
    has(text, "tidemark_visibility_delay_seconds_sum 10004.201");
    has(text, "tidemark_visibility_delay_seconds_count 5");
    free(text);
}

static void test_turns_histogram(void **state) {
    (void)state;
    struct job_metrics now = {0};
    turn_observe(&now.turns, 100);
    turn_observe(&now.turns, 101);
    turn_observe(&now.turns, 6000000);
    char *text = render_whole(&now, JOB_RUNNING);
    has(text, "tidemark_turn_duration_seconds_bucket{le=\"0.0001\"} 1");
    has(text, "tidemark_turn_duration_seconds_bucket{le=\"0.0002\"} 2");
    has(text, "tidemark_turn_duration_seconds_bucket{le=\"5\"} 2");
    has(text, "tidemark_turn_duration_seconds_bucket{le=\"+Inf\"} 3");
    has(text, "tidemark_turn_duration_seconds_sum 6.000");
    has(text, "tidemark_turn_duration_seconds_count 3");
    free(text);
}

static void test_stores(void **state) {
    (void)state;
    struct job_metrics now = {.checkpoints = {.bytes_out = 11, .bytes_in = 12},
                              .output = {.busy_ms = 1500, .under_way = 3}};
    store_counters_answered(&now.output, STORE_UPLOAD_PART, ERR_NONE, 20);
    store_counters_answered(&now.output, STORE_UPLOAD_PART, ERR_INVALID_PART, 60000);
    store_counters_answered(&now.checkpoints, STORE_PUT_IF_ABSENT, ERR_EXISTS, 5);
    now.output.retries[STORE_UPLOAD_PART] = 4;
    char *text = render_whole(&now, JOB_RUNNING);
#define PART "{store=\"output\",operation=\"part\""
    has(text, "tidemark_store_requests_total" PART ",outcome=\"success\"} 1");
    has(text, "tidemark_store_requests_total" PART ",outcome=\"invalid_part\"} 1");
    has(text, "tidemark_store_requests_total" PART ",outcome=\"unavailable\"} 0");
    has(text, "tidemark_store_requests_total{store=\"checkpoints\",operation=\"put\",outcome="
              "\"exists\"} 1");
    has(text, "tidemark_store_retries_total" PART "} 4");
    has(text, "tidemark_store_request_duration_seconds_bucket" PART ",le=\"0.01\"} 0");
    has(text, "tidemark_store_request_duration_seconds_bucket" PART ",le=\"0.025\"} 1");
    has(text, "tidemark_store_request_duration_seconds_bucket" PART ",le=\"30\"} 1");
    has(text, "tidemark_store_request_duration_seconds_bucket" PART ",le=\"+Inf\"} 2");
    has(text, "tidemark_store_request_duration_seconds_sum" PART "} 60.020");
    has(text, "tidemark_store_request_duration_seconds_count" PART "} 2");
    has(text, "tidemark_store_requests_under_way{store=\"output\"} 3");
    has(text, "tidemark_store_busy_seconds_total{store=\"output\"} 1.500");
    has(text, "tidemark_store_bytes_total{store=\"checkpoints\",direction=\"out\"} 11");
    has(text, "tidemark_store_bytes_total{store=\"checkpoints\",direction=\"in\"} 12");
    has_not(text, "store=\"checkpoints\",operation=\"part\""); /* never asked for */
    has_not(text, "outcome=\"too_small\"");
#undef PART
    free(text);
}

/* A reason that some partition has had is told of all; one that none has had is not. */
static void test_reasons(void **state) {
    (void)state;
    struct partition_metrics p[2] = {partition(0), partition(1)};
    p[1].count.rejected[1] = 0;
    p[0].count.rejected[2] = p[1].count.rejected[2] = 0;
    char *text = render(p, 2);
    has(text, "tidemark_rejected_total{partition=\"0\",reason=\"invalid_json\"} 2");
    has(text, "tidemark_rejected_total{partition=\"1\",reason=\"invalid_json\"} 0");
    has_not(text, "reason=\"future\"");
    free(text);
}

static void test_worker_time(void **state) {
    (void)state;
    char *text = render_whole(&(struct job_metrics){.worker = {1500, 2, 300000}}, JOB_RUNNING);
    has(text, "tidemark_worker_seconds_total{state=\"busy\"} 1.500");
    has(text, "tidemark_worker_seconds_total{state=\"backpressured\"} 0.002");
    has(text, "tidemark_worker_seconds_total{state=\"idle\"} 300.000");
    free(text);
}

static double value_of(const char *text, const char *name) {
    char *start = xasprintf("\n%s ", name);
    const char *at = strstr(text, start);
    double v = at ? strtod(at + strlen(start), NULL) : -1;
    if (!at)
        fail_msg("%s is missing", name);
    free(start);
    return v;
}

/* A directory has room, S3 and what does not exist have none that is known. */
static void test_room(void **state) {
    (void)state;
    struct job_metrics now = {.output_directory = "/"};
    char *text = render_whole(&now, JOB_RUNNING);
    double free_bytes = value_of(text, "tidemark_store_free_bytes{store=\"output\"}");
    double size = value_of(text, "tidemark_store_size_bytes{store=\"output\"}");
    assert_true(free_bytes >= 0 && size > 1 << 20 && free_bytes <= size);
    has_not(text, "bytes{store=\"checkpoints\"}");
    free(text);
    now.output_directory = "/there/is/no/such/directory";
    text = render_whole(&now, JOB_RUNNING);
    has_not(text, "bytes{store=\"output\"}");
    free(text);
}

static void test_process(void **state) {
    (void)state;
    char *text = render_whole(&(struct job_metrics){0}, JOB_RUNNING);
    FILE *more[16];
    for (int i = 0; i < 16; i++)
        more[i] = tmpfile();
    char *later = render_whole(&(struct job_metrics){0}, JOB_RUNNING);
    for (int i = 0; i < 16; i++)
        (void)fclose(more[i]);
    assert_true(value_of(later, "process_open_fds") == value_of(text, "process_open_fds") + 16);
    assert_true(value_of(text, "process_open_fds") >= 3);
    assert_true(value_of(text, "process_max_fds") >= value_of(later, "process_open_fds"));
    assert_true(value_of(text, "process_resident_memory_bytes") > 1 << 20);
    assert_true(value_of(text, "process_virtual_memory_bytes") >
                value_of(text, "process_resident_memory_bytes"));
    double started = value_of(text, "process_start_time_seconds");
    assert_true(started <= (double)time(NULL) + 1 && started > (double)time(NULL) - 600);
    free(text);
    free(later);
}

/* ---- The table ------------------------------------------------------------------------------------ */

static void test_reference_is_up_to_date(void **state) {
    (void)state;
    enum { DOCS_MAX = 256 * 1024 };
    FILE *docs = fopen("docs/metrics.md", "r"), *printed = tmpfile();
    if (!docs)
        fail_msg("docs/metrics.md is missing; `make docs` writes it");
    char *file = xcalloc(1, DOCS_MAX), *text = xcalloc(1, DOCS_MAX);
    assert_true(fread(file, 1, DOCS_MAX - 1, docs) > 0);
    metrics_print_markdown(printed);
    rewind(printed);
    assert_true(fread(text, 1, DOCS_MAX - 1, printed) > 0);
    if (strcmp(file, text) != 0)
        fail_msg("docs/metrics.md is not what the table says; `make docs` writes it anew");
    (void)fclose(docs);
    (void)fclose(printed);
    free(file);
    free(text);
}

/* The labels that the table names are those of the samples. */
static void test_labels_are_those_of_the_table(void **state) {
    (void)state;
    struct partition_metrics p = partition(0);
    p.end = p.record_ts = p.max_ts = p.watermark = p.replay_from = p.checkpoint_bytes = 1;
    p.checkpoint_age_ms = p.checkpoint_duration_ms = 1;
    struct job_metrics now = {.output_directory = "/",
                              .reasons = reasons,
                              .n_reasons = 3,
                              .partitions = &p,
                              .n_partitions = 1};
    store_counters_answered(&now.output, STORE_GET, ERR_NONE, 1);
    char *text = render_whole(&now, JOB_RUNNING);
    for (size_t i = 0; i < metrics_families; i++) {
        const struct family *f = &metrics_table[i];
        char *start = xasprintf("\n%s%s", f->name, f->type == FAMILY_HISTOGRAM ? "_sum" : "");
        char *end = xasprintf("%s{", start), found[128] = "";
        const char *at = strstr(text, end);
        for (const char *q = at ? at + strlen(end) : NULL; q && *q != '}';) {
            size_t name = strcspn(q, "=");
            (void)snprintf(found + strlen(found), sizeof found - strlen(found), "%s%.*s",
                           found[0] ? ", " : "", (int)name, q);
            q = strchr(q + name + 2, '"') + 1;
            q += *q == ',';
        }
        assert_string_equal(found, f->labels);
        free(start);
        free(end);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_negative_watermark),
        cmocka_unit_test(test_text_is_well_formed),
        cmocka_unit_test(test_before_anything_is_published),
        cmocka_unit_test(test_job_state_is_one_of_all),
        cmocka_unit_test(test_lag),
        cmocka_unit_test(test_watermark_delay),
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_visibility_histogram),
        cmocka_unit_test(test_turns_histogram),
        cmocka_unit_test(test_stores),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_worker_time),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_reference_is_up_to_date),
        cmocka_unit_test(test_labels_are_those_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
