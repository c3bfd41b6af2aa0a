/* Brokers that refuse: the error says what to grant or to set. Or that just do not know yet. */
#include "kafka_fixture.h"

#include <librdkafka/rdkafka_mock.h> /* needs rdkafka.h, does not include it */
#include <pthread.h>
#include <unistd.h>

enum { LIST_OFFSETS = 2, JOIN_GROUP = 11 }; /* API keys */

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

static struct kafka_config config_of(const struct broker *b) {
    return by_hand(rd_kafka_mock_cluster_bootstraps(b->cluster), "clicks");
}

static void a_forbidden_group_says_what_to_grant(void **state) {
    struct broker *b = *state;
    struct kafka_config cfg = config_of(b);
    cfg.use_group = true;
    rd_kafka_mock_push_request_errors(b->cluster, JOIN_GROUP, 1,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    struct reader *r = reader_new(&cfg);
    POLL_UNTIL(r, r->failures == 1);
    assert_int_equal(r->failure.code, ERR_DENIED);
    assert_non_null(strstr(r->failure.text, "Group authorization failed"));
    assert_non_null(strstr(r->failure.text, "Grant this user Read on the group (kafka.group_id)"));
    reader_free(r);
}

static void tls_where_there_is_none_names_its_settings(void **state) {
    static const struct kafka_property tls[] = {{"security.protocol", "ssl"}};
    struct broker *b = *state;
    struct kafka_config cfg = config_of(b);
    cfg.properties = tls;
    cfg.n_properties = 1;
    struct reader *r = reader_new(&cfg);
    int32_t count;
    struct error e = {0};
    int64_t until = now_ms() + 20000;
    do { /* on a busy machine no handshake may have been tried by the first time-out */
        assert_true(now_ms() < until);
        assert_int_equal(r->source->ops->partition_count(r->source, 2500, &count, &e), -1);
        assert_int_equal(e.code, ERR_UNAVAILABLE);
    } while (!strstr(e.text, "(ssl://"));
    if (!strstr(e.text, "SSL handshake failed")) /* librdkafka was too quick for OpenSSL's words */
        assert_non_null(strstr(e.text, "in state SSL_HANDSHAKE"));
    assert_non_null(strstr(e.text, "check kafka.properties.security.protocol and ssl.*"));
    reader_free(r);
}

static void *tell_of_topic(void *ctx) {
    const struct broker *b = ctx;
    (void)usleep(400 * 1000);
    rd_kafka_mock_topic_set_error(b->cluster, "clicks", RD_KAFKA_RESP_ERR_NO_ERROR);
    return NULL;
}

/* Brokers hear of a new topic one after the other. */
static void a_topic_that_no_broker_knows_yet_is_waited_for(void **state) {
    struct broker *b = *state;
    struct kafka_config cfg = config_of(b);
    struct reader *r = reader_new(&cfg);
    int32_t count = 0;
    struct error e = {0};
    pthread_t later;
    rd_kafka_mock_topic_set_error(b->cluster, "clicks", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    assert_int_equal(pthread_create(&later, NULL, tell_of_topic, b), 0);
    assert_int_equal(r->source->ops->partition_count(r->source, 10000, &count, &e), 0);
    assert_int_equal(count, 1);
    assert_int_equal(pthread_join(later, NULL), 0);
    reader_free(r);
}

static void a_leader_that_does_not_know_yet_is_asked_again(void **state) {
    struct broker *b = *state;
    struct kafka_config cfg = config_of(b);
    struct reader *r = reader_new(&cfg);
    int64_t start = -1, end = -1;
    struct error e = {0};
    rd_kafka_mock_push_request_errors(b->cluster, LIST_OFFSETS, 2,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    assert_int_equal(r->source->ops->bounds(r->source, 0, 10000, &start, &end, &e), 0);
    assert_int_equal(start, 0);
    assert_int_equal(end, 0);
    reader_free(r);
}

int main(void) {
#define ON_A_BROKER(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        ON_A_BROKER(a_forbidden_group_says_what_to_grant),
        ON_A_BROKER(tls_where_there_is_none_names_its_settings),
        ON_A_BROKER(a_topic_that_no_broker_knows_yet_is_waited_for),
        ON_A_BROKER(a_leader_that_does_not_know_yet_is_asked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
