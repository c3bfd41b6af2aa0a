/* Brokers that refuse: the error says what to grant or to set. */
#include "kafka_fixture.h"

#include <librdkafka/rdkafka_mock.h> /* needs rdkafka.h, does not include it */

enum { JOIN_GROUP = 11 }; /* its API key */

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
    assert_int_equal(r->source->ops->partition_count(r->source, 2500, &count, &e), -1);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "SSL handshake failed"));
    assert_non_null(strstr(e.text, "check kafka.properties.security.protocol and ssl.*"));
    reader_free(r);
}

int main(void) {
#define ON_A_BROKER(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        ON_A_BROKER(a_forbidden_group_says_what_to_grant),
        ON_A_BROKER(tls_where_there_is_none_names_its_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
