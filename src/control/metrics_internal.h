/* Shared by metrics.c and prometheus.c. */
#ifndef TIDEMARK_CONTROL_METRICS_INTERNAL_H
#define TIDEMARK_CONTROL_METRICS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "control/metrics.h"

struct metrics {
    struct clock *clock;
    int64_t started_wall_ms;
    _Atomic int64_t watched_until_ms; /* monotonic */
    pthread_mutex_t lock;             /* of what follows */
    struct job_metrics now;
    enum job_state state;
    int64_t entered_ms[JOB_STATE_COUNT]; /* epoch */
};

#endif
