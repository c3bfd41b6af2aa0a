/* When a bounded run may end. In a group others read a part of the topic, and a member that has died
 * keeps its share until its session ends: that our own partitions are at their ends says nothing of
 * the topic. So the run waits until each partition's newest checkpoint says that all below its end is
 * published. Meanwhile it stays in the group, which hands it what others leave. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "checkpoint/claim.h"
#include "checkpoint/codec.h"
#include "job/worker_internal.h"

enum {
    ROUND_MS = 1000,
    RETRY_MS = 60000,
    LIST_TEXT = 200,
    ASK_MS = 10000,
    STUCK_MS =
        60000, /* longer than a member's session, so that no dead one's share is taken for it */
    STUCK_INTERVALS = 2
};

void bounds_free(struct bounds *b) {
    free(b->end);
    free(b->done);
    *b = (struct bounds){0};
}

void outlook_free(struct outlook *o) {
    store_op_clear(&o->op);
    free(o->prefix);
    free(o->key);
    free(o->seen);
}

static bool in_group(const struct worker *w) {
    return w->cfg.settings->kafka.assignment.kind == ASSIGNMENT_GROUP;
}

bool bounded_met(const struct worker *w) {
    const struct bounds *b = w->cfg.bounds;
    if (!in_group(w))
        return w->n_tasks > 0; /* all that there is to read is ours, or is nobody's business */
    for (int32_t i = 0; i < b->n; i++)
        if (!b->done[i])
            return false;
    return true;
}

void bounded_task_ended(const struct task *t) {
    struct bounds *b = t->worker->cfg.bounds;
    const struct checkpoint *k = chain_newest(t->partition->chain);
    if (t->worker->cfg.bounded && t->id < b->n && k && checkpoint_has_published(k, b->end[t->id]))
        b->done[t->id] = true;
}

/* ---- What the store says of partitions that are not ours ---------------------------------------- */

static void look_on(struct worker *w);

static void next_partition(struct worker *w) {
    w->outlook.at++;
    look_on(w);
}

static void fail(struct worker *w, const struct error *e) {
    struct error why = *e;
    const struct outlook *o = &w->outlook;
    (void)error_wrap(&why, "looking at %s%s", w->cfg.checkpoints->path,
                     o->key ? o->key : o->prefix);
    worker_fail(w, &why);
}

static void ask(struct worker *w, enum store_kind kind, const char *key,
                void (*done)(struct store_op *op)) {
    struct outlook *o = &w->outlook;
    store_op_clear(&o->op);
    o->op = (struct store_op){.kind = kind,
                              .key = key,
                              .max_bytes = CHECKPOINT_BYTES_MAX,
                              .retry_ms = RETRY_MS,
                              .done = done,
                              .ctx = w};
    o->busy = true;
    store_submit(w->cfg.checkpoints, &o->op);
}

/* Rule 2 as for a claim: what belongs to something else is never taken for ours. */
static int judge(struct worker *w, const struct checkpoint *k, struct error *e) {
    struct outlook *o = &w->outlook;
    struct bounds *b = w->cfg.bounds;
    const struct settings *s = w->cfg.settings;
    struct identity mine = {.cluster = w->cluster,
                            .topic = s->kafka.topic,
                            .partition = o->at,
                            .output = s->output.path};
    memcpy(mine.settings, w->settings_hash, sizeof mine.settings);
    bool published = checkpoint_has_published(k, b->end[o->at]);
    if (!published && w->cfg.accept_changes)
        return 0; /* of the old settings still, for all we know */
    if (claim_check_identity(k, &mine, w->cfg.accept_changes, e) != 0)
        return -1;
    o->seen[o->at] = (struct seen_chain){
        .number = k->number, .since_ms = w->now_ms, .drained = checkpoint_is_clean(k)};
    if (published && worker_check_checkpoint(w, k, e) != 0)
        return -1;
    b->done[o->at] = published;
    return 0;
}

static void on_checkpoint(struct store_op *op) {
    struct worker *w = op->ctx;
    struct checkpoint k = {0};
    struct error e = op->error;
    w->outlook.busy = false;
    bool vanished = e.code == ERR_NOT_FOUND; /* newer ones are there by now (rule 3) */
    if (e.code == ERR_NONE &&
        checkpoint_decode(buffer_text(&op->answer), op->answer.len, &k, &e) == 0)
        (void)judge(w, &k, &e);
    checkpoint_clear(&k);
    if (e.code != ERR_NONE && !vanished)
        fail(w, &e);
    next_partition(w);
}

/* Nobody has begun with it. There may be nothing to do, though. */
static void judge_untouched(struct worker *w) {
    struct bounds *b = w->cfg.bounds;
    struct error e;
    int64_t start = worker_start_offset(w, w->outlook.at, &e);
    if (start < 0)
        worker_fail(w, &e);
    else if (start >= b->end[w->outlook.at])
        b->done[w->outlook.at] = true;
}

static void on_list(struct store_op *op) {
    struct worker *w = op->ctx;
    struct outlook *o = &w->outlook;
    uint64_t newest = 0;
    o->busy = false;
    if (op->error.code != ERR_NONE) {
        fail(w, &op->error);
        return;
    }
    for (size_t i = 0; i < op->n_entries; i++) {
        uint64_t n = chain_parse_name(op->entries[i].key + strlen(o->prefix));
        newest = n > newest ? n : newest;
    }
    if (newest > 0 && newest != o->seen[o->at].number) {
        char name[32];
        chain_name(newest, name);
        o->key = xasprintf("%s%s", o->prefix, name);
        ask(w, STORE_GET, o->key, on_checkpoint);
        return;
    }
    if (newest == 0)
        judge_untouched(w);
    next_partition(w);
}

/* ---- Two bounded runs that wait for each other -------------------------------------------------- */

/* Where runs begin at the same time on a topic that grows, each may have looked at one partition's end
 * before the other did. Then each ends its share below what the other needs, and keeps it. */
static bool is_stuck(const struct worker *w) {
    const struct bounds *b = w->cfg.bounds;
    int64_t patience = STUCK_INTERVALS * w->cfg.settings->checkpoint.interval;
    for (int32_t i = 0; i < b->n; i++) {
        const struct seen_chain *c = &w->outlook.seen[i];
        if (!b->done[i] && c->drained &&
            w->now_ms - c->since_ms >= (patience > STUCK_MS ? patience : STUCK_MS))
            return true;
    }
    return false;
}

/* Our own go on to what is their end now, which is behind any that another has seen. */
static int read_on(struct worker *w, size_t *n, struct error *e) {
    const struct bounds *b = w->cfg.bounds;
    for (size_t i = 0; i < w->n_tasks; i++) {
        struct task *t = w->tasks[i];
        int64_t low, end;
        if (t->id >= b->n)
            continue;
        if (w->source->ops->bounds(w->source, t->id, ASK_MS, &low, &end, e) != 0)
            return -1;
        if (end <= b->end[t->id] || end <= t->read_on)
            continue;
        t->read_on = end;
        t->state = TASK_WAITING;
        t->due_ms = w->now_ms;
        ++*n;
    }
    return 0;
}

static void resolve_stuck(struct worker *w) {
    struct error e;
    size_t n = 0;
    if (!is_stuck(w))
        return;
    for (int32_t i = 0; i < w->cfg.bounds->n; i++)
        w->outlook.seen[i].since_ms = w->now_ms;
    if (read_on(w, &n, &e) != 0)
        worker_fail(w, &e);
    else if (n > 0)
        log_info("bounded_reading_on",
                 "nobody goes on with what is not published yet: another bounded run may wait for "
                 "this one; reading %zu partitions up to their present ends",
                 n);
}

/* ---- Rounds ------------------------------------------------------------------------------------- */

static void tell(struct worker *w) {
    const struct bounds *b = w->cfg.bounds;
    char list[LIST_TEXT] = "";
    size_t len = 0;
    int waiting = 0;
    for (int32_t i = 0; i < b->n; i++) {
        if (b->done[i])
            continue;
        waiting++;
        if (len < sizeof list - 16)
            len +=
                (size_t)snprintf(list + len, sizeof list - len, "%s%" PRId32, len ? ", " : "", i);
        else if (list[len - 1] != '.')
            len += (size_t)snprintf(list + len, sizeof list - len, ", ...");
    }
    if (waiting == 0 || w->outlook.told)
        return;
    w->outlook.told = true;
    log_info("bounded_waiting",
             "this process's partitions are at their ends, but %d of topic %s are not published up "
             "to theirs (%s): another member of group %s reads them, or one that has died held "
             "them. Waiting for their checkpoints; the group hands them over when the other "
             "member's session ends",
             waiting, w->cfg.settings->kafka.topic, list, w->cfg.settings->kafka.group_id);
}

static bool may_look(const struct worker *w) {
    return w->cfg.bounded && in_group(w) && w->assigned && w->command == JOB_RUN && !w->failed &&
           worker_all_ended(w);
}

static void look_on(struct worker *w) {
    struct outlook *o = &w->outlook;
    const struct bounds *b = w->cfg.bounds;
    if (o->busy || !may_look(w))
        return;
    while (o->at < b->n && b->done[o->at])
        o->at++;
    free(o->prefix);
    free(o->key);
    o->prefix = o->key = NULL;
    if (o->at < b->n) {
        o->prefix = xasprintf("%s/%s/p%05" PRId32 "/", w->cfg.settings->name,
                              w->cfg.settings->kafka.topic, o->at);
        ask(w, STORE_LIST, o->prefix, on_list);
        return;
    }
    o->at = 0;
    o->due_ms = w->now_ms + ROUND_MS;
    tell(w);
    resolve_stuck(w);
}

void bounded_look(struct worker *w) {
    struct outlook *o = &w->outlook;
    if (!may_look(w) || bounded_met(w) || w->now_ms < o->due_ms)
        return;
    if (!o->seen)
        o->seen = xcalloc((size_t)w->cfg.bounds->n, sizeof *o->seen);
    look_on(w);
}
