#include "control/rest_flink.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- Names --------------------------------------------------------------------------------------- */

void flink_vertex_id(const struct job_info *info, enum flink_vertex v, char id[VERTEX_ID_MAX]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[64];
    int n = snprintf(text, sizeof text, "%s vertex %d", info->id, (int)v);
    if (EVP_Digest(text, (size_t)n, digest, NULL, EVP_sha256(), NULL) != 1)
        out_of_memory();
    for (size_t i = 0; i < (VERTEX_ID_MAX - 1) / 2; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", digest[i]);
}

json_t *flink_vertex_id_json(const struct job_info *info, enum flink_vertex v) {
    char id[VERTEX_ID_MAX];
    flink_vertex_id(info, v, id);
    return json_string(id);
}

char *flink_vertex_name(const struct job_info *info, enum flink_vertex v) {
    return v == VERTEX_WORKER
               ? xasprintf("Source: Kafka %s -> Parse -> Window -> Append", info->topic)
               : xasprintf("Sink: %s (files, checkpoints)", info->output);
}

static json_t *name_json(const struct job_info *info, enum flink_vertex v) {
    char *name = flink_vertex_name(info, v);
    json_t *json = json_text(name);
    free(name);
    return json;
}

/* ---- Numbers ------------------------------------------------------------------------------------- */

/* What the worker gives away is what the sink takes: lines, as they are before compression. */
void flink_flow_add(enum flink_vertex v, const struct partition_metrics *p, struct flink_flow *to) {
    const struct partition_counters *c = &p->count;
    bool worker = v == VERTEX_WORKER;
    to->read_records += worker ? c->records : c->lines_out;
    to->read_bytes += worker ? c->bytes_in : c->bytes_out;
    to->write_records += worker ? c->lines_out : c->events_published;
    to->write_bytes += worker ? c->bytes_out : c->bytes_published;
}

/* Nobody is behind the sink who could hold it up: what is not busy waits for work. */
struct time_spent flink_spent(const struct flink_job *j, enum flink_vertex v) {
    if (v == VERTEX_WORKER)
        return j->m.worker;
    int64_t until = j->ended_ms >= 0 ? j->ended_ms : j->now_ms;
    uint64_t all = until > j->started_ms ? (uint64_t)(until - j->started_ms) : 0;
    uint64_t busy = j->m.output.busy_ms;
    return (struct time_spent){.busy_ms = busy, .idle_ms = all > busy ? all - busy : 0};
}

struct time_spent flink_spent_rate(const struct flink_job *j, enum flink_vertex v) {
    if (v == VERTEX_WORKER)
        return j->m.worker_rate;
    uint64_t busy = j->m.output_busy_rate;
    return (struct time_spent){.busy_ms = busy, .idle_ms = busy < 1000 ? 1000 - busy : 0};
}

json_t *flink_io_metrics(const struct flink_flow *flow, const struct time_spent *spent) {
    return json_pack("{s:o, s:b, s:o, s:b, s:o, s:b, s:o, s:b, s:o, s:o, s:f}", "read-bytes",
                     flink_integer(flow->read_bytes), "read-bytes-complete", 1, "write-bytes",
                     flink_integer(flow->write_bytes), "write-bytes-complete", 1, "read-records",
                     flink_integer(flow->read_records), "read-records-complete", 1, "write-records",
                     flink_integer(flow->write_records), "write-records-complete", 1,
                     "accumulated-backpressured-time", flink_integer(spent->backpressured_ms),
                     "accumulated-idle-time", flink_integer(spent->idle_ms),
                     "accumulated-busy-time", (double)spent->busy_ms);
}

/* ---- States -------------------------------------------------------------------------------------- */

enum status {
    CREATED,
    SCHEDULED,
    DEPLOYING,
    RUNNING,
    FINISHED,
    CANCELING,
    CANCELED,
    FAILED,
    RECONCILING,
    INITIALIZING
};
const char *const flink_task_status_names[TASK_STATUS_COUNT] = {
    "CREATED",   "SCHEDULED", "DEPLOYING", "RUNNING",     "FINISHED",
    "CANCELING", "CANCELED",  "FAILED",    "RECONCILING", "INITIALIZING"};

static enum status status_of_job(enum job_state s) {
    static const enum status statuses[JOB_STATE_COUNT] = {
        [JOB_CREATED] = CREATED,      [JOB_RUNNING] = RUNNING,   [JOB_RESTARTING] = CREATED,
        [JOB_CANCELLING] = CANCELING, [JOB_CANCELED] = CANCELED, [JOB_FINISHED] = FINISHED,
        [JOB_FAILED] = FAILED};
    return statuses[s];
}

/* A partition's own state says more than the job's, but is left over while the job does not run. */
static enum status status_of_partition(const struct flink_job *j,
                                       const struct partition_metrics *p) {
    static const struct {
        const char *state;
        enum status status;
    } known[] = {{"waiting", SCHEDULED},
                 {"claiming", INITIALIZING},
                 {"claimed", INITIALIZING},
                 {"running", RUNNING},
                 {"ended", FINISHED}};
    bool lives = j->state == JOB_CREATED || j->state == JOB_RUNNING || j->state == JOB_CANCELLING;
    for (size_t i = 0; lives && i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].state, p->state) == 0)
            return known[i].status;
    return status_of_job(j->state); /* "ending": running or canceling, as the job */
}

size_t flink_task_status(const struct flink_job *j, const struct partition_metrics *p) {
    return p ? status_of_partition(j, p) : status_of_job(j->state);
}

void flink_count_tasks(const struct flink_job *j, int counts[TASK_STATUS_COUNT]) {
    memset(counts, 0, TASK_STATUS_COUNT * sizeof *counts);
    for (size_t i = 0; i < j->m.n_partitions; i++)
        counts[flink_task_status(j, &j->m.partitions[i])]++;
}

int64_t flink_start_ms(const struct flink_job *j) {
    int64_t ms = j->entered_ms[JOB_RUNNING];
    return ms ? ms : -1;
}

int64_t flink_duration_ms(const struct flink_job *j) {
    int64_t start = flink_start_ms(j);
    return start < 0 ? -1 : (j->ended_ms >= 0 ? j->ended_ms : j->now_ms) - start;
}

json_t *flink_max_parallelism(const struct flink_job *j) {
    return json_integer(j->m.topic_partitions > 0 ? j->m.topic_partitions : -1);
}

/* ---- Both vertices ------------------------------------------------------------------------------- */

static json_t *tasks_json(const struct flink_job *j) {
    int counts[TASK_STATUS_COUNT];
    json_t *json = json_object();
    flink_count_tasks(j, counts);
    for (size_t i = 0; i < TASK_STATUS_COUNT; i++)
        (void)json_object_set_new(json, flink_task_status_names[i], json_integer(counts[i]));
    return json;
}

static json_t *vertex_json(const struct flink_job *j, enum flink_vertex v) {
    struct flink_flow flow = {0};
    struct time_spent spent = flink_spent(j, v);
    for (size_t i = 0; i < j->m.n_partitions; i++)
        flink_flow_add(v, &j->m.partitions[i], &flow);
    return json_pack("{s:o, s:o, s:o, s:I, s:s, s:I, s:I, s:I, s:o, s:o}", "id",
                     flink_vertex_id_json(j->info, v), "name", name_json(j->info, v),
                     "maxParallelism", flink_max_parallelism(j), "parallelism",
                     (json_int_t)j->m.n_partitions, "status",
                     flink_task_status_names[flink_task_status(j, NULL)], "start-time",
                     (json_int_t)flink_start_ms(j), "end-time", (json_int_t)j->ended_ms, "duration",
                     (json_int_t)flink_duration_ms(j), "tasks", tasks_json(j), "metrics",
                     flink_io_metrics(&flow, &spent));
}

json_t *flink_vertices_json(const struct flink_job *j) {
    return json_pack("[o, o]", vertex_json(j, VERTEX_WORKER), vertex_json(j, VERTEX_SINK));
}

static json_t *inputs_of(const struct flink_job *j, enum flink_vertex v) {
    if (v == VERTEX_WORKER)
        return json_array();
    return json_pack("[{s:i, s:o, s:s, s:s}]", "num", 0, "id",
                     flink_vertex_id_json(j->info, VERTEX_WORKER), "ship_strategy", "FORWARD",
                     "exchange", "pipelined_bounded");
}

static json_t *node_json(const struct flink_job *j, enum flink_vertex v) {
    return json_pack("{s:o, s:I, s:s, s:s, s:o, s:o, s:{}}", "id", flink_vertex_id_json(j->info, v),
                     "parallelism", (json_int_t)j->m.n_partitions, "operator", "",
                     "operator_strategy", "", "description", name_json(j->info, v), "inputs",
                     inputs_of(j, v), "optimizer_properties");
}

json_t *flink_plan_json(const struct flink_job *j) {
    return json_pack("{s:s, s:o, s:s, s:[o, o]}", "jid", j->info->id, "name",
                     json_text(j->info->name), "type", "STREAMING", "nodes",
                     node_json(j, VERTEX_WORKER), node_json(j, VERTEX_SINK));
}
