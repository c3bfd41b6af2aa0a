/* Click events into a topic, keyed by user_id: for demos, tests and benchmarks. */
#ifndef TIDEMARK_KAFKA_GENERATOR_H
#define TIDEMARK_KAFKA_GENERATOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "kafka/rdkafka_source.h"

struct generator_config {
    const char *bootstrap_servers, *topic;
    const struct kafka_property *properties; /* kafka.properties that a producer knows */
    size_t n_properties;
    uint64_t events; /* 0: until stopped */
    double rate;     /* events/s of wall time; 0: as fast as it goes */
    uint32_t users;
    int64_t disorder_ms; /* event times lie up to so much behind the simulated time */
    double late;         /* share of events that lie far enough back to be late */
    int64_t late_by_ms;  /* how far back those are, at least (out_of_orderness + size) */
    double malformed;    /* share of records that must be rejected */
    double speed;        /* seconds of event time for one second of wall time (with rate) */
    int64_t start_ms;    /* simulated time of the first event; 0: now */
    uint64_t seed;
    /* Called now and then with the number produced so far; while it returns true the generator
     * waits (the demo's back-pressure). May be NULL. */
    bool (*hold)(void *ctx, uint64_t produced);
    void *hold_ctx;
};

struct generator_result {
    uint64_t events, late, malformed, failed, bytes;
};

/* Produces until done or *stop is true, then flushes. 0, or -1 where the topic or broker does not
 * take the records. */
int generator_run(const struct generator_config *cfg, const atomic_bool *stop,
                  struct generator_result *result, struct error *e);

#endif
