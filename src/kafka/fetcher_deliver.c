/* Delivering: an answer's partitions one after the other, each batch by batch, each record to its sink. */
#include <stdlib.h>

#include "base/memory.h"
#include "kafka/fetcher_internal.h"

enum {
    UNPACKED_MAX = 100000000, /* of one batch, as librdkafka's receive.message.max.bytes */
    UNPACKED_KEPT = 16 << 20  /* of memory, after a larger one */
};

/* A fetch() under way. */
struct call {
    const struct source_sink *sink;
    size_t max, delivered;
    struct record last; /* that its sink has taken */
    bool has_last;
    int last_in; /* as delivery->in */
    bool stop;
};

void fetcher_delivery_init(struct fetcher *f) {
    struct delivery *d = &f->delivery;
    d->decompressor = decompressor_new();
    buffer_init(&d->bytes, BROKER_ANSWER_MAX);
    buffer_init(&d->unpacked[0], UNPACKED_MAX);
    buffer_init(&d->unpacked[1], UNPACKED_MAX);
}

void fetcher_delivery_free(struct fetcher *f) {
    struct delivery *d = &f->delivery;
    decompressor_free(d->decompressor);
    buffer_free(&d->bytes);
    buffer_free(&d->unpacked[0]);
    buffer_free(&d->unpacked[1]);
    free(d->aborted);
}

void fetcher_delivery_rest(struct fetcher *f) {
    if (f->delivery.share)
        return;
    buffer_recycle(&f->delivery.unpacked[0], UNPACKED_KEPT);
    buffer_recycle(&f->delivery.unpacked[1], UNPACKED_KEPT);
}

/* ---- From partition to partition ---- */

/* The partition's end was where this answer ended, and nobody has said so. */
static bool at_end(const struct delivery *d) {
    const struct share *s = d->share;
    return s->position >= fetch_part_end(&d->part) && s->told != s->position;
}

static void take_aborted(struct delivery *d) {
    d->n_aborted = (size_t)d->part.n_aborted;
    array_reserve(&d->aborted, &d->cap_aborted, d->n_aborted, sizeof *d->aborted);
    for (size_t i = 0; i < d->n_aborted; i++) {
        struct aborted *a = &d->aborted[i];
        fetch_aborted(&d->part, (int32_t)i, &a->producer_id, &a->first_offset);
        a->over = false;
    }
}

/* Goes on to the answer's next partition that has something for its sink. */
static void next_part(struct fetcher *f) {
    struct delivery *d = &f->delivery;
    struct error ignored; /* it was looked over */
    d->in_batch = false;
    while (fetch_answer_next(&d->answer, &d->part, &ignored) == 1) {
        d->share = fetcher_share(f, d->part.partition);
        d->p = d->part.records;
        d->end = d->p + d->part.records_len;
        if (d->share->left || (d->p == d->end && !at_end(d)))
            continue;
        take_aborted(d);
        return;
    }
    d->share = NULL;
}

static void take_up(struct fetcher *f, struct feed *feed) {
    struct delivery *d = &f->delivery;
    struct buffer delivered = d->bytes;
    d->bytes = feed->link.answer;
    d->answer = feed->answer;
    feed->link.answer = delivered;
    feed->waiting = false;
    next_part(f);
}

void fetcher_next_answer(struct fetcher *f) {
    for (size_t i = 0; i < f->n_feeds && !f->delivery.share; i++) {
        struct feed *feed = &f->feeds[f->next_feed];
        f->next_feed = (f->next_feed + 1) % f->n_feeds;
        if (feed->waiting)
            take_up(f, feed);
    }
}

static void finish_part(struct fetcher *f) {
    next_part(f);
    fetcher_next_answer(f);
}

/* ---- From batch to batch ---- */

static int damaged(struct fetcher *f, const char *what) {
    const struct delivery *d = &f->delivery;
    return error_set(&f->trouble, ERR_CORRUPT, "topic %s partition %d: the batch at offset %lld %s",
                     f->topic, (int)d->share->id, (long long)d->batch.base_offset, what);
}

static int unpack(struct fetcher *f, const struct call *c) {
    struct delivery *d = &f->delivery;
    const struct record_batch *b = &d->batch;
    d->in = c->has_last && c->last_in == 0;
    if (decompress(d->decompressor, b->codec, b->records, b->records_len, &d->unpacked[d->in],
                   &f->trouble) == 0)
        return 0;
    return error_wrap(&f->trouble, "topic %s partition %d: the batch at offset %lld", f->topic,
                      (int)d->share->id, (long long)b->base_offset);
}

static int open_batch(struct fetcher *f, const struct call *c) {
    struct delivery *d = &f->delivery;
    const struct record_batch *b = &d->batch;
    d->in = -1;
    if (b->codec != CODEC_NONE && unpack(f, c) != 0)
        return -1;
    const struct buffer *unpacked = d->in < 0 ? NULL : &d->unpacked[d->in];
    record_cursor_begin(&d->cursor, b, unpacked ? buffer_text(unpacked) : b->records,
                        unpacked ? unpacked->len : b->records_len);
    d->in_batch = true;
    return 0;
}

/* Of the batch's producer, begun at or before it, and not over. */
static bool concerns(const struct aborted *a, const struct record_batch *b) {
    return !a->over && a->producer_id == b->producer_id && a->first_offset <= b->last_offset;
}

/* Whether the batch is in a transaction that was aborted. */
static bool in_aborted(const struct delivery *d) {
    for (size_t i = 0; i < d->n_aborted; i++)
        if (concerns(&d->aborted[i], &d->batch))
            return true;
    return false;
}

/* All of them, although a producer has one transaction at a time: one may be listed twice, or its marker
 * be gone, and what is left would take the records of the producer's next transaction away. */
static void end_aborted(struct delivery *d) {
    for (size_t i = 0; i < d->n_aborted; i++)
        if (concerns(&d->aborted[i], &d->batch))
            d->aborted[i].over = true;
}

/* A control batch: the end of a transaction. */
static int take_marker(struct fetcher *f, const struct call *c) {
    struct delivery *d = &f->delivery;
    struct record marker;
    if (!in_aborted(d))
        return 0;
    if (open_batch(f, c) != 0)
        return -1;
    d->in_batch = false;
    if (record_cursor_next(&d->cursor, &marker) != 1)
        return damaged(f, "is no marker");
    if (record_batch_aborts(&marker))
        end_aborted(d);
    return 0;
}

/* Opens it if it has records for the sink. */
static int begin_batch(struct fetcher *f, const char *p, const struct call *c) {
    struct delivery *d = &f->delivery;
    if (!record_batch_intact(&d->batch, p))
        return damaged(f, "has another CRC than it says");
    if (d->batch.control)
        return take_marker(f, c);
    bool aborted = d->batch.transactional && in_aborted(d);
    return aborted ? 0 : open_batch(f, c);
}

/* 1, 0 where the partition has no more batches with records for the sink, -1 for trouble. */
static int next_batch(struct fetcher *f, const struct call *c) {
    struct delivery *d = &f->delivery;
    struct error ignored; /* it was looked over */
    while (d->p < d->end) {
        const char *p = d->p;
        if (record_batch_read(&d->batch, p, (size_t)(d->end - p), &ignored) != 1)
            break;
        d->p += d->batch.len;
        if (d->batch.last_offset < d->share->position)
            continue;
        if (begin_batch(f, p, c) != 0)
            return -1;
        if (d->in_batch)
            return 1;
        d->share->position = d->batch.last_offset + 1;
    }
    d->p = d->end;
    return 0;
}

/* ---- From record to record ---- */

static int deliver_batch(struct fetcher *f, struct call *c) {
    struct delivery *d = &f->delivery;
    struct share *s = d->share;
    struct record r;
    while (c->delivered < c->max && !s->left) {
        int rc = record_cursor_next(&d->cursor, &r);
        if (rc < 0)
            return damaged(f, "has records that make no sense");
        if (rc == 0) {
            d->in_batch = false;
            s->position = d->batch.last_offset + 1;
            return 0;
        }
        if (r.offset < s->position)
            continue;
        s->position = r.offset + 1;
        c->delivered++;
        if (c->sink->record(c->sink->ctx, &r) != 0) {
            c->stop = true;
            return 0;
        }
        c->last = r;
        c->last_in = d->in;
        c->has_last = true;
    }
    return 0;
}

/* Behind a partition's last batch. */
static void end_part(struct fetcher *f, struct call *c) {
    struct share *s = f->delivery.share;
    if (at_end(&f->delivery)) {
        c->delivered++;
        s->told = s->position;
        c->stop = c->sink->eof(c->sink->ctx, s->position) != 0;
    }
    if (!c->stop)
        finish_part(f);
}

size_t fetcher_fetch(struct fetcher *f, int32_t partition, size_t max,
                     const struct source_sink *sink) {
    struct delivery *d = &f->delivery;
    const struct share *s = fetcher_share(f, partition);
    struct call c = {.sink = sink, .max = max};
    if (!s || s->left)
        return 0;
    while (d->share == s && c.delivered < max && !c.stop && f->trouble.code == ERR_NONE) {
        int rc = d->in_batch ? 1 : next_batch(f, &c);
        if (rc > 0)
            (void)deliver_batch(f, &c);
        else if (rc == 0)
            end_part(f, &c);
    }
    if (c.has_last && sink->last)
        sink->last(sink->ctx, &c.last);
    if (c.stop)
        fetcher_leave(f, partition);
    return c.delivered;
}

void fetcher_leave(struct fetcher *f, int32_t partition) {
    struct share *s = fetcher_share(f, partition);
    if (!s)
        return;
    s->left = true;
    if (f->delivery.share == s)
        finish_part(f);
}
