#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "store/open.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/memory_store.h"

static struct fake_random rng;
static struct memory_world *world;
static struct store *store;
static struct error e;

static void begin(const struct memory_traits *traits) {
    fake_random_init(&rng, 1);
    world = memory_world_new(traits, NULL);
    store = memory_store_open(world);
}

static int set_up(void **state) {
    (void)state;
    begin(&memory_like_s3);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    store_free(store);
    memory_world_free(world);
    return 0;
}

static int probe(int64_t patience_ms) {
    return store_probe(store, &rng.random, patience_ms, &e);
}

static void test_a_good_store_passes_and_is_left_as_it_was(void **state) {
    (void)state;
    assert_int_equal(probe(0), 0);
    assert_int_equal(memory_world_count(world, ""), 0);
    assert_int_equal(memory_world_requests(world, STORE_PUT_IF_ABSENT), 2);
}

static void test_a_store_that_ignores_the_condition_is_refused(void **state) {
    struct memory_traits traits = memory_like_s3;
    traits.ignores_if_none_match = true;
    (void)tear_down(state);
    begin(&traits);
    assert_int_equal(probe(0), -1);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "ignores If-None-Match"));
    assert_int_equal(memory_world_count(world, ""), 0);
}

static void test_a_lost_answer_to_the_first_put_is_no_trouble(void **state) {
    (void)state;
    memory_store_fail(store, STORE_PUT_IF_ABSENT, 1, ERR_UNKNOWN, FAULT_AFTER);
    assert_int_equal(probe(10000), 0);
    assert_int_equal(memory_world_count(world, ""), 0);
}

static void test_a_lost_answer_to_the_second_put_is_no_trouble(void **state) {
    (void)state;
    memory_store_fail(store, STORE_PUT_IF_ABSENT, 2, ERR_UNKNOWN, FAULT_BEFORE);
    assert_int_equal(probe(10000), 0);
}

static void test_a_new_key_that_exists_is_a_broken_store(void **state) {
    (void)state;
    memory_store_fail(store, STORE_PUT_IF_ABSENT, 1, ERR_EXISTS, FAULT_BEFORE);
    assert_int_equal(probe(10000), -1);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
}

static void test_patience_ends(void **state) {
    (void)state;
    memory_store_fail_all(store, ERR_UNAVAILABLE);
    assert_int_equal(probe(200), -1);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
}

static void test_what_lasts_is_told_at_once(void **state) {
    (void)state;
    memory_store_fail(store, STORE_PUT_IF_ABSENT, 1, ERR_DENIED, FAULT_BEFORE);
    assert_int_equal(probe(60000), -1);
    assert_int_equal(e.code, ERR_DENIED);
}

static void test_removal_is_needed(void **state) {
    (void)state;
    memory_store_fail(store, STORE_DELETE, 1, ERR_DENIED, FAULT_BEFORE);
    assert_int_equal(probe(60000), -1);
    assert_int_equal(e.code, ERR_DENIED);
    assert_non_null(strstr(e.text, "s3:DeleteObject"));
}

/* ---- What store_open makes of a path ---- */

static void test_paths(void **state) {
    (void)state;
    assert_true(store_path_is_s3("s3://b/p/"));
    assert_false(store_path_is_s3("/tmp/s3"));
    assert_false(store_path_is_s3("S3"));
}

static void must_refuse(const char *path) {
    struct s3_config cfg = {.region = "us-east-1"};
    assert_null(store_open(path, &cfg, clock_system(), random_system(), &e));
    assert_int_equal(e.code, ERR_USAGE);
}

static void test_wrong_paths_are_a_usage_error(void **state) {
    (void)state;
    must_refuse("");
    must_refuse("s3a://bucket/prefix");
    must_refuse("file:///tmp/x");
    must_refuse("s3://");
    must_refuse("s3:///prefix");
    must_refuse("s3://Bucket/");
}

static void test_a_directory_opens_and_passes(void **state) {
    (void)state;
    char path[] = "/tmp/tidemark-probe-XXXXXX";
    char left[128];
    struct s3_config cfg = {.region = "us-east-1"};
    assert_non_null(mkdtemp(path));
    struct store *s = store_open(path, &cfg, clock_system(), random_system(), &e);
    assert_non_null(s);
    assert_int_equal(store_probe(s, random_system(), 1000, &e), 0);
    store_free(s);
    (void)snprintf(left, sizeof left, "rm -r '%s'", path);
    assert_int_equal(system(left), 0); /* NOLINT(cert-env33-c): a path of our own */
}

static void test_an_s3_store_opens_without_touching_s3(void **state) {
    (void)state;
    struct s3_config cfg = {.endpoint = "http://127.0.0.1:1", .path_style = true};
    struct store *s = store_open("s3://bucket/a/b", &cfg, clock_system(), random_system(), &e);
    assert_non_null(s);
    assert_string_equal(s->path, "s3://bucket/a/b/");
    assert_int_equal(s->min_part, 5 * 1024 * 1024);
    assert_int_equal(s->max_parts, 10000);
    assert_false(s->sync_parts);
    store_free(s);
}

#define probe_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        probe_test(test_a_good_store_passes_and_is_left_as_it_was),
        probe_test(test_a_store_that_ignores_the_condition_is_refused),
        probe_test(test_a_lost_answer_to_the_first_put_is_no_trouble),
        probe_test(test_a_lost_answer_to_the_second_put_is_no_trouble),
        probe_test(test_a_new_key_that_exists_is_a_broken_store),
        probe_test(test_patience_ends),
        probe_test(test_what_lasts_is_told_at_once),
        probe_test(test_removal_is_needed),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_wrong_paths_are_a_usage_error),
        cmocka_unit_test(test_a_directory_opens_and_passes),
        cmocka_unit_test(test_an_s3_store_opens_without_touching_s3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
