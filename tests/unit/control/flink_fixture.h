/* For tests of rest_flink_*.c: a job of two partitions, and reading what is answered about it. */
#ifndef TIDEMARK_CONTROL_FLINK_FIXTURE_H
#define TIDEMARK_CONTROL_FLINK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/control_world.h"

#define JOB "/jobs/" CONTROL_JOB_ID

enum { RUNNING_AFTER_MS = 200 };
#define STARTED INT64_C(1729630800000) /* fake_clock.h */

static inline int set_up(void **state) {
    *state = control_world_new();
    return 0;
}

static inline int tear_down(void **state) {
    control_world_free(*state);
    return 0;
}

static inline struct partition_metrics some_partition(int32_t id) {
    uint64_t k = (uint64_t)id + 1;
    return (struct partition_metrics){.partition = id,
                                      .state = "running",
                                      .count = {.records = 1000 * k,
                                                .bytes_in = 50000 * k,
                                                .lines_out = 900 * k,
                                                .bytes_out = 60000 * k,
                                                .events_published = 500 * k,
                                                .bytes_published = 20000 * k},
                                      .position = 1000,
                                      .end = 1010 + id,
                                      .watermark = TS_NONE,
                                      .checkpoint_age_ms = -1,
                                      .checkpoint_duration_ms = -1,
                                      .checkpoint_bytes = -1};
}

static inline void publish(struct control_world *w, struct partition_metrics *partitions,
                           size_t n) {
    metrics_publish(w->metrics, &(struct job_metrics){.running = true,
                                                      .restarts = 2,
                                                      .worker = {4000, 300, 5700},
                                                      .worker_rate = {250, 600, 150},
                                                      .output = {.busy_ms = 2500},
                                                      .output_busy_rate = 400,
                                                      .topic_partitions = 6,
                                                      .partitions = partitions,
                                                      .n_partitions = n});
}

/* Runs for ten seconds, with partitions 3 and 4. */
static inline void publish_two(struct control_world *w) {
    struct partition_metrics two[] = {some_partition(3), some_partition(4)};
    fake_clock_advance(&w->clock, RUNNING_AFTER_MS);
    metrics_set_state(w->metrics, JOB_RUNNING);
    fake_clock_advance(&w->clock, 10000 - RUNNING_AFTER_MS);
    publish(w, two, 2);
}

/* The answer's JSON, which must come with this status; json_decref it. */
static inline json_t *answer_of(struct control_world *w, const char *method, const char *uri,
                                const char *body, unsigned status) {
    struct control_answer a = control_ask(w, method, uri, body);
    if (a.status != status || !a.json)
        fail_msg("%s %s: %u %s", method, uri, a.status, a.text);
    json_t *json = json_incref(a.json);
    control_answer_free(&a);
    return json;
}

static inline json_t *get(struct control_world *w, const char *uri) {
    return answer_of(w, "GET", uri, "", 200);
}

/* The place in the JSON that a path like "vertices 0 metrics read-bytes" names. */
static inline json_t *at(json_t *json, const char *path) {
    char name[96];
    json_t *found = json;
    for (const char *p = path; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        (void)snprintf(name, sizeof name, "%.*s", (int)n, p);
        found = json_is_array(found) ? json_array_get(found, strtoul(name, NULL, 10))
                                     : json_object_get(found, name);
        if (!found)
            fail_msg("there is no %s at %s", name, path);
        p += n;
    }
    return found;
}

static inline void number_is(json_t *json, const char *path, int64_t want) {
    json_t *found = at(json, path);
    if (!json_is_integer(found) || json_integer_value(found) != want) {
        char *text = json_dumps(found, JSON_ENCODE_ANY);
        fail_msg("%s is %s, not %lld", path, text, (long long)want);
    }
}

static inline void real_is(json_t *json, const char *path, double want) {
    json_t *found = at(json, path);
    double got = json_real_value(found);
    if (!json_is_real(found) || got < want - 1e-9 || got > want + 1e-9)
        fail_msg("%s is %f, not %f", path, got, want);
}

static inline void text_is(json_t *json, const char *path, const char *want) {
    const char *got = json_string_value(at(json, path));
    if (!got || strcmp(got, want) != 0)
        fail_msg("%s is %s, not %s", path, got ? got : "no string", want);
}

static inline void is_null(json_t *json, const char *path) {
    if (!json_is_null(at(json, path)))
        fail_msg("%s is not null", path);
}

static inline void flag_is(json_t *json, const char *path, bool want) {
    json_t *found = at(json, path);
    if (!json_is_boolean(found) || json_is_true(found) != want)
        fail_msg("%s is not %s", path, want ? "true" : "false");
}

static inline void has(json_t *json, const char *path, size_t n) {
    json_t *found = at(json, path);
    size_t got = json_is_array(found) ? json_array_size(found) : json_object_size(found);
    if (got != n)
        fail_msg("%s has %zu entries, not %zu", path, got, n);
}

#endif
