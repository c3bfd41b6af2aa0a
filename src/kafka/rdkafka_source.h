/* The real source: librdkafka. */
#ifndef TIDEMARK_KAFKA_RDKAFKA_SOURCE_H
#define TIDEMARK_KAFKA_RDKAFKA_SOURCE_H

#include "kafka/source.h"

struct kafka_property {
    const char *name, *value;
};

struct kafka_config {
    const char *bootstrap_servers;
    const char *topic;
    const char *group_id;
    bool use_group;            /* false: assigned by hand (kafka.assignment: all or a list) */
    bool all;                  /* by hand: all partitions, new ones found as they appear */
    const int32_t *partitions; /* by hand and not all: the list */
    size_t n_partitions;
    const struct kafka_property *properties;
    size_t n_properties;
    size_t fetch_queue_bytes; /* all partitions together: the fetch queue's share of memory.limit */
    bool librdkafka_only;     /* kafka.fetcher */
    bool embedded;            /* the mock cluster: cluster id "embedded", no DescribeConfigs */
};

/* Checks every property (unknown names, bad values) and connects lazily. handler is copied. NULL
 * with *e set: ERR_USAGE for a property that librdkafka refuses. */
struct source *rdkafka_source_new(const struct kafka_config *cfg,
                                  const struct source_handler *handler, struct error *e);

/* Passwords, keys and the like: never shown, never logged. */
bool kafka_property_is_secret(const char *name);

/* NULL, or why this librdkafka property must not be set by kafka.properties ("rule 12 fixes ..."). */
const char *kafka_property_refused(const char *name);

#endif
