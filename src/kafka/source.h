/* Where records come from, behind a vtable: librdkafka (rdkafka_source.c), and what tests and the
 * simulation put in its place. All functions but wake() are for one thread, the worker's. */
#ifndef TIDEMARK_KAFKA_SOURCE_H
#define TIDEMARK_KAFKA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/record.h"

struct source_position {
    int32_t partition;
    int64_t offset;
};

/* Called from poll(). */
struct source_handler {
    void *ctx;
    /* These partitions are ours now (the whole assignment, not a difference). Consuming begins when
     * the worker calls assign(). */
    void (*assigned)(void *ctx, const int32_t *partitions, size_t n);
    /* All partitions are taken away. The worker lets go of them and returns; the source then
     * un-assigns. It must not take longer than the group's patience (some seconds). */
    void (*revoked)(void *ctx);
    /* The client can't go on (authentication, a fatal error, the topic is gone). */
    void (*failed)(void *ctx, const struct error *e);
};

enum source_event_kind {
    SOURCE_RECORD,
    SOURCE_EOF, /* the partition's end is reached: `offset` is the position, past control records */
    SOURCE_ERROR /* a per-message error (bad CRC, unknown magic, offset out of range): rule 12 */
};

/* Delivers one event of one partition; a non-zero return ends the fetch() at once and leaves the
 * partition. */
struct source_sink {
    void *ctx;
    int (*record)(void *ctx, const struct record *r);
    int (*eof)(void *ctx, int64_t offset);
    int (*error)(void *ctx, int64_t offset, const struct error *e);
    /* At the end of a fetch(): the last record that record() returned 0 for, if there was one. What is
     * wanted of the newest record only need not be worked out for all of them. May be NULL. */
    void (*last)(void *ctx, const struct record *r);
};

enum source_peek { SOURCE_PEEK_RECORD, SOURCE_PEEK_EOF, SOURCE_PEEK_PAST_END };

struct source;

struct source_ops {
    /* Serves callbacks, waiting up to timeout_ms for: a rebalance, records unless suspended, or
     * wake(). */
    int (*poll)(struct source *s, int timeout_ms, struct error *e);
    /* Ends a waiting poll(); from any thread. */
    void (*wake)(struct source *s);

    /* Reachability and identity; each may block up to timeout_ms. */
    int (*cluster_id)(struct source *s, int timeout_ms, char *dst, size_t cap, struct error *e);
    /* Number of the topic's partitions; ERR_NOT_FOUND where there is no such topic. */
    int (*partition_count)(struct source *s, int timeout_ms, int32_t *count, struct error *e);
    /* Log start and last stable offset (read_committed). */
    int (*bounds)(struct source *s, int32_t partition, int timeout_ms, int64_t *start, int64_t *end,
                  struct error *e);
    /* Of each of the partitions 0 to n - 1 the offset of the first record with a timestamp >= time_ms,
     * or the end where there is none: so INT64_MIN gives all starts, and INT64_MAX all ends. One
     * request to each broker, however many partitions it leads, and one more where there is none. */
    int (*offsets_for_time)(struct source *s, int32_t n, int64_t time_ms, int timeout_ms,
                            int64_t *offsets, struct error *e);
    /* Rule 12: reads the record at exactly `offset` with a short-lived consumer of its own and
     * hands its CRC (record_crc32c) and offset over. A record at a later offset is given as it is:
     * the caller compares *found with offset. */
    int (*peek)(struct source *s, int32_t partition, int64_t offset, int timeout_ms,
                enum source_peek *what, int64_t *found, uint32_t *crc32c, struct error *e);
    /* Fails with ERR_MISMATCH where the topic is compacted; 0 also where DescribeConfigs is not
     * permitted or not supported (warns in the log). */
    int (*check_topic)(struct source *s, int timeout_ms, struct error *e);

    /* One past the newest record that the client has heard of, without asking anybody; -1: not heard
     * of any yet. Transactions that are still open may lie before it. */
    int64_t (*end)(struct source *s, int32_t partition);

    /* False while poll() has seen that no broker answers. Without asking anybody. */
    bool (*answers)(struct source *s);

    /* Replaces the whole assignment; fetching begins at these offsets. n = 0 gives all up. */
    int (*assign)(struct source *s, const struct source_position *positions, size_t n,
                  struct error *e);
    /* Delivers up to max records of a partition without waiting: the number of events delivered. It may
     * be 0 until records of others, which came before, are fetched, or until the next poll(). Calling it
     * for no partition is the back-pressure. */
    size_t (*fetch)(struct source *s, int32_t partition, size_t max,
                    const struct source_sink *sink);
    /* Drops what comes of this partition until the next assign(), as after a sink's non-zero return.
     * Brokers go on sending it, so assign() should follow soon. A partition that is assigned and neither
     * left nor fetched holds up the others. */
    void (*leave)(struct source *s, int32_t partition);
    /* Whether records are waiting is of no interest to poll() while the worker cannot take any. */
    void (*suspend)(struct source *s, bool on);
    /* Group offset for lag tools (rule 12), best effort; sent by the next poll(), by free(), and when
     * revoked() returns. Nothing when not in a group. */
    void (*commit)(struct source *s, int32_t partition, int64_t next);
    void (*free)(struct source *s);
};

struct source {
    const struct source_ops *ops;
};

#endif
