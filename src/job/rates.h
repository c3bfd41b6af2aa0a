/* Speeds out of counters that only grow: a short memory of their values. */
#ifndef TIDEMARK_JOB_RATES_H
#define TIDEMARK_JOB_RATES_H

#include "control/metrics.h"

enum { RATES_KEPT = 24, RATES_SHORT_MS = 1000, RATES_LONG_MS = 5000 };

struct rates {
    struct rates_sample {
        int64_t at_ms; /* monotonic */
        uint64_t records, bytes_in, bytes_out, store_busy_ms;
        struct time_spent worker;
    } samples[RATES_KEPT]; /* a ring */
    size_t n;              /* ever */
};

/* Takes the counters of *m, which are complete, and fills in its rates. */
void rates_update(struct rates *r, struct job_metrics *m, int64_t now_ms);

#endif
