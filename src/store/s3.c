#include "store/s3.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "store/s3_job.h"

enum { CONNECT_TIMEOUT_MS = 5 * 1000, REQUEST_TIMEOUT_MS = 60 * 1000 };

struct s3 {
    struct store store; /* first: a store's address is its s3's */
    struct s3_target target;
    struct clock *clock;
    struct http *http;
    _Atomic int64_t clock_offset_ms; /* S3's clock minus ours, where S3 complained */

    pthread_mutex_t done_lock; /* guards the list of finished ops */
    pthread_cond_t done_some;
    struct store_op *done, **done_tail;

    pthread_mutex_t wake_lock; /* not held while done_lock is: wake may take locks of its own */
    void (*wake)(void *ctx);
    void *wake_ctx;
};

/* ---- On the I/O thread (and for what needs no request, on the owner's) ---- */

static void deliver(struct s3 *s3, struct store_op *op) {
    op->next = NULL;
    pthread_mutex_lock(&s3->done_lock);
    bool first = !s3->done;
    *s3->done_tail = op;
    s3->done_tail = &op->next;
    pthread_cond_signal(&s3->done_some);
    pthread_mutex_unlock(&s3->done_lock);
    if (!first)
        return;
    pthread_mutex_lock(&s3->wake_lock);
    if (s3->wake)
        s3->wake(s3->wake_ctx);
    pthread_mutex_unlock(&s3->wake_lock);
}

static struct s3_job *job_of(struct http_request *r) {
    return (struct s3_job *)(void *)r;
}

static void on_prepare(struct http_request *r) {
    struct s3_job *job = job_of(r);
    s3_request_build(job, clock_wall(job->s3->clock) + atomic_load(&job->s3->clock_offset_ms));
}

static void on_done(struct http_request *r) {
    struct s3_job *job = job_of(r);
    struct s3 *s3 = job->s3;
    if (!job->skew_repeated && s3_result_is_skewed(job)) {
        job->skew_repeated = true;
        atomic_store(&s3->clock_offset_ms, job->http.date - clock_wall(s3->clock));
        http_submit(s3->http, r);
        return;
    }
    if (s3_result_take(job) == S3_REPEAT) {
        http_submit(s3->http, r);
        return;
    }
    struct store_op *op = job->op;
    op->impl = NULL;
    s3_job_free(job);
    deliver(s3, op);
}

static void on_drop(struct http_request *r) {
    struct s3_job *job = job_of(r);
    job->op->impl = NULL;
    s3_job_free(job);
}

/* ---- On the owner's thread ---- */

static void s3_submit(struct store *s, struct store_op *op) {
    struct s3 *s3 = (struct s3 *)s;
    store_op_clear(op);
    if (op->kind == STORE_UPLOAD_SYNC) { /* a part is durable when it is acknowledged */
        deliver(s3, op);
        return;
    }
    struct s3_job *job = xcalloc(1, sizeof *job);
    job->s3 = s3;
    job->target = &s3->target;
    job->op = op;
    job->http.prepare = on_prepare;
    job->http.done = on_done;
    op->impl = job;
    http_submit(s3->http, &job->http);
}

static struct timespec deadline_in(int timeout_ms) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000L;
    }
    return t;
}

static struct store_op *take_done(struct s3 *s3, int timeout_ms) {
    pthread_mutex_lock(&s3->done_lock);
    if (!s3->done && timeout_ms > 0) {
        struct timespec deadline = deadline_in(timeout_ms);
        while (!s3->done && pthread_cond_timedwait(&s3->done_some, &s3->done_lock, &deadline) == 0)
            ;
    }
    struct store_op *list = s3->done;
    s3->done = NULL;
    s3->done_tail = &s3->done;
    pthread_mutex_unlock(&s3->done_lock);
    return list;
}

static size_t s3_poll(struct store *s, int timeout_ms) {
    size_t n = 0;
    struct store_op *op = take_done((struct s3 *)s, timeout_ms);
    while (op) {
        struct store_op *next = op->next; /* done() may free op */
        op->next = NULL;
        op->done(op);
        op = next;
        n++;
    }
    return n;
}

static void s3_set_wake(struct store *s, void (*fn)(void *ctx), void *ctx) {
    struct s3 *s3 = (struct s3 *)s;
    pthread_mutex_lock(&s3->wake_lock);
    s3->wake = fn;
    s3->wake_ctx = ctx;
    pthread_mutex_unlock(&s3->wake_lock);
}

static void destroy(struct s3 *s3) {
    s3_target_free(&s3->target);
    pthread_mutex_destroy(&s3->done_lock);
    pthread_cond_destroy(&s3->done_some);
    pthread_mutex_destroy(&s3->wake_lock);
    free(s3->store.path);
    free(s3);
}

static void s3_free(struct store *s) {
    struct s3 *s3 = (struct s3 *)s;
    http_free(s3->http, on_drop);
    destroy(s3);
}

static const struct store_ops s3_ops = {
    .submit = s3_submit,
    .poll = s3_poll,
    .set_wake = s3_set_wake,
    .free = s3_free,
};

static struct s3 *create(struct clock *clock) {
    struct s3 *s3 = xcalloc(1, sizeof *s3);
    s3->clock = clock;
    s3->done_tail = &s3->done;
    atomic_init(&s3->clock_offset_ms, 0);
    pthread_mutex_init(&s3->done_lock, NULL);
    pthread_mutex_init(&s3->wake_lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s3->done_some, &attr);
    pthread_condattr_destroy(&attr);
    return s3;
}

struct store *s3_open(const char *path, const struct s3_config *cfg, struct clock *clock,
                      struct error *e) {
    struct s3 *s3 = create(clock);
    if (s3_target_init(&s3->target, path, cfg, e))
        goto failed;
    s3->store = (struct store){
        .ops = &s3_ops,
        .path = xasprintf("s3://%s/%s", s3->target.bucket, s3->target.prefix),
        .sync_parts = false,
        .min_part = S3_MIN_PART,
        .max_parts = S3_MAX_PARTS,
    };
    struct http_config http = {
        .connections = S3_CONNECTIONS,
        .connect_timeout_ms =
            cfg->connect_timeout_ms ? cfg->connect_timeout_ms : CONNECT_TIMEOUT_MS,
        .request_timeout_ms =
            cfg->request_timeout_ms ? cfg->request_timeout_ms : REQUEST_TIMEOUT_MS,
        .clock = clock,
    };
    s3->http = http_new(&http);
    if (!s3->http) {
        (void)error_set(e, ERR_INTERNAL, "%s: the system refuses another thread", path);
        goto failed;
    }
    return &s3->store;
failed:
    destroy(s3);
    return NULL;
}
