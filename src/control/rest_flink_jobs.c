#include "control/rest_flink.h"

#include <string.h>

#include "base/memory.h"

/* The version whose REST this is. Clients parse it. */
#define FLINK_VERSION "1.18.1"

enum { REFRESH_MS = 3000 };

void flink_look(const struct http_request *r, struct flink_job *j) {
    struct metrics *m = r->cfg->metrics;
    *j = (struct flink_job){.info = r->cfg->info, .ended_ms = -1};
    metrics_copy(m, &j->m);
    j->state = metrics_state(m, j->entered_ms);
    j->started_ms = metrics_started_ms(m);
    j->now_ms = metrics_now_ms(m);
    if (job_state_ended(j->state))
        j->ended_ms = j->entered_ms[j->state];
}

void flink_forget(struct flink_job *j) {
    job_metrics_free(&j->m);
}

bool job_state_ended(enum job_state s) {
    return s == JOB_CANCELED || s == JOB_FINISHED || s == JOB_FAILED;
}

json_t *flink_integer(uint64_t n) {
    return json_integer((json_int_t)n);
}

json_t *flink_place(const struct job_info *info) {
    char *text = xasprintf("%s:%lld", info->host, (long long)info->pid);
    json_t *json = json_text(text);
    free(text);
    return json;
}

static int64_t duration(const struct flink_job *j) {
    return (j->ended_ms >= 0 ? j->ended_ms : j->now_ms) - j->started_ms;
}

/* ---- The process --------------------------------------------------------------------------------- */

/* This process is the one task manager, and its workers are the slots; the job has them all. */
void flink_overview(const struct http_request *r, struct http_answer *a) {
    const struct job_info *info = r->cfg->info;
    enum job_state s = metrics_state(r->cfg->metrics, NULL);
    char *commit = xasprintf("tidemark-%s", info->version);
    answer_json(a,
                json_pack("{s:i, s:I, s:i, s:i, s:i, s:i, s:i, s:s, s:o}", "taskmanagers", 1,
                          "slots-total", (json_int_t)info->parallelism, "slots-available", 0,
                          "jobs-running", !job_state_ended(s), "jobs-finished", s == JOB_FINISHED,
                          "jobs-cancelled", s == JOB_CANCELED, "jobs-failed", s == JOB_FAILED,
                          "flink-version", FLINK_VERSION, "flink-commit", json_text(commit)));
    free(commit);
}

/* What is not served must not be offered: no jobs are submitted here. */
void flink_config(const struct http_request *r, struct http_answer *a) {
    char *revision = xasprintf("tidemark-%s", r->cfg->info->version);
    answer_json(a, json_pack("{s:i, s:s, s:i, s:s, s:o, s:{s:b, s:b, s:b, s:b}}",
                             "refresh-interval", REFRESH_MS, "timezone-name",
                             "Coordinated Universal Time", "timezone-offset", 0, "flink-version",
                             FLINK_VERSION, "flink-revision", json_text(revision), "features",
                             "web-submit", 0, "web-cancel", 1, "web-rescale", 0, "web-history", 0));
    free(revision);
}

/* ---- The job ------------------------------------------------------------------------------------- */

void flink_jobs(const struct http_request *r, struct http_answer *a) {
    enum job_state s = metrics_state(r->cfg->metrics, NULL);
    answer_json(a, json_pack("{s:[{s:s, s:s}]}", "jobs", "id", r->cfg->info->id, "status",
                             job_state_name(s)));
}

static json_t *task_counts(const struct flink_job *j) {
    static const char *const names[TASK_STATUS_COUNT] = {
        "created",   "scheduled", "deploying", "running",     "finished",
        "canceling", "canceled",  "failed",    "reconciling", "initializing"};
    int counts[TASK_STATUS_COUNT], total = 0;
    json_t *json = json_object();
    flink_count_tasks(j, counts);
    for (size_t i = 0; i < TASK_STATUS_COUNT; i++) {
        (void)json_object_set_new(json, names[i],
                                  json_integer((json_int_t)counts[i] * VERTEX_COUNT));
        total += counts[i] * VERTEX_COUNT;
    }
    (void)json_object_set_new(json, "total", json_integer(total));
    return json;
}

void flink_jobs_overview(const struct http_request *r, struct http_answer *a) {
    struct flink_job j;
    flink_look(r, &j);
    answer_json(a, json_pack("{s:[{s:s, s:o, s:I, s:I, s:I, s:s, s:I, s:o}]}", "jobs", "jid",
                             j.info->id, "name", json_text(j.info->name), "start-time",
                             (json_int_t)j.started_ms, "end-time", (json_int_t)j.ended_ms,
                             "duration", (json_int_t)duration(&j), "state", job_state_name(j.state),
                             "last-modification", (json_int_t)j.entered_ms[j.state], "tasks",
                             task_counts(&j)));
    flink_forget(&j);
}

/* All that Flink has: 0 for those that were never entered, or that this job does not know. */
static json_t *timestamps(const struct flink_job *j) {
    static const char *const others[] = {"INITIALIZING", "FAILING", "SUSPENDED", "RECONCILING"};
    json_t *json = json_object();
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        (void)json_object_set_new(json, job_state_name((enum job_state)s),
                                  json_integer(j->entered_ms[s]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        (void)json_object_set_new(json, others[i], json_integer(0));
    return json;
}

/* How many vertices are in which state. */
static json_t *status_counts(const struct flink_job *j) {
    json_t *json = json_object();
    size_t now = flink_task_status(j, NULL);
    for (size_t i = 0; i < TASK_STATUS_COUNT; i++)
        (void)json_object_set_new(json, flink_task_status_names[i],
                                  json_integer(i == now ? VERTEX_COUNT : 0));
    return json;
}

/* isStoppable is of a way to stop that Flink has given up: it says false for every job, too. */
void flink_job(const struct http_request *r, struct http_answer *a) {
    struct flink_job j;
    if (!answer_for_job(r, a))
        return;
    flink_look(r, &j);
    answer_json(a,
                json_pack("{s:s, s:o, s:b, s:s, s:I, s:I, s:I, s:o, s:I, s:o, s:o, s:o, s:o}",
                          "jid", j.info->id, "name", json_text(j.info->name), "isStoppable", 0,
                          "state", job_state_name(j.state), "start-time", (json_int_t)j.started_ms,
                          "end-time", (json_int_t)j.ended_ms, "duration", (json_int_t)duration(&j),
                          "maxParallelism", flink_max_parallelism(&j), "now", (json_int_t)j.now_ms,
                          "timestamps", timestamps(&j), "vertices", flink_vertices_json(&j),
                          "status-counts", status_counts(&j), "plan", flink_plan_json(&j)));
    flink_forget(&j);
}

void flink_plan(const struct http_request *r, struct http_answer *a) {
    struct flink_job j;
    if (!answer_for_job(r, a))
        return;
    flink_look(r, &j);
    answer_json(a, json_pack("{s:o}", "plan", flink_plan_json(&j)));
    flink_forget(&j);
}

/* ---- Its settings -------------------------------------------------------------------------------- */

static const char *setting(const struct job_info *info, const char *key) {
    for (size_t i = 0; i < info->n_settings; i++)
        if (strcmp(info->settings[i].key, key) == 0)
            return info->settings[i].value;
    return "?";
}

static json_t *restart_strategy(const struct job_info *info) {
    char *text = xasprintf("%s restarts, waiting %s before each", setting(info, "restart.attempts"),
                           setting(info, "restart.delay"));
    json_t *json = json_text(text);
    free(text);
    return json;
}

static json_t *user_config(const struct job_info *info) {
    json_t *json = json_object();
    for (size_t i = 0; i < info->n_settings; i++)
        (void)json_object_set_new(json, info->settings[i].key, json_text(info->settings[i].value));
    return json;
}

void flink_job_config(const struct http_request *r, struct http_answer *a) {
    const struct job_info *info = r->cfg->info;
    if (!answer_for_job(r, a))
        return;
    answer_json(a, json_pack("{s:s, s:o, s:{s:s, s:o, s:I, s:b, s:o}}", "jid", info->id, "name",
                             json_text(info->name), "execution-config", "execution-mode",
                             "PIPELINED", "restart-strategy", restart_strategy(info),
                             "job-parallelism", (json_int_t)info->parallelism, "object-reuse-mode",
                             0, "user-config", user_config(info)));
}
