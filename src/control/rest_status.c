/* /tidemark/status: all that the page and `tidemark status` show at a glance. docs/rest.md. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "control/health.h"
#include "control/rest.h"

struct rest_lag rest_lag(const struct partition_metrics *p, int64_t now_ms) {
    struct rest_lag lag = {-1, -1};
    if (p->end < 0 || p->position < 0)
        return lag;
    lag.records = p->end > p->position ? p->end - p->position : 0;
    if (lag.records == 0)
        lag.seconds = 0;
    else if (p->record_ts != TS_NONE)
        lag.seconds = now_ms > p->record_ts ? (double)(now_ms - p->record_ts) / 1000 : 0;
    return lag;
}

/* What one look at the job needs. */
struct look {
    const struct http_config *cfg;
    struct job_metrics metrics;
    enum job_state state;
    int64_t entered_ms[JOB_STATE_COUNT];
    int64_t now_ms;
};

static void look(struct look *l, const struct http_config *cfg) {
    l->cfg = cfg;
    l->state = metrics_state(cfg->metrics, l->entered_ms);
    l->now_ms = metrics_now_ms(cfg->metrics);
    metrics_copy(cfg->metrics, &l->metrics);
}

/* ---- Health -------------------------------------------------------------------------------------- */

static json_t *finding_json(const struct finding *f) {
    return json_pack("{s:s,s:s,s:o,s:o,s:o,s:s}", "level", health_level_name(f->level), "code",
                     f->code, "text", json_text(f->text), "advice", json_text(f->advice),
                     "partition", rest_partition(f->partition), "stage",
                     health_stage_name(f->stage));
}

static json_t *health_json(const struct look *l) {
    struct journal_error *errors = xcalloc(JOURNAL_ERRORS, sizeof *errors);
    struct journal_checkpoint *checkpoints = xcalloc(JOURNAL_CHECKPOINTS, sizeof *checkpoints);
    struct health *h = xcalloc(1, sizeof *h);
    struct health_facts facts = {.info = l->cfg->info,
                                 .metrics = &l->metrics,
                                 .state = l->state,
                                 .entered_ms = l->entered_ms,
                                 .now_ms = l->now_ms,
                                 .errors = errors,
                                 .checkpoints = checkpoints};
    facts.n_errors = journal_errors(l->cfg->journal, errors, JOURNAL_ERRORS, NULL);
    facts.n_checkpoints =
        journal_checkpoints(l->cfg->journal, checkpoints, JOURNAL_CHECKPOINTS, NULL);
    health_judge(&facts, h);
    json_t *findings = json_array();
    for (size_t i = 0; i < h->n; i++)
        (void)json_array_append_new(findings, finding_json(&h->findings[i]));
    json_t *json = json_pack("{s:s,s:o,s:o}", "level", health_level_name(h->level), "summary",
                             json_text(h->summary), "findings", findings);
    free(h);
    free(checkpoints);
    free(errors);
    return json;
}

/* ---- The job ------------------------------------------------------------------------------------- */

static json_t *job_json(const struct look *l) {
    const struct job_info *i = l->cfg->info;
    json_t *job = json_pack(
        "{s:s,s:o,s:s,s:I,s:I,s:I,s:s,s:o,s:I,s:b,s:b}", "id", i->id, "name", json_text(i->name),
        "state", job_state_name(l->state), "since_ms", (json_int_t)l->entered_ms[l->state],
        "started_ms", (json_int_t)metrics_started_ms(l->cfg->metrics), "now_ms",
        (json_int_t)l->now_ms, "version", i->version, "host", json_text(i->host), "pid",
        (json_int_t)i->pid, "bounded", i->bounded, "embedded", i->embedded);
    json_t *more = json_pack(
        "{s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:I}", "topic", json_text(i->topic), "group_id",
        json_text(i->group_id), "brokers", json_text(i->brokers), "output", json_text(i->output),
        "checkpoints", json_text(i->checkpoints), "window_size_ms", (json_int_t)i->window_size_ms,
        "out_of_orderness_ms", (json_int_t)i->out_of_orderness_ms, "allowed_lateness_ms",
        (json_int_t)i->allowed_lateness_ms, "checkpoint_interval_ms",
        (json_int_t)i->checkpoint_interval_ms);
    (void)json_object_update(job, more);
    json_decref(more);
    return job;
}

static json_t *rates_json(const struct job_metrics *m) {
    return json_pack("{s:o,s:o,s:o}", "records", rest_rate(m->records_rate), "bytes_in",
                     rest_rate(m->bytes_in_rate), "bytes_out", rest_rate(m->bytes_out_rate));
}

static json_t *worker_json(const struct time_spent *t) {
    return json_pack("{s:o,s:o,s:o}", "busy", rest_count(t->busy_ms), "backpressured",
                     rest_count(t->backpressured_ms), "idle", rest_count(t->idle_ms));
}

static json_t *store_json(const struct store_counters *c) {
    uint64_t requests = 0;
    for (int k = 0; k < STORE_KIND_COUNT; k++)
        for (int o = 0; o < STORE_OUTCOMES; o++)
            requests += c->outcomes[k][o];
    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "under_way", rest_count(c->under_way), "requests",
                     rest_count(requests), "errors", rest_count(store_counters_errors(c)),
                     "retries", rest_count(store_counters_retries(c)), "bytes_out",
                     rest_count(c->bytes_out));
}

static json_t *stores_json(const struct job_metrics *m) {
    json_t *output = store_json(&m->output);
    (void)json_object_set_new(output, "busy", rest_count(m->output_busy_rate));
    return json_pack("{s:o,s:o}", "output", output, "checkpoints", store_json(&m->checkpoints));
}

static json_t *progress_json(const struct job_metrics *m) {
    struct job_sums s;
    metrics_sum(m, &s);
    uint64_t whole = s.done + s.todo;
    json_t *share = json_null(), *left = json_null();
    if (s.end_known)
        share = rest_rate(whole ? (double)s.done / (double)whole : 1);
    if (s.end_known && (s.todo == 0 || m->records_rate > 0))
        left = rest_rate(s.todo ? (double)s.todo / m->records_rate : 0);
    return json_pack("{s:o,s:o,s:b,s:o,s:o}", "done", rest_count(s.done), "todo",
                     rest_count(s.todo), "end_known", s.end_known, "share", share, "seconds_left",
                     left);
}

/* ---- Partitions ---------------------------------------------------------------------------------- */

static json_t *classes_json(const uint64_t counts[CLASS_COUNT]) {
    json_t *o = json_object();
    for (int c = 0; c < CLASS_COUNT; c++)
        (void)json_object_set_new(o, event_class_name((enum event_class)c), rest_count(counts[c]));
    return o;
}

static json_t *totals_json(const struct totals totals[CLASS_COUNT]) {
    json_t *o = json_object();
    for (int c = 0; c < CLASS_COUNT; c++) {
        char hash[17];
        (void)snprintf(hash, sizeof hash, "%016" PRIx64, totals[c].hash);
        (void)json_object_set_new(
            o, event_class_name((enum event_class)c),
            json_pack("{s:o,s:s}", "events", rest_count(totals[c].events), "hash", hash));
    }
    return o;
}

static json_t *rejected_json(const struct job_metrics *m, const struct partition_metrics *p) {
    json_t *o = json_object();
    for (size_t r = 1; r < m->n_reasons; r++) /* the first is "none" */
        (void)json_object_set_new(o, m->reasons[r], rest_count(p->count.rejected[r]));
    return o;
}

static json_t *place_json(const struct look *l, const struct partition_metrics *p) {
    struct rest_lag lag = rest_lag(p, l->now_ms);
    char owner[300];
    (void)snprintf(owner, sizeof owner, "%s:%" PRId64, l->cfg->info->host, l->cfg->info->pid);
    return json_pack(
        "{s:i,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:o,s:o}", "partition", (int)p->partition,
        "state", p->state, "owner", json_text(owner), "begin", rest_known(p->begin), "position",
        rest_known(p->position), "end", rest_known(p->end), "lag", rest_known(lag.records),
        "lag_seconds", lag.seconds < 0 ? json_null() : rest_rate(lag.seconds), "max_ts",
        rest_time(p->max_ts), "watermark", rest_time(p->watermark), "watermark_delay_ms",
        rest_time(p->watermark == TS_NONE ? TS_NONE : l->now_ms - p->watermark), "replaying",
        p->replaying, "open_windows", rest_count(p->open_windows), "open_files",
        rest_count(p->open_files));
}

static json_t *counts_json(const struct job_metrics *m, const struct partition_metrics *p) {
    const struct partition_counters *c = &p->count;
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "events", classes_json(c->events),
                     "rejected", rejected_json(m, p), "key_mismatches",
                     rest_count(c->key_mismatches), "records", rest_count(c->records), "bytes_in",
                     rest_count(c->bytes_in), "bytes_out", rest_count(c->bytes_out),
                     "files_published", rest_count(c->files_published), "events_published",
                     rest_count(c->events_published), "bytes_published",
                     rest_count(c->bytes_published));
}

static json_t *checkpoint_json(const struct partition_metrics *p) {
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "number",
                     p->checkpoint_number ? rest_count(p->checkpoint_number) : json_null(),
                     "age_ms", rest_known(p->checkpoint_age_ms), "duration_ms",
                     rest_known(p->checkpoint_duration_ms), "bytes",
                     rest_known(p->checkpoint_bytes), "count", rest_count(p->count.checkpoints),
                     "failures", rest_count(p->count.checkpoint_failures));
}

static json_t *partition_json(const struct look *l, const struct partition_metrics *p) {
    json_t *o = place_json(l, p), *counts = counts_json(&l->metrics, p);
    (void)json_object_update(o, counts);
    json_decref(counts);
    (void)json_object_set_new(o, "checkpoint", checkpoint_json(p));
    (void)json_object_set_new(o, "replay_from", rest_known(p->replay_from));
    (void)json_object_set_new(o, "read", totals_json(p->read));
    (void)json_object_set_new(o, "listed", totals_json(p->listed));
    return o;
}

static json_t *partitions_json(const struct look *l) {
    json_t *list = json_array();
    for (size_t i = 0; i < l->metrics.n_partitions; i++)
        (void)json_array_append_new(list, partition_json(l, &l->metrics.partitions[i]));
    return list;
}

/* ---- All of it ----------------------------------------------------------------------------------- */

void tidemark_status(const struct http_request *r, struct http_answer *a) {
    struct look l;
    look(&l, r->cfg);
    const struct job_metrics *m = &l.metrics;
    json_t *memory = json_pack("{s:o,s:o,s:o}", "used", rest_count(m->memory_used), "peak",
                               rest_count(m->memory_peak), "limit", rest_count(m->memory_limit));
    answer_json(a, json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "job", job_json(&l),
                             "health", health_json(&l), "rates", rates_json(m), "worker",
                             worker_json(&m->worker_rate), "stores", stores_json(m), "memory",
                             memory, "restarts", rest_count(m->restarts), "progress",
                             progress_json(m), "topic_partitions",
                             m->topic_partitions ? json_integer(m->topic_partitions) : json_null(),
                             "partitions", partitions_json(&l)));
    job_metrics_free(&l.metrics);
}
