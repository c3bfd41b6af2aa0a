#include "checkpoint/chain.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "checkpoint/claim.h"
#include "checkpoint/codec.h"

enum {
    KEEP_NEWER = 10,      /* rule 3: others may go when ten newer ones exist */
    BACKOFF_MIN_MS = 100, /* between two tries of one put, doubling */
    BACKOFF_MAX_MS = 5000,
    NEWEST_VANISHED_TRIES = 5 /* LIST names it, GET has none: the store is not linearizable */
};

enum step {
    STEP_IDLE,
    STEP_LIST,      /* claim: which is the newest? */
    STEP_MANIFESTS, /* claim: is there a manifest that is newer still? */
    STEP_READ,      /* claim: what does it say? */
    STEP_PUT,       /* the conditional put itself */
    STEP_RESOLVE,   /* rule 1: who stands under that number? */
    STEP_WAIT,      /* back-off before the same bytes are put again, or the number read again */
    STEP_LIST_AGAIN /* has somebody gone further meanwhile? */
};

struct chain {
    struct chain_config cfg;
    struct identity identity;
    char *prefix, *manifest_prefix, *host, *version;
    enum step step;
    bool claiming;
    int64_t start_offset;
    char claim_id[33];
    int vanished;
    uint64_t found;    /* claim: the number of the newest checkpoint as listed, 0: none */
    uint64_t manifest; /* claim: of the newest manifest behind one that was found, 0: none seen */
    size_t inherited_commits;

    struct checkpoint newest; /* durable and ours, number 0: none */
    size_t newest_bytes;
    struct checkpoint next; /* being put */
    struct buffer bytes;    /* its bytes: other bytes never go under a number once tried (rule 1) */
    bool put_again;         /* it was absent after a put of ours */
    bool read_first;        /* after the wait: read the number before putting again */
    int64_t put_started_ms, due_ms, backoff_ms;

    struct store_op op;
    char *key, *start_after;

    uint64_t own[KEEP_NEWER + 2]; /* checkpoints of ours that are no claims, oldest first */
    size_t n_own;
    struct store_op delete_op;
    char *delete_key; /* NULL: no deletion under way */
};

void chain_name(uint64_t number, char dst[32]) {
    (void)snprintf(dst, 32, "chk-%020" PRIu64 ".json", number);
}

uint64_t chain_parse_name(const char *name) {
    if (strlen(name) != 29 || strncmp(name, "chk-", 4) != 0 || strcmp(name + 24, ".json") != 0 ||
        strspn(name + 4, "0123456789") != 20)
        return 0;
    uint64_t number = strtoull(name + 4, NULL, 10);
    return number <= INT64_MAX ? number : 0; /* no checkpoint can state a greater one */
}

struct chain *chain_new(const struct chain_config *cfg) {
    struct chain *c = xcalloc(1, sizeof *c);
    c->cfg = *cfg;
    identity_copy(&c->identity, cfg->identity);
    c->prefix = xstrdup(cfg->prefix);
    c->manifest_prefix = xstrdup(cfg->manifest_prefix);
    c->host = xstrdup(cfg->host);
    c->version = xstrdup(cfg->version);
    buffer_init(&c->bytes, CHECKPOINT_BYTES_MAX);
    return c;
}

void chain_free(struct chain *c) {
    if (!c)
        return;
    checkpoint_clear(&c->newest);
    checkpoint_clear(&c->next);
    identity_clear(&c->identity);
    store_op_clear(&c->op);
    store_op_clear(&c->delete_op);
    buffer_free(&c->bytes);
    free(c->prefix);
    free(c->manifest_prefix);
    free(c->host);
    free(c->version);
    free(c->key);
    free(c->start_after);
    free(c->delete_key);
    free(c);
}

bool chain_busy(const struct chain *c) {
    return c->step != STEP_IDLE;
}

bool chain_inflight(const struct chain *c) {
    return (c->step != STEP_IDLE && c->step != STEP_WAIT) || c->delete_key;
}

const struct checkpoint *chain_newest(const struct chain *c) {
    return c->newest.number ? &c->newest : NULL;
}

size_t chain_inherited_commits(const struct chain *c) {
    return c->inherited_commits;
}

size_t chain_newest_bytes(const struct chain *c) {
    return c->newest_bytes;
}

int64_t chain_pending_ms(const struct chain *c, int64_t now_ms) {
    bool putting = c->step == STEP_PUT || c->step == STEP_RESOLVE || c->step == STEP_WAIT;
    return putting && now_ms > c->put_started_ms ? now_ms - c->put_started_ms : 0;
}

static char *key_of(const struct chain *c, uint64_t number) {
    char name[32];
    chain_name(number, name);
    return xasprintf("%s%s", c->prefix, name);
}

static void finish(struct chain *c, enum chain_result result, const struct error *error) {
    c->step = STEP_IDLE;
    if (result != CHAIN_DURABLE)
        checkpoint_clear(&c->next);
    c->cfg.done(c->cfg.ctx, result, error);
}

static void on_op(struct store_op *op);

static struct store *store_of(const struct chain *c) {
    return c->step == STEP_MANIFESTS ? c->cfg.output : c->cfg.store;
}

/* Sends op for the current step; takes key. */
static void send(struct chain *c, enum step step, enum store_kind kind, char *key) {
    c->step = step;
    free(c->key);
    c->key = key;
    store_op_clear(&c->op);
    c->op = (struct store_op){.kind = kind,
                              .key = key,
                              .start_after = step == STEP_MANIFESTS ? c->start_after : NULL,
                              .max_bytes = CHECKPOINT_BYTES_MAX,
                              .retry_ms = 60000,
                              .done = on_op,
                              .ctx = c};
    if (kind == STORE_PUT_IF_ABSENT) {
        c->op.body = c->bytes.data;
        c->op.body_len = c->bytes.len;
    }
    store_submit(store_of(c), &c->op);
}

static void list(struct chain *c, enum step step) {
    send(c, step, STORE_LIST, xasprintf("%schk-", c->prefix));
}

static void fail(struct chain *c, const char *doing) {
    struct error e = c->op.error;
    (void)error_wrap(&e, "partition %d: %s %s%s", c->identity.partition, doing, store_of(c)->path,
                     c->key);
    finish(c, CHAIN_FAILED, &e);
}

static void set_writer(struct chain *c, struct checkpoint *k, bool claim, uint64_t number) {
    free(k->writer_host);
    free(k->writer_version);
    free(k->writer_time);
    identity_clear(&k->identity);
    identity_copy(&k->identity, &c->identity);
    k->number = number;
    k->claim = claim;
    memcpy(k->claim_id, c->claim_id, sizeof k->claim_id);
    k->writer_host = xstrdup(c->host);
    k->writer_version = xstrdup(c->version);
    k->writer_pid = c->cfg.pid;
    int64_t wall = clock_wall(c->cfg.clock);
    time_t seconds = (time_t)(wall / 1000);
    struct tm tm;
    char text[32];
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    k->writer_time = xstrdup(text);
}

static void put_next(struct chain *c, int64_t now_ms) {
    buffer_reset(&c->bytes);
    checkpoint_encode(&c->next, &c->bytes);
    if (c->bytes.overflow) {
        struct error e;
        (void)error_set(&e, ERR_LIMIT,
                        "partition %d: a checkpoint would be larger than %d bytes: too many open "
                        "files; use larger windows or a smaller allowed lateness",
                        c->identity.partition, CHECKPOINT_BYTES_MAX);
        finish(c, CHAIN_FAILED, &e);
        return;
    }
    c->put_started_ms = now_ms;
    c->put_again = false;
    c->backoff_ms = BACKOFF_MIN_MS;
    send(c, STEP_PUT, STORE_PUT_IF_ABSENT, key_of(c, c->next.number));
}

/* Rule 3: claims are never removed; others of ours go when ten newer ones exist. */
static void on_deleted(struct store_op *op) {
    struct chain *c = op->ctx;
    if (op->error.code != ERR_NONE)
        log_warn_of(
            c->identity.partition, "checkpoint_not_removed",
            "an old checkpoint could not be removed and stays (harmless, but grant delete on "
            "checkpoint.path): %s",
            op->error.text);
    store_op_clear(op);
    free(c->delete_key);
    c->delete_key = NULL;
}

static void remember_own(struct chain *c, const struct checkpoint *k) {
    if (!k->claim && c->n_own < sizeof c->own / sizeof *c->own)
        c->own[c->n_own++] = k->number;
    if (c->n_own == 0 || c->delete_key || c->own[0] + KEEP_NEWER > k->number)
        return;
    c->delete_key = key_of(c, c->own[0]);
    c->n_own--;
    memmove(c->own, c->own + 1, c->n_own * sizeof *c->own);
    c->delete_op = (struct store_op){.kind = STORE_DELETE,
                                     .key = c->delete_key,
                                     .retry_ms = 10000,
                                     .done = on_deleted,
                                     .ctx = c};
    store_submit(c->cfg.store, &c->delete_op);
}

static void durable(struct chain *c) {
    checkpoint_clear(&c->newest);
    c->newest = c->next;
    c->next = (struct checkpoint){0};
    c->newest_bytes = c->bytes.len;
    buffer_free(&c->bytes); /* megabytes, where thousands of windows are open */
    remember_own(c, &c->newest);
    finish(c, CHAIN_DURABLE, NULL);
}

/* A claim is only good if nobody went further (rule 2). A number that was absent after our put may
 * have been put, continued and removed by another process's collection (rule 3) meanwhile. */
static void put_stands(struct chain *c) {
    if (c->claiming || c->put_again)
        list(c, STEP_LIST_AGAIN);
    else
        durable(c);
}

static void lost(struct chain *c, const char *how, const char *who) {
    struct error e;
    (void)error_set(&e, ERR_FENCED, "partition %d: %s %s%s: another process runs this job%s",
                    c->identity.partition, how, c->cfg.store->path, c->key, who);
    finish(c, CHAIN_LOST, &e);
}

/* Names the other process from the checkpoint that it put under our number. */
static void lost_to_writer(struct chain *c) {
    struct checkpoint theirs;
    char who[256] = "";
    if (checkpoint_decode(c->op.answer.data, c->op.answer.len, &theirs, NULL) == 0)
        (void)snprintf(who, sizeof who, " (process %" PRId64 " on %.200s)", theirs.writer_pid,
                       theirs.writer_host);
    checkpoint_clear(&theirs);
    lost(c, "somebody else wrote", who);
}

static void wait_then(struct chain *c, bool read_first) {
    c->step = STEP_WAIT;
    c->read_first = read_first;
    c->due_ms = clock_monotonic(c->cfg.clock) + c->backoff_ms / 2 +
                (int64_t)random_below(c->cfg.random, (uint64_t)c->backoff_ms / 2 + 1);
    if (c->backoff_ms < BACKOFF_MAX_MS)
        c->backoff_ms *= 2;
}

static void resolve(struct chain *c) {
    send(c, STEP_RESOLVE, STORE_GET, key_of(c, c->next.number));
    /* Nothing else can be done before this is known, so it is never given up. */
}

/* Rule 1: after 409, 412, a time-out or 5xx, read that number. */
static void on_put(struct chain *c) {
    switch (c->op.error.code) {
    case ERR_NONE:
        put_stands(c);
        break;
    case ERR_EXISTS:
        resolve(c);
        break;
    default:
        if (!c->op.error.retriable) {
            fail(c, "cannot put the checkpoint");
            break;
        }
        log_warn_of(c->identity.partition, "checkpoint_put_unsure",
                    "checkpoint %" PRIu64 " of partition %d: %s; looking what stands there, then "
                    "putting the same bytes again",
                    c->next.number, c->identity.partition, c->op.error.text);
        wait_then(c, true);
    }
}

static void on_resolved(struct chain *c) {
    if (c->op.error.code == ERR_NOT_FOUND && !c->op.error.retriable) {
        c->put_again = true;
        wait_then(c, false); /* absent: the same bytes again */
    } else if (c->op.error.retriable) {
        wait_then(c, true);
    } else if (c->op.error.code != ERR_NONE) {
        fail(c, "cannot read back the checkpoint");
    } else if (c->op.answer.len == c->bytes.len &&
               memcmp(c->op.answer.data, c->bytes.data, c->bytes.len) == 0) {
        put_stands(c);
    } else {
        lost_to_writer(c);
    }
}

/* Of the listing that has come in. */
static uint64_t newest_of(const struct chain *c, const char *prefix) {
    uint64_t newest = 0;
    for (size_t i = 0; i < c->op.n_entries; i++) {
        uint64_t n = chain_parse_name(c->op.entries[i].key + strlen(prefix));
        if (n > newest)
            newest = n;
    }
    return newest;
}

/* Only those of newer checkpoints: a chain that is a year old has tens of thousands. */
static void list_manifests(struct chain *c) {
    char name[32];
    chain_name(c->found, name);
    free(c->start_after);
    c->start_after = xasprintf("%s%s", c->manifest_prefix, name);
    send(c, STEP_MANIFESTS, STORE_LIST, xasprintf("%schk-", c->manifest_prefix));
}

static void put_claim(struct chain *c, uint64_t number) {
    set_writer(c, &c->next, true, number);
    put_next(c, clock_monotonic(c->cfg.clock));
}

/* Checkpoints that have published something are gone: what they published would be written again. */
static void refuse_older(struct chain *c) {
    char manifest[32], first[32], found[64] = "there is no checkpoint";
    chain_name(c->manifest, manifest);
    chain_name(c->found + 1, first);
    if (c->found)
        (void)snprintf(found, sizeof found, "the newest checkpoint is %" PRIu64, c->found);
    struct error e;
    (void)error_set(
        &e, ERR_MISMATCH,
        "partition %d: the manifest %s%s%s stands, but below %s%s %s: checkpoints were removed, "
        "or checkpoint.path is wrong or an old copy. Going on would publish events "
        "twice. Restore %s and all after it, or give the job another name and "
        "output.path to start over",
        c->identity.partition, c->cfg.output->path, c->manifest_prefix, manifest,
        c->cfg.store->path, c->prefix, found, first);
    finish(c, CHAIN_FAILED, &e);
}

static void on_listed(struct chain *c) {
    if (c->op.error.code != ERR_NONE) {
        fail(c, "cannot list checkpoints below");
        return;
    }
    c->found = newest_of(c, c->prefix);
    if (c->found < c->manifest)
        refuse_older(c);
    else
        list_manifests(c);
}

/* Rule 2: a manifest is put when its checkpoint is durable, and the newest checkpoint is never
 * removed (rule 3), so somebody who lists manifests first and checkpoints then finds a checkpoint at
 * least as new as any manifest. Here the checkpoints came first, so that only few manifests need to
 * be listed. Where one is newer, another process may have gone on in between; so the checkpoints are
 * listed once more before anything is made of it. */
static void on_manifests(struct chain *c) {
    if (c->op.error.code != ERR_NONE) {
        fail(c, "cannot list manifests below");
        return;
    }
    uint64_t manifest = newest_of(c, c->manifest_prefix);
    if (manifest > c->found) {
        c->manifest = manifest;
        list(c, STEP_LIST);
    } else if (c->found == 0) {
        claim_first(&c->next, &c->identity, c->start_offset);
        put_claim(c, 1);
    } else {
        send(c, STEP_READ, STORE_GET, key_of(c, c->found));
    }
}

/* Rule 2: unreadable or of another identity: never an older one, never a fresh start. */
static void on_read(struct chain *c) {
    if (c->op.error.code == ERR_NOT_FOUND && ++c->vanished < NEWEST_VANISHED_TRIES) {
        list(c, STEP_LIST);
        return;
    }
    if (c->op.error.code != ERR_NONE) {
        fail(c, "the newest checkpoint cannot be read (it is never skipped for an older one):");
        return;
    }
    struct checkpoint newest;
    struct error e;
    char *name = xasprintf("%s%s", c->cfg.store->path, c->key);
    if (checkpoint_decode(c->op.answer.data, c->op.answer.len, &newest, &e) != 0) {
        if (e.code == ERR_UNSUPPORTED)
            (void)error_wrap(&e, "the newest checkpoint %s cannot be used", name);
        else
            (void)error_wrap(&e,
                             "the newest checkpoint %s is corrupt and is never skipped for an "
                             "older one; restore this object",
                             name);
        finish(c, CHAIN_FAILED, &e);
    } else if (claim_check_identity(&newest, &c->identity, c->cfg.accept_changes, &e) != 0) {
        (void)error_wrap(&e, "checkpoint %s does not fit this job", name);
        finish(c, CHAIN_FAILED, &e);
    } else {
        claim_inherit(&c->next, &newest);
        c->inherited_commits = newest.n_commits;
        c->n_own = 0;
        if (!newest.claim)
            c->own[c->n_own++] = newest.number;
        put_claim(c, newest.number + 1);
    }
    free(name);
    checkpoint_clear(&newest);
}

static void on_listed_again(struct chain *c) {
    if (c->op.error.code != ERR_NONE)
        fail(c, "cannot list checkpoints below");
    else if (newest_of(c, c->prefix) > c->next.number)
        lost(c, "a later checkpoint than ours stands below", "");
    else
        durable(c);
}

static void on_op(struct store_op *op) {
    struct chain *c = op->ctx;
    switch (c->step) {
    case STEP_LIST:
        on_listed(c);
        break;
    case STEP_MANIFESTS:
        on_manifests(c);
        break;
    case STEP_READ:
        on_read(c);
        break;
    case STEP_PUT:
        on_put(c);
        break;
    case STEP_RESOLVE:
        on_resolved(c);
        break;
    case STEP_LIST_AGAIN:
        on_listed_again(c);
        break;
    case STEP_IDLE:
    case STEP_WAIT:
        assert(!"an answer without a question");
    }
}

void chain_claim(struct chain *c, int64_t start_offset) {
    assert(c->step == STEP_IDLE);
    c->claiming = true;
    c->start_offset = start_offset;
    c->vanished = 0;
    c->manifest = 0;
    random_hex(c->cfg.random, 16, c->claim_id); /* new for every claim, also in one process */
    list(c, STEP_LIST);
}

void chain_put(struct chain *c, struct checkpoint *next_state, int64_t now_ms) {
    assert(c->step == STEP_IDLE && c->newest.number);
    c->claiming = false;
    c->next = *next_state;
    *next_state = (struct checkpoint){0};
    set_writer(c, &c->next, false, c->newest.number + 1);
    put_next(c, now_ms);
}

void chain_tick(struct chain *c, int64_t now_ms) {
    if (c->step != STEP_WAIT || now_ms < c->due_ms)
        return;
    if (c->read_first)
        resolve(c);
    else
        send(c, STEP_PUT, STORE_PUT_IF_ABSENT, key_of(c, c->next.number));
}
