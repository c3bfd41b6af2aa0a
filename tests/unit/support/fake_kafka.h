/* A Kafka broker on 127.0.0.1 that knows one topic and one request, Fetch of version 10. What it answers
 * follows from the batches that were appended, as a broker's answer does (Kafka's ReplicaManager and
 * UnifiedLog): whole from the batch on that holds the offset asked for, in the order of the request,
 * up to the request's limits, which cut the last batch short, but not the answer's first; below the last
 * stable offset; with the aborted transactions that end behind the offset asked for. For any number of
 * connections; nothing here waits but stopping, which wants the client to read or to be gone. */
#ifndef TIDEMARK_SUPPORT_FAKE_KAFKA_H
#define TIDEMARK_SUPPORT_FAKE_KAFKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAKE_KAFKA_PARTITIONS = 16 };

struct fake_kafka;

struct fake_kafka *fake_kafka_start(const char *topic);
void fake_kafka_stop(struct fake_kafka *k);
int fake_kafka_port(const struct fake_kafka *k);

/* ---- What the partitions hold ---- */

/* At the log's end; the memory is taken over. Records of a transaction hold the last stable offset back
 * until its marker is appended. Only of a batch's header is read, so it may be damaged. */
void fake_kafka_append(struct fake_kafka *k, int32_t partition, char *batch, size_t n);
/* The high watermark, which else is the log's end. */
void fake_kafka_set_high(struct fake_kafka *k, int32_t partition, int64_t offset);
int64_t fake_kafka_stable(struct fake_kafka *k, int32_t partition);
/* One more in the list of aborted transactions, whatever the log holds. */
void fake_kafka_add_aborted(struct fake_kafka *k, int32_t partition, int64_t producer_id,
                            int64_t first_offset, int64_t marker_offset);

/* ---- How it answers ---- */

/* Bytes of records, where a request allows more. */
void fake_kafka_limit(struct fake_kafka *k, int32_t answer, int32_t partition);
/* What brokers don't do. */
struct fake_kafka_habits {
    bool hides_stable; /* answers name no last stable offset: -1 */
    bool begins_early; /* records begin with the batch before the right one */
};
void fake_kafka_behave(struct fake_kafka *k, struct fake_kafka_habits habits);
/* The next answer that has this partition gives it this error. */
void fake_kafka_refuse(struct fake_kafka *k, int32_t partition, int error);
/* Of the answer to the request of this number only so many bytes are sent; then the connection ends. */
void fake_kafka_cut(struct fake_kafka *k, size_t request, size_t bytes);
/* Of the next answer, its length included, byte `at` is this one. */
void fake_kafka_spoil(struct fake_kafka *k, size_t at, int byte);
/* Requests are read, but not answered. */
void fake_kafka_hold(struct fake_kafka *k);
void fake_kafka_release(struct fake_kafka *k);

/* ---- What it was asked ---- */

struct fake_kafka_ask {
    int32_t partition;
    int64_t offset;
};

/* So far; answers that were sent whole. */
size_t fake_kafka_requests(struct fake_kafka *k);
size_t fake_kafka_answers(struct fake_kafka *k);
/* The request of this number, from 0 on: fills up to FAKE_KAFKA_PARTITIONS and returns how many. */
size_t fake_kafka_request(struct fake_kafka *k, size_t i, struct fake_kafka_ask *asks);

#endif
