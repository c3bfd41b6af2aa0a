/* start.json: a first start, once and for ever (rule 4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "checkpoint/start.h"
#include "support/memory_store.h"

struct fixture {
    struct memory_world *world;
    struct store *store;
    struct start_offsets offsets;
    struct error error;
    bool found;
};

static struct fixture f;

static int set_up(void **state) {
    (void)state;
    f = (struct fixture){0};
    f.world = memory_world_new(&memory_like_s3, NULL);
    f.store = memory_store_open(f.world);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    start_offsets_free(&f.offsets);
    store_free(f.store);
    memory_world_free(f.world);
    return 0;
}

static int try_read(const char *cluster, const char *topic) {
    start_offsets_free(&f.offsets);
    f.error = (struct error){0};
    return start_read(f.store, "job/clicks/", cluster, topic, &f.offsets, &f.found, &f.error);
}

static int put(int64_t first) {
    int64_t offsets[] = {first, 0, INT64_MAX};
    struct start_offsets s = {offsets, 3};
    return start_put(f.store, "job/clicks/", "cluster", "clicks", "earliest", &s, &f.error);
}

static void must_not_read(const char *text) {
    memory_world_plant(f.world, "job/clicks/start.json", text, strlen(text));
    assert_int_equal(try_read("cluster", "clicks"), -1);
    assert_int_equal(f.error.code, ERR_CORRUPT);
    assert_null(f.offsets.offset);
}

static void test_absent(void **state) {
    (void)state;
    assert_int_equal(try_read("cluster", "clicks"), 0);
    assert_false(f.found);
}

static void test_round_trip(void **state) {
    (void)state;
    assert_int_equal(put(42), 0);
    assert_int_equal(try_read("cluster", "clicks"), 0);
    assert_true(f.found);
    assert_int_equal(f.offsets.n, 3);
    assert_int_equal(f.offsets.offset[0], 42);
    assert_true(f.offsets.offset[2] == INT64_MAX);
}

static void test_the_first_writer_wins(void **state) {
    (void)state;
    assert_int_equal(put(42), 0);
    assert_int_equal(put(43), -1);
    assert_int_equal(f.error.code, ERR_EXISTS);
    assert_int_equal(try_read("cluster", "clicks"), 0);
    assert_int_equal(f.offsets.offset[0], 42);
}

static void test_a_lost_answer_leaves_it_in_place(void **state) {
    (void)state;
    memory_store_fail(f.store, STORE_PUT_IF_ABSENT, 1, ERR_UNKNOWN, FAULT_AFTER);
    assert_int_equal(put(42), -1); /* it exists: to be read, as if another had been quicker */
    assert_int_equal(f.error.code, ERR_EXISTS);
    memory_store_fail(f.store, STORE_PUT_IF_ABSENT, 1, ERR_DENIED, FAULT_BEFORE);
    assert_int_equal(put(42), -1);
    assert_int_equal(f.error.code, ERR_DENIED);
}

static void test_a_request_that_was_not_applied_is_repeated(void **state) {
    (void)state;
    memory_store_fail(f.store, STORE_PUT_IF_ABSENT, 1, ERR_UNAVAILABLE, FAULT_BEFORE);
    assert_int_equal(put(42), 0);
}

static void test_of_another_topic_or_cluster(void **state) {
    (void)state;
    assert_int_equal(put(42), 0);
    assert_int_equal(try_read("cluster", "other"), -1);
    assert_int_equal(f.error.code, ERR_MISMATCH);
    assert_int_equal(try_read("other", "clicks"), -1);
    assert_int_equal(f.error.code, ERR_MISMATCH);
}

static void test_corrupt_is_never_a_fresh_start(void **state) {
    (void)state;
    must_not_read("");
    must_not_read("{");
    must_not_read("[]");
    must_not_read("{\"v\":2,\"cluster\":\"cluster\",\"topic\":\"clicks\",\"offsets\":[1]}");
    must_not_read("{\"v\":1,\"cluster\":\"cluster\",\"topic\":\"clicks\"}");
    must_not_read("{\"v\":1,\"cluster\":\"cluster\",\"topic\":\"clicks\",\"offsets\":[1,-1]}");
    must_not_read("{\"v\":1,\"cluster\":\"cluster\",\"topic\":\"clicks\",\"offsets\":[\"1\"]}");
}

static void test_unreadable_is_an_error(void **state) {
    (void)state;
    memory_store_fail(f.store, STORE_GET, 1, ERR_DENIED, FAULT_BEFORE);
    assert_int_equal(try_read("cluster", "clicks"), -1);
    assert_int_equal(f.error.code, ERR_DENIED);
}

static void test_manifests_of_an_earlier_run_are_refused(void **state) {
    (void)state;
    const char *prefix = "_manifests/job/clicks/";
    assert_int_equal(start_refuse_leftovers(f.store, prefix, "s3://c/", &f.error), 0);
    memory_world_plant(f.world, "_manifests/job/clicks2/p00000/chk-1.json", "{}", 2);
    assert_int_equal(start_refuse_leftovers(f.store, prefix, "s3://c/", &f.error), 0);
    memory_world_plant(f.world, "_manifests/job/clicks/p00000/chk-1.json", "{}", 2);
    assert_int_equal(start_refuse_leftovers(f.store, prefix, "s3://c/", &f.error), -1);
    assert_int_equal(f.error.code, ERR_MISMATCH);
    memory_store_fail(f.store, STORE_LIST, 1, ERR_DENIED, FAULT_BEFORE);
    assert_int_equal(start_refuse_leftovers(f.store, prefix, "s3://c/", &f.error), -1);
    assert_int_equal(f.error.code, ERR_DENIED);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_absent),
        CASE(test_round_trip),
        CASE(test_the_first_writer_wins),
        CASE(test_a_lost_answer_leaves_it_in_place),
        CASE(test_a_request_that_was_not_applied_is_repeated),
        CASE(test_of_another_topic_or_cluster),
        CASE(test_corrupt_is_never_a_fresh_start),
        CASE(test_unreadable_is_an_error),
        CASE(test_manifests_of_an_earlier_run_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
