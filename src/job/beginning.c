/* What is found out before the first record: who the cluster is, where partitions begin, where a
 * bounded run ends, and whether the log is still the one that the checkpoint knows. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "event/instant.h"
#include "job/worker_internal.h"

enum {
    PATIENCE_MS = 10000,
    /* Where a partition's leader has just died nobody leads it until the controller misses that
     * broker: by default after 9 s in KRaft (broker.session.timeout.ms), 18 s with ZooKeeper
     * (zookeeper.session.timeout.ms). */
    TRIES = 3
};

int worker_identify(struct worker *w, struct error *e) {
    const struct source_ops *ops = w->source->ops;
    if (ops->cluster_id(w->source, PATIENCE_MS, w->cluster, sizeof w->cluster, e) != 0 ||
        ops->check_topic(w->source, PATIENCE_MS, e) != 0)
        return -1;
    settings_hash(w->cfg.settings, w->settings_hash);
    return 0;
}

/* Where a first start begins, as a time. */
static int64_t start_time(const struct settings_start *start) {
    switch (start->kind) {
    case START_EARLIEST:
        return INT64_MIN;
    case START_LATEST:
        return INT64_MAX;
    case START_TIME:
        break;
    }
    return start->time_ms;
}

static void start_text(const struct settings_start *start, char dst[INSTANT_MAX + 1]) {
    if (start->kind == START_TIME)
        dst[instant_format(start->time_ms, dst)] = '\0';
    else
        (void)snprintf(dst, INSTANT_MAX + 1, "%s",
                       start->kind == START_LATEST ? "latest" : "earliest");
}

/* In tries, so that a stop need not wait for all of them. */
static int find_offsets(struct worker *w, int32_t n, int64_t time_ms, int64_t *offsets,
                        struct error *e) {
    const struct source_ops *ops = w->source->ops;
    for (int tries = 1;; tries++) {
        if (ops->offsets_for_time(w->source, n, time_ms, PATIENCE_MS, offsets, e) == 0)
            return 0;
        if (e->code != ERR_UNAVAILABLE || tries == TRIES || atomic_load(w->cfg.command) != JOB_RUN)
            return -1;
        log_warn("kafka_offsets", "%s; trying again", e->text);
    }
}

static int first_start(struct worker *w, const char *prefix, struct error *e) {
    const struct settings *s = w->cfg.settings;
    char *manifests = xasprintf("_manifests/%s/%s/", s->name, s->kafka.topic);
    int rc = start_refuse_leftovers(w->cfg.output, manifests, s->checkpoint.path, e);
    free(manifests);
    const struct source_ops *ops = w->source->ops;
    if (rc != 0 || ops->partition_count(w->source, PATIENCE_MS, &w->start.n, e) != 0)
        return -1;
    w->start.offset = xcalloc((size_t)w->start.n, sizeof *w->start.offset);
    if (find_offsets(w, w->start.n, start_time(&s->kafka.start), w->start.offset, e) != 0)
        return -1;
    char text[INSTANT_MAX + 1];
    start_text(&s->kafka.start, text);
    rc = start_put(w->cfg.checkpoints, prefix, w->cluster, s->kafka.topic, text, &w->start, e);
    if (rc != 0 && e->code == ERR_EXISTS) { /* another process was quicker: its word counts */
        bool found;
        start_offsets_free(&w->start);
        rc = start_read(w->cfg.checkpoints, prefix, w->cluster, s->kafka.topic, &w->start, &found,
                        e);
    } else if (rc == 0) {
        log_info("first_start", "no checkpoints below %s%s: reading topic %s from %s",
                 w->cfg.checkpoints->path, prefix, s->kafka.topic, text);
    }
    return rc;
}

/* Rule 4. */
int worker_find_start(struct worker *w, struct error *e) {
    const struct settings *s = w->cfg.settings;
    char *prefix = xasprintf("%s/%s/", s->name, s->kafka.topic);
    bool found;
    int rc =
        start_read(w->cfg.checkpoints, prefix, w->cluster, s->kafka.topic, &w->start, &found, e);
    if (rc == 0 && !found)
        rc = first_start(w, prefix, e);
    free(prefix);
    return rc;
}

int worker_find_bounds(struct worker *w, struct error *e) {
    struct bounds *b = w->cfg.bounds;
    if (!w->cfg.bounded || b->known)
        return 0;
    int32_t n = 0;
    if (w->source->ops->partition_count(w->source, PATIENCE_MS, &n, e) != 0)
        return -1;
    b->end = xrealloc(b->end, (size_t)n * sizeof *b->end);
    free(b->done);
    b->done = xcalloc((size_t)n, sizeof *b->done);
    b->n = n;
    if (find_offsets(w, n, INT64_MAX, b->end, e) != 0)
        return -1;
    b->known = true;
    return 0;
}

/* Partitions that appear later start at their earliest offset. */
int64_t worker_start_offset(const struct worker *w, int32_t partition, struct error *e) {
    if (partition < w->start.n)
        return w->start.offset[partition];
    int64_t low, end;
    if (w->source->ops->bounds(w->source, partition, PATIENCE_MS, &low, &end, e) != 0)
        return -1;
    return low;
}

/* How far a checkpoint has read. */
struct reading {
    int32_t partition;
    int64_t next;
    bool has_last;
    int64_t last_offset;
    uint32_t last_crc32c;
};

static int recreated(const struct worker *w, const struct reading *r, struct error *e,
                     const char *what) {
    return error_set(e, ERR_MISMATCH,
                     "partition %" PRId32 " of topic %s: offset %" PRId64
                     " %s: the topic was recreated or truncated since the checkpoint. Restore it, "
                     "or give the job another name and output.path",
                     r->partition, w->cfg.settings->kafka.topic, r->last_offset, what);
}

static int check_last(struct worker *w, const struct reading *r, int64_t low, struct error *e) {
    if (!r->has_last || r->last_offset < low)
        return 0;
    enum source_peek what;
    int64_t found;
    uint32_t crc;
    if (w->source->ops->peek(w->source, r->partition, r->last_offset, PATIENCE_MS, &what, &found,
                             &crc, e) != 0)
        return -1;
    if (what == SOURCE_PEEK_PAST_END)
        return recreated(w, r, e, "lies behind the log's end");
    if (what == SOURCE_PEEK_EOF || found != r->last_offset)
        return recreated(w, r, e, "holds no record any more");
    if (crc != r->last_crc32c)
        return recreated(w, r, e, "holds another record than the one that was read");
    return 0;
}

static int check_reading(struct worker *w, const struct reading *r, int64_t *low, int64_t *end,
                         struct error *e) {
    if (w->source->ops->bounds(w->source, r->partition, PATIENCE_MS, low, end, e) != 0 ||
        check_last(w, r, *low, e) != 0)
        return -1;
    if (r->next <= *end)
        return 0;
    return error_set(e, ERR_MISMATCH,
                     "partition %" PRId32 " of topic %s ends at offset %" PRId64
                     ", but the checkpoint has read up to %" PRId64
                     ": the topic was recreated or truncated. Restore it, or give the job "
                     "another name and output.path",
                     r->partition, w->cfg.settings->kafka.topic, *end, r->next);
}

int worker_check_log(struct worker *w, struct task *t, struct error *e) {
    const struct partition *p = t->partition;
    struct reading r = {t->id, p->base_next, p->has_last, p->last_offset, p->last_crc32c};
    int64_t low, end;
    if (check_reading(w, &r, &low, &end, e) != 0)
        return -1;
    t->log_end = end;
    if (partition_check_log_start(t->partition, low, e) == 0)
        return 0;
    return error_wrap(e, "topic %s", w->cfg.settings->kafka.topic);
}

int worker_check_checkpoint(struct worker *w, const struct checkpoint *k, struct error *e) {
    struct reading r = {k->identity.partition, k->next, k->has_last, k->last_offset,
                        k->last_crc32c};
    int64_t low, end;
    return check_reading(w, &r, &low, &end, e);
}
