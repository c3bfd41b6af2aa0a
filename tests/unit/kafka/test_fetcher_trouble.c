/* What the fetcher cannot cope with: it says so, tells nothing any more, and its positions are those from
 * which somebody else can read on. */
#include "one_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_CORRELATION = 7, AT_ERROR = 13, AT_TOPIC = 24, AT_PARTS = 30, AT_PART = 34 };
/* The first partition's first, where no transaction was aborted. */
enum { AT_BATCH = AT_PART + 38 };

/* Another fetcher goes on from there. */
static void read_on(void) {
    for (size_t i = 0; i < w->n_parts; i++)
        w->parts[i].from = position(w, (int32_t)i);
    fetcher_free(w->fetcher);
    begin_reading(w, w->n_parts);
}

/* ---- Batches ---- */

/* A batch of the records 10 to 14, of which a byte is changed after that. */
static void put_changed(int attributes, int64_t producer, size_t at, int change, bool seal) {
    struct batch_maker m;
    size_t n;
    begin_batch_at(&m, 10, attributes, producer);
    if (attributes & BATCH_CONTROL)
        batch_add_marker(&m, 0, 0);
    else
        for (int64_t offset = 10; offset < 15; offset++)
            add_record(&m, 0, offset);
    m.last_offset_delta = 4;
    batch_compress(&m);
    char *batch = batch_end(&m, &n);
    batch[at] ^= (char)change;
    if (seal)
        batch_seal(batch, n);
    fake_kafka_append(w->brokers[0], 0, batch, n);
}

static void expect_trouble(const char *wanted, enum error_code code, int64_t where) {
    expect(w, 0, wanted);
    expect_failure(w, code, false);
    assert_string_equal(story(&w->parts[0]), wanted);
    assert_int_equal(position(w, 0), where);
}

static void test_wrong_crc(void **state) {
    (void)state;
    static const int attributes[] = {CODEC_NONE, CODEC_ZSTD, CODEC_SNAPPY, BATCH_TRANSACTIONAL,
                                     BATCH_TRANSACTIONAL | BATCH_CONTROL};
    static const size_t bytes[] = {BATCH_CRC,       BATCH_ATTRIBUTES, BATCH_BASE_TIMESTAMP,
                                   BATCH_COUNT + 3, BATCH_RECORDS,    BATCH_RECORDS + 10};
    for (size_t i = 0; i < 5 * 6 * 2; i++) {
        again();
        put_plain(w, 0, 0, 4);
        put_plain(w, 0, 5, 7); /* and a gap */
        put_changed(attributes[i % 5], 5, bytes[i / 5 % 6], 0x40, false);
        put_marker(w, 0, 15, 5, false);
        put_plain(w, 0, 16, 20);
        if (i < 30)
            fake_kafka_limit(w->brokers[0], 1, 1);
        begin_reading(w, 1);
        expect_trouble("0-7", ERR_CORRUPT, 8);
        assert_non_null(strstr(w->e.text, "topic clicks partition 0: the batch at offset 10 "));
    }
}

/* One that was spoilt before its CRC was made. */
static void test_senseless_records(void **state) {
    (void)state;
    put_plain(w, 0, 0, 9);
    put_changed(0, NOBODY, BATCH_COUNT + 3, 5 ^ 7, true);
    begin_reading(w, 1);
    expect_trouble("0-14", ERR_CORRUPT, 15);
    again();
    put_plain(w, 0, 0, 9);
    put_changed(0, NOBODY, BATCH_COUNT + 3, 5 ^ 3, true);
    begin_reading(w, 1);
    expect_trouble("0-12", ERR_CORRUPT, 13);
    again();
    put_plain(w, 0, 0, 9);
    put_changed(CODEC_LZ4, NOBODY, BATCH_RECORDS, 1, true);
    begin_reading(w, 1);
    expect_trouble("0-9", ERR_CORRUPT, 10);
    assert_non_null(strstr(w->e.text, "lz4"));
}

static void test_a_marker_without_a_record(void **state) {
    (void)state;
    struct batch_maker m;
    put_batch(w, 0, 0, 4, BATCH_TRANSACTIONAL, 5);
    put_plain(w, 0, 5, 9);
    begin_batch_at(&m, 10, BATCH_TRANSACTIONAL | BATCH_CONTROL, 5);
    batch_add_marker(&m, 0, 1);
    m.count = 2;
    append(w, 0, &m);
    begin_batch_at(&m, 11, BATCH_TRANSACTIONAL | BATCH_CONTROL, 5);
    append(w, 0, &m);
    fake_kafka_add_aborted(w->brokers[0], 0, 5, 0, 11);
    begin_reading(w, 1);
    expect_trouble("5-9", ERR_CORRUPT, 11);
}

static void test_codecs_that_are_not_known(void **state) {
    (void)state;
    for (int codec = CODEC_SNAPPY; codec < 8; codec += codec == CODEC_SNAPPY ? 3 : 1) {
        again();
        put_plain(w, 0, 0, 9);
        put_batch(w, 0, 10, 14, codec, NOBODY);
        begin_reading(w, 1);
        expect_trouble("0-9", ERR_UNSUPPORTED, 10);
        assert_non_null(strstr(w->e.text, codec == CODEC_SNAPPY ? "snappy" : "codec"));
    }
}

/* These are seen when the answer comes, before it is delivered. */
static void test_other_formats(void **state) {
    (void)state;
    for (int format = 0; format <= 3; format += format == 1 ? 2 : 1) {
        again();
        put_plain(w, 0, 0, 9);
        put_changed(0, NOBODY, BATCH_MAGIC, 2 ^ format, false);
        begin_reading(w, 1);
        expect_failure(w, ERR_UNSUPPORTED, false);
        assert_int_equal(position(w, 0), 0);
        again();
        put_plain(w, 0, 0, 9);
        begin_reading(w, 1);
        expect(w, 0, "0-9 |10");
        put_changed(0, NOBODY, BATCH_MAGIC, 2 ^ format, false);
        expect_trouble("0-9 |10", ERR_UNSUPPORTED, 10);
    }
}

/* ---- Answers ---- */

static void test_error_for_a_partition(void **state) {
    (void)state;
    put_plain(w, 0, 0, 9);
    put_plain(w, 1, 0, 9);
    put_plain(w, 2, 0, 4);
    begin_reading(w, 3);
    w->max = 5;
    for (size_t p = 0; p < 3; p++)
        expect(w, p, p < 2 ? "0-9 |10" : "0-4 |5");
    fake_kafka_refuse(w->brokers[0], 1, 6);
    put_plain(w, 0, 10, 19); /* no answer before that one has them */
    expect_failure(w, ERR_UNAVAILABLE, true);
    assert_string_equal(w->e.text, "topic clicks partition 1: a Fetch request got error 6");
    assert_int_equal(position(w, 0), 10);
    assert_int_equal(position(w, 1), 10);
    assert_int_equal(position(w, 2), 5);
    read_on();
    expect_only(w, 0, "0-9 |10 10-19 |20");
    expect_only(w, 1, "0-9 |10 |10");
}

/* Of answers that wait, nothing is told when a later one refuses. */
static void test_error_while_an_answer_waits(void **state) {
    (void)state;
    for (int64_t base = 0; base < 40; base += 10)
        put_plain(w, 0, base, base + 9);
    fake_kafka_limit(w->brokers[0], 1, 1);
    begin_reading(w, 1);
    w->max = 4;
    STEP_UNTIL(w, w->parts[0].n > 0);
    fake_kafka_refuse(w->brokers[0], 0, 6); /* at the latest what would have the fourth batch */
    expect_failure(w, ERR_UNAVAILABLE, true);
    assert_int_equal(position(w, 0), w->parts[0].n);
    read_on();
    expect_only(w, 0, "0-39 |40");
}

static void test_offset_out_of_range(void **state) {
    (void)state;
    put_plain(w, 0, 0, 9);
    w->parts[0].from = 11;
    begin_reading(w, 1);
    expect_failure(w, ERR_UNAVAILABLE, true);
    assert_int_equal(position(w, 0), 11);
}

static void test_spoilt_answers(void **state) {
    (void)state;
    static const struct {
        size_t at;
        int byte;
        enum error_code code;
    } cases[] = {
        {0, 0x7f, ERR_LIMIT},
        {2, 0, ERR_LIMIT}, /* more came than it says */
        {AT_CORRELATION, 0x40, ERR_CORRUPT},
        {AT_ERROR, 70, ERR_UNAVAILABLE},
        {AT_TOPIC, 'C', ERR_CORRUPT},
        {AT_PARTS, 0x80, ERR_CORRUPT},
        {AT_PARTS + 3, 0, ERR_CORRUPT},
        {AT_PARTS + 3, 2, ERR_CORRUPT},
        {AT_PART + 3, 1, ERR_CORRUPT}, /* which was not asked for */
        {AT_PART + 5, 3, ERR_UNAVAILABLE},
        {AT_BATCH - 4, 0x7f, ERR_CORRUPT},
        {AT_BATCH + BATCH_MAGIC, 1, ERR_UNSUPPORTED},
        {AT_BATCH + BATCH_LENGTH, 0x7f, ERR_CORRUPT}, /* a batch in part, and no whole one */
        {AT_BATCH + BATCH_LENGTH, 0x80, ERR_CORRUPT},
        {AT_BATCH + BATCH_CRC, 0xaa, ERR_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        again();
        put_plain(w, 0, 0, 9);
        fake_kafka_spoil(w->brokers[0], cases[i].at, cases[i].byte);
        begin_reading(w, 1);
        expect_failure(w, cases[i].code, cases[i].code == ERR_UNAVAILABLE);
        assert_int_equal(position(w, 0), 0);
        assert_string_equal(story(&w->parts[0]), "");
        read_on();
        expect_only(w, 0, "0-9 |10");
    }
}

/* Not of any broker but the one that was asked. */
static void test_answers_for_another_broker(void **state) {
    (void)state;
    world_down(w);
    w = world_up(2);
    fake_kafka_hold(w->brokers[0]);
    fake_kafka_spoil(w->brokers[1], AT_PART + 3, 0);
    begin_reading(w, 2);
    expect_failure(w, ERR_CORRUPT, false);
    assert_string_equal(story(&w->parts[0]), "");
}

/* What comes once more is not told once more. */
static void test_answers_begin_early(void **state) {
    (void)state;
    fake_kafka_behave(w->brokers[0], (struct fake_kafka_habits){.begins_early = true});
    for (int64_t base = 0; base < 40; base += 10)
        put_batch(w, 0, base, base + 9, base % 20 ? CODEC_LZ4 : CODEC_NONE, NOBODY);
    fake_kafka_limit(w->brokers[0], 3000, 3000); /* the right batch, too */
    w->max = 7;
    w->parts[0].from = 13;
    begin_reading(w, 1);
    expect_only(w, 0, "13-39 |40");
    put_plain(w, 0, 40, 41);
    expect_only(w, 0, "13-39 |40 40-41 |42");
    read_on();
    expect_only(w, 0, "13-39 |40 40-41 |42 |42");
}

/* ---- Connections ---- */

/* At any request, before, within and behind its answer. */
static void test_connection_ends(void **state) {
    (void)state;
    static const size_t bytes[] = {0, 1, 3, 4, 5, 40, 77, 200, 800, SIZE_MAX};
    for (size_t i = 0; i < 6 * sizeof bytes / sizeof *bytes; i++) {
        again();
        for (int64_t base = 0; base < 30; base += 10) {
            put_plain(w, 0, base, base + 9);
            put_batch(w, 1, base, base + 9, CODEC_LZ4, NOBODY);
        }
        fake_kafka_limit(w->brokers[0], 1500, 1000);
        fake_kafka_cut(w->brokers[0], i % 6, bytes[i / 6]);
        begin_reading(w, 2);
        w->max = i % 6 + 2;
        expect_failure(w, ERR_UNAVAILABLE, true);
        assert_non_null(strstr(w->e.text, "the connection to 127.0.0.1:"));
        for (size_t p = 0; p < 2; p++)
            if (w->parts[p].n == 31) /* the end is told again: it is another fetcher's first */
                w->parts[p].n--;
        read_on();
        expect_only(w, 0, "0-29 |30");
        expect_only(w, 1, "0-29 |30");
    }
}

/* While a broker takes its time, and none of the fetcher's. */
static void test_answers_are_held(void **state) {
    (void)state;
    world_down(w);
    w = world_up(2);
    put_plain(w, 0, 0, 9);
    put_plain(w, 1, 0, 9);
    fake_kafka_hold(w->brokers[0]);
    begin_reading(w, 2);
    expect(w, 1, "0-9 |10");
    put_plain(w, 1, 10, 19);
    expect(w, 1, "0-9 |10 10-19 |20");
    STEP_UNTIL(w, fake_kafka_requests(w->brokers[0]) == 1);
    expect(w, 0, "");
    fake_kafka_release(w->brokers[0]);
    expect_only(w, 0, "0-9 |10");
    expect_only(w, 1, "0-9 |10 10-19 |20");
}

/* What the other one sends is not told any more. */
static void test_one_of_two_brokers_goes(void **state) {
    (void)state;
    world_down(w);
    w = world_up(2);
    put_plain(w, 0, 0, 9);
    put_plain(w, 1, 0, 9);
    begin_reading(w, 2);
    expect(w, 0, "0-9 |10");
    expect(w, 1, "0-9 |10");
    fake_kafka_cut(w->brokers[1], fake_kafka_requests(w->brokers[1]), 10);
    expect_failure(w, ERR_UNAVAILABLE, true);
    put_plain(w, 0, 10, 19);
    for (int i = 0; i < 10; i++)
        step(w);
    assert_string_equal(story(&w->parts[0]), "0-9 |10");
    assert_int_equal(position(w, 0), 10);
    assert_int_equal(position(w, 1), 10);
}

/* A port on which nobody listens: it is bound to as long as the test runs. */
static int silent_port(int *fd) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

static void test_no_connection(void **state) {
    (void)state;
    int fd, port = silent_port(&fd);
    struct fetcher_broker brokers[] = {{"127.0.0.1", fake_kafka_port(w->brokers[0])},
                                       {"127.0.0.1", port}};
    struct fetcher_share shares[] = {{0, 0, 0}, {1, 0, 1}};
    for (size_t first = 0; first < 2; first++) {
        struct error e = {0};
        struct fetcher_config cfg = {.topic = "clicks",
                                     .client_id = "test",
                                     .brokers = brokers + first,
                                     .n_brokers = 2 - first,
                                     .shares = shares,
                                     .n_shares = 2 - first,
                                     .timeout_ms = 10000};
        assert_null(fetcher_new(&cfg, &e));
        assert_int_equal(e.code, ERR_UNAVAILABLE);
        assert_true(e.retriable);
    }
    (void)close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_wrong_crc),
        TEST(test_senseless_records),
        TEST(test_a_marker_without_a_record),
        TEST(test_codecs_that_are_not_known),
        TEST(test_other_formats),
        TEST(test_error_for_a_partition),
        TEST(test_error_while_an_answer_waits),
        TEST(test_offset_out_of_range),
        TEST(test_spoilt_answers),
        TEST(test_answers_for_another_broker),
        TEST(test_answers_begin_early),
        TEST(test_connection_ends),
        TEST(test_answers_are_held),
        TEST(test_one_of_two_brokers_goes),
        TEST(test_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
