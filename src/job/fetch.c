#include "job/fetch.h"

#include <stdlib.h>

#include "base/memory.h"

enum { AT_ONCE = 16, PATIENCE_MS = 30000 };

struct fetch {
    struct store *store;
    char *const *keys;
    size_t n, next, inflight;
    size_t max_bytes;
    fetch_fn *fn;
    void *ctx;
    bool failed;
    struct error *e;
};

struct request {
    struct store_op op;
    struct fetch *fetch;
    size_t index;
};

static void on_answer(struct store_op *op);

static void ask(struct fetch *f, struct request *r) {
    r->index = f->next++;
    r->op = (struct store_op){.kind = STORE_GET,
                              .key = f->keys[r->index],
                              .max_bytes = f->max_bytes,
                              .retry_ms = PATIENCE_MS,
                              .done = on_answer,
                              .ctx = r};
    f->inflight++;
    store_submit(f->store, &r->op);
}

static void on_answer(struct store_op *op) {
    struct request *r = op->ctx;
    struct fetch *f = r->fetch;
    f->inflight--;
    if (f->failed) {
        /* only what was under way comes in now */
    } else if (op->error.code == ERR_NONE) {
        f->failed = f->fn(f->ctx, r->index, buffer_text(&op->answer), op->answer.len, f->e) != 0;
    } else if (op->error.code == ERR_NOT_FOUND) {
        f->failed = f->fn(f->ctx, r->index, NULL, 0, f->e) != 0;
    } else {
        *f->e = op->error;
        f->failed = true;
    }
    if (f->failed && op->error.code != ERR_NONE && op->error.code != ERR_NOT_FOUND)
        (void)error_wrap(f->e, "cannot read %s%s", f->store->path, f->keys[r->index]);
    store_op_clear(op);
    if (!f->failed && f->next < f->n)
        ask(f, r);
}

int fetch_all(struct store *s, char *const *keys, size_t n, size_t max_bytes, fetch_fn *fn,
              void *ctx, struct error *e) {
    struct fetch f = {
        .store = s, .keys = keys, .n = n, .max_bytes = max_bytes, .fn = fn, .ctx = ctx, .e = e};
    struct request *requests = xcalloc(AT_ONCE, sizeof *requests);
    for (size_t i = 0; i < AT_ONCE && f.next < n && !f.failed; i++) {
        requests[i].fetch = &f;
        ask(&f, &requests[i]);
    }
    while (f.inflight > 0)
        (void)store_poll(s, 1000);
    free(requests);
    return f.failed ? -1 : 0;
}

int fetch_list(struct store *s, const char *prefix, enum store_kind kind, struct store_op *op,
               struct error *e) {
    *op = (struct store_op){.kind = kind, .key = prefix, .retry_ms = PATIENCE_MS};
    if (store_call(s, op) == 0)
        return 0;
    *e = op->error;
    (void)error_wrap(e, "cannot list %s of %s%s", kind == STORE_LIST ? "objects" : "uploads",
                     s->path, prefix);
    store_op_clear(op);
    return -1;
}
