/* Metrics by Flink's names: without ?get= which there are, with it the values of those named. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "control/rest_flink.h"

enum { NAME_MAX_LEN = 80 };

/* What a client wants, and what it has got so far. */
struct collection {
    const char *wanted; /* "a,b"; NULL: the names of all */
    json_t *list;
};

static bool is_wanted(const char *wanted, const char *name) {
    size_t len = strlen(name);
    for (const char *at = wanted; *at; at += strspn(at, ",")) {
        size_t n = strcspn(at, ",");
        if (n == len && memcmp(at, name, len) == 0)
            return true;
        at += n;
    }
    return false;
}

static void give_text(struct collection *c, const char *name, const char *value) {
    if (!c->wanted)
        (void)json_array_append_new(c->list, json_pack("{s:s}", "id", name));
    else if (is_wanted(c->wanted, name))
        (void)json_array_append_new(c->list,
                                    json_pack("{s:s, s:o}", "id", name, "value", json_text(value)));
}

static void give(struct collection *c, const char *name, int64_t value) {
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    give_text(c, name, text);
}

/* ---- Of the job ---------------------------------------------------------------------------------- */

static void checkpoint_metrics(struct collection *c, const struct flink_job *j) {
    uint64_t completed = 0, failed = 0, pending = 0;
    int64_t restored = -1;
    for (size_t i = 0; i < j->m.n_partitions; i++) {
        const struct partition_metrics *p = &j->m.partitions[i];
        completed += p->count.checkpoints;
        failed += p->count.checkpoint_failures;
        pending += p->checkpoint_pending;
        if (p->restored && p->restored_at_ms > restored)
            restored = p->restored_at_ms;
    }
    give(c, "totalNumberOfCheckpoints", (int64_t)(completed + failed + pending));
    give(c, "numberOfInProgressCheckpoints", (int64_t)pending);
    give(c, "numberOfCompletedCheckpoints", (int64_t)completed);
    give(c, "numberOfFailedCheckpoints", (int64_t)failed);
    give(c, "lastCheckpointRestoreTimestamp", restored);
}

/* Of the partition whose checkpoint is the newest. */
static void last_checkpoint_metrics(struct collection *c, const struct flink_job *j) {
    const struct partition_metrics *last = NULL;
    for (size_t i = 0; i < j->m.n_partitions; i++) {
        const struct partition_metrics *p = &j->m.partitions[i];
        if (p->checkpoint_age_ms >= 0 && (!last || p->checkpoint_age_ms < last->checkpoint_age_ms))
            last = p;
    }
    give(c, "lastCheckpointDuration", last ? last->checkpoint_duration_ms : -1);
    give(c, "lastCheckpointSize", last ? last->checkpoint_bytes : -1);
    give(c, "lastCheckpointFullSize", last ? last->checkpoint_bytes : -1);
    give_text(c, "lastCheckpointExternalPath", last ? j->info->checkpoints : "n/a");
}

/* How long it has been in a state; 0 where it is not in it now, as Flink's. */
static int64_t time_in(const struct flink_job *j, enum job_state s) {
    return j->state == s ? j->now_ms - j->entered_ms[s] : 0;
}

void flink_job_metrics(const struct http_request *r, struct http_answer *a) {
    struct flink_job j;
    if (!answer_for_job(r, a))
        return;
    flink_look(r, &j);
    struct collection c = {.wanted = r->query(r, "get"), .list = json_array()};
    give(&c, "numRestarts", (int64_t)j.m.restarts);
    give(&c, "fullRestarts", (int64_t)j.m.restarts);
    give(&c, "uptime", time_in(&j, JOB_RUNNING));
    give(&c, "downtime", time_in(&j, JOB_RESTARTING));
    give(&c, "runningTime", time_in(&j, JOB_RUNNING));
    give(&c, "restartingTime", time_in(&j, JOB_RESTARTING));
    give(&c, "cancellingTime", time_in(&j, JOB_CANCELLING));
    checkpoint_metrics(&c, &j);
    last_checkpoint_metrics(&c, &j);
    answer_json(a, c.list);
    flink_forget(&j);
}

/* ---- Of a vertex --------------------------------------------------------------------------------- */

struct subtask {
    struct collection *to;
    size_t index;
};

static void give_of(const struct subtask *s, const char *name, int64_t value) {
    char full[NAME_MAX_LEN];
    (void)snprintf(full, sizeof full, "%zu.%s", s->index, name);
    give(s->to, full, value);
}

static void subtask_metrics(const struct subtask *s, const struct flink_job *j,
                            enum flink_vertex v) {
    const struct partition_metrics *p = &j->m.partitions[s->index];
    struct flink_flow flow = {0};
    struct time_spent rate = flink_spent_rate(j, v), spent = flink_spent(j, v);
    flink_flow_add(v, p, &flow);
    give_of(s, "numRecordsIn", (int64_t)flow.read_records);
    give_of(s, "numBytesIn", (int64_t)flow.read_bytes);
    give_of(s, "numRecordsOut", (int64_t)flow.write_records);
    give_of(s, "numBytesOut", (int64_t)flow.write_bytes);
    give_of(s, "busyTimeMsPerSecond", (int64_t)rate.busy_ms);
    give_of(s, "backPressuredTimeMsPerSecond", (int64_t)rate.backpressured_ms);
    give_of(s, "idleTimeMsPerSecond", (int64_t)rate.idle_ms);
    give_of(s, "accumulateBusyTimeMs", (int64_t)spent.busy_ms);
    give_of(s, "accumulateBackPressuredTimeMs", (int64_t)spent.backpressured_ms);
    give_of(s, "accumulateIdleTimeMs", (int64_t)spent.idle_ms);
    give_of(s, "currentInputWatermark", p->watermark);
    give_of(s, "currentOutputWatermark", p->watermark);
    if (v == VERTEX_WORKER && p->end >= 0 && p->position >= 0)
        give_of(s, "Source__Kafka.pendingRecords", p->end > p->position ? p->end - p->position : 0);
}

json_t *flink_vertex_metrics_json(const struct flink_job *j, enum flink_vertex v,
                                  const char *wanted) {
    struct collection c = {.wanted = wanted, .list = json_array()};
    for (size_t i = 0; i < j->m.n_partitions; i++)
        subtask_metrics(&(struct subtask){.to = &c, .index = i}, j, v);
    return c.list;
}
