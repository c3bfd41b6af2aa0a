/* Kafka's Fetch request and its answer, version 10: the newest that only a partition's leader answers
 * (https://kafka.apache.org/protocol, "Fetch API (Key: 1)"). From 11 on a follower answers as well, without
 * a word (KIP-392), so who goes on asking a leader that is none any more would never notice. Brokers have it
 * from 2.1 on. Each request stands for itself: no fetch session (KIP-227). */
#ifndef TIDEMARK_KAFKA_FETCH_WIRE_H
#define TIDEMARK_KAFKA_FETCH_WIRE_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

struct fetch_limits {
    int32_t wait_ms;         /* how long the broker keeps a request that finds nothing */
    int32_t bytes;           /* of records in an answer; at least one batch comes all the same */
    int32_t partition_bytes; /* of one partition's */
};

/* Writes a request into an empty buffer, with its length in front, partition by partition.
 * fetch_request_end returns -1 where the buffer's maximum does not hold it. */
struct fetch_request {
    struct buffer *out;
    const struct fetch_limits *limits;
    size_t count_at; /* where the number of partitions stands */
    int32_t count;
};
void fetch_request_begin(struct fetch_request *r, struct buffer *out, int32_t correlation,
                         const char *client_id, const char *topic,
                         const struct fetch_limits *limits);
void fetch_request_add(struct fetch_request *r, int32_t partition, int64_t offset);
int fetch_request_end(struct fetch_request *r);

/* What an answer says of a partition. */
struct fetch_part {
    int32_t partition;
    int16_t error;        /* Kafka's error code; 0: none */
    int64_t high, stable; /* high watermark; last stable offset, or -1 */
    const char *aborted;  /* fetch_aborted() reads them */
    int32_t n_aborted;
    const char *records; /* whole batches, the last of them perhaps cut short */
    size_t records_len;
};

/* Where the partition ended for who reads what is committed only. */
static inline int64_t fetch_part_end(const struct fetch_part *part) {
    return part->stable >= 0 ? part->stable : part->high;
}

/* Over an answer's partitions. */
struct fetch_answer {
    const char *p, *end;
    const char *topic;
    int32_t topics, parts; /* that are left; the latter of this topic */
};

/* An answer of n bytes without its length. -1: ERR_CORRUPT where it is none to this request, or of another
 * topic; ERR_UNAVAILABLE for an error of the whole request. What it points to is not copied. */
int fetch_answer_begin(struct fetch_answer *a, const char *data, size_t n, int32_t correlation,
                       const char *topic, struct error *e);
/* 1; 0 behind the last partition; -1 ERR_CORRUPT. */
int fetch_answer_next(struct fetch_answer *a, struct fetch_part *part, struct error *e);

/* The i-th of the aborted transactions that part->records may have records of. */
void fetch_aborted(const struct fetch_part *part, int32_t i, int64_t *producer_id,
                   int64_t *first_offset);

#endif
