/* What has come about within the last minute: one sample in five seconds of counters that only grow. */
#ifndef TIDEMARK_JOB_RECENT_H
#define TIDEMARK_JOB_RECENT_H

#include "control/metrics.h"

enum { RECENT_KEPT = 13, RECENT_EVERY_MS = 5000 };

struct recent_memory {
    struct recent_sample {
        int64_t at_ms; /* monotonic */
        struct time_spent worker;
        uint64_t records, late, rejected;
        uint64_t output_errors, output_retries, checkpoint_errors, checkpoint_retries;
        int64_t lag;
        size_t lagging;     /* partitions of which the lag is known */
    } samples[RECENT_KEPT]; /* a ring */
    size_t n;               /* ever */
};

/* Takes the counters of *m, which are complete, and fills in m->recent. */
void recent_update(struct recent_memory *r, struct job_metrics *m, int64_t now_ms);

#endif
