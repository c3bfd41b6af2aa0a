/* What fetcher.c, which asks, and fetcher_deliver.c, which delivers, share. Nothing else includes this. */
#ifndef TIDEMARK_KAFKA_FETCHER_INTERNAL_H
#define TIDEMARK_KAFKA_FETCHER_INTERNAL_H

#include "kafka/broker_link.h"
#include "kafka/decompress.h"
#include "kafka/fetch_wire.h"
#include "kafka/fetcher.h"
#include "kafka/partition_table.h"
#include "kafka/record_batch.h"

struct share {
    int32_t id;
    size_t feed, at;  /* its leader, and its place among that one's shares */
    int64_t position; /* delivered below it */
    int64_t next;     /* asked for next: behind all whole batches that have come */
    size_t turn;      /* bytes that have come of it since its turn began */
    int64_t high;
    int64_t told; /* the end that the sink was told of, or -1 */
    bool left;
};

/* A broker. */
struct feed {
    struct broker_link link;
    size_t *shares; /* indices of those that it leads */
    size_t n_shares;
    size_t first;               /* of them, in the next request */
    int32_t correlation;        /* of the newest request */
    bool waiting;               /* link.answer is complete, looked over, and not delivered yet... */
    struct fetch_answer answer; /* ...from its first partition on */
};

struct aborted {
    int64_t producer_id, first_offset;
    bool over; /* its marker was met */
};

/* The answer that is being delivered: one after the other, whichever broker's. */
struct delivery {
    struct buffer bytes;
    struct fetch_answer answer; /* of it, what lies behind `part` */
    struct fetch_part part;
    struct share *share; /* whose records `part` has; NULL: there is no answer */
    const char *p, *end; /* the part's batches that are not begun */
    struct aborted *aborted;
    size_t n_aborted, cap_aborted;
    struct record_batch batch;
    struct record_cursor cursor;
    bool in_batch;
    int in; /* which of these two its records lie in, or -1 */
    /* Two, for a sink may look at a record once more when the next batch is begun. */
    struct buffer unpacked[2];
    struct decompressor *decompressor;
};

struct fetcher {
    char *topic, *client_id;
    struct fetch_limits limits;
    struct share *shares;
    size_t n_shares;
    struct partition_table share_of;
    struct feed *feeds;
    size_t n_feeds, next_feed;
    struct delivery delivery;
    struct error trouble; /* fetcher_serve's next answer */
};

struct share *fetcher_share(const struct fetcher *f, int32_t partition);

void fetcher_delivery_init(struct fetcher *f);
void fetcher_delivery_free(struct fetcher *f);
/* Between two fetches: gives memory back that only a very large batch needed. */
void fetcher_delivery_rest(struct fetcher *f);
/* Where nothing is being delivered: takes up an answer that waits, if there is one. */
void fetcher_next_answer(struct fetcher *f);

#endif
