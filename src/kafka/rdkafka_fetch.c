/* From a partition's queue to the sink: the hot path. */
#include <string.h>

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

static int deliver_stray(struct rdkafka_source *s, struct part *p, const struct source_sink *sink) {
    struct error e;
    p->stray = false;
    (void)error_set(&e, ERR_INTERNAL,
                    "topic %s partition %d offset %lld came by the wrong queue of the Kafka client",
                    s->cfg->topic, (int)p->id, (long long)p->stray_offset);
    return sink->error(sink->ctx, p->stray_offset, &e);
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

/* librdkafka before 2.2 stops fetching when all its queues are full and then sleeps for up to a
 * second, however fast we empty them. Of its public functions this one wakes its broker threads;
 * the credentials stay what they are. */
static void wake_brokers(struct rdkafka_source *s) {
    s->drained = 0;
    const char *user = "", *password = "";
    for (size_t i = 0; i < s->cfg->n_properties; i++) {
        const struct kafka_property *p = &s->cfg->properties[i];
        if (strcmp(p->name, "sasl.username") == 0)
            user = p->value;
        else if (strcmp(p->name, "sasl.password") == 0)
            password = p->value;
    }
    rd_kafka_error_t *error = rd_kafka_sasl_set_credentials(s->client->rk, user, password);
    if (error)
        rd_kafka_error_destroy(error);
}

/* Records were decompressed by another thread and lie megabytes apart from what was read last, so the
 * processor would wait for each: it is told of them in time. */
static void expect_record(rd_kafka_message_t *const *batch, ssize_t i, ssize_t n) {
    enum { LINE = 64, BYTES = 512, RECORDS_AHEAD = 2, MESSAGES_AHEAD = 6 };
    if (i + MESSAGES_AHEAD < n) {
        __builtin_prefetch(batch[i + MESSAGES_AHEAD]);
        __builtin_prefetch((const char *)batch[i + MESSAGES_AHEAD] + LINE);
    }
    if (i + RECORDS_AHEAD >= n)
        return;
    const rd_kafka_message_t *m = batch[i + RECORDS_AHEAD];
    for (size_t at = 0; at < m->len && at < BYTES; at += LINE)
        __builtin_prefetch((const char *)m->payload + at);
}

size_t rdkafka_fetch(struct source *base, int32_t partition, size_t max,
                     const struct source_sink *sink) {
    struct rdkafka_source *s = rdkafka_of(base);
    struct part *p = rdkafka_part(s, partition);
    if (!p)
        return 0;
    if (p->stray)
        return deliver_stray(s, p, sink), 1;
    size_t want = max < KAFKA_BATCH ? max : KAFKA_BATCH;
    ssize_t n = rd_kafka_consume_batch_queue(p->queue, 0, s->batch, want);
    size_t delivered = 0, bytes = 0;
    int stop = 0;
    rd_kafka_message_t *last = NULL;
    /* The sink may drop the whole assignment, and p with it, but then it returns non-zero. */
    for (ssize_t i = 0; i < n; i++) {
        int dropped = 0;
        rd_kafka_message_t *m = s->batch[i];
        expect_record(s->batch, i, n);
        bytes += m->len + KAFKA_RECORD_OVERHEAD;
        if (!stop) {
            stop = deliver(s, p, m, sink, &dropped);
            delivered += !dropped;
            if (!stop && !m->err && !dropped) { /* kept until there is a later one */
                rd_kafka_message_t *before = last;
                last = m;
                m = before;
            }
        }
        if (m)
            rd_kafka_message_destroy(m);
    }
    deliver_last(last, sink);
    s->drained += bytes;
    if (s->wake_bytes > 0 && s->drained >= s->wake_bytes * s->n_parts)
        wake_brokers(s);
    return delivered;
}
