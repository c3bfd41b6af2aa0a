/* A partition's log as fake_kafka.c holds it: whole batches, and what a broker knows of them. */
#ifndef TIDEMARK_SUPPORT_FAKE_LOG_H
#define TIDEMARK_SUPPORT_FAKE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum { FAKE_LOG_OPEN_MAX = 16 };

struct fake_transaction {
    int64_t producer_id, first, marker;
};

struct fake_log {
    struct fake_log_batch {
        char *bytes;
        size_t n;
        int64_t base, last;
    } * batches;
    size_t n, cap;
    struct fake_transaction open[FAKE_LOG_OPEN_MAX];
    struct fake_transaction *aborted; /* in the order of their markers, as brokers have them */
    size_t n_open, n_aborted, cap_aborted;
    int64_t high; /* the high watermark if it is below the log's end */
};

void fake_log_init(struct fake_log *l);
void fake_log_free(struct fake_log *l);
void fake_log_append(struct fake_log *l, char *batch, size_t n);
void fake_log_add_aborted(struct fake_log *l, int64_t producer_id, int64_t first, int64_t marker);

int64_t fake_log_end(const struct fake_log *l);
int64_t fake_log_high(const struct fake_log *l);
int64_t fake_log_stable(const struct fake_log *l);
/* An offset in the batch before the one with this offset, if there is something behind it. */
int64_t fake_log_before(const struct fake_log *l, int64_t offset);

/* Those that end at `from` or behind it. */
void fake_log_put_aborted(const struct fake_log *l, struct buffer *out, int64_t from);
/* From the batch with this offset to the last one below the stable offset, cut off at the limit. A first
 * one that does not go into the limit is given whole or not at all. Returns their bytes. */
int64_t fake_log_put_records(const struct fake_log *l, struct buffer *out, int64_t offset,
                             int64_t limit, bool at_least_one);

/* Big-endian. */
void fake_log_put(struct buffer *out, int bytes, int64_t v);
int64_t fake_log_get(const char *p, int bytes);

#endif
