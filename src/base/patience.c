#include "base/patience.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"

struct call {
    void (*fn)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool back;      /* fn has come back */
    bool abandoned; /* nobody waits any more: whoever comes last frees this */
};

static struct call *new_call(void (*fn)(void *arg), void *arg) {
    struct call *call = xcalloc(1, sizeof *call);
    pthread_condattr_t monotonic;
    call->fn = fn;
    call->arg = arg;
    (void)pthread_mutex_init(&call->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&call->over, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return call;
}

static void free_call(struct call *call) {
    (void)pthread_mutex_destroy(&call->lock);
    (void)pthread_cond_destroy(&call->over);
    free(call);
}

static void *run(void *ctx) {
    struct call *call = ctx;
    call->fn(call->arg);
    (void)pthread_mutex_lock(&call->lock);
    bool abandoned = call->abandoned;
    call->back = true;
    (void)pthread_cond_signal(&call->over);
    (void)pthread_mutex_unlock(&call->lock);
    if (abandoned)
        free_call(call);
    return NULL;
}

static struct timespec in(int64_t ms) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static bool wait_for(struct call *call, int64_t ms) {
    struct timespec until = in(ms);
    (void)pthread_mutex_lock(&call->lock);
    while (!call->back && pthread_cond_timedwait(&call->over, &call->lock, &until) == 0)
        ;
    bool back = call->back;
    call->abandoned = !back;
    (void)pthread_mutex_unlock(&call->lock);
    return back;
}

bool call_with_patience(void (*fn)(void *arg), void *arg, int64_t ms) {
    struct call *call = new_call(fn, arg);
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, call) != 0) {
        free_call(call);
        fn(arg);
        return true;
    }
    if (!wait_for(call, ms)) {
        (void)pthread_detach(thread);
        return false;
    }
    (void)pthread_join(thread, NULL);
    free_call(call);
    return true;
}
