#include "checkpoint/commit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "checkpoint/chain.h"
#include "checkpoint/codec.h"

enum {
    BACKOFF_MIN_MS = 200,
    BACKOFF_MAX_MS = 10000,
    VANISHED_PATIENCE_MS = 60000, /* rule 9: no upload and no object for so long: stop */
    INVALID_PATIENCE_MS =
        10000,           /* the upload is known, but not its parts: nobody can complete it */
    MANIFESTS_BACK = 64, /* a predecessor's that are searched for a vanished file */
    UNDER_WAY_MAX = 64   /* Completes: thousands of files may be listed at once */
};

enum commit_state {
    COMMIT_UNLISTED, /* in no durable checkpoint: must not become visible */
    COMMIT_DUE,      /* listed; Complete is to be sent at due_ms */
    COMMIT_SENT,     /* Complete under way */
    COMMIT_LOOKING,  /* Complete failed: is the object, or a manifest, there? (HEAD or GET) */
    COMMIT_LOST,     /* rule 9: to be rebuilt from Kafka */
    COMMIT_VISIBLE,  /* published; stays until a manifest that lists it is put */
    COMMIT_STATES
};

/* What publishing one takes: large, and there may be thousands that wait. */
struct attempt {
    struct store_op op;
    struct error why;  /* of the last Complete */
    uint64_t manifest; /* vanished: the number of the manifest that is searched */
    char *manifest_key;
};

struct commit {
    struct commit *next, *next_due;
    struct commits *all;
    struct file_entry file;
    uint64_t sequence; /* order of commits_add, from 1 */
    bool own, fresh;
    enum commit_state state;
    int attempts;      /* Completes sent by this process */
    bool gone;         /* the last Complete said that there is no such upload */
    bool first_answer; /* ... and it was the first answer to the first Complete ever sent */
    int64_t gone_since_ms, due_ms, backoff_ms;
    bool told_missing;
    struct attempt *attempt; /* from the first Complete until it is published */
};

/* A durable checkpoint whose manifest is not put yet, in the order of numbers. */
struct pending_manifest {
    struct pending_manifest *next;
    uint64_t number;
    uint64_t up_to; /* it lists entries with sequence <= up_to */
    struct buffer bytes;
    char *key;
};

struct commits {
    struct commits_config cfg;
    char *manifest_prefix;
    struct commit *head, **tail;
    size_t in_state[COMMIT_STATES];
    struct commit *due, **due_tail; /* in DUE, in the order in which they came to be */
    struct pending_manifest *manifests, **manifests_tail;
    uint64_t claim;              /* its number */
    uint64_t sequence, snapshot; /* of the newest entry; of the newest in the last snapshot */
    size_t count, inflight;
    bool putting, stopped;
    int64_t manifest_due_ms, manifest_backoff_ms;
    struct store_op manifest_op;
};

struct commits *commits_new(const struct commits_config *cfg) {
    struct commits *c = xcalloc(1, sizeof *c);
    c->cfg = *cfg;
    c->manifest_prefix = xstrdup(cfg->manifest_prefix);
    c->tail = &c->head;
    c->due_tail = &c->due;
    c->manifests_tail = &c->manifests;
    c->manifest_backoff_ms = BACKOFF_MIN_MS;
    return c;
}

static void free_attempt(struct commit *m) {
    if (!m->attempt)
        return;
    store_op_clear(&m->attempt->op);
    free(m->attempt->manifest_key);
    free(m->attempt);
    m->attempt = NULL;
}

static void free_commit(struct commit *m) {
    free_attempt(m);
    file_entry_clear(&m->file);
    free(m);
}

static void free_manifest(struct pending_manifest *p) {
    buffer_free(&p->bytes);
    free(p->key);
    free(p);
}

void commits_free(struct commits *c) {
    if (!c)
        return;
    while (c->head) {
        struct commit *m = c->head;
        c->head = m->next;
        free_commit(m);
    }
    while (c->manifests) {
        struct pending_manifest *p = c->manifests;
        c->manifests = p->next;
        free_manifest(p);
    }
    store_op_clear(&c->manifest_op);
    free(c->manifest_prefix);
    free(c);
}

static void set_state(struct commit *m, enum commit_state state) {
    struct commits *c = m->all;
    c->in_state[m->state]--;
    c->in_state[state]++;
    m->state = state;
    if (state != COMMIT_DUE)
        return;
    m->next_due = NULL;
    *c->due_tail = m;
    c->due_tail = &m->next_due;
}

void commits_add(struct commits *c, struct file_entry *f, bool own, bool fresh) {
    struct commit *m = xcalloc(1, sizeof *m);
    m->all = c;
    m->file = *f;
    *f = (struct file_entry){0};
    m->sequence = ++c->sequence;
    m->own = own;
    m->fresh = fresh;
    m->backoff_ms = BACKOFF_MIN_MS;
    *c->tail = m;
    c->tail = &m->next;
    c->count++;
    c->in_state[m->state]++;
}

void commits_snapshot(struct commits *c, struct checkpoint *k) {
    assert(k->n_commits == 0);
    c->snapshot = c->sequence;
    k->commits = xcalloc(c->count, sizeof *k->commits);
    for (const struct commit *m = c->head; m; m = m->next)
        file_entry_copy(&k->commits[k->n_commits++], &m->file);
}

void commits_restore(struct commits *c, const struct checkpoint *claim, size_t inherited) {
    c->claim = claim->number;
    for (size_t i = 0; i < claim->n_commits; i++) {
        struct file_entry f;
        file_entry_copy(&f, &claim->commits[i]);
        commits_add(c, &f, false, i >= inherited);
    }
    c->snapshot = c->sequence;
    commits_durable(c, claim);
}

size_t commits_unlisted(const struct commits *c) {
    return c->in_state[COMMIT_UNLISTED];
}

bool commits_settled(const struct commits *c) {
    return c->in_state[COMMIT_DUE] + c->in_state[COMMIT_SENT] + c->in_state[COMMIT_LOOKING] == 0;
}

static bool is_lost(const struct commits *c, const struct file_entry *f) {
    for (const struct commit *m = c->head; m; m = m->next)
        if (m->state == COMMIT_LOST && strcmp(m->file.key, f->key) == 0)
            return true;
    return false;
}

void commits_rebuild(const struct commits *c, struct checkpoint *k) {
    size_t kept = 0, cap = k->n_gaps;
    for (size_t i = 0; i < k->n_commits; i++) {
        struct file_entry *f = &k->commits[i];
        if (!is_lost(c, f)) {
            k->commits[kept++] = *f;
            continue;
        }
        array_reserve(&k->gaps, &cap, k->n_gaps + 1, sizeof *k->gaps);
        k->gaps[k->n_gaps++] = (struct gap){.class = f->class,
                                            .window = f->window,
                                            .from = f->first,
                                            .to = f->last,
                                            .events = f->count.events};
        totals_subtract(&k->listed[f->class], &f->count);
        if (f->first < k->replay_from) {
            k->replay_from = f->first;
            k->replay_max_ts = f->first_max_ts;
        }
        file_entry_clear(f);
    }
    k->n_commits = kept;
}

size_t commits_count(const struct commits *c) {
    return c->count;
}

void commits_each(const struct commits *c, void (*fn)(void *ctx, const struct file_entry *f),
                  void *ctx) {
    for (const struct commit *m = c->head; m; m = m->next)
        fn(ctx, &m->file);
}

size_t commits_inflight(const struct commits *c) {
    return c->inflight;
}

static void stop(struct commits *c, const struct error *e) {
    if (!c->stopped) {
        c->stopped = true;
        c->cfg.failed(c->cfg.ctx, e);
    }
}

static int64_t jittered(struct commits *c, int64_t *backoff_ms) {
    int64_t delay =
        *backoff_ms / 2 + (int64_t)random_below(c->cfg.random, (uint64_t)*backoff_ms / 2 + 1);
    if (*backoff_ms < BACKOFF_MAX_MS)
        *backoff_ms *= 2;
    return clock_monotonic(c->cfg.clock) + delay;
}

static void visible(struct commit *m) {
    set_state(m, COMMIT_VISIBLE);
    free_attempt(m);
    m->all->cfg.published(m->all->cfg.ctx, &m->file);
}

static void again(struct commit *m) {
    m->due_ms = jittered(m->all, &m->backoff_ms);
    set_state(m, COMMIT_DUE);
}

static void lost(struct commit *m) {
    set_state(m, COMMIT_LOST);
    m->all->cfg.lost_upload(m->all->cfg.ctx, &m->file, &m->attempt->why);
}

/* Rule 9, the operator's part: gone for a minute, and in no manifest. */
static void vanished(struct commit *m) {
    struct commits *c = m->all;
    if (c->cfg.lost == LOST_REMOVED) {
        log_warn_of(c->cfg.partition, "upload_taken_as_removed",
                    "%s%s: neither upload nor object; taken as published and removed since "
                    "(--lost=removed)",
                    c->cfg.store->path, m->file.key);
        visible(m);
        return;
    }
    /* InvalidPart: the store knows the upload, so it was never completed. MinIO leaves it so for good
     * when a client goes away in the middle of Complete (it removes the parts' metadata first). */
    if (c->cfg.lost == LOST_REBUILD || m->attempt->why.code == ERR_INVALID_PART) {
        lost(m);
        return;
    }
    struct error e = m->attempt->why;
    (void)error_wrap(&e,
                     "partition %d: %s%s (offsets %" PRId64 " to %" PRId64 ", %" PRIu64
                     " events) is neither an upload nor an object, and it may have been published "
                     "before: if a consumer took the object away, run with --lost=removed; if the "
                     "store dropped it, run with --lost=rebuild",
                     c->cfg.partition, c->cfg.store->path, m->file.key, m->file.first, m->file.last,
                     m->file.count.events);
    stop(c, &e);
}

static bool patience_left(const struct commit *m) {
    bool invalid = m->attempt->why.code == ERR_INVALID_PART;
    return clock_monotonic(m->all->cfg.clock) - m->gone_since_ms <
           (invalid ? INVALID_PATIENCE_MS : VANISHED_PATIENCE_MS);
}

static void tell_missing(struct commit *m) {
    if (m->told_missing)
        return;
    m->told_missing = true;
    log_warn_of(
        m->all->cfg.partition, "upload_missing",
        "partition %d: %s%s is neither an upload nor an object, and in no manifest; looking "
        "again for a while before anything is concluded",
        m->all->cfg.partition, m->all->cfg.store->path, m->file.key);
}

static void search_manifest(struct commit *m);
static void complete_due(struct commits *c, int64_t now_ms);

/* There is room for another to be under way. */
static void answered(struct commits *c) {
    complete_due(c, clock_monotonic(c->cfg.clock));
}

static bool lists(const struct store_op *op, const char *key) {
    struct manifest manifest;
    if (op->error.code != ERR_NONE ||
        manifest_decode(op->answer.data, op->answer.len, &manifest, NULL) != 0)
        return false;
    bool found = false;
    for (size_t i = 0; i < manifest.n_files && !found; i++)
        found = strcmp(manifest.files[i].key, key) == 0;
    manifest_clear(&manifest);
    return found;
}

static void on_manifest_read(struct store_op *op) {
    struct commit *m = op->ctx;
    m->all->inflight--;
    if (lists(op, m->file.key)) {
        log_info_of(m->all->cfg.partition, "file_taken_away",
                    "%s%s was published (manifest %" PRIu64 ") and is gone since",
                    m->all->cfg.store->path, m->file.key, m->attempt->manifest);
        visible(m);
    } else {
        m->attempt->manifest--;
        search_manifest(m);
    }
    answered(m->all);
}

/* A consumer may take a file away as soon as a manifest lists it, and the process that put the
 * manifest may have died before a checkpoint said so. */
static void search_manifest(struct commit *m) {
    struct commits *c = m->all;
    if (m->attempt->manifest == 0 || m->attempt->manifest + MANIFESTS_BACK < c->claim) {
        if (patience_left(m)) {
            tell_missing(m);
            again(m);
        } else {
            vanished(m);
        }
        return;
    }
    char name[32];
    chain_name(m->attempt->manifest, name);
    free(m->attempt->manifest_key);
    m->attempt->manifest_key = xasprintf("%s%s", c->manifest_prefix, name);
    store_op_clear(&m->attempt->op);
    m->attempt->op = (struct store_op){.kind = STORE_GET,
                                       .key = m->attempt->manifest_key,
                                       .max_bytes = CHECKPOINT_BYTES_MAX,
                                       .retry_ms = 30000,
                                       .done = on_manifest_read,
                                       .ctx = m};
    c->inflight++;
    store_submit(c->cfg.store, &m->attempt->op);
}

/* No upload and no object. Rule 9 tells the cases apart. Manifests are searched at once, because a
 * file that a consumer took is nobody's trouble, and again before something is done about it. */
static void nowhere(struct commit *m) {
    struct commits *c = m->all;
    bool first = m->gone_since_ms == 0;
    if (first)
        m->gone_since_ms = clock_monotonic(c->cfg.clock);
    if (m->fresh && m->first_answer) {
        lost(m);
    } else if (!first && patience_left(m)) {
        again(m);
    } else {
        m->attempt->manifest = c->claim ? c->claim - 1 : 0;
        search_manifest(m);
    }
}

static void on_head(struct store_op *op) {
    struct commit *m = op->ctx;
    m->all->inflight--;
    struct error e = op->error;
    uint64_t size = op->object_size;
    if (e.code == ERR_NONE && size == m->file.bytes) {
        visible(m);
    } else if (e.code == ERR_NONE) {
        (void)error_set(&e, ERR_CORRUPT,
                        "partition %d: %s%s exists with %" PRIu64 " bytes where %" PRIu64
                        " were listed: somebody else wrote this key",
                        m->all->cfg.partition, m->all->cfg.store->path, m->file.key, size,
                        m->file.bytes);
        stop(m->all, &e);
    } else if (e.code == ERR_NOT_FOUND && m->gone) {
        nowhere(m);
    } else if (e.code == ERR_NOT_FOUND || e.retriable) {
        again(m);
    } else {
        (void)error_wrap(&e, "partition %d: cannot look at %s%s", m->all->cfg.partition,
                         m->all->cfg.store->path, m->file.key);
        stop(m->all, &e);
    }
    answered(m->all);
}

static void submit(struct commit *m, enum store_kind kind, void (*done)(struct store_op *)) {
    store_op_clear(&m->attempt->op);
    m->attempt->op = (struct store_op){.kind = kind,
                                       .key = m->file.key,
                                       .upload = m->file.upload,
                                       .parts = m->file.parts,
                                       .n_parts = m->file.n_parts,
                                       .bytes = m->file.bytes,
                                       .inherited = !m->own,
                                       .retry_ms = 30000,
                                       .done = done,
                                       .ctx = m};
    m->all->inflight++;
    store_submit(m->all->cfg.store, &m->attempt->op);
}

/* Rule 8: success, or the key existing with the listed size; time-outs, 409, 5xx: repeat. */
static void judge_complete(struct commit *m, const struct store_op *op) {
    m->attempt->why = op->error;
    enum error_code code = op->error.code;
    if (code == ERR_NONE) {
        visible(m);
        return;
    }
    m->gone = code == ERR_NO_SUCH_UPLOAD || code == ERR_INVALID_PART || code == ERR_TOO_SMALL;
    if (!m->gone)
        m->gone_since_ms = 0;
    if (m->attempts == 1)
        m->first_answer = m->gone;
    if (m->gone || code == ERR_EXISTS) {
        set_state(m, COMMIT_LOOKING);
        submit(m, STORE_HEAD, on_head);
    } else if (op->error.retriable) {
        log_warn_of(m->all->cfg.partition, "publish_retry",
                    "partition %d: publishing %s%s: %s; trying again", m->all->cfg.partition,
                    m->all->cfg.store->path, m->file.key, m->attempt->why.text);
        again(m);
    } else {
        (void)error_wrap(&m->attempt->why, "partition %d: cannot publish %s%s",
                         m->all->cfg.partition, m->all->cfg.store->path, m->file.key);
        stop(m->all, &m->attempt->why);
    }
}

static void on_complete(struct store_op *op) {
    struct commit *m = op->ctx;
    m->all->inflight--;
    judge_complete(m, op);
    answered(m->all);
}

static void complete(struct commit *m) {
    set_state(m, COMMIT_SENT);
    m->attempts++;
    if (!m->attempt)
        m->attempt = xcalloc(1, sizeof *m->attempt);
    submit(m, STORE_UPLOAD_COMPLETE, on_complete);
}

static void complete_due(struct commits *c, int64_t now_ms) {
    struct commit **p = &c->due;
    while (*p && !c->stopped && c->inflight < UNDER_WAY_MAX) {
        struct commit *m = *p;
        if (now_ms < m->due_ms) {
            p = &m->next_due;
            continue;
        }
        *p = m->next_due;
        if (!*p)
            c->due_tail = p;
        complete(m);
    }
}

void commits_durable(struct commits *c, const struct checkpoint *k) {
    for (struct commit *m = c->head; m && m->sequence <= c->snapshot; m = m->next)
        if (m->state == COMMIT_UNLISTED)
            set_state(m, COMMIT_DUE);
    if (k->n_commits > 0) {
        struct pending_manifest *p = xcalloc(1, sizeof *p);
        char name[32];
        chain_name(k->number, name);
        p->number = k->number;
        p->up_to = c->snapshot;
        p->key = xasprintf("%s%s", c->manifest_prefix, name);
        buffer_init(&p->bytes, CHECKPOINT_BYTES_MAX);
        manifest_encode(k, &p->bytes);
        *c->manifests_tail = p;
        c->manifests_tail = &p->next;
    }
    complete_due(c, clock_monotonic(c->cfg.clock));
}

/* The manifest is put: what it lists need not stand in checkpoints any longer. */
static void manifest_done(struct commits *c) {
    struct pending_manifest *p = c->manifests;
    while (c->head && c->head->sequence <= p->up_to) {
        struct commit *m = c->head;
        c->head = m->next;
        free_commit(m);
        c->count--;
    }
    if (!c->head)
        c->tail = &c->head;
    c->manifests = p->next;
    if (!c->manifests)
        c->manifests_tail = &c->manifests;
    free_manifest(p);
    c->manifest_backoff_ms = BACKOFF_MIN_MS;
    c->manifest_due_ms = 0;
}

static void on_manifest(struct store_op *op) {
    struct commits *c = op->ctx;
    c->inflight--;
    c->putting = false;
    if (op->error.code == ERR_NONE || op->error.code == ERR_EXISTS) {
        manifest_done(c); /* a pure function of the checkpoint: whoever put it, put these bytes */
    } else if (op->error.retriable) {
        log_warn_of(c->cfg.partition, "manifest_retry", "manifest %s: %s; trying again",
                    c->manifests->key, op->error.text);
        c->manifest_due_ms = jittered(c, &c->manifest_backoff_ms);
    } else {
        struct error e = op->error;
        (void)error_wrap(&e, "partition %d: cannot put the manifest %s%s", c->cfg.partition,
                         c->cfg.store->path, c->manifests->key);
        stop(c, &e);
    }
}

static bool all_visible(const struct commits *c, uint64_t up_to) {
    for (const struct commit *m = c->head; m && m->sequence <= up_to; m = m->next)
        if (m->state != COMMIT_VISIBLE)
            return false;
    return true;
}

static void put_manifest(struct commits *c, int64_t now_ms) {
    struct pending_manifest *p = c->manifests;
    if (!p || c->putting || now_ms < c->manifest_due_ms || !all_visible(c, p->up_to))
        return;
    c->putting = true;
    c->inflight++;
    store_op_clear(&c->manifest_op);
    c->manifest_op = (struct store_op){.kind = STORE_PUT_IF_ABSENT,
                                       .key = p->key,
                                       .body = p->bytes.data,
                                       .body_len = p->bytes.len,
                                       .done = on_manifest,
                                       .ctx = c};
    store_submit(c->cfg.store, &c->manifest_op);
}

void commits_tick(struct commits *c, int64_t now_ms) {
    if (c->stopped)
        return;
    complete_due(c, now_ms);
    put_manifest(c, now_ms);
}
