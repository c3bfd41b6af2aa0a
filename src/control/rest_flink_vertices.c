#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "control/rest_flink.h"

/* The vertex that the second parameter names; false after a 404, and then *j needs no flink_forget. */
static bool look_at_vertex(const struct http_request *r, struct http_answer *a, struct flink_job *j,
                           enum flink_vertex *v) {
    if (!answer_for_job(r, a))
        return false;
    for (int i = 0; i < VERTEX_COUNT; i++) {
        char id[VERTEX_ID_MAX];
        *v = (enum flink_vertex)i;
        flink_vertex_id(r->cfg->info, *v, id);
        if (strcmp(r->params[1], id) == 0) {
            flink_look(r, j);
            return true;
        }
    }
    answer_error(a, 404, "the job has no vertex with this id; GET /jobs/%s lists both",
                 r->cfg->info->id);
    return false;
}

/* ---- Watermarks and backpressure ----------------------------------------------------------------- */

/* Both ends of the chain have the partition's; none yet is Flink's smallest number, as ours is. */
void flink_watermarks(const struct http_request *r, struct http_answer *a) {
    struct flink_job j;
    enum flink_vertex v;
    if (!look_at_vertex(r, a, &j, &v))
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < j.m.n_partitions; i++) {
        char *id = xasprintf("%zu.currentInputWatermark", i);
        char *value = xasprintf("%" PRId64, j.m.partitions[i].watermark);
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "id", id, "value", value));
        free(id);
        free(value);
    }
    answer_json(a, list);
    flink_forget(&j);
}

static const char *level(double ratio) {
    return ratio <= 0.1 ? "ok" : ratio <= 0.5 ? "low" : "high";
}

/* One thread runs all subtasks: while it waits for the store, or for records, each of them does. */
static json_t *pressure_json(const struct flink_job *j, size_t subtask, struct time_spent rate) {
    double ratio = (double)rate.backpressured_ms / 1000;
    return json_pack("{s:I, s:I, s:s, s:s, s:f, s:f, s:f}", "subtask", (json_int_t)subtask,
                     "attempt-number", (json_int_t)j->m.restarts, "backpressureLevel", level(ratio),
                     "backpressure-level", level(ratio), "ratio", ratio, "idleRatio",
                     (double)rate.idle_ms / 1000, "busyRatio", (double)rate.busy_ms / 1000);
}

void flink_backpressure(const struct http_request *r, struct http_answer *a) {
    struct flink_job j;
    enum flink_vertex v;
    if (!look_at_vertex(r, a, &j, &v))
        return;
    struct time_spent rate = flink_spent_rate(&j, v);
    const char *all = level((double)rate.backpressured_ms / 1000);
    json_t *list = json_array();
    for (size_t i = 0; i < j.m.n_partitions; i++)
        (void)json_array_append_new(list, pressure_json(&j, i, rate));
    answer_json(a, json_pack("{s:s, s:s, s:s, s:I, s:o}", "status", "ok", "backpressureLevel", all,
                             "backpressure-level", all, "end-timestamp", (json_int_t)j.now_ms,
                             "subtasks", list));
    flink_forget(&j);
}

/* ---- A vertex with its subtasks ------------------------------------------------------------------ */

enum { DURATIONS = 5, NUMBERS = 7 };

/* Flink's, in which only what the job knows of itself is known here: how long it runs. */
static const char *const duration_names[DURATIONS] = {"CREATED", "SCHEDULED", "DEPLOYING",
                                                      "INITIALIZING", "RUNNING"};

static int64_t duration_in(const struct flink_job *j, size_t status) {
    return strcmp(duration_names[status], "RUNNING") == 0 ? flink_duration_ms(j) : -1;
}

static json_t *durations(const struct flink_job *j) {
    json_t *json = json_object();
    for (size_t i = 0; i < DURATIONS; i++)
        (void)json_object_set_new(json, duration_names[i], json_integer(duration_in(j, i)));
    return json;
}

static json_t *subtask_json(const struct flink_job *j, enum flink_vertex v, size_t i) {
    const struct partition_metrics *p = &j->m.partitions[i];
    struct flink_flow flow = {0};
    struct time_spent spent = flink_spent(j, v);
    flink_flow_add(v, p, &flow);
    json_int_t start = flink_start_ms(j);
    return json_pack("{s:I, s:s, s:I, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "subtask",
                     (json_int_t)i, "status", flink_task_status_names[flink_task_status(j, p)],
                     "attempt", (json_int_t)j->m.restarts, "host", json_text(j->info->host),
                     "start-time", start, "start_time", start, "end-time", (json_int_t)j->ended_ms,
                     "duration", (json_int_t)flink_duration_ms(j), "metrics",
                     flink_io_metrics(&flow, &spent), "taskmanager-id", flink_place(j->info),
                     "status-duration", durations(j));
}

static json_t *spread(int64_t *values, size_t n) {
    struct flink_stats s;
    flink_stats_of(values, n, &s);
    json_t *json = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "min", (json_int_t)s.min, "max",
        (json_int_t)s.max, "avg", (json_int_t)s.avg, "sum", (json_int_t)s.sum, "median",
        (json_int_t)flink_percentile(&s, 50), "p25", (json_int_t)flink_percentile(&s, 25), "p75",
        (json_int_t)flink_percentile(&s, 75), "p95", (json_int_t)flink_percentile(&s, 95));
    flink_stats_free(&s);
    return json;
}

static int64_t number_of(const struct flink_job *j, enum flink_vertex v, size_t subtask,
                         size_t which) {
    struct flink_flow flow = {0};
    struct time_spent spent = flink_spent(j, v);
    flink_flow_add(v, &j->m.partitions[subtask], &flow);
    const uint64_t numbers[NUMBERS] = {
        flow.read_bytes,        flow.write_bytes, flow.read_records, flow.write_records,
        spent.backpressured_ms, spent.idle_ms,    spent.busy_ms};
    return (int64_t)numbers[which];
}

static json_t *aggregated(const struct flink_job *j, enum flink_vertex v) {
    static const char *const names[NUMBERS] = {"read-bytes",
                                               "write-bytes",
                                               "read-records",
                                               "write-records",
                                               "accumulated-backpressured-time",
                                               "accumulated-idle-time",
                                               "accumulated-busy-time"};
    json_t *metrics = json_object(), *states = json_object();
    size_t n = j->m.n_partitions;
    for (size_t k = 0; n > 0 && k < NUMBERS; k++) {
        int64_t *values = xcalloc(n, sizeof *values);
        for (size_t i = 0; i < n; i++)
            values[i] = number_of(j, v, i, k);
        (void)json_object_set_new(metrics, names[k], spread(values, n));
    }
    for (size_t k = 0; n > 0 && k < DURATIONS; k++) {
        int64_t *values = xcalloc(n, sizeof *values);
        for (size_t i = 0; i < n; i++)
            values[i] = duration_in(j, k);
        (void)json_object_set_new(states, duration_names[k], spread(values, n));
    }
    return json_pack("{s:o, s:o}", "metrics", metrics, "status-duration", states);
}

void flink_vertex(const struct http_request *r, struct http_answer *a) {
    struct flink_job j;
    enum flink_vertex v;
    if (!look_at_vertex(r, a, &j, &v))
        return;
    json_t *subtasks = json_array();
    for (size_t i = 0; i < j.m.n_partitions; i++)
        (void)json_array_append_new(subtasks, subtask_json(&j, v, i));
    char *name = flink_vertex_name(j.info, v);
    answer_json(a, json_pack("{s:o, s:o, s:I, s:o, s:I, s:o, s:o}", "id",
                             flink_vertex_id_json(j.info, v), "name", json_text(name),
                             "parallelism", (json_int_t)j.m.n_partitions, "maxParallelism",
                             flink_max_parallelism(&j), "now", (json_int_t)j.now_ms, "subtasks",
                             subtasks, "aggregated", aggregated(&j, v)));
    free(name);
    flink_forget(&j);
}

/* ---- Metrics by name ----------------------------------------------------------------------------- */

void flink_vertex_metrics(const struct http_request *r, struct http_answer *a) {
    struct flink_job j;
    enum flink_vertex v;
    if (!look_at_vertex(r, a, &j, &v))
        return;
    answer_json(a, flink_vertex_metrics_json(&j, v, r->query(r, "get")));
    flink_forget(&j);
}
