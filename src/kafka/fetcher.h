/* Reads partitions straight from their leaders: Fetch requests of our own, whose answers are decoded where
 * they lie. librdkafka makes an operation, a reference and several locks of each record, which costs as much
 * as the rest of what tidemark does with it.
 *
 * It knows one road only: brokers in the plain, record batches of format 2, answers without an error. At
 * anything else it gives up and says why, and rdkafka_fetcher.c lets librdkafka read on from the same
 * positions: all that is rare is done there. So it never has to judge whether something is lost. */
#ifndef TIDEMARK_KAFKA_FETCHER_H
#define TIDEMARK_KAFKA_FETCHER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "kafka/source.h"

struct fetcher_broker {
    const char *host;
    int port;
};

struct fetcher_share {
    int32_t partition;
    int64_t offset; /* where reading begins */
    size_t broker;  /* index: the leader */
};

struct fetcher_config {
    const char *topic, *client_id;
    const struct fetcher_broker *brokers; /* those that lead something */
    size_t n_brokers;
    const struct fetcher_share *shares;
    size_t n_shares;
    size_t memory;  /* bytes for answers and what is decompressed of them */
    int timeout_ms; /* for each connection */
};

struct fetcher;

/* Connects to all of the brokers, one after the other. cfg and what it points to are copied. NULL with *e:
 * ERR_UNAVAILABLE. */
struct fetcher *fetcher_new(const struct fetcher_config *cfg, struct error *e);
void fetcher_free(struct fetcher *f);

/* Sends and receives what goes without waiting. -1: it can't go on, for a reason that may pass by itself
 * (e->retriable) or that lies in the topic. */
int fetcher_serve(struct fetcher *f, struct error *e);
/* Something is there to be delivered. */
bool fetcher_has_records(const struct fetcher *f);
/* What to wait for until the next fetcher_serve: fills fetcher_connections(f) of them. */
size_t fetcher_connections(const struct fetcher *f);
void fetcher_poll_fds(const struct fetcher *f, struct pollfd *fds);

/* As the source's. What comes from one broker is delivered in its order, partition by partition. */
size_t fetcher_fetch(struct fetcher *f, int32_t partition, size_t max,
                     const struct source_sink *sink);
void fetcher_leave(struct fetcher *f, int32_t partition);
/* The partition's high watermark by the newest answer, or -1. */
int64_t fetcher_end(const struct fetcher *f, int32_t partition);
/* Where reading would go on: fills fetcher_shares(f) elements at most, without partitions that were left,
 * and returns how many. */
size_t fetcher_shares(const struct fetcher *f);
size_t fetcher_positions(const struct fetcher *f, struct source_position *list);

#endif
