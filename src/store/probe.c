/* Rule 10: a checkpoint chain is only as good as the store's put-if-absent. */
#include "store/open.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 2000, WARN_AFTER = 2 };

struct probe {
    struct store *store;
    struct random *random;
    int64_t deadline_ms;
    char key[48];
};

/* Between half of and the whole wait, and not beyond the deadline. False when that has passed. */
static bool wait_before_repeat(const struct probe *p, int64_t *wait_ms) {
    int64_t left = p->deadline_ms - clock_monotonic(clock_system());
    if (left <= 0)
        return false;
    int64_t ms = *wait_ms / 2 + (int64_t)random_below(p->random, (uint64_t)*wait_ms / 2 + 1);
    (void)poll(NULL, 0, (int)(ms < left ? ms : left));
    *wait_ms = *wait_ms * 2 < BACKOFF_MAX_MS ? *wait_ms * 2 : BACKOFF_MAX_MS;
    return true;
}

/* Repeats op while its failure is retriable and there is patience. *repeated tells whether an
 * earlier attempt may have been applied. */
static int call(const struct probe *p, struct store_op *op, bool *repeated) {
    int64_t wait_ms = BACKOFF_MIN_MS;
    int failures = 0;
    *repeated = false;
    while (store_call(p->store, op)) {
        if (!op->error.retriable || !wait_before_repeat(p, &wait_ms))
            return -1;
        if (++failures == WARN_AFTER) /* said once, so that nobody looks at a silent start */
            log_warn("store_retry", "%s; trying again for some seconds", op->error.text);
        *repeated = true;
        store_op_clear(op);
    }
    return 0;
}

static struct store_op put_of(const struct probe *p, const char *body) {
    return (struct store_op){
        .kind = STORE_PUT_IF_ABSENT,
        .key = p->key,
        .body = body,
        .body_len = strlen(body),
    };
}

static int must_put(const struct probe *p, struct error *e) {
    struct store_op op = put_of(p, "first\n");
    bool repeated;
    int rc = call(p, &op, &repeated);
    if (rc && op.error.code == ERR_EXISTS && repeated)
        rc = 0; /* the key is random, so it was an earlier attempt whose answer got lost */
    else if (rc && op.error.code == ERR_EXISTS)
        (void)error_set(e, ERR_UNSUPPORTED, "%s: this store says that a new key exists already: %s",
                        p->store->path, op.error.text);
    else if (rc)
        *e = op.error;
    store_op_clear(&op);
    return rc;
}

static int must_lose(const struct probe *p, struct error *e) {
    struct store_op op = put_of(p, "second\n");
    bool repeated;
    int rc = call(p, &op, &repeated);
    if (rc == 0)
        rc =
            error_set(e, ERR_UNSUPPORTED,
                      "%s: this store ignores If-None-Match (a second conditional put on one key "
                      "succeeded): two processes could write the same checkpoint; use a store that "
                      "honours it, such as AWS S3 or MinIO",
                      p->store->path);
    else if (op.error.code == ERR_EXISTS)
        rc = 0;
    else
        *e = op.error;
    store_op_clear(&op);
    return rc;
}

static int must_remove(const struct probe *p, struct error *e) {
    struct store_op op = {.kind = STORE_DELETE, .key = p->key};
    bool repeated;
    int rc = call(p, &op, &repeated);
    if (rc) {
        *e = op.error;
        (void)error_wrap(e, "cannot remove the probe's key (old checkpoints are removed too%s)",
                         e->code == ERR_DENIED ? ": s3:DeleteObject is needed" : "");
    }
    store_op_clear(&op);
    return rc;
}

int store_probe(struct store *s, struct random *random, int64_t patience_ms, struct error *e) {
    struct probe p = {.store = s, .random = random};
    struct error ignored;
    char hex[33];
    if (!e)
        e = &ignored;
    error_clear(e);
    p.deadline_ms = clock_monotonic(clock_system()) + patience_ms;
    random_hex(random, 16, hex);
    (void)snprintf(p.key, sizeof p.key, "_probe-%s", hex);
    if (must_put(&p, e))
        return -1;
    int rc = must_lose(&p, e);
    if (must_remove(&p, rc ? &ignored : e)) /* the first trouble is the one to tell */
        rc = -1;
    return rc;
}
