#include "kafka_fixture.h"

#include "kafka/rdkafka_internal.h"

#define SERVERS(state) embedded_bootstrap_servers(*(state))

static struct reader *reader_of(void **state) {
    struct kafka_config cfg = by_hand(SERVERS(state), "clicks");
    return reader_new(&cfg);
}

/* ---- Properties ---- */

static struct error refusal(const char *name, const char *value) {
    struct kafka_property property = {name, value};
    struct kafka_config cfg = by_hand("127.0.0.1:1", "clicks");
    cfg.properties = &property;
    cfg.n_properties = 1;
    cfg.partitions = &(int32_t){0}; /* a list needs no broker to be counted */
    cfg.n_partitions = 1;
    cfg.all = false;
    struct source_handler handler = {0};
    struct error e = {0};
    struct source *s = rdkafka_source_new(&cfg, &handler, &e);
    if (s)
        s->ops->free(s);
    return e;
}

static void what_exactness_rests_on_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {
        "isolation.level",
        "auto.offset.reset",
        "enable.auto.commit",
        "auto.commit.enable",
        "check.crcs",
        "enable.partition.eof",
        "enable.auto.offset.store",
        "bootstrap.servers",
        "metadata.broker.list",
        "group.id",
        "Group.Id",
        "partition.assignment.strategy",
        "group.protocol",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_non_null(kafka_property_refused(names[i]));
        struct error e = refusal(names[i], "x");
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strstr(e.text, names[i]));
    }
    assert_null(kafka_property_refused("security.protocol"));
    assert_null(kafka_property_refused("fetch.max.bytes"));
}

static void an_unknown_property_is_named(void **state) {
    (void)state;
    struct error e = refusal("securty.protocol", "ssl");
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.text, "kafka.properties.securty.protocol"));
}

static void a_wrong_value_is_named(void **state) {
    (void)state;
    struct error e = refusal("security.protocol", "carrier-pigeon");
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.text, "carrier-pigeon"));
}

static void a_secret_is_not_repeated(void **state) {
    (void)state;
    struct error e = refusal("ssl_key", "hunter2"); /* only a program can set it */
    assert_int_equal(e.code, ERR_USAGE);
    assert_null(strstr(e.text, "hunter2"));
}

static void values_that_do_not_go_together_are_refused(void **state) {
    (void)state;
    struct error e = refusal("session.timeout.ms", "3600000"); /* above max.poll.interval.ms */
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.text, "session.timeout.ms"));
}

static void users_properties_go_above_our_tuning(void **state) {
    (void)state;
    struct kafka_property property = {"fetch.wait.max.ms", "7"};
    struct kafka_config cfg = by_hand("127.0.0.1:1", "clicks");
    cfg.properties = &property;
    cfg.n_properties = 1;
    struct error e;
    size_t wake_bytes;
    rd_kafka_conf_t *conf = kafka_conf(&cfg, KAFKA_CONSUME, &wake_bytes, &e);
    char text[64];
    size_t n = sizeof text;
    assert_non_null(conf);
    assert_int_equal(rd_kafka_conf_get(conf, "fetch.wait.max.ms", text, &n), RD_KAFKA_CONF_OK);
    assert_string_equal(text, "7");
    n = sizeof text;
    assert_int_equal(rd_kafka_conf_get(conf, "isolation.level", text, &n), RD_KAFKA_CONF_OK);
    assert_string_equal(text, "read_committed");
    n = sizeof text;
    assert_int_equal(rd_kafka_conf_get(conf, "auto.offset.reset", text, &n), RD_KAFKA_CONF_OK);
    assert_string_equal(text, "error");
    rd_kafka_conf_destroy(conf);
}

/* librdkafka refuses a response smaller than the largest message. */
static void a_response_holds_the_largest_message(void **state) {
    (void)state;
    static const struct kafka_property large = {"message.max.bytes", "3000000"};
    static const struct kafka_property both[] = {{"message.max.bytes", "3000000"},
                                                 {"fetch.max.bytes", "4000000"}};
    static const char *const wanted[] = {"1048576", "3000000", "4000000"};
    for (size_t i = 0; i < 3; i++) {
        struct kafka_config cfg = by_hand("127.0.0.1:1", "clicks");
        cfg.properties = i == 1 ? &large : both;
        cfg.n_properties = i;
        struct error e;
        rd_kafka_conf_t *conf = kafka_conf(&cfg, KAFKA_CONSUME, NULL, &e);
        char text[64];
        size_t n = sizeof text;
        assert_non_null(conf);
        assert_int_equal(rd_kafka_conf_get(conf, "fetch.max.bytes", text, &n), RD_KAFKA_CONF_OK);
        assert_string_equal(text, wanted[i]);
        rd_kafka_conf_destroy(conf);
        reader_free(reader_new(&cfg));
    }
}

/* ---- Questions ---- */

static void the_embedded_cluster_has_a_lasting_id(void **state) {
    struct reader *r = reader_of(state);
    char id[64];
    assert_int_equal(r->source->ops->cluster_id(r->source, 5000, id, sizeof id, NULL), 0);
    assert_string_equal(id, "embedded");
    assert_int_equal(r->source->ops->check_topic(r->source, 5000, NULL), 0);
    reader_free(r);
}

static void partitions_are_counted(void **state) {
    struct reader *r = reader_of(state);
    int32_t count = 0;
    assert_int_equal(r->source->ops->partition_count(r->source, 5000, &count, NULL), 0);
    assert_int_equal(count, 3);
    reader_free(r);
}

static void bounds_are_the_logs(void **state) {
    produce_numbers(SERVERS(state), "clicks", 1, 42);
    struct reader *r = reader_of(state);
    int64_t start = -1, end = -1;
    assert_int_equal(r->source->ops->bounds(r->source, 1, 5000, &start, &end, NULL), 0);
    assert_int_equal(start, 0);
    assert_int_equal(end, 42);
    reader_free(r);
}

static void bounds_of_a_missing_partition_are_an_error(void **state) {
    struct reader *r = reader_of(state);
    int64_t start, end;
    struct error e = {0};
    assert_int_equal(r->source->ops->bounds(r->source, 9, 5000, &start, &end, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "partition 9"));
    reader_free(r);
}

static void offsets_of_all_partitions_come_by_time(void **state) {
    produce_numbers(SERVERS(state), "clicks", 1, 42);
    produce_numbers(SERVERS(state), "clicks", 2, 7);
    struct reader *r = reader_of(state);
    const struct source_ops *ops = r->source->ops;
    int64_t at[3] = {-1, -1, -1};
    assert_int_equal(ops->offsets_for_time(r->source, 3, INT64_MAX, 5000, at, NULL), 0);
    assert_true(at[0] == 0 && at[1] == 42 && at[2] == 7);
    assert_int_equal(ops->offsets_for_time(r->source, 3, INT64_MIN, 5000, at, NULL), 0);
    assert_true(at[0] == 0 && at[1] == 0 && at[2] == 0);
    reader_free(r);
}

/* The protocol's special times lie there, and mean something else. */
static void times_before_1970_are_the_start(void **state) {
    produce_numbers(SERVERS(state), "clicks", 1, 42);
    struct reader *r = reader_of(state);
    int64_t at[2] = {-1, -1};
    assert_int_equal(r->source->ops->offsets_for_time(r->source, 2, -1, 5000, at, NULL), 0);
    assert_int_equal(at[1], 0);
    reader_free(r);
}

static void offsets_of_a_missing_partition_are_an_error(void **state) {
    struct reader *r = reader_of(state);
    int64_t at[10];
    struct error e = {0};
    assert_int_equal(r->source->ops->offsets_for_time(r->source, 10, INT64_MAX, 5000, at, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "of partition "));
    reader_free(r);
}

static void peek_reads_one_record(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 20);
    struct reader *r = reader_of(state);
    enum source_peek what = SOURCE_PEEK_EOF;
    int64_t found = -1;
    uint32_t crc = 0;
    struct error e = {0};
    if (r->source->ops->peek(r->source, 0, 7, 5000, &what, &found, &crc, &e))
        fail_msg("%s", e.text);
    struct record same = {.offset = 7,
                          .timestamp = 1700000000007,
                          .key = "7",
                          .key_len = 1,
                          .value = "7",
                          .value_len = 1};
    assert_int_equal(what, SOURCE_PEEK_RECORD);
    assert_int_equal(found, 7);
    assert_int_equal(crc, record_crc32c(&same));
    reader_free(r);
}

static void peek_tells_the_end_from_what_lies_past_it(void **state) {
    produce_numbers(SERVERS(state), "clicks", 0, 20);
    struct reader *r = reader_of(state);
    enum source_peek what = SOURCE_PEEK_RECORD;
    int64_t found = -1;
    uint32_t crc;
    assert_int_equal(r->source->ops->peek(r->source, 0, 20, 5000, &what, &found, &crc, NULL), 0);
    assert_int_equal(what, SOURCE_PEEK_EOF);
    assert_int_equal(found, 20);
    assert_int_equal(r->source->ops->peek(r->source, 0, 21, 5000, &what, &found, &crc, NULL), 0);
    assert_int_equal(what, SOURCE_PEEK_PAST_END);
    reader_free(r);
}

/* ---- No broker ---- */

static void an_unreachable_broker_is_explained_in_time(void **state) {
    (void)state;
    struct kafka_config cfg = by_hand("127.0.0.1:1", "clicks");
    struct reader *r = reader_new(&cfg);
    int32_t count;
    struct error e = {0};
    int64_t began = now_ms();
    assert_int_equal(r->source->ops->partition_count(r->source, 1500, &count, &e), -1);
    assert_true(now_ms() - began < 3000);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_true(e.retriable);
    assert_non_null(strstr(e.text, "no Kafka broker answers at 127.0.0.1:1 within 1.5 s "
                                   "(Connection refused)"));
    began = now_ms();
    reader_free(r);
    assert_true(now_ms() - began < 4000);
}

static void a_member_of_an_unreachable_group_ends_in_time(void **state) {
    (void)state;
    struct kafka_config cfg = by_hand("127.0.0.1:1", "clicks");
    cfg.use_group = true;
    struct reader *r = reader_new(&cfg);
    poll_ok(r, 100);
    int64_t began = now_ms();
    reader_free(r);
    assert_true(now_ms() - began < 4000);
}

int main(void) {
#define ON_A_CLUSTER(f) cmocka_unit_test_setup_teardown(f, cluster_up, cluster_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_exactness_rests_on_is_refused),
        cmocka_unit_test(an_unknown_property_is_named),
        cmocka_unit_test(a_wrong_value_is_named),
        cmocka_unit_test(a_secret_is_not_repeated),
        cmocka_unit_test(values_that_do_not_go_together_are_refused),
        cmocka_unit_test(users_properties_go_above_our_tuning),
        cmocka_unit_test(a_response_holds_the_largest_message),
        ON_A_CLUSTER(the_embedded_cluster_has_a_lasting_id),
        ON_A_CLUSTER(partitions_are_counted),
        ON_A_CLUSTER(bounds_are_the_logs),
        ON_A_CLUSTER(bounds_of_a_missing_partition_are_an_error),
        ON_A_CLUSTER(offsets_of_all_partitions_come_by_time),
        ON_A_CLUSTER(times_before_1970_are_the_start),
        ON_A_CLUSTER(offsets_of_a_missing_partition_are_an_error),
        ON_A_CLUSTER(peek_reads_one_record),
        ON_A_CLUSTER(peek_tells_the_end_from_what_lies_past_it),
        cmocka_unit_test(an_unreachable_broker_is_explained_in_time),
        cmocka_unit_test(a_member_of_an_unreachable_group_ends_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
