/* Records of transactions that were aborted are never delivered; all others are, whoever's they are. */
#include "one_world.h"

enum { TX = BATCH_TRANSACTIONAL };
enum { A = 70, B = 71, C = 72 }; /* producers */

static void read_all(const char *wanted) {
    begin_reading(w, 1);
    expect_only(w, 0, wanted);
}

static void commit(int64_t offset, int64_t producer) {
    put_marker(w, 0, offset, producer, true);
}

static void roll_back(int64_t offset, int64_t producer) {
    put_marker(w, 0, offset, producer, false);
}

static void data(int64_t base, int64_t last, int64_t producer) {
    put_batch(w, 0, base, last, TX, producer);
}

static void test_aborted_and_committed(void **state) {
    (void)state;
    data(0, 4, A);
    roll_back(5, A);
    data(6, 9, A);
    commit(10, A);
    read_all("6-9 |11");
}

/* The list of aborted transactions is in the order of their ends. */
static void test_interleaved(void **state) {
    (void)state;
    data(0, 0, A);
    data(1, 1, B);
    data(2, 2, C);
    data(3, 3, A);
    data(4, 4, B);
    roll_back(5, B);
    data(6, 6, C);
    data(7, 7, B);
    commit(8, C);
    data(9, 9, A);
    data(10, 10, C);
    roll_back(11, A);
    data(12, 12, A);
    commit(13, B);
    commit(14, A);
    roll_back(15, C);
    read_all("2 6-7 12 |16");
}

static void test_same_producer(void **state) {
    (void)state;
    for (int pattern = 0; pattern < 1 << 5; pattern++) {
        char wanted[100] = "";
        again();
        for (int i = 0; i < 5; i++) {
            data(i * 4, i * 4 + 1, A);
            data(i * 4 + 2, i * 4 + 2, A);
            put_marker(w, 0, i * 4 + 3, A, pattern >> i & 1);
            if (pattern >> i & 1)
                (void)snprintf(wanted + strlen(wanted), 20, "%d-%d ", i * 4, i * 4 + 2);
        }
        (void)snprintf(wanted + strlen(wanted), 20, "|20");
        read_all(wanted);
    }
}

static void interleave(void) {
    data(0, 2, A);
    data(3, 5, B);
    data(6, 8, A);
    put_plain(w, 0, 9, 11);
    commit(12, B);
    data(13, 15, A);
    roll_back(16, A);
    data(17, 19, A);
    commit(20, A);
}

/* Wherever reading begins: within the aborted transaction, at its marker, and behind that. */
static void test_begins_within_the_transaction(void **state) {
    (void)state;
    static const char *const stories[] = {"3-5 9-11 17-19 |21",
                                          "3-5 9-11 17-19 |21",
                                          "3-5 9-11 17-19 |21",
                                          "3-5 9-11 17-19 |21",
                                          "4-5 9-11 17-19 |21",
                                          "5 9-11 17-19 |21",
                                          "9-11 17-19 |21",
                                          "9-11 17-19 |21",
                                          "9-11 17-19 |21",
                                          "9-11 17-19 |21",
                                          "10-11 17-19 |21",
                                          "11 17-19 |21",
                                          "17-19 |21",
                                          "17-19 |21",
                                          "17-19 |21",
                                          "17-19 |21",
                                          "17-19 |21",
                                          "17-19 |21",
                                          "18-19 |21",
                                          "19 |21",
                                          "|21",
                                          "|21"};
    for (int64_t from = 0; from <= 21; from++) {
        again();
        interleave();
        w->parts[0].from = from;
        read_all(stories[from]);
    }
}

/* The marker comes with the records or in a later answer, and one answer may end amid the transaction. */
static void test_in_answers_of_any_size(void **state) {
    (void)state;
    for (int32_t limit = 1; limit < 1500; limit += 61) {
        again();
        interleave();
        fake_kafka_limit(w->brokers[0], limit, limit);
        w->max = (size_t)limit % 5 + 1;
        read_all("3-5 9-11 17-19 |21");
    }
}

/* Of the producer, but outside of its transaction. */
static void test_only_transactional_records_are_aborted(void **state) {
    (void)state;
    data(0, 0, A);
    put_batch(w, 0, 1, 1, 0, A);
    put_batch(w, 0, 2, 2, 0, NOBODY);
    put_batch(w, 0, 3, 3, 0, B);
    roll_back(4, A);
    read_all("1-3 |5");
}

static void test_packed(void **state) {
    (void)state;
    static const int codecs[] = {CODEC_NONE, CODEC_GZIP, CODEC_LZ4, CODEC_ZSTD};
    for (int i = 0; i < 64; i++) {
        again();
        put_batch(w, 0, 0, 4, TX | codecs[i % 4], A);
        put_batch(w, 0, 5, 9, TX | codecs[i / 4 % 4], B);
        put_batch(w, 0, 10, 14, TX | codecs[i / 16], A);
        put_batch(w, 0, 15, 19, codecs[i % 4], NOBODY);
        roll_back(20, A);
        put_batch(w, 0, 21, 24, TX | codecs[i / 4 % 4], A);
        commit(25, A);
        commit(26, B);
        w->max = (size_t)i % 3 ? 1000 : 3;
        read_all("5-9 15-19 21-24 |27");
    }
}

/* What nobody is to have needs no codec that is known, but must be what was sent. */
static void test_aborted_in_snappy(void **state) {
    (void)state;
    put_batch(w, 0, 0, 4, TX | CODEC_SNAPPY, A);
    roll_back(5, A);
    put_plain(w, 0, 6, 7);
    read_all("6-7 |8");
}

static void test_empty_transactions(void **state) {
    (void)state;
    struct batch_maker m;
    commit(0, A);
    roll_back(1, A);
    begin_batch_at(&m, 2, TX, A); /* compaction has taken its records */
    m.last_offset_delta = 3;
    append(w, 0, &m);
    roll_back(6, A);
    data(7, 8, A);
    commit(9, A);
    read_all("7-8 |10");
}

/* A marker's type that is neither, and markers of a later version, of which the type stands as well. */
static void test_markers_of_other_kinds(void **state) {
    (void)state;
    struct batch_maker m;
    data(0, 1, A);
    begin_batch_at(&m, 2, BATCH_CONTROL, NOBODY); /* a leader's */
    batch_add_marker(&m, 0, 2);
    append(w, 0, &m);
    data(3, 3, A);
    begin_batch_at(&m, 4, TX | BATCH_CONTROL, A);
    batch_add_marker(&m, 1, 0);
    append(w, 0, &m);
    data(5, 6, A);
    commit(7, A);
    read_all("5-6 |8");
}

/* A transaction may be in the list twice, or its marker gone: the next marker of an abort ends all that its
 * producer has begun before, for it can have but one. */
static void test_list_has_more_than_the_log(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        again();
        if (i & 1)
            fake_kafka_add_aborted(w->brokers[0], 0, A, 0, 3);
        data(0, 2, A);
        roll_back(3, A);
        if (i & 2)
            fake_kafka_add_aborted(w->brokers[0], 0, A, 0, 3);
        data(4, 6, A);
        commit(7, A);
        data(8, 9, A);
        roll_back(10, A);
        data(11, 12, A);
        commit(13, A);
        read_all("4-6 11-12 |14");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_aborted_and_committed),
        TEST(test_interleaved),
        TEST(test_same_producer),
        TEST(test_begins_within_the_transaction),
        TEST(test_in_answers_of_any_size),
        TEST(test_only_transactional_records_are_aborted),
        TEST(test_packed),
        TEST(test_aborted_in_snappy),
        TEST(test_empty_transactions),
        TEST(test_markers_of_other_kinds),
        TEST(test_list_has_more_than_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
