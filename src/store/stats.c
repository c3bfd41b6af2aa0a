#include "store/stats.h"

#include "base/histogram.h"

const double store_latency_bounds[STORE_LATENCY_BUCKETS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                            0.5,   1,    2.5,   5,    10,  30};

void store_counters_add(struct store_counters *to, const struct store_counters *more) {
    for (int k = 0; k < STORE_KIND_COUNT; k++) {
        for (int o = 0; o < STORE_OUTCOMES; o++)
            to->outcomes[k][o] += more->outcomes[k][o];
        for (int b = 0; b <= STORE_LATENCY_BUCKETS; b++)
            to->latency[k][b] += more->latency[k][b];
        to->retries[k] += more->retries[k];
        to->latency_ms[k] += more->latency_ms[k];
    }
    to->bytes_out += more->bytes_out;
    to->bytes_in += more->bytes_in;
    to->busy_ms += more->busy_ms;
    to->under_way += more->under_way;
}

void store_counters_answered(struct store_counters *c, enum store_kind kind, enum error_code code,
                             int64_t ms) {
    c->outcomes[kind][code]++;
    c->latency[kind][histogram_bucket(store_latency_bounds, STORE_LATENCY_BUCKETS, ms, 1e3)]++;
    c->latency_ms[kind] += (uint64_t)(ms > 0 ? ms : 0);
}

uint64_t store_counters_errors(const struct store_counters *c) {
    static const enum error_code troubles[] = {ERR_UNKNOWN,  ERR_UNAVAILABLE, ERR_DENIED,
                                               ERR_NO_SPACE, ERR_IO,          ERR_CORRUPT};
    uint64_t n = 0;
    for (int k = 0; k < STORE_KIND_COUNT; k++)
        for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++)
            n += c->outcomes[k][troubles[i]];
    return n;
}

uint64_t store_counters_retries(const struct store_counters *c) {
    uint64_t n = 0;
    for (int k = 0; k < STORE_KIND_COUNT; k++)
        n += c->retries[k];
    return n;
}
