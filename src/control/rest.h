/* Small pieces of JSON that the rest_*.c files share. */
#ifndef TIDEMARK_CONTROL_REST_H
#define TIDEMARK_CONTROL_REST_H

#include "checkpoint/checkpoint.h"
#include "control/route.h"

/* A count; those beyond 2^63 - 1 do not come. */
static inline json_t *rest_count(uint64_t n) {
    return json_integer((json_int_t)n);
}

/* A number that is not known where negative: null then. Offsets, durations, ages. */
static inline json_t *rest_known(int64_t n) {
    return n < 0 ? json_null() : json_integer(n);
}

/* A time in epoch milliseconds, which may be before 1970. */
static inline json_t *rest_time(int64_t ms) {
    return ms == TS_NONE ? json_null() : json_integer(ms);
}

/* A partition, or null for -1: the job's. */
static inline json_t *rest_partition(int32_t partition) {
    return rest_known(partition);
}

/* A decimal number with at most three digits behind the point. */
static inline json_t *rest_rate(double v) {
    return json_real((double)(int64_t)(v * 1000 + (v < 0 ? -0.5 : 0.5)) / 1000);
}

/* The query argument `limit`, within 1 and most; most where there is none or it is no number. */
size_t rest_limit(const struct http_request *r, size_t most);

/* How far a partition is from its end, by records and by Kafka's timestamps; -1: not known. */
struct rest_lag {
    int64_t records;
    double seconds;
};
struct rest_lag rest_lag(const struct partition_metrics *p, int64_t now_ms);

#endif
