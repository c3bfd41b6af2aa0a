/* A mock cluster, a producer into it and a sink that keeps what a source delivers. */
#ifndef TIDEMARK_TESTS_KAFKA_FIXTURE_H
#define TIDEMARK_TESTS_KAFKA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <librdkafka/rdkafka.h>

#include "base/clock.h"
#include "kafka/embedded.h"
#include "kafka/rdkafka_source.h"

enum { KEPT_MAX = 4096, PARTITIONS_MAX = 8 };

struct kept {
    struct record record; /* key and value are cut to the buffers below */
    char key[16], value[64];
};

/* One source and all that it told. */
struct reader {
    struct source *source;
    int32_t assigned[PARTITIONS_MAX];
    size_t n_assigned;
    int assignments, revocations, failures;
    struct error failure;
    struct kept kept[KEPT_MAX];
    size_t n;
    size_t stop_after; /* the sink says stop at this many records; 0: never */
    int64_t eof;       /* -1: not yet */
    int eofs, errors;
    int64_t error_offset;
    struct error error;
};

static inline void on_assigned(void *ctx, const int32_t *partitions, size_t n) {
    struct reader *r = ctx;
    assert_true(n <= PARTITIONS_MAX);
    for (size_t i = 0; i < n; i++)
        r->assigned[i] = partitions[i];
    r->n_assigned = n;
    r->assignments++;
}

static inline void on_revoked(void *ctx) {
    struct reader *r = ctx;
    r->n_assigned = 0;
    r->revocations++;
}

static inline void on_failed(void *ctx, const struct error *e) {
    struct reader *r = ctx;
    r->failures++;
    r->failure = *e;
}

static inline int keep_record(void *ctx, const struct record *record) {
    struct reader *r = ctx;
    assert_true(r->n < KEPT_MAX);
    struct kept *k = &r->kept[r->n++];
    k->record = *record;
    if (record->key)
        memcpy(k->key, record->key,
               record->key_len < sizeof k->key ? record->key_len : sizeof k->key);
    if (record->value)
        memcpy(k->value, record->value,
               record->value_len < sizeof k->value ? record->value_len : sizeof k->value);
    return r->stop_after > 0 && r->n == r->stop_after;
}

static inline int keep_eof(void *ctx, int64_t offset) {
    struct reader *r = ctx;
    r->eof = offset;
    r->eofs++;
    return 0;
}

static inline int keep_error(void *ctx, int64_t offset, const struct error *e) {
    struct reader *r = ctx;
    r->errors++;
    r->error_offset = offset;
    r->error = *e;
    return 1;
}

/* Who reads. What is true of both is tested with both. */
static bool librdkafka_only;

static inline struct kafka_config by_hand(const char *servers, const char *topic) {
    return (struct kafka_config){.bootstrap_servers = servers,
                                 .topic = topic,
                                 .group_id = "test",
                                 .all = true,
                                 .fetch_queue_bytes = (size_t)16 << 20,
                                 .librdkafka_only = librdkafka_only,
                                 .embedded = true};
}

static inline struct reader *reader_new(const struct kafka_config *cfg) {
    struct reader *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->eof = -1;
    struct source_handler handler = {r, on_assigned, on_revoked, on_failed};
    struct error e = {0};
    r->source = rdkafka_source_new(cfg, &handler, &e);
    if (!r->source)
        print_error("%s\n", e.text);
    assert_non_null(r->source);
    return r;
}

static inline void reader_free(struct reader *r) {
    r->source->ops->free(r->source);
    free(r);
}

static inline void poll_ok(struct reader *r, int timeout_ms) {
    struct error e = {0};
    if (r->source->ops->poll(r->source, timeout_ms, &e))
        fail_msg("poll: %s", e.text);
}

static inline int64_t now_ms(void) {
    return clock_monotonic(clock_system());
}

/* Polls until `condition` holds; ten seconds is far too long. */
#define POLL_UNTIL(r, condition)            \
    do {                                    \
        int64_t until_ = now_ms() + 10000;  \
        while (!(condition)) {              \
            assert_true(now_ms() < until_); \
            poll_ok(r, 100);                \
        }                                   \
    } while (0)

static inline void assign_at(struct reader *r, int32_t partition, int64_t offset) {
    struct source_position at = {partition, offset};
    struct error e = {0};
    if (r->source->ops->assign(r->source, &at, 1, &e))
        fail_msg("assign: %s", e.text);
}

static inline size_t fetch(struct reader *r, int32_t partition, size_t max) {
    struct source_sink sink = {r, keep_record, keep_eof, keep_error, NULL};
    return r->source->ops->fetch(r->source, partition, max, &sink);
}

/* Fetches one partition until its end was reached `eofs` times in all. */
static inline void read_to_end(struct reader *r, int32_t partition, int eofs) {
    int64_t until = now_ms() + 10000;
    while (r->eofs < eofs && r->errors == 0) {
        assert_true(now_ms() < until);
        poll_ok(r, 100);
        (void)fetch(r, partition, 1000);
    }
}

/* What the group of by_hand() has committed of a partition, negative for nothing. */
static inline int64_t committed(const char *servers, const char *topic, int32_t partition) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", servers, NULL, 0);
    rd_kafka_conf_set(conf, "group.id", "test", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition);
    assert_int_equal(rd_kafka_committed(rk, list, 10000), 0);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return offset;
}

/* ---- Producing ---- */

static inline rd_kafka_t *producer_new(const char *servers) {
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", servers, why, sizeof why),
                     RD_KAFKA_CONF_OK);
    assert_int_equal(rd_kafka_conf_set(conf, "linger.ms", "0", why, sizeof why), RD_KAFKA_CONF_OK);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(rk);
    return rk;
}

static inline void produce(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t timestamp,
                           const char *key, const char *value) {
    union {
        const char *in;
        void *out;
    } k = {key}, v = {value}; /* librdkafka copies, but takes them without const */
    rd_kafka_resp_err_t err =
        rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_TIMESTAMP(timestamp), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_KEY(k.out, key ? strlen(key) : 0),
                          RD_KAFKA_V_VALUE(v.out, value ? strlen(value) : 0),
                          RD_KAFKA_V_HEADER("h", "x", 1), RD_KAFKA_V_END);
    assert_int_equal(err, RD_KAFKA_RESP_ERR_NO_ERROR);
}

static inline void producer_done(rd_kafka_t *rk) {
    assert_int_equal(rd_kafka_flush(rk, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(rk);
}

/* n records "0", "1", ... with keys of the same text. */
static inline void produce_numbers(const char *servers, const char *topic, int32_t partition,
                                   int n) {
    rd_kafka_t *rk = producer_new(servers);
    for (int i = 0; i < n; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        produce(rk, topic, partition, 1700000000000 + i, text, text);
    }
    producer_done(rk);
}

/* ---- cmocka fixtures ---- */

static inline int cluster_up(void **state) {
    struct error e;
    *state = embedded_start("clicks", 3, &e);
    return *state ? 0 : -1;
}

static inline int cluster_down(void **state) {
    embedded_stop(*state);
    librdkafka_only = false;
    return 0;
}

static inline int cluster_up_for_fetcher(void **state) {
    librdkafka_only = false;
    return cluster_up(state);
}

static inline int cluster_up_for_librdkafka(void **state) {
    librdkafka_only = true;
    return cluster_up(state);
}

#endif
