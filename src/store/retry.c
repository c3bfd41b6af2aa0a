#include "store/retry.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/stats.h"

enum { BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 10000, WARN_EVERY_MS = 10000, WARN_FROM_ATTEMPT = 3 };

struct retry {
    struct store store; /* first: a struct store * is a struct retry * */
    struct store *inner;
    struct clock *clock;
    struct random *random;
    struct store_op *under_way; /* all of them, waiting or submitted; doubly linked */
    size_t n_waiting;
    size_t delivered; /* since the current poll() began */
    int64_t warn_next_ms;
    uint64_t suppressed;
    int64_t busy_since_ms; /* while requests are under way in the store below */
    struct store_counters counters;
};

static bool is_harmless(enum store_kind kind) {
    return kind != STORE_PUT_IF_ABSENT && kind != STORE_UPLOAD_COMPLETE;
}

static void enlist(struct retry *r, struct store_op *op) {
    op->retry.prev = NULL;
    op->retry.next = r->under_way;
    if (r->under_way)
        r->under_way->retry.prev = op;
    r->under_way = op;
}

static void delist(struct retry *r, struct store_op *op) {
    if (op->retry.prev)
        op->retry.prev->retry.next = op->retry.next;
    else
        r->under_way = op->retry.next;
    if (op->retry.next)
        op->retry.next->retry.prev = op->retry.prev;
}

/* ---- Attempts ----------------------------------------------------------------------------------- */

static void answered(struct store_op *op);

static void attempt(struct retry *r, struct store_op *op) {
    op->retry.attempt++;
    op->retry.due_ms = -1;
    op->retry.sent_ms = clock_monotonic(r->clock);
    op->done = answered;
    op->ctx = r;
    if (r->counters.under_way++ == 0)
        r->busy_since_ms = op->retry.sent_ms;
    store_submit(r->inner, op);
}

static void log_retry(struct retry *r, const struct store_op *op, int64_t now, int64_t delay) {
    int next = op->retry.attempt + 1;
    if (next < WARN_FROM_ATTEMPT) {
        log_debug("store_retry", "%s %.300s: %s; attempt %d in %lld ms", store_kind_name(op->kind),
                  op->key, op->error.text, next, (long long)delay);
        return;
    }
    if (now < r->warn_next_ms) {
        r->suppressed++;
        return;
    }
    log_warn("store_retry",
             "%s %.300s: %s; attempt %d in %lld ms (%llu more retries since the last "
             "such line)",
             store_kind_name(op->kind), op->key, op->error.text, next, (long long)delay,
             (unsigned long long)r->suppressed);
    r->suppressed = 0;
    r->warn_next_ms = now + WARN_EVERY_MS;
}

/* Half of the doubling delay is fixed, half drawn, so that many clients do not come back at once. */
static int64_t backoff(struct retry *r, int32_t failures) {
    int64_t delay = BACKOFF_MIN_MS;
    for (int32_t i = 1; i < failures && delay < BACKOFF_MAX_MS; i++)
        delay *= 2;
    if (delay > BACKOFF_MAX_MS)
        delay = BACKOFF_MAX_MS;
    return delay / 2 + (int64_t)random_below(r->random, (uint64_t)(delay / 2) + 1);
}

/* True where the op has been put into the waiting line. */
static bool wait_for_retry(struct retry *r, struct store_op *op, int64_t now) {
    if (!op->error.retriable || !is_harmless(op->kind) || op->retry_ms == 0)
        return false;
    int64_t delay = backoff(r, op->retry.attempt);
    if (op->retry_ms > 0 && now + delay - op->retry.first_ms > op->retry_ms)
        return false;
    log_retry(r, op, now, delay);
    r->counters.retries[op->kind]++;
    store_op_clear(op);
    op->retry.due_ms = now + delay;
    r->n_waiting++;
    return true;
}

static void deliver(struct retry *r, struct store_op *op, int64_t now) {
    if (op->error.code && op->retry.attempt > 1) {
        int64_t ms = now - op->retry.first_ms;
        (void)error_wrap(&op->error, "gave up after %d attempts in %lld.%lld s", op->retry.attempt,
                         (long long)(ms / 1000), (long long)(ms % 1000 / 100));
    }
    delist(r, op);
    op->done = op->retry.done;
    op->ctx = op->retry.ctx;
    r->delivered++;
    op->done(op);
}

static void count_answer(struct retry *r, const struct store_op *op, int64_t now) {
    struct store_counters *c = &r->counters;
    store_counters_answered(c, op->kind, op->error.code, now - op->retry.sent_ms);
    if (--c->under_way == 0)
        c->busy_ms += (uint64_t)(now - r->busy_since_ms);
    if (op->error.code != ERR_NONE)
        return;
    if (op->kind == STORE_UPLOAD_PART)
        c->bytes_out += op->bytes;
    else if (op->kind == STORE_PUT_IF_ABSENT)
        c->bytes_out += op->body_len;
    c->bytes_in += op->answer.len;
}

static void answered(struct store_op *op) {
    struct retry *r = op->ctx;
    int64_t now = clock_monotonic(r->clock);
    count_answer(r, op, now);
    if (!wait_for_retry(r, op, now))
        deliver(r, op, now);
}

/* ---- The vtable --------------------------------------------------------------------------------- */

static void submit(struct store *s, struct store_op *op) {
    struct retry *r = (struct retry *)s;
    op->retry.done = op->done;
    op->retry.ctx = op->ctx;
    op->retry.attempt = 0;
    op->retry.first_ms = clock_monotonic(r->clock);
    enlist(r, op);
    attempt(r, op);
}

/* Submits what is due. Returns the milliseconds until something else is, at most `most`. */
static int resubmit_due(struct retry *r, int most) {
    if (!r->n_waiting)
        return most;
    int64_t now = clock_monotonic(r->clock);
    struct store_op *next;
    for (struct store_op *op = r->under_way; op; op = next) {
        next = op->retry.next;
        if (op->retry.due_ms < 0)
            continue;
        if (op->retry.due_ms <= now) {
            r->n_waiting--;
            attempt(r, op);
        } else if (op->retry.due_ms - now < most) {
            most = (int)(op->retry.due_ms - now);
        }
    }
    return most;
}

static size_t poll_inner(struct store *s, int timeout_ms) {
    struct retry *r = (struct retry *)s;
    r->delivered = 0;
    (void)store_poll(r->inner, resubmit_due(r, timeout_ms));
    (void)resubmit_due(r, timeout_ms);
    return r->delivered;
}

static void set_wake(struct store *s, void (*fn)(void *ctx), void *ctx) {
    struct retry *r = (struct retry *)s;
    r->inner->ops->set_wake(r->inner, fn, ctx);
}

/* What is under way goes back to its owner as it came. */
static void free_store(struct store *s) {
    struct retry *r = (struct retry *)s;
    store_free(r->inner);
    for (struct store_op *op = r->under_way; op; op = op->retry.next) {
        op->done = op->retry.done;
        op->ctx = op->retry.ctx;
    }
    free(r->store.path);
    free(r);
}

static const struct store_ops retry_ops = {submit, poll_inner, set_wake, free_store};

struct store *store_retry_new(struct store *inner, struct clock *clock, struct random *random) {
    struct retry *r = xcalloc(1, sizeof *r);
    r->store = *inner;
    r->store.ops = &retry_ops;
    r->store.path = xstrdup(inner->path);
    r->inner = inner;
    r->clock = clock;
    r->random = random;
    return &r->store;
}

void store_counters_read(const struct store *s, struct store_counters *out) {
    *out = (struct store_counters){0};
    if (s->ops != &retry_ops)
        return;
    const struct retry *r = (const struct retry *)s;
    *out = r->counters;
    if (out->under_way > 0)
        out->busy_ms += (uint64_t)(clock_monotonic(r->clock) - r->busy_since_ms);
}
