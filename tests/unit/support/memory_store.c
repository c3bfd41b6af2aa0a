/* One process's handle: the queue of its requests, and the faults that the test has set. */
#include "support/memory_store.h"

#include <stdlib.h>

#include "base/memory.h"
#include "support/memory_world.h"

struct fault {
    struct fault *next;
    enum store_kind kind;
    int countdown;
    enum error_code code;
    enum memory_fault when;
};

struct memory_store {
    struct store store; /* first */
    struct memory_world *world;
    struct store_op *queue; /* the oldest first; op->attempt != 0: applied */
    struct fault *faults;
    enum error_code fail_all;
    bool hold;
    void (*wake)(void *ctx);
    void *wake_ctx;
};

static struct memory_store *self(const struct store *s) {
    return (struct memory_store *)(uintptr_t)s;
}

static struct store_op **slot(struct memory_store *m, size_t index) {
    struct store_op **p = &m->queue;
    while (*p && index--)
        p = &(*p)->next;
    return p;
}

/* Takes the fault that meets this request, if any, off the list. */
static bool take_fault(struct memory_store *m, enum store_kind kind, struct fault *found) {
    bool hit = false;
    for (struct fault **p = &m->faults; *p;) {
        struct fault *f = *p;
        if (f->kind != kind || --f->countdown > 0 || hit) {
            p = &f->next;
            continue;
        }
        *found = *f;
        hit = true;
        *p = f->next;
        free(f);
    }
    return hit;
}

static void fail(struct store_op *op, enum error_code code, const char *when) {
    store_op_clear(op);
    (void)error_set(&op->error, code, "scripted: %s %s %s", error_name(code), when,
                    store_kind_name(op->kind));
}

static void apply(struct memory_store *m, struct store_op *op) {
    struct fault fault;
    if (op->attempt)
        return;
    op->attempt = 1;
    if (m->fail_all) {
        fail(op, m->fail_all, "before every");
        return;
    }
    bool hit = take_fault(m, op->kind, &fault);
    if (hit && fault.when == FAULT_BEFORE) {
        fail(op, fault.code, "before");
        return;
    }
    memory_world_run(m->world, op);
    if (hit)
        fail(op, fault.code, "after");
}

static void submit(struct store *s, struct store_op *op) {
    struct memory_store *m = self(s);
    op->attempt = 0;
    op->next = NULL;
    *slot(m, SIZE_MAX) = op;
    if (!m->hold && m->wake)
        m->wake(m->wake_ctx);
}

static size_t poll_all(struct store *s, int timeout_ms) {
    (void)timeout_ms;
    struct memory_store *m = self(s);
    if (m->hold)
        return 0;
    size_t n = memory_store_pending(s), delivered = 0;
    while (delivered < n && memory_store_step(s, 0))
        delivered++;
    return delivered;
}

static void set_wake(struct store *s, void (*fn)(void *ctx), void *ctx) {
    self(s)->wake = fn;
    self(s)->wake_ctx = ctx;
}

static void free_store(struct store *s) {
    struct memory_store *m = self(s);
    while (m->faults) {
        struct fault *next = m->faults->next;
        free(m->faults);
        m->faults = next;
    }
    free(m->store.path);
    free(m);
}

struct store *memory_store_open(struct memory_world *w) {
    static const struct store_ops ops = {submit, poll_all, set_wake, free_store};
    const struct memory_traits *traits = memory_world_traits(w);
    struct memory_store *m = xcalloc(1, sizeof *m);
    m->store = (struct store){.ops = &ops,
                              .path = xstrdup("s3://memory/"),
                              .sync_parts = traits->sync_parts,
                              .min_part = traits->min_part,
                              .max_parts = traits->max_parts};
    m->world = w;
    return &m->store;
}

/* ---- Delivery by hand --------------------------------------------------------------------------- */

void memory_store_hold(struct store *s, bool hold) {
    self(s)->hold = hold;
}

size_t memory_store_pending(const struct store *s) {
    size_t n = 0;
    for (const struct store_op *op = self(s)->queue; op; op = op->next)
        n++;
    return n;
}

const struct store_op *memory_store_pending_op(const struct store *s, size_t index) {
    return *slot(self(s), index);
}

bool memory_store_apply(struct store *s, size_t index) {
    struct store_op *op = *slot(self(s), index);
    if (op)
        apply(self(s), op);
    return op != NULL;
}

static struct store_op *take(struct memory_store *m, size_t index) {
    struct store_op **p = slot(m, index);
    struct store_op *op = *p;
    if (op)
        *p = op->next;
    return op;
}

bool memory_store_step(struct store *s, size_t index) {
    (void)memory_store_apply(s, index);
    struct store_op *op = take(self(s), index);
    if (op)
        op->done(op);
    return op != NULL;
}

bool memory_store_lose(struct store *s, size_t index) {
    struct store_op *op = take(self(s), index);
    if (!op)
        return false;
    fail(op, ERR_UNKNOWN, "instead of");
    op->done(op);
    return true;
}

size_t memory_store_drain(struct store *s) {
    size_t n = 0;
    while (memory_store_step(s, 0))
        n++;
    return n;
}

/* ---- Faults ------------------------------------------------------------------------------------- */

void memory_store_fail(struct store *s, enum store_kind kind, int nth, enum error_code code,
                       enum memory_fault when) {
    struct fault *f = xmalloc(sizeof *f);
    *f = (struct fault){self(s)->faults, kind, nth, code, when};
    self(s)->faults = f;
}

void memory_store_fail_all(struct store *s, enum error_code code) {
    self(s)->fail_all = code;
}
