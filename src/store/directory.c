/* The directory store's vtable and its threads: requests in at one end of a queue, answers out at the
 * other. Everything that touches the disk happens on a thread of the store's.
 *
 * After a crash all that was open is copied (rule 11), which may be gigabytes. That is done by a
 * thread of its own, at low priority: neither what is read meanwhile nor its parts may wait for it. */
#include "store/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/directory_internal.h"

enum {
    DIRECTORY_MAX_PARTS = 1000000,
    /* Of the copies' thread: beside a thread that takes all of a core it gets a tenth of it. Little, so
     * that a job that has fallen behind catches up; but what is copied is published in the end, also
     * by one that is always busy. */
    COPY_NICE = 10
};

void directory_run(struct directory *d, struct store_op *op) {
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
    directory_go_on(d);
    actions[op->kind](d, op);
    directory_let_go(d);
}

void directory_let_go(struct directory *d) {
    (void)pthread_mutex_unlock(&d->turn);
}

void directory_go_on(struct directory *d) {
    (void)pthread_mutex_lock(&d->turn);
}

bool directory_is_stopping(struct directory *d) {
    (void)pthread_mutex_lock(&d->lock);
    bool stop = d->stop;
    (void)pthread_mutex_unlock(&d->lock);
    return stop;
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

/* NULL when the thread is to end. */
static struct store_op *take_submitted(struct directory *d, struct directory_queue *q) {
    (void)pthread_mutex_lock(&d->lock);
    while (!q->first && !d->stop)
        (void)pthread_cond_wait(&q->submitted, &d->lock);
    struct store_op *op = d->stop ? NULL : q->first;
    if (op) {
        q->first = op->next;
        if (!q->first)
            q->tail = &q->first;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return op;
}

static void work_off(struct directory *d, struct directory_queue *q) {
    struct store_op *op;
    while ((op = take_submitted(d, q))) {
        directory_run(d, op);
        finish(d, op);
    }
}

static void *io_thread(void *arg) {
    struct directory *d = arg;
    work_off(d, &d->requests);
    return NULL;
}

static void *copy_thread(void *arg) {
    struct directory *d = arg;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), COPY_NICE); /* Linux: of this thread alone */
    work_off(d, &d->copies);
    return NULL;
}

static void submit(struct store *s, struct store_op *op) {
    struct directory *d = (struct directory *)s;
    bool copy = op->kind == STORE_UPLOAD_COMPLETE && op->inherited;
    struct directory_queue *q = copy ? &d->copies : &d->requests;
    (void)pthread_mutex_lock(&d->lock);
    append(&q->tail, op);
    (void)pthread_cond_signal(&q->submitted);
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
    directory_destroy(d);
    free(d->store.path);
    free(d);
}

/* Joins those of the threads that were started. */
static void stop_threads(struct directory *d, bool both) {
    (void)pthread_mutex_lock(&d->lock);
    d->stop = true;
    (void)pthread_cond_signal(&d->requests.submitted);
    (void)pthread_cond_signal(&d->copies.submitted);
    (void)pthread_mutex_unlock(&d->lock);
    (void)pthread_join(d->requests.thread, NULL);
    if (both)
        (void)pthread_join(d->copies.thread, NULL);
}

static void free_store(struct store *s) {
    struct directory *d = (struct directory *)s;
    stop_threads(d, true);
    release(d);
}

static const struct store_ops directory_ops = {submit, poll_done, set_wake, free_store};

static void init_queue(struct directory_queue *q) {
    q->tail = &q->first;
    (void)pthread_cond_init(&q->submitted, NULL);
}

void directory_init(struct directory *d) {
    init_queue(&d->requests);
    init_queue(&d->copies);
    d->done_tail = &d->done;
    (void)pthread_mutex_init(&d->turn, NULL);
    (void)pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&d->finished, &attr);
    (void)pthread_condattr_destroy(&attr);
}

void directory_destroy(struct directory *d) {
    (void)pthread_cond_destroy(&d->requests.submitted);
    (void)pthread_cond_destroy(&d->copies.submitted);
    (void)pthread_cond_destroy(&d->finished);
    (void)pthread_mutex_destroy(&d->lock);
    (void)pthread_mutex_destroy(&d->turn);
}

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
    directory_init(d);
    return d;
}

/* 0, or an errno. */
static int start_threads(struct directory *d) {
    int rc = pthread_create(&d->requests.thread, NULL, io_thread, d);
    if (rc)
        return rc;
    rc = pthread_create(&d->copies.thread, NULL, copy_thread, d);
    if (rc)
        stop_threads(d, false);
    return rc;
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
    int rc = start_threads(d);
    if (rc) {
        (void)error_errno(e, rc, "cannot start the I/O threads for %s", d->store.path);
        release(d);
        return NULL;
    }
    return &d->store;
}

struct store *store_directory_open(const char *path, struct clock *clock, struct random *random,
                                   struct error *e) {
    return store_directory_open_with_io(path, clock, random, directory_io_system(), e);
}
