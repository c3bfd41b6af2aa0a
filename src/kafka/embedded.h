/* librdkafka's mock cluster with one topic, for `run --embedded` and for unit tests. */
#ifndef TIDEMARK_KAFKA_EMBEDDED_H
#define TIDEMARK_KAFKA_EMBEDDED_H

#include <stdint.h>

#include "base/error.h"

struct embedded;

/* Starts a cluster of one broker with the topic and this many partitions. NULL with *e on failure. */
struct embedded *embedded_start(const char *topic, int32_t partitions, struct error *e);
/* bootstrap.servers of the cluster, valid until embedded_stop. */
const char *embedded_bootstrap_servers(const struct embedded *m);
void embedded_stop(struct embedded *m);

#endif
