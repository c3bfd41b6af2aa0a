/* The leader of a partition dies, and another broker leads it a while later. */
#include <pthread.h>
#include <time.h>

#include "kafka_fixture.h"

#include <librdkafka/rdkafka_mock.h> /* needs rdkafka.h, does not include it */

enum { LEADERLESS_MS = 1500, ENOUGH_MS = 6000, PATIENCE_MS = 10000, RECORDS = 20 };

struct two_brokers {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    pthread_t election;
};

static int up(void **state) {
    struct two_brokers *b = calloc(1, sizeof *b);
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL); /* it knows no broker and says so */
    b->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(b->rk);
    b->cluster = rd_kafka_mock_cluster_new(b->rk, 2);
    assert_non_null(b->cluster);
    assert_int_equal(rd_kafka_mock_topic_create(b->cluster, "clicks", 1, 2), 0);
    assert_int_equal(rd_kafka_mock_partition_set_leader(b->cluster, "clicks", 0, 1), 0);
    produce_numbers(rd_kafka_mock_cluster_bootstraps(b->cluster), "clicks", 0, RECORDS);
    *state = b;
    return 0;
}

static int down(void **state) {
    struct two_brokers *b = *state;
    rd_kafka_mock_cluster_destroy(b->cluster);
    rd_kafka_destroy(b->rk);
    free(b);
    return 0;
}

static struct reader *reader_of_both(const struct two_brokers *b) {
    struct kafka_config cfg = by_hand(rd_kafka_mock_cluster_bootstraps(b->cluster), "clicks");
    return reader_new(&cfg);
}

static void *elect(void *arg) {
    struct two_brokers *b = arg;
    (void)nanosleep(&(struct timespec){.tv_sec = LEADERLESS_MS / 1000,
                                       .tv_nsec = LEADERLESS_MS % 1000 * 1000000L},
                    NULL);
    (void)rd_kafka_mock_partition_set_leader(b->cluster, "clicks", 0, 2);
    return NULL;
}

/* Until the election metadata still name the dead broker, as a real cluster's do. */
static void kill_leader(struct two_brokers *b) {
    assert_int_equal(rd_kafka_mock_broker_set_down(b->cluster, 1), 0);
    assert_int_equal(pthread_create(&b->election, NULL, elect, b), 0);
}

static void wait_for_election(struct two_brokers *b, int64_t began) {
    assert_int_equal(pthread_join(b->election, NULL), 0);
    assert_true(now_ms() - began < ENOUGH_MS);
}

static void bounds_come_from_the_new_leader(void **state) {
    struct two_brokers *b = *state;
    struct reader *r = reader_of_both(b);
    const struct source_ops *ops = r->source->ops;
    int64_t start = -1, end = -1;
    assert_int_equal(ops->bounds(r->source, 0, PATIENCE_MS, &start, &end, NULL), 0);
    int64_t began = now_ms();
    kill_leader(b);
    struct error e = {0};
    start = end = -1;
    if (ops->bounds(r->source, 0, PATIENCE_MS, &start, &end, &e))
        fail_msg("%s", e.text);
    assert_int_equal(start, 0);
    assert_int_equal(end, RECORDS);
    wait_for_election(b, began);
    reader_free(r);
}

static void a_record_comes_from_the_new_leader(void **state) {
    struct two_brokers *b = *state;
    struct reader *r = reader_of_both(b);
    int64_t began = now_ms();
    kill_leader(b);
    enum source_peek what = SOURCE_PEEK_EOF;
    int64_t found = -1;
    uint32_t crc;
    struct error e = {0};
    if (r->source->ops->peek(r->source, 0, 7, PATIENCE_MS, &what, &found, &crc, &e))
        fail_msg("%s", e.text);
    assert_int_equal(what, SOURCE_PEEK_RECORD);
    assert_int_equal(found, 7);
    wait_for_election(b, began);
    reader_free(r);
}

static void a_partition_without_a_leader_is_given_up_in_time(void **state) {
    struct two_brokers *b = *state;
    struct reader *r = reader_of_both(b);
    assert_int_equal(rd_kafka_mock_broker_set_down(b->cluster, 1), 0);
    int64_t start, end, began = now_ms();
    struct error e = {0};
    assert_int_equal(r->source->ops->bounds(r->source, 0, 2500, &start, &end, &e), -1);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_in_range(now_ms() - began, 2000, 4000);
    reader_free(r);
}

int main(void) {
#define WITH_TWO(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        WITH_TWO(bounds_come_from_the_new_leader),
        WITH_TWO(a_record_comes_from_the_new_leader),
        WITH_TWO(a_partition_without_a_leader_is_given_up_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
