/* The events of one partition of the benchmark's topic, made as `tidemark generate` makes them. */
#ifndef TIDEMARK_BENCH_TOPIC_H
#define TIDEMARK_BENCH_TOPIC_H

#include <stddef.h>
#include <stdint.h>

#include "base/record.h"

struct topic {
    uint64_t events, bytes; /* of the whole topic */
    struct record *records; /* of its first partition, up to the number wanted */
    size_t n;
    size_t record_bytes; /* of their values */
    char *blob;
};

/* `events` events over `hours` hours, of which the first `most` of the first of three partitions are
 * kept. */
void topic_make(struct topic *t, uint64_t events, double hours, size_t most);
void topic_free(struct topic *t);

#endif
