/* Brokers that go away and come back while a job reads, and a topic that goes away. */
#include "kafka_fixture.h"

#include <librdkafka/rdkafka_mock.h> /* needs rdkafka.h, does not include it */

#include "kafka/rdkafka_internal.h"

enum { EVERY_MS = 200, PATIENCE_MS = 1000, BROKER = 1 };

struct broker {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
};

static int up(void **state) {
    struct broker *b = calloc(1, sizeof *b);
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL); /* it knows no broker and says so */
    b->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(b->rk);
    b->cluster = rd_kafka_mock_cluster_new(b->rk, 1);
    assert_non_null(b->cluster);
    assert_int_equal(rd_kafka_mock_topic_create(b->cluster, "clicks", 1, 1), 0);
    *state = b;
    return 0;
}

static int down(void **state) {
    struct broker *b = *state;
    rd_kafka_mock_cluster_destroy(b->cluster);
    rd_kafka_destroy(b->rk);
    free(b);
    return 0;
}

static int up_for_fetcher(void **state) {
    librdkafka_only = false;
    return up(state);
}

static int up_for_librdkafka(void **state) {
    librdkafka_only = true;
    return up(state);
}

static struct reader *quick_reader(const struct broker *b, bool use_group) {
    struct kafka_config cfg = by_hand(rd_kafka_mock_cluster_bootstraps(b->cluster), "clicks");
    cfg.use_group = use_group;
    struct reader *r = reader_new(&cfg);
    struct rdkafka_source *s = rdkafka_of(r->source);
    s->watch.every_ms = EVERY_MS;
    s->watch.patience_ms = PATIENCE_MS;
    s->watch.due = 0;
    POLL_UNTIL(r, r->assignments == 1);
    assign_at(r, 0, 0);
    POLL_UNTIL(r, (fetch(r, 0, 1000), r->eofs == 1));
    return r;
}

static bool answers(const struct reader *r) {
    return r->source->ops->answers(r->source);
}

static void brokers_go_and_come_back(const struct broker *b, bool use_group) {
    struct reader *r = quick_reader(b, use_group);
    for (int times = 0; times < 2; times++) {
        assert_true(answers(r));
        assert_int_equal(rd_kafka_mock_broker_set_down(b->cluster, BROKER), 0);
        POLL_UNTIL(r, !answers(r));
        assert_int_equal(rd_kafka_mock_broker_set_up(b->cluster, BROKER), 0);
        POLL_UNTIL(r, answers(r));
    }
    assert_int_equal(r->failures, 0);
    reader_free(r);
}

static void silence_is_noticed_by_hand(void **state) {
    brokers_go_and_come_back(*state, false);
}

static void silence_is_noticed_in_a_group(void **state) {
    brokers_go_and_come_back(*state, true);
}

static void topic_is(const struct broker *b, rd_kafka_resp_err_t err) {
    rd_kafka_mock_topic_set_error(b->cluster, "clicks", err);
}

static void a_topic_that_stays_away_fails(void **state) {
    struct broker *b = *state;
    struct reader *r = quick_reader(b, false);
    topic_is(b, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    int64_t began = now_ms();
    POLL_UNTIL(r, r->failures > 0);
    assert_true(now_ms() - began >= PATIENCE_MS);
    assert_int_equal(r->failure.code, ERR_NOT_FOUND);
    assert_non_null(strstr(r->failure.text, "topic clicks does not exist"));
    assert_non_null(strstr(r->failure.text, "deleted while the job ran"));
    reader_free(r);
}

static void a_topic_that_comes_back_does_not_fail(void **state) {
    struct broker *b = *state;
    struct reader *r = quick_reader(b, false);
    const struct rdkafka_source *s = rdkafka_of(r->source);
    for (int times = 0; times < 2; times++) {
        topic_is(b, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        POLL_UNTIL(r, s->watch.gone_since != 0);
        topic_is(b, RD_KAFKA_RESP_ERR_NO_ERROR);
        POLL_UNTIL(r, s->watch.gone_since == 0);
    }
    assert_int_equal(r->failures, 0);
    assert_true(answers(r)); /* it always did */
    produce_numbers(rd_kafka_mock_cluster_bootstraps(b->cluster), "clicks", 0, 3);
    POLL_UNTIL(r, (fetch(r, 0, 1000), r->n == 3)); /* it is read on */
    reader_free(r);
}

int main(void) {
#define READ_BY(f, who) \
    { #f "_by_" #who, f, up_for_##who, down, NULL }
#define READ_BY_BOTH(f) READ_BY(f, fetcher), READ_BY(f, librdkafka)
    const struct CMUnitTest tests[] = {
        READ_BY_BOTH(silence_is_noticed_by_hand),
        READ_BY_BOTH(silence_is_noticed_in_a_group),
        READ_BY_BOTH(a_topic_that_stays_away_fails),
        READ_BY_BOTH(a_topic_that_comes_back_does_not_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
