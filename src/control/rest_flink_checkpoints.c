/* Checkpoints as Flink shows them. Each is of one partition, so one stands for what Flink has one
 * subtask of; ids are the journal's. Counts are since the process began, the summary and the history
 * cover what the journal still has. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "checkpoint/chain.h"
#include "control/rest_flink.h"

/* The journal's checkpoints, the newest first. */
struct history {
    struct journal_checkpoint *list;
    size_t n;
};

static void read_history(const struct http_request *r, struct history *h) {
    h->list = xcalloc(JOURNAL_CHECKPOINTS, sizeof *h->list);
    h->n = journal_checkpoints(r->cfg->journal, h->list, JOURNAL_CHECKPOINTS, NULL);
}

/* ---- One checkpoint ------------------------------------------------------------------------------ */

static json_t *path_json(const struct job_info *info, int32_t partition, uint64_t number) {
    char name[32];
    chain_name(number, name);
    char *path = xasprintf("%sp%05" PRId32 "/%s", info->checkpoints, partition, name);
    json_t *json = json_text(path);
    free(path);
    return json;
}

/* Only the newest checkpoint of a partition can be gone on from: the others are as good as gone. */
static bool is_superseded(const struct history *h, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (!h->list[k].failed && h->list[k].partition == h->list[i].partition)
            return true;
    return false;
}

static const char *status_of(const struct journal_checkpoint *c) {
    return c->failed ? "FAILED" : "COMPLETED";
}

/* With details: what the vertex that holds the state put, which is all of it. */
static json_t *tasks_json(const struct job_info *info, const struct journal_checkpoint *c) {
    char id[VERTEX_ID_MAX];
    flink_vertex_id(info, VERTEX_WORKER, id);
    return json_pack("{s:{s:I, s:s, s:I, s:o, s:o, s:I, s:i, s:i, s:i, s:i, s:i}}", id, "id",
                     (json_int_t)c->id, "status", status_of(c), "latest_ack_timestamp",
                     (json_int_t)(c->failed ? -1 : c->at_ms), "checkpointed_size",
                     flink_integer(c->bytes), "state_size", flink_integer(c->bytes),
                     "end_to_end_duration", (json_int_t)c->duration_ms, "alignment_buffered", 0,
                     "processed_data", 0, "persisted_data", 0, "num_subtasks", 1,
                     "num_acknowledged_subtasks", !c->failed);
}

static void add_outcome(json_t *json, const struct job_info *info, const struct history *h,
                        size_t i) {
    const struct journal_checkpoint *c = &h->list[i];
    if (c->failed) {
        (void)json_object_set_new(json, "failure_timestamp", json_integer(c->at_ms));
        (void)json_object_set_new(json, "failure_message", json_text(c->why));
    } else {
        (void)json_object_set_new(json, "external_path", path_json(info, c->partition, c->number));
        (void)json_object_set_new(json, "discarded", json_boolean(is_superseded(h, i)));
    }
}

static json_t *checkpoint_json(const struct job_info *info, const struct history *h, size_t i,
                               bool details) {
    const struct journal_checkpoint *c = &h->list[i];
    json_t *json = json_pack(
        "{s:s, s:I, s:s, s:b, s:n, s:I, s:I, s:o, s:o, s:I, s:i, s:i, s:i, s:i, s:i, s:s, s:o}",
        "className", c->failed ? "failed" : "completed", "id", (json_int_t)c->id, "status",
        status_of(c), "is_savepoint", c->savepoint, "savepointFormat", "trigger_timestamp",
        (json_int_t)(c->at_ms - c->duration_ms), "latest_ack_timestamp",
        (json_int_t)(c->failed ? -1 : c->at_ms), "checkpointed_size", flink_integer(c->bytes),
        "state_size", flink_integer(c->bytes), "end_to_end_duration", (json_int_t)c->duration_ms,
        "alignment_buffered", 0, "processed_data", 0, "persisted_data", 0, "num_subtasks", 1,
        "num_acknowledged_subtasks", !c->failed, "checkpoint_type",
        c->savepoint ? "SAVEPOINT" : "CHECKPOINT", "tasks",
        details ? tasks_json(info, c) : json_object());
    add_outcome(json, info, h, i);
    return json;
}

void flink_checkpoint_details(const struct http_request *r, struct http_answer *a) {
    if (!answer_for_job(r, a))
        return;
    char *end;
    uint64_t id = strtoull(r->params[1], &end, 10);
    struct history h;
    read_history(r, &h);
    size_t i = 0;
    while (i < h.n && h.list[i].id != id)
        i++;
    if (i < h.n && *end == '\0')
        answer_json(a, checkpoint_json(r->cfg->info, &h, i, true));
    else
        answer_error(a, 404, "there is no checkpoint %s among the last %d", r->params[1],
                     JOURNAL_CHECKPOINTS);
    free(h.list);
}

/* ---- All of them --------------------------------------------------------------------------------- */

static json_t *counts_json(const struct flink_job *j) {
    uint64_t restored = 0, completed = 0, failed = 0, pending = 0;
    for (size_t i = 0; i < j->m.n_partitions; i++) {
        const struct partition_metrics *p = &j->m.partitions[i];
        restored += p->count.restores;
        completed += p->count.checkpoints;
        failed += p->count.checkpoint_failures;
        pending += p->checkpoint_pending;
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "restored", flink_integer(restored), "total",
                     flink_integer(completed + failed + pending), "in_progress",
                     flink_integer(pending), "completed", flink_integer(completed), "failed",
                     flink_integer(failed));
}

static json_t *stats_json(int64_t *values, size_t n) {
    static const struct {
        const char *name;
        double percent;
    } percentiles[] = {{"p50", 50}, {"p90", 90}, {"p95", 95}, {"p99", 99}, {"p999", 99.9}};
    struct flink_stats s;
    flink_stats_of(values, n, &s);
    json_t *json = json_pack("{s:I, s:I, s:I}", "min", (json_int_t)s.min, "max", (json_int_t)s.max,
                             "avg", (json_int_t)s.avg);
    for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles; i++)
        (void)json_object_set_new(json, percentiles[i].name,
                                  flink_real(flink_percentile(&s, percentiles[i].percent)));
    flink_stats_free(&s);
    return json;
}

enum measure { SIZE, DURATION, NOTHING };

static json_t *summary_of(const struct history *h, enum measure what) {
    int64_t *values = xcalloc(h->n, sizeof *values);
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) {
        const struct journal_checkpoint *c = &h->list[i];
        if (!c->failed)
            values[n++] = what == SIZE ? (int64_t)c->bytes : what == DURATION ? c->duration_ms : 0;
    }
    return stats_json(values, n);
}

/* What has to do with barriers that overtake records does not exist here. */
static json_t *summary_json(const struct history *h) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "checkpointed_size", summary_of(h, SIZE),
                     "state_size", summary_of(h, SIZE), "end_to_end_duration",
                     summary_of(h, DURATION), "alignment_buffered", summary_of(h, NOTHING),
                     "processed_data", summary_of(h, NOTHING), "persisted_data",
                     summary_of(h, NOTHING));
}

enum kind { ANY_COMPLETED, SAVEPOINTS, FAILURES };

static json_t *newest(const struct job_info *info, const struct history *h, enum kind kind) {
    for (size_t i = 0; i < h->n; i++) {
        const struct journal_checkpoint *c = &h->list[i];
        bool fits =
            kind == FAILURES ? c->failed : !c->failed && (c->savepoint || kind != SAVEPOINTS);
        if (fits)
            return checkpoint_json(info, h, i, false);
    }
    return json_null();
}

/* What the partition that was claimed last went on from; its id is its number, for it is older than
 * the journal. Whether it was a savepoint is not known, and makes no difference. */
static json_t *restored_json(const struct flink_job *j) {
    const struct partition_metrics *last = NULL;
    for (size_t i = 0; i < j->m.n_partitions; i++) {
        const struct partition_metrics *p = &j->m.partitions[i];
        if (p->restored && (!last || p->restored_at_ms > last->restored_at_ms))
            last = p;
    }
    if (!last)
        return json_null();
    return json_pack("{s:o, s:I, s:b, s:o}", "id", flink_integer(last->restored),
                     "restore_timestamp", (json_int_t)last->restored_at_ms, "is_savepoint", 0,
                     "external_path", path_json(j->info, last->partition, last->restored));
}

static json_t *latest_json(const struct flink_job *j, const struct history *h) {
    return json_pack("{s:o, s:o, s:o, s:o}", "completed", newest(j->info, h, ANY_COMPLETED),
                     "savepoint", newest(j->info, h, SAVEPOINTS), "failed",
                     newest(j->info, h, FAILURES), "restored", restored_json(j));
}

void flink_checkpoints(const struct http_request *r, struct http_answer *a) {
    struct flink_job j;
    struct history h;
    if (!answer_for_job(r, a))
        return;
    flink_look(r, &j);
    read_history(r, &h);
    json_t *list = json_array();
    for (size_t i = 0; i < h.n; i++)
        (void)json_array_append_new(list, checkpoint_json(j.info, &h, i, false));
    answer_json(a, json_pack("{s:o, s:o, s:o, s:o}", "counts", counts_json(&j), "summary",
                             summary_json(&h), "latest", latest_json(&j, &h), "history", list));
    free(h.list);
    flink_forget(&j);
}

/* ---- How they are made --------------------------------------------------------------------------- */

/* State is small and kept whole in each checkpoint: there is no backend that holds it. */
void flink_checkpoint_config(const struct http_request *r, struct http_answer *a) {
    const struct job_info *info = r->cfg->info;
    if (!answer_for_job(r, a))
        return;
    answer_json(
        a, json_pack("{s:s, s:I, s:I, s:I, s:i, s:{s:b, s:b}, s:s, s:o, s:b, s:I, s:i, s:b, s:b, "
                     "s:i, s:n}",
                     "mode", "exactly_once", "interval", (json_int_t)info->checkpoint_interval_ms,
                     "timeout", (json_int_t)info->checkpoint_timeout_ms, "min_pause",
                     (json_int_t)info->checkpoint_min_pause_ms, "max_concurrent", 1,
                     "externalization", "enabled", 1, "delete_on_cancellation", 0, "state_backend",
                     "none", "checkpoint_storage", json_text(info->checkpoints),
                     "unaligned_checkpoints", 0, "tolerable_failed_checkpoints",
                     (json_int_t)info->tolerable_failures, "aligned_checkpoint_timeout", 0,
                     "checkpoints_after_tasks_finish", 1, "state_changelog_enabled", 0,
                     "changelog_periodic_materialization_interval", 0, "changelog_storage"));
}
