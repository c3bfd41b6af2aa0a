/* The metrics' text, read as Prometheus reads format 0.0.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "control/metrics.h"
#include "support/fake_clock.h"

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

/* The text for these partitions; the caller frees it. */
static char *render(struct partition_metrics *partitions, size_t n) {
    struct fake_clock clock;
    fake_clock_init(&clock);
    clock.wall = 1729630800500;
    struct metrics *m = metrics_new(&clock.clock);
    struct buffer b;
    buffer_init(&b, 1 << 20);
    struct job_metrics now = {.running = true,
                              .restarts = 2,
                              .memory_used = 5,
                              .memory_peak = 7,
                              .memory_limit = 9,
                              .reasons = reasons,
                              .n_reasons = 3,
                              .partitions = partitions,
                              .n_partitions = n};
    metrics_publish(m, &now);
    metrics_render(m, &b);
    metrics_free(m);
    char *text = xstrdup(buffer_text(&b));
    buffer_free(&b);
    return text;
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
    has(text, "tidemark_start_time_seconds 1729630800.500");
    has(text, "tidemark_restarts_total 2");
    has(text, "tidemark_memory_peak_bytes 7");
    has(text, "tidemark_records_total{partition=\"7\",class=\"late\"} 2");
    has(text, "tidemark_rejected_total{partition=\"0\",reason=\"invalid_json\"} 2");
    has(text, "tidemark_position{partition=\"7\"} 1007");
    has(text, "tidemark_replay_from{partition=\"7\"} 2000");
    has(text, "tidemark_watermark_seconds{partition=\"0\"} 1729630800.123");
    has(text, "tidemark_checkpoint_age_seconds{partition=\"0\"} 1.500");
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

enum { FAMILIES_MAX = 64 };

struct reading {
    char family[FAMILIES_MAX][64];
    int n;
    bool typed;
};

static void read_help(struct reading *r, const char *line) {
    char name[64];
    assert_int_equal(sscanf(line, "# HELP %63s ", name), 1);
    for (int i = 0; i < r->n; i++)
        assert_string_not_equal(r->family[i], name); /* once only, samples in one group */
    assert_true(r->n < FAMILIES_MAX);
    (void)snprintf(r->family[r->n++], sizeof r->family[0], "%s", name);
    r->typed = false;
}

static void read_type(struct reading *r, const char *line) {
    char name[64], type[16];
    assert_int_equal(sscanf(line, "# TYPE %63s %15s", name, type), 2);
    assert_true(r->n > 0);
    assert_string_equal(name, r->family[r->n - 1]);
    bool total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
    assert_string_equal(type, total ? "counter" : "gauge");
    r->typed = true;
}

/* {name="value",...}: no quote or backslash within a value, as none is escaped. */
static const char *read_labels(const char *p) {
    do {
        p++;
        size_t name = strspn(p, "abcdefghijklmnopqrstuvwxyz_");
        assert_true(name > 0);
        assert_memory_equal(p + name, "=\"", 2);
        p += name + 2;
        p += strcspn(p, "\"\\\n");
        assert_int_equal(*p, '"');
        p++;
    } while (*p == ',');
    assert_int_equal(*p, '}');
    return p + 1;
}

static void read_sample(const struct reading *r, const char *line) {
    size_t name = strcspn(line, "{ ");
    assert_true(r->typed);
    assert_int_equal(strncmp(line, r->family[r->n - 1], name), 0);
    assert_int_equal(r->family[r->n - 1][name], '\0');
    const char *value = line + name;
    if (*value == '{')
        value = read_labels(value);
    assert_int_equal(*value, ' ');
    char *end;
    (void)strtod(value + 1, &end);
    assert_true(end > value + 1);
    assert_int_equal(*end, '\0');
}

static void test_text_is_well_formed(void **state) {
    (void)state;
    struct partition_metrics p[2] = {partition(0), partition(1)};
    p[0].watermark = p[0].checkpoint_age_ms = p[0].checkpoint_duration_ms = 5;
    char *text = render(p, 2), *save = NULL;
    assert_int_equal(text[strlen(text) - 1], '\n');
    struct reading r = {.n = 0};
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# HELP ", 7) == 0)
            read_help(&r, line);
        else if (strncmp(line, "# TYPE ", 7) == 0)
            read_type(&r, line);
        else
            read_sample(&r, line);
    }
    assert_true(r.n > 20);
    free(text);
}

static void test_before_anything_is_published(void **state) {
    (void)state;
    struct metrics *m = metrics_new(clock_system());
    struct buffer b;
    buffer_init(&b, 1 << 20);
    metrics_render(m, &b);
    has(buffer_text(&b), "tidemark_up 0");
    assert_false(metrics_healthy(m));
    buffer_free(&b);
    metrics_free(m);
}

/* What is published is a copy; no partitions are fine. */
static void test_published_is_a_copy(void **state) {
    (void)state;
    struct metrics *m = metrics_new(clock_system());
    struct partition_metrics p = partition(0);
    struct job_metrics now = {.running = true, .partitions = &p, .n_partitions = 1};
    metrics_publish(m, &now);
    p.position = 1;
    struct buffer b;
    buffer_init(&b, 1 << 20);
    metrics_render(m, &b);
    has(buffer_text(&b), "tidemark_position{partition=\"0\"} 1000");
    now = (struct job_metrics){.running = false};
    metrics_publish(m, &now);
    assert_false(metrics_healthy(m));
    buffer_reset(&b);
    metrics_render(m, &b);
    has_not(buffer_text(&b), "partition=");
    buffer_free(&b);
    metrics_free(m);
}

static void test_sums(void **state) {
    (void)state;
    struct partition_metrics p[3] = {partition(0), partition(1), partition(2)};
    p[0].watermark = 500;
    p[1].watermark = -3;
    p[1].checkpoint_number = 9;
    p[2].open_windows = 4;
    struct job_metrics now = {.partitions = p, .n_partitions = 3};
    struct job_sums s;
    metrics_sum(&now, &s);
    assert_int_equal(s.records, 3 * 19);
    assert_int_equal(s.events, 30);
    assert_int_equal(s.late, 6);
    assert_int_equal(s.rejected, 9);
    assert_int_equal(s.open_windows, 4);
    assert_int_equal(s.checkpoint_number, 9);
    assert_int_equal(s.watermark, -3); /* the smallest that is known */
    metrics_sum(&(struct job_metrics){.n_partitions = 0}, &s);
    assert_true(s.watermark == TS_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_negative_watermark),
        cmocka_unit_test(test_text_is_well_formed),
        cmocka_unit_test(test_before_anything_is_published),
        cmocka_unit_test(test_published_is_a_copy),
        cmocka_unit_test(test_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
