/* Reads one record to see whether it is still the one that a checkpoint names (rule 12). A handle of
 * its own: re-assigning the worker's would wait for the fetch under way, up to half a second. */
#include <stdio.h>

#include "base/clock.h"
#include "kafka/rdkafka_internal.h"

/* "Auto offset reset" comes for positions past the log's end and below its start alike. */
static int outside(struct kafka_client *c, int32_t partition, int64_t offset, int timeout_ms,
                   enum source_peek *what, struct error *e) {
    int64_t low, high;
    rd_kafka_resp_err_t err =
        rd_kafka_query_watermark_offsets(c->rk, c->cfg->topic, partition, &low, &high, timeout_ms);
    if (err)
        return kafka_client_error(c, err, "log start", timeout_ms, e);
    if (offset < low)
        return error_set(e, ERR_DATA_LOSS,
                         "offset %lld of topic %s partition %d lies below the log's start %lld",
                         (long long)offset, c->cfg->topic, (int)partition, (long long)low);
    *what = SOURCE_PEEK_PAST_END;
    return 0;
}

static int judge(struct kafka_client *c, const rd_kafka_message_t *m, int64_t offset,
                 int timeout_ms, enum source_peek *what, int64_t *found, uint32_t *crc32c,
                 struct error *e) {
    struct record r;
    *found = m->offset;
    switch (m->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        *what = SOURCE_PEEK_RECORD;
        rdkafka_record(m, &r);
        *crc32c = record_crc32c(&r);
        return 0;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        *what = SOURCE_PEEK_EOF;
        return 0;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        *found = offset;
        return outside(c, m->partition, offset, timeout_ms, what, e);
    default:
        return error_set(e, kafka_error_code(m->err), "record %lld of topic %s partition %d: %s",
                         (long long)offset, c->cfg->topic, (int)m->partition,
                         rd_kafka_message_errstr(m));
    }
}

static int read_one(struct kafka_client *c, int32_t partition, int64_t offset, int timeout_ms,
                    enum source_peek *what, int64_t *found, uint32_t *crc32c, struct error *e) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, c->cfg->topic, partition)->offset = offset;
    rd_kafka_resp_err_t err = rd_kafka_assign(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err)
        return kafka_client_error(c, err, "assignment", timeout_ms, e);
    int64_t deadline = clock_monotonic(clock_system()) + timeout_ms;
    for (;;) {
        int64_t left = deadline - clock_monotonic(clock_system());
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->rk, left > 0 ? (int)left : 0);
        kafka_client_serve(c);
        if (m) {
            /* Errors of the group's coordinator, which we don't need, name no partition. */
            bool ours = m->rkt && m->partition == partition;
            int rc = 0;
            if (ours)
                rc = judge(c, m, offset, timeout_ms, what, found, crc32c, e);
            rd_kafka_message_destroy(m);
            if (ours)
                return rc;
        } else if (left <= 0) {
            char name[64];
            (void)snprintf(name, sizeof name, "record %lld of partition %d", (long long)offset,
                           (int)partition);
            return kafka_client_error(c, RD_KAFKA_RESP_ERR__TIMED_OUT, name, timeout_ms, e);
        }
    }
}

int rdkafka_peek(struct source *base, int32_t partition, int64_t offset, int timeout_ms,
                 enum source_peek *what, int64_t *found, uint32_t *crc32c, struct error *e) {
    struct rdkafka_source *s = rdkafka_of(base);
    rd_kafka_conf_t *conf = kafka_conf(s->cfg, KAFKA_PEEK, NULL, e);
    if (!conf)
        return -1;
    struct kafka_client *c = kafka_client_new(s->cfg, KAFKA_PEEK, conf, NULL, e);
    if (!c)
        return -1;
    int rc = read_one(c, partition, offset, timeout_ms, what, found, crc32c, e);
    kafka_client_free(c);
    return rc;
}
