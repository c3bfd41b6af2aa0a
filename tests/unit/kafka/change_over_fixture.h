/* Topics of a mock cluster of two brokers, read by sources whose fetcher gets into trouble, and sinks that
 * see whether all comes and nothing twice. */
#ifndef TIDEMARK_TESTS_CHANGE_OVER_FIXTURE_H
#define TIDEMARK_TESTS_CHANGE_OVER_FIXTURE_H

#include "kafka_fixture.h"

#include <librdkafka/rdkafka_mock.h> /* needs rdkafka.h, does not include it */

#include "kafka/rdkafka_internal.h"

enum { FETCH = 1 /* API key */, PARTITIONS = 3, BROKERS = 2, LEADER = 1, OTHER = 2 };

/* One for all cases, since it takes a second to end. Each has a topic of its own. */
struct cluster {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *mock;
    rd_kafka_t *asking;
    rd_kafka_topic_t *asked;
    int topics;
};

static inline const char *servers(const struct cluster *c) {
    return rd_kafka_mock_cluster_bootstraps(c->mock);
}

static inline rd_kafka_t *producer_with(const struct cluster *c, const char *name,
                                        const char *value) {
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL); /* it may lose its connections, too */
    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", servers(c), why, sizeof why), 0);
    assert_int_equal(rd_kafka_conf_set(conf, "linger.ms", "50", why, sizeof why), 0);
    /* A broker that comes back is found in less time than a flush may take. */
    assert_int_equal(rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "500", why, sizeof why),
                     0);
    assert_int_equal(rd_kafka_conf_set(conf, name, value, why, sizeof why), 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(rk);
    return rk;
}

static inline int up(void **state) {
    struct cluster *c = calloc(1, sizeof *c);
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL); /* it knows no broker and says so */
    c->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    c->mock = c->rk ? rd_kafka_mock_cluster_new(c->rk, BROKERS) : NULL;
    *state = c;
    if (!c->mock)
        return -1;
    /* Its questions keep the cluster's thread awake, which else looks once a second what it shall do. */
    c->asking = producer_with(c, "topic.metadata.refresh.interval.ms", "10");
    c->asked = rd_kafka_topic_new(c->asking, "asked", NULL);
    return 0;
}

static inline int down(void **state) {
    struct cluster *c = *state;
    rd_kafka_topic_destroy(c->asked);
    producer_done(c->asking);
    rd_kafka_mock_cluster_destroy(c->mock);
    rd_kafka_destroy(c->rk);
    free(c);
    return 0;
}

/* Whatever a case that failed has left. */
static inline int mend(void **state) {
    struct cluster *c = *state;
    rd_kafka_mock_clear_request_errors(c->mock, FETCH);
    return rd_kafka_mock_broker_set_up(c->mock, LEADER);
}

/* ---- A topic, and who reads it ---- */

/* What was produced to a partition, and what has come of it: each offset once, one after the other. */
struct tail {
    int64_t produced, next;
    bool torn;
    int64_t eof; /* that the sink was told of last, or -1 */
    int errors;
    int64_t stop_at; /* the sink says stop at this offset; -1: never */
};

struct play {
    struct cluster *cluster;
    char topic[32];
    struct reader *r;
    struct rdkafka_source *s;
    struct tail tails[PARTITIONS];
};

/* Partition 1 is the other broker's. */
static inline void make_topic(struct play *p, struct cluster *c) {
    p->cluster = c;
    (void)snprintf(p->topic, sizeof p->topic, "clicks-%d", c->topics++);
    assert_int_equal(rd_kafka_mock_topic_create(c->mock, p->topic, PARTITIONS, BROKERS), 0);
    for (int32_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(
            rd_kafka_mock_partition_set_leader(c->mock, p->topic, i, i == 1 ? OTHER : LEADER), 0);
}

static inline struct play *play_of(struct cluster *c) {
    struct play *p = calloc(1, sizeof *p);
    assert_non_null(p);
    make_topic(p, c);
    for (int i = 0; i < PARTITIONS; i++)
        p->tails[i].eof = p->tails[i].stop_at = -1;
    return p;
}

static inline void play_read(struct play *p, const struct kafka_config *cfg) {
    p->r = reader_new(cfg);
    p->s = rdkafka_of(p->r->source);
    POLL_UNTIL(p->r, p->r->assignments == 1);
    assert_int_equal(p->r->n_assigned, PARTITIONS);
}

static inline void assign_tails(struct play *p) {
    struct source_position at[PARTITIONS];
    for (int32_t i = 0; i < PARTITIONS; i++)
        at[i] = (struct source_position){i, p->tails[i].next};
    struct error e = {0};
    if (p->r->source->ops->assign(p->r->source, at, PARTITIONS, &e))
        fail_msg("assign: %s", e.text);
}

/* A busy machine may not answer in time at first. */
static inline void begin_with_fetcher(struct play *p) {
    int64_t until = now_ms() + 10000;
    do {
        assert_true(now_ms() < until);
        p->s->own.due_ms = p->s->own.pause_ms = 0;
        assign_tails(p);
    } while (!p->s->own.fetcher);
    assert_int_equal(p->s->n_parts, 0);
}

/* All partitions are assigned, and the fetcher reads. */
static inline struct play *play_begin(void **state) {
    struct play *p = play_of(*state);
    struct kafka_config cfg = by_hand(servers(p->cluster), p->topic);
    play_read(p, &cfg);
    begin_with_fetcher(p);
    return p;
}

/* n more records of each partition; a record's value is its offset. */
static inline void produce_with(struct play *p, int n, const char *codec) {
    rd_kafka_t *producer = producer_with(p->cluster, "compression.codec", codec);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        for (int k = 0; k < n; k++) {
            char text[24];
            (void)snprintf(text, sizeof text, "%lld", (long long)p->tails[i].produced++);
            produce(producer, p->topic, i, 1700000000000 + k, NULL, text);
        }
    }
    producer_done(producer);
}

static inline void produce_more(struct play *p, int n) {
    produce_with(p, n, "none");
}

static inline int tail_record(void *ctx, const struct record *r) {
    struct tail *t = ctx;
    char text[24];
    size_t n = (size_t)snprintf(text, sizeof text, "%lld", (long long)r->offset);
    t->torn |= r->offset != t->next || r->value_len != n || memcmp(r->value, text, n) != 0;
    t->next = r->offset + 1;
    return r->offset == t->stop_at;
}

static inline int tail_eof(void *ctx, int64_t offset) {
    struct tail *t = ctx;
    t->eof = offset;
    return 0;
}

static inline int tail_error(void *ctx, int64_t offset, const struct error *e) {
    struct tail *t = ctx;
    print_error("offset %lld: %s\n", (long long)offset, e->text);
    t->errors++;
    return 1;
}

static inline size_t fetch_some(struct play *p, int32_t partition, size_t max) {
    struct source_sink sink = {&p->tails[partition], tail_record, tail_eof, tail_error, NULL};
    return p->r->source->ops->fetch(p->r->source, partition, max, &sink);
}

static inline void fetch_each(struct play *p, size_t max) {
    for (int32_t i = 0; i < PARTITIONS; i++)
        (void)fetch_some(p, i, max);
}

static inline bool at_end(const struct tail *t) {
    return t->stop_at >= 0 ? t->next > t->stop_at : t->eof == t->produced;
}

static inline void assert_whole(const struct play *p) {
    for (int i = 0; i < PARTITIONS; i++) {
        assert_false(p->tails[i].torn);
        assert_int_equal(p->tails[i].errors, 0);
    }
}

/* Each partition up to where its sink stops, or to its end. */
static inline void read_all(struct play *p) {
    const struct tail *t = p->tails;
    POLL_UNTIL(p->r, (fetch_each(p, 1000), at_end(&t[0]) && at_end(&t[1]) && at_end(&t[2])));
    assert_whole(p);
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(t[i].next, t[i].stop_at >= 0 ? t[i].stop_at + 1 : t[i].produced);
}

static inline void play_end(struct play *p) {
    assert_whole(p);
    reader_free(p->r);
    free(p);
}

/* ---- Trouble ---- */

/* From here on librdkafka reads, and no clock changes that. */
static inline void stay_with_librdkafka(struct play *p) {
    assert_null(p->s->own.fetcher);
    p->s->own.due_ms = INT64_MAX;
}

static inline void push_error(struct play *p) {
    rd_kafka_mock_push_request_errors(p->cluster->mock, FETCH, 1,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
}

/* librdkafka may have a request under way from before, which takes the error. */
static inline void trouble(struct play *p) {
    POLL_UNTIL(p->r, (push_error(p), fetch_each(p, 3), !p->s->own.fetcher));
    rd_kafka_mock_clear_request_errors(p->cluster->mock, FETCH);
    stay_with_librdkafka(p);
}

static inline void back(struct play *p) {
    assert_null(p->s->own.fetcher);
    p->s->own.due_ms = 0;
    POLL_UNTIL(p->r, (fetch_each(p, 3), p->s->own.fetcher));
    assert_int_equal(p->s->n_parts, 0);
}

static inline void broker(struct play *p, bool runs) {
    rd_kafka_mock_cluster_t *m = p->cluster->mock;
    assert_int_equal(runs ? rd_kafka_mock_broker_set_up(m, LEADER)
                          : rd_kafka_mock_broker_set_down(m, LEADER),
                     0);
}

#endif
