#include "base/patience.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"

struct call {
    void (*fn)(void *arg);
    void *arg;
};

static void *run(void *ctx) {
    struct call call = *(struct call *)ctx;
    free(ctx);
    call.fn(call.arg);
    return NULL;
}

bool call_with_patience(void (*fn)(void *arg), void *arg, int64_t ms) {
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){fn, arg};
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, call) != 0) {
        free(call);
        fn(arg);
        return true;
    }
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0)
        return true;
    (void)pthread_detach(thread);
    return false;
}
