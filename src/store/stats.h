/* Counts of a store's requests, for metrics. */
#ifndef TIDEMARK_STORE_STATS_H
#define TIDEMARK_STORE_STATS_H

#include <stdint.h>

#include "base/error.h"
#include "store/store.h"

enum { STORE_LATENCY_BUCKETS = 12, STORE_OUTCOMES = ERR_INTERNAL + 1 };

/* Seconds. */
extern const double store_latency_bounds[STORE_LATENCY_BUCKETS];

/* A plain copy of the counters, by kind. Each attempt counts: repeated ones too. */
struct store_counters {
    uint64_t outcomes[STORE_KIND_COUNT][STORE_OUTCOMES]; /* by enum error_code; [0]: success */
    uint64_t retries[STORE_KIND_COUNT];                  /* attempts that repeat one */
    uint64_t latency[STORE_KIND_COUNT][STORE_LATENCY_BUCKETS + 1]; /* not cumulative */
    uint64_t latency_ms[STORE_KIND_COUNT];                         /* sums */
    uint64_t bytes_out, bytes_in; /* of bodies sent and read, successful ones */
    uint64_t busy_ms;             /* with at least one request under way */
    uint64_t under_way;           /* now */
};

void store_counters_add(struct store_counters *to, const struct store_counters *more);

/* Attempts that failed for a reason that somebody has to mend: not those whose answer is a normal one,
 * such as that a key exists already. And attempts that repeated one. */
uint64_t store_counters_errors(const struct store_counters *c);
uint64_t store_counters_retries(const struct store_counters *c);

/* An attempt was answered after ms. */
void store_counters_answered(struct store_counters *c, enum store_kind kind, enum error_code code,
                             int64_t ms);

/* Of a store that store_retry_new() gave (all zero for others); on the thread that owns it. */
void store_counters_read(const struct store *s, struct store_counters *out);

#endif
