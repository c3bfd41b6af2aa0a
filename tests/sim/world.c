#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "checkpoint/chain.h"
#include "support/memory_world.h"

const char *const traits_names[TRAITS_COUNT] = {"directory", "s3", "aws"};
const char *const crash_names[] = {"kill", "power cut", "power cut that tears"};

struct late {
    struct late *next;
    struct store_op op;
    char *key, *upload, *body;
    struct store_part *parts;
};

/* The smallest part is small, so that short histories have several. */
static const struct memory_traits small_parts = {.min_part = 24, .max_parts = 10000};
static const struct memory_traits small_parts_aws = {
    .min_part = 24, .max_parts = 10000, .repeat_success = true};

static void fs_appeared(void *ctx, const char *name, const char *data, size_t len) {
    oracle_appeared(ctx, name, data, len);
}

static void count_change(struct world *w) {
    w->changes++;
    if (w->before_change)
        w->before_change(w->ctx);
}

static void fs_before_change(void *ctx) {
    struct world *w = ctx;
    w->changes = w->fs->changes - 1;
    count_change(w);
}

static void use_fs(struct world *w) {
    w->fs->before_change = fs_before_change;
    w->fs->appeared = fs_appeared;
    w->fs->ctx = w;
    w->changes = 0;
}

struct world *world_new(int traits, const struct sim_log *log, uint64_t seed) {
    struct world *w = xcalloc(1, sizeof *w);
    fake_clock_init(&w->clock);
    fake_random_init(&w->random, seed);
    w->log = log;
    w->log_end = log->n;
    if (traits == TRAITS_DIRECTORY) {
        w->fs = simfs_new();
        use_fs(w);
    } else {
        w->memory = memory_world_new(traits == TRAITS_AWS ? &small_parts_aws : &small_parts,
                                     &w->clock.clock);
    }
    return w;
}

static void free_late(struct late *l);

void world_free(struct world *w) {
    while (w->late) {
        struct late *l = w->late;
        w->late = l->next;
        free_late(l);
    }
    if (w->memory)
        memory_world_free(w->memory);
    if (w->fs)
        simfs_free(w->fs);
    oracle_clear(&w->oracle);
    free(w);
}

struct world *world_clone(const struct world *w) {
    struct world *copy = xmalloc(sizeof *copy);
    *copy = *w;
    copy->before_change = NULL;
    copy->late = NULL;
    copy->changes = copy->fail_at = 0;
    uint64_t acknowledged = w->oracle.acknowledged;
    copy->oracle = (struct oracle){.acknowledged = acknowledged};
    for (size_t i = 0; i < w->oracle.n_files; i++) { /* what is not in the store */
        const struct listed *l = &w->oracle.files[i];
        if (!l->taken)
            continue;
        struct oracle *o = &copy->oracle;
        array_reserve(&o->files, &o->cap_files, o->n_files + 1, sizeof *o->files);
        o->files[o->n_files] = (struct listed){.taken = true, .in_manifest = l->in_manifest};
        file_entry_copy(&o->files[o->n_files++].file, &l->file);
    }
    if (w->memory)
        copy->memory = memory_world_clone(w->memory, &copy->clock.clock);
    if (w->fs) {
        copy->fs = simfs_clone(w->fs);
        use_fs(copy);
    }
    return copy;
}

void world_fail(struct world *w, const char *format, ...) {
    if (*w->failure || w->deaf)
        return;
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(w->failure, sizeof w->failure, format, ap);
    va_end(ap);
    world_trace(w, "WRONG: %s", w->failure);
}

void world_trace(const struct world *w, const char *format, ...) {
    if (!w->trace)
        return;
    printf("%8" PRId64 " ms  ", w->clock.monotonic - 1000000);
    va_list ap;
    va_start(ap, format);
    (void)vprintf(format, ap);
    va_end(ap);
    printf("\n");
}

void world_crash(struct world *w, enum crash how) {
    if (w->fs && how != CRASH_KILL)
        simfs_power_cut(w->fs, how == CRASH_POWER_TEAR ? CUT_TEAR : CUT_DROP, &w->random.random);
    oracle_look(w);
}

/* ---- Objects ------------------------------------------------------------------------------------ */

struct each {
    const char *prefix;
    void (*fn)(void *ctx, const char *key, const char *data, size_t len);
    void *ctx;
};

static void each_below(void *ctx, const char *key, const char *data, size_t len) {
    struct each *e = ctx;
    if (strncmp(key, e->prefix, strlen(e->prefix)) == 0)
        e->fn(e->ctx, key, data, len);
}

void world_each(const struct world *w, const char *prefix,
                void (*fn)(void *ctx, const char *key, const char *data, size_t len), void *ctx) {
    if (w->fs) {
        simfs_each(w->fs, each_below, &(struct each){prefix, fn, ctx});
        return;
    }
    const char *key;
    for (size_t i = 0; (key = memory_world_key(w->memory, prefix, i)); i++) {
        size_t len;
        const char *data = memory_world_object(w->memory, key, &len);
        fn(ctx, key, data, len);
    }
}

const char *world_object(const struct world *w, const char *key, size_t *len) {
    return w->fs ? simfs_object(w->fs, key, len) : memory_world_object(w->memory, key, len);
}

bool world_take_listed(struct world *w, size_t index) {
    for (size_t i = 0; i < w->oracle.n_files; i++) {
        struct listed *l = &w->oracle.files[i];
        if (!l->in_manifest || l->taken || index-- > 0)
            continue;
        l->taken = true;
        return w->fs ? simfs_remove(w->fs, l->file.key)
                     : memory_world_remove(w->memory, l->file.key);
    }
    return false;
}

/* ---- Handles ------------------------------------------------------------------------------------ */

static struct handle *self(struct store *s) {
    return (struct handle *)s;
}

static struct store_op **slot(const struct handle *h, size_t index) {
    struct store_op **p = (struct store_op **)(uintptr_t)&h->queue;
    while (*p && index--)
        p = &(*p)->next;
    return p;
}

static void submit(struct store *s, struct store_op *op) {
    op->attempt = 0;
    op->next = NULL;
    *slot(self(s), SIZE_MAX) = op;
}

static size_t poll_nothing(struct store *s, int timeout_ms) {
    (void)s;
    (void)timeout_ms;
    return 0;
}

static void set_wake(struct store *s, void (*fn)(void *ctx), void *ctx) {
    (void)s;
    (void)fn;
    (void)ctx;
}

static void free_handle(struct store *s) {
    struct handle *h = self(s);
    struct directory *d = h->directory;
    if (d) {
        directory_upload_drop_all(d);
        directory_forget_parents(d);
        directory_destroy(d);
        free(d->store.path);
        free(d);
    }
    free(h->store.path);
    free(h);
}

/* The product's store without its thread: requests are carried out when the history says so. */
static struct directory *open_directory(struct world *w, struct random *random) {
    struct directory *d = xcalloc(1, sizeof *d);
    d->store = (struct store){.path = xstrdup(SIMFS_ROOT), .sync_parts = true};
    d->io = &w->fs->io;
    d->clock = &w->clock.clock;
    d->random = random;
    directory_init(d);
    return d;
}

struct handle *handle_new(struct world *w, int name, struct random *random) {
    static const struct store_ops ops = {submit, poll_nothing, set_wake, free_handle};
    struct handle *h = xcalloc(1, sizeof *h);
    h->store = (struct store){.ops = &ops, .path = xstrdup(SIMFS_ROOT), .max_parts = 10000};
    h->world = w;
    h->name = name;
    if (w->fs) {
        h->directory = open_directory(w, random);
        h->store.sync_parts = true;
    } else {
        h->store.min_part = memory_world_traits(w->memory)->min_part;
    }
    return h;
}

size_t handle_pending(const struct handle *h) {
    size_t n = 0;
    for (const struct store_op *op = h->queue; op; op = op->next)
        n++;
    return n;
}

const struct store_op *handle_op(const struct handle *h, size_t index) {
    return *slot(h, index);
}

static bool changes_store(enum store_kind kind) {
    return kind == STORE_PUT_IF_ABSENT || kind == STORE_DELETE || kind == STORE_UPLOAD_CREATE ||
           kind == STORE_UPLOAD_PART || kind == STORE_UPLOAD_COMPLETE;
}

static void run_memory(struct world *w, struct store_op *op) {
    bool appears = op->kind == STORE_PUT_IF_ABSENT || op->kind == STORE_UPLOAD_COMPLETE;
    bool there = appears && memory_world_object(w->memory, op->key, NULL);
    memory_world_run(w->memory, op);
    size_t len;
    const char *data = appears && !there ? memory_world_object(w->memory, op->key, &len) : NULL;
    if (data)
        oracle_appeared(w, op->key, data, len);
}

static void answer_with(struct store_op *op, const struct fault *f) {
    store_op_clear(op);
    (void)error_set(&op->error, f->code, "simulated: %s", f->name);
}

/* ---- Requests that come late -------------------------------------------------------------------- */

static void free_late(struct late *l) {
    free(l->key);
    free(l->upload);
    free(l->body);
    free(l->parts);
    free(l);
}

static void *copy_bytes(const void *from, size_t n) {
    void *copy = xmalloc(n + 1);
    if (n)
        memcpy(copy, from, n);
    return copy;
}

static void remember_late(struct world *w, const struct store_op *op) {
    if (op->kind != STORE_PUT_IF_ABSENT && op->kind != STORE_UPLOAD_COMPLETE)
        return;
    struct late *l = xcalloc(1, sizeof *l);
    l->key = xstrdup(op->key);
    l->upload = op->upload ? xstrdup(op->upload) : NULL;
    l->body = copy_bytes(op->body, op->body_len);
    l->parts = copy_bytes(op->parts, op->n_parts * sizeof *op->parts);
    l->op = (struct store_op){.kind = op->kind,
                              .key = l->key,
                              .upload = l->upload,
                              .body = l->body,
                              .body_len = op->body_len,
                              .parts = l->parts,
                              .n_parts = op->n_parts,
                              .bytes = op->bytes};
    struct late **p = &w->late;
    while (*p)
        p = &(*p)->next;
    *p = l;
}

static const char *brief(const char *key) {
    const char *slash = strrchr(key, '/');
    return slash && slash[1] ? slash + 1 : key;
}

static const char *outcome(const struct store_op *op) {
    return op->error.code == ERR_NONE ? "done" : error_name(op->error.code);
}

/* Rule 1: other bytes never go under a number that was tried once. */
static void check_tried(struct handle *h, const struct store_op *op) {
    if (op->kind != STORE_PUT_IF_ABSENT ||
        strncmp(op->key, CHAIN_PREFIX, strlen(CHAIN_PREFIX)) != 0)
        return;
    uint64_t number = chain_parse_name(op->key + strlen(CHAIN_PREFIX));
    uint32_t crc = crc32c(0, op->body, op->body_len);
    if (number == h->tried && crc != h->tried_crc32c)
        world_fail(h->world, "p%d puts other bytes as checkpoint %" PRIu64, h->name, number);
    h->tried = number;
    h->tried_crc32c = crc;
}

void handle_apply(struct handle *h, size_t index, const struct fault *fault) {
    struct world *w = h->world;
    struct store_op *op = *slot(h, index);
    check_tried(h, op);
    op->attempt = 1;
    if (w->fs) {
        if (fault && fault->disk_errno && !w->fs->fail_at) {
            w->fs->fail_at = w->fs->changes + 1 + random_below(&w->random.random, 4);
            w->fs->fail_errno = fault->disk_errno;
        }
        directory_run(h->directory, op);
    } else {
        if (changes_store(op->kind))
            count_change(w);
        if (w->fail_at && changes_store(op->kind) && w->changes == w->fail_at)
            fault = w->fault;
        if (!fault || fault->applied)
            run_memory(w, op);
        if (fault && fault->late)
            remember_late(w, op);
        if (fault)
            answer_with(op, fault);
    }
    world_trace(w, "p%d  %-8s %s: %s%s", h->name, store_kind_name(op->kind), brief(op->key),
                outcome(op), fault && fault->applied ? " (applied)" : "");
}

bool world_arrive(struct world *w, size_t index) {
    struct late **p = &w->late;
    while (*p && index--)
        p = &(*p)->next;
    struct late *l = *p;
    if (!l)
        return false;
    *p = l->next;
    count_change(w);
    run_memory(w, &l->op);
    world_trace(w, "late  %-8s %s: %s", store_kind_name(l->op.kind), brief(l->key),
                outcome(&l->op));
    store_op_clear(&l->op);
    free_late(l);
    return true;
}

void handle_answer(struct handle *h, size_t index) {
    struct store_op **p = slot(h, index), *op = *p;
    *p = op->next;
    if (op->kind == STORE_PUT_IF_ABSENT && op->error.code == ERR_NONE)
        oracle_acknowledged(h->world, op->key);
    op->done(op);
}

bool handle_step(struct handle *h, size_t index, const struct fault *fault) {
    if (!handle_op(h, index))
        return false;
    if (h->directory) /* its thread serves requests in order */
        index = 0;
    const struct store_op *op = handle_op(h, index);
    if (op->attempt)
        handle_answer(h, index);
    else
        handle_apply(h, index, fault);
    return true;
}
