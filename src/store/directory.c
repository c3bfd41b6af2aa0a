/* The directory store's vtable and its thread: requests in at one end of a queue, answers out at the
 * other. Everything that touches the disk happens on the thread. */
#include "store/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "store/directory_internal.h"

enum { DIRECTORY_MAX_PARTS = 1000000 };

static void run(struct directory *d, struct store_op *op) {
    static void (*const actions[])(struct directory *, struct store_op *) = {
        [STORE_GET] = directory_get,
        [STORE_HEAD] = directory_head,
        [STORE_PUT_IF_ABSENT] = directory_put,
        [STORE_DELETE] = directory_delete,
        [STORE_LIST] = directory_list,
        [STORE_UPLOAD_CREATE] = directory_create,
        [STORE_UPLOAD_PART] = directory_part,
        [STORE_UPLOAD_SYNC] = directory_sync,
        [STORE_UPLOAD_COMPLETE] = directory_complete,
        [STORE_LIST_UPLOADS] = directory_list_uploads,
        [STORE_UPLOAD_ABORT] = directory_abort,
    };
    actions[op->kind](d, op);
}

static void append(struct store_op ***tail, struct store_op *op) {
    op->next = NULL;
    **tail = op;
    *tail = &op->next;
}

/* The wake function is called without the lock, so that it may take locks of its own. */
static void finish(struct directory *d, struct store_op *op) {
    (void)pthread_mutex_lock(&d->lock);
    bool was_empty = d->done == NULL;
    append(&d->done_tail, op);
    void (*wake)(void *) = d->wake;
    void *ctx = d->wake_ctx;
    (void)pthread_cond_signal(&d->finished);
    (void)pthread_mutex_unlock(&d->lock);
    if (was_empty && wake)
        wake(ctx);
}

/* The next request, from under the lock. */
static struct store_op *take_submitted(struct directory *d) {
    struct store_op **queue = d->queue ? &d->queue : &d->copies;
    struct store_op *op = *queue;
    *queue = op->next;
    if (!d->queue)
        d->queue_tail = &d->queue;
    if (!d->copies)
        d->copies_tail = &d->copies;
    return op;
}

static void *io_thread(void *arg) {
    struct directory *d = arg;
    for (;;) {
        (void)pthread_mutex_lock(&d->lock);
        while (!d->queue && !d->copies && !d->stop)
            (void)pthread_cond_wait(&d->submitted, &d->lock);
        if (d->stop) {
            (void)pthread_mutex_unlock(&d->lock);
            return NULL;
        }
        struct store_op *op = take_submitted(d);
        (void)pthread_mutex_unlock(&d->lock);
        run(d, op);
        finish(d, op);
    }
}

/* After a crash all that was open is copied (rule 11), which may be gigabytes: what is read meanwhile
 * must not wait for it, or reading would soon have to stop. */
static bool is_copy(const struct store_op *op) {
    return op->kind == STORE_UPLOAD_COMPLETE && op->inherited;
}

static void submit(struct store *s, struct store_op *op) {
    struct directory *d = (struct directory *)s;
    (void)pthread_mutex_lock(&d->lock);
    append(is_copy(op) ? &d->copies_tail : &d->queue_tail, op);
    (void)pthread_cond_signal(&d->submitted);
    (void)pthread_mutex_unlock(&d->lock);
}

static void wait_finished(struct directory *d, int timeout_ms) {
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!d->done && pthread_cond_timedwait(&d->finished, &d->lock, &until) != ETIMEDOUT)
        ;
}

/* One by one, so that what a done() leaves undelivered (it may free the store's user) stays ours. */
static struct store_op *take_done(struct directory *d, int timeout_ms) {
    (void)pthread_mutex_lock(&d->lock);
    if (!d->done && timeout_ms > 0)
        wait_finished(d, timeout_ms);
    struct store_op *op = d->done;
    if (op) {
        d->done = op->next;
        if (!d->done)
            d->done_tail = &d->done;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return op;
}

static size_t poll_done(struct store *s, int timeout_ms) {
    struct directory *d = (struct directory *)s;
    size_t delivered = 0;
    struct store_op *op;
    while ((op = take_done(d, delivered ? 0 : timeout_ms))) {
        op->next = NULL;
        op->done(op);
        delivered++;
    }
    return delivered;
}

static void set_wake(struct store *s, void (*fn)(void *ctx), void *ctx) {
    struct directory *d = (struct directory *)s;
    (void)pthread_mutex_lock(&d->lock);
    d->wake = fn;
    d->wake_ctx = ctx;
    (void)pthread_mutex_unlock(&d->lock);
}

static void release(struct directory *d) {
    directory_upload_drop_all(d); /* the files stay: rule 10 */
    directory_forget_parents(d);
    (void)pthread_cond_destroy(&d->submitted);
    (void)pthread_cond_destroy(&d->finished);
    (void)pthread_mutex_destroy(&d->lock);
    free(d->store.path);
    free(d);
}

static void free_store(struct store *s) {
    struct directory *d = (struct directory *)s;
    (void)pthread_mutex_lock(&d->lock);
    d->stop = true;
    (void)pthread_cond_signal(&d->submitted);
    (void)pthread_mutex_unlock(&d->lock);
    (void)pthread_join(d->thread, NULL);
    release(d);
}

static const struct store_ops directory_ops = {submit, poll_done, set_wake, free_store};

static struct directory *new_directory(const char *path, struct clock *clock, struct random *random,
                                       struct directory_io *io) {
    struct directory *d = xcalloc(1, sizeof *d);
    size_t n = strlen(path);
    d->store = (struct store){.ops = &directory_ops,
                              .path = xasprintf("%s%s", path, path[n - 1] == '/' ? "" : "/"),
                              .sync_parts = true,
                              .max_parts = DIRECTORY_MAX_PARTS};
    d->io = io;
    d->clock = clock;
    d->random = random;
    d->queue_tail = &d->queue;
    d->copies_tail = &d->copies;
    d->done_tail = &d->done;
    (void)pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&d->submitted, &attr);
    (void)pthread_cond_init(&d->finished, &attr);
    (void)pthread_condattr_destroy(&attr);
    return d;
}

struct store *store_directory_open_with_io(const char *path, struct clock *clock,
                                           struct random *random, struct directory_io *io,
                                           struct error *e) {
    if (!path || !*path) {
        (void)error_set(e, ERR_USAGE, "the output directory's name is empty");
        return NULL;
    }
    struct directory *d = new_directory(path, clock, random, io);
    if (directory_make_root(d, e)) {
        release(d);
        return NULL;
    }
    int rc = pthread_create(&d->thread, NULL, io_thread, d);
    if (rc) {
        (void)error_errno(e, rc, "cannot start the I/O thread for %s", d->store.path);
        release(d);
        return NULL;
    }
    return &d->store;
}

struct store *store_directory_open(const char *path, struct clock *clock, struct random *random,
                                   struct error *e) {
    return store_directory_open_with_io(path, clock, random, directory_io_system(), e);
}
