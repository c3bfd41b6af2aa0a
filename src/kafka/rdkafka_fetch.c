/* From the queue of all partitions to each one's sink: the hot path. Records are taken from the queue in
 * batches, and those of a partition are chained until it is fetched. */
#include "kafka/rdkafka_internal.h"

void rdkafka_record(const rd_kafka_message_t *m, struct record *r) {
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(m, &type);
    r->offset = m->offset;
    r->timestamp = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? RECORD_NO_TIMESTAMP : timestamp;
    r->key = m->key;
    r->key_len = m->key_len;
    r->value = m->payload;
    r->value_len = m->len;
}

/* Anything but records and the end of the partition: the caller reads again from the checkpoint. */
static int deliver_error(struct rdkafka_source *s, const struct part *p,
                         const rd_kafka_message_t *m, const struct source_sink *sink) {
    struct error e;
    int64_t offset = m->offset >= 0 ? m->offset : p->expected;
    (void)error_set(&e, kafka_error_code(m->err), "topic %s partition %d offset %lld: %s",
                    s->cfg->topic, (int)p->id, (long long)offset, rd_kafka_message_errstr(m));
    return sink->error(sink->ctx, offset, &e);
}

static int deliver_stray(struct rdkafka_source *s, const struct part *p,
                         const struct source_sink *sink) {
    struct error e;
    (void)error_set(&e, ERR_INTERNAL,
                    "topic %s partition %d offset %lld came by the wrong queue of the Kafka client",
                    s->cfg->topic, (int)p->id, (long long)p->stray_offset);
    int64_t offset = p->stray_offset;
    rdkafka_leave(&s->base, p->id);
    return sink->error(sink->ctx, offset, &e);
}

/* 1 where the message was dropped: it lies below the position that was asked for. */
static int deliver(struct rdkafka_source *s, struct part *p, const rd_kafka_message_t *m,
                   const struct source_sink *sink, int *dropped) {
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return sink->eof(sink->ctx, m->offset);
    if (m->err)
        return deliver_error(s, p, m, sink);
    if (m->offset < p->expected) {
        *dropped = 1;
        return 0;
    }
    struct record r;
    rdkafka_record(m, &r);
    p->expected = m->offset + 1;
    return sink->record(sink->ctx, &r);
}

static void deliver_last(rd_kafka_message_t *m, const struct source_sink *sink) {
    if (!m)
        return;
    struct record r;
    rdkafka_record(m, &r);
    if (sink->last)
        sink->last(sink->ctx, &r);
    rd_kafka_message_destroy(m);
}

/* librdkafka before 2.2 stops fetching when its queue is full and then sleeps for up to a
 * second, however fast we empty them. Of its public functions this one wakes its broker threads;
 * the credentials stay what they are. */
static void wake_brokers(struct rdkafka_source *s) {
    s->drained = 0;
    const char *user = kafka_property(s->cfg, "sasl.username");
    const char *password = kafka_property(s->cfg, "sasl.password");
    rd_kafka_error_t *error =
        rd_kafka_sasl_set_credentials(s->client->rk, user ? user : "", password ? password : "");
    if (error)
        rd_kafka_error_destroy(error);
}

/* Records were decompressed by another thread and lie megabytes apart from what was read last, so the
 * processor would wait for each: it is told of them in time. */
static void expect_record(const struct rdkafka_source *s, int i) {
    enum { LINE = 64, BYTES = 512, MESSAGES_AHEAD = 6 };
    if (i + MESSAGES_AHEAD < KAFKA_BATCH) { /* a guess: it may be another partition's, or gone */
        __builtin_prefetch(s->batch[i + MESSAGES_AHEAD]);
        __builtin_prefetch((const char *)s->batch[i + MESSAGES_AHEAD] + LINE);
    }
    int ahead = s->next[i] < 0 ? -1 : s->next[s->next[i]];
    if (ahead < 0)
        return;
    const rd_kafka_message_t *m = s->batch[ahead];
    for (size_t at = 0; at < m->len && at < BYTES; at += LINE)
        __builtin_prefetch((const char *)m->payload + at);
}

/* ---- The batch ---- */

static void drop_message(struct rdkafka_source *s, rd_kafka_message_t *m) {
    s->waiting--;
    rd_kafka_message_destroy(m);
}

/* Of one partition: what it still has in the batch. */
static void drop_rest(struct rdkafka_source *s, struct part *p) {
    for (int i = p->first; i >= 0; i = s->next[i])
        drop_message(s, s->batch[i]);
    p->first = p->last = -1;
}

/* librdkafka's own records of an assignment that has ended are dropped by it, but errors about offsets
 * carry no version, and would be delivered to a new assignment. */
void rdkafka_drop_records(struct rdkafka_source *s) {
    rd_kafka_message_t *batch[64];
    size_t left =
        rd_kafka_queue_length(s->records); /* what the fetchers add meanwhile has a version */
    ssize_t n = 1;
    for (size_t i = 0; i < s->n_parts; i++)
        drop_rest(s, &s->parts[i]);
    for (s->strays = 0; left > 0 && n > 0; left -= (size_t)n) {
        n = rd_kafka_consume_batch_queue(s->records, 0, batch, left < 64 ? left : 64);
        for (ssize_t i = 0; i < n; i++)
            rd_kafka_message_destroy(batch[i]);
    }
}

static void append(struct rdkafka_source *s, struct part *p, int i) {
    if (p->first < 0)
        p->first = i;
    else
        s->next[p->last] = i;
    p->last = i;
    s->next[i] = -1;
}

/* Takes the next records from the queue, for whichever partitions they are. */
static void take_batch(struct rdkafka_source *s) {
    ssize_t n = rd_kafka_consume_batch_queue(s->records, 0, s->batch, KAFKA_BATCH);
    s->may_take = n == KAFKA_BATCH;
    struct part *p = NULL;
    for (int i = 0; i < n; i++) {
        rd_kafka_message_t *m = s->batch[i];
        s->waiting++;
        s->drained += m->len + KAFKA_RECORD_OVERHEAD;
        if (!p || p->id != m->partition)
            p = m->rkt ? rdkafka_part(s, m->partition) : NULL;
        if (!p || p->left) {
            drop_message(s, m);
            continue;
        }
        append(s, p, i);
        /* Both carry the assignment's version. */
        bool heard = !m->err || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        s->heard += heard && !p->heard;
        p->heard |= heard;
    }
    if (s->wake_bytes > 0 && s->drained >= s->wake_bytes)
        wake_brokers(s);
}

void rdkafka_leave(struct source *base, int32_t partition) {
    struct rdkafka_source *s = rdkafka_of(base);
    struct part *p = rdkafka_part(s, partition);
    if (s->own.fetcher)
        fetcher_leave(s->own.fetcher, partition);
    if (!p)
        return;
    p->left = true;
    s->strays -= p->stray;
    p->stray = false;
    drop_rest(s, p);
}

static size_t deliver_waiting(struct rdkafka_source *s, struct part *p, size_t max,
                              const struct source_sink *sink) {
    uint64_t assignment = s->assignments;
    size_t delivered = 0;
    int stop = 0;
    rd_kafka_message_t *last = NULL;
    while (!stop && p->first >= 0 && delivered < max) {
        int dropped = 0, i = p->first;
        rd_kafka_message_t *m = s->batch[i];
        expect_record(s, i);
        p->first = s->next[i];
        s->waiting--;
        stop = deliver(s, p, m, sink, &dropped);
        delivered += !dropped;
        if (!stop && !m->err && !dropped) { /* kept until there is a later one */
            rd_kafka_message_t *before = last;
            last = m;
            m = before;
        }
        if (m)
            rd_kafka_message_destroy(m);
    }
    deliver_last(last, sink);
    /* The sink may drop the whole assignment, and p with it, but then it returns non-zero. */
    if (stop && s->assignments == assignment)
        rdkafka_leave(&s->base, p->id);
    return delivered;
}

size_t rdkafka_fetch(struct source *base, int32_t partition, size_t max,
                     const struct source_sink *sink) {
    struct rdkafka_source *s = rdkafka_of(base);
    if (s->own.fetcher)
        return rdkafka_fetcher_fetch(s, partition, max, sink);
    struct part *p = rdkafka_part(s, partition);
    if (!p || p->left)
        return 0;
    if (p->stray)
        return deliver_stray(s, p, sink), 1;
    if (s->waiting == 0 && s->may_take)
        take_batch(s);
    return deliver_waiting(s, p, max, sink);
}
