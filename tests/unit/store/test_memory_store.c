/* The store in memory that other tests stand on: its faults, its answers held back, its zombies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/directory_fixture.h" /* the short forms of requests work on any store */
#include "support/memory_store.h"

static struct memory_world *world;
static struct store *a, *b; /* two processes */
static struct test_upload u;
static char out[256];

static int start(const struct memory_traits *traits) {
    world = memory_world_new(traits, NULL);
    a = memory_store_open(world);
    b = memory_store_open(world);
    return 0;
}

static int set_up(void **state) {
    (void)state;
    struct memory_traits small = memory_like_s3;
    small.min_part = 5;
    return start(&small);
}

static int set_up_directory(void **state) {
    (void)state;
    return start(&memory_like_directory);
}

static int tear_down(void **state) {
    (void)state;
    store_free(a);
    store_free(b);
    memory_world_free(world);
    return 0;
}

static void test_objects(void **state) {
    (void)state;
    assert_int_equal(try_put(a, "x/2", "two"), ERR_NONE);
    assert_int_equal(try_put(b, "x/1", "one"), ERR_NONE);
    assert_int_equal(try_put(b, "x/2", "other"), ERR_EXISTS);
    assert_int_equal(try_get(b, "x/2", out, sizeof out), ERR_NONE);
    assert_string_equal(out, "two");
    assert_int_equal(try_list(a, "x/", out, sizeof out), ERR_NONE);
    assert_string_equal(out, "x/1 x/2");
    assert_int_equal(try_list_after(a, "x/", "x/1", out, sizeof out), ERR_NONE);
    assert_string_equal(out, "x/2");
    assert_int_equal(memory_world_count(world, "x/"), 2);
    assert_string_equal(memory_world_key(world, "x/", 1), "x/2");
    assert_null(memory_world_key(world, "x/", 2));
    assert_int_equal(try_delete(a, "x/1"), ERR_NONE);
    assert_null(memory_world_object(world, "x/1", NULL));
}

static void upload(const char *first, const char *second) {
    assert_int_equal(try_create(a, &u, "k"), ERR_NONE);
    assert_int_equal(try_part(a, &u, first), ERR_NONE);
    assert_int_equal(try_part(a, &u, second), ERR_NONE);
}

static void test_an_upload_appears_on_complete_only(void **state) {
    (void)state;
    upload("hello ", "!");
    assert_null(memory_world_object(world, "k", NULL));
    assert_int_equal(try_complete(b, &u, true), ERR_NONE);
    assert_string_equal(memory_world_object(world, "k", NULL), "hello !");
    assert_int_equal(memory_world_uploads(world), 0);
    assert_int_equal(try_complete(b, &u, true), ERR_NO_SUCH_UPLOAD);
}

static void test_small_parts_are_refused(void **state) {
    (void)state;
    upload("hell", "o");
    assert_int_equal(try_complete(a, &u, false), ERR_TOO_SMALL);
}

static void test_a_lost_upload(void **state) {
    (void)state;
    upload("hello ", "!");
    assert_true(memory_world_drop_upload(world, u.id));
    assert_false(memory_world_drop_upload(world, u.id));
    assert_int_equal(try_complete(a, &u, false), ERR_NO_SUCH_UPLOAD);
}

static void test_faults_before_and_after(void **state) {
    (void)state;
    memory_store_fail(a, STORE_PUT_IF_ABSENT, 2, ERR_UNKNOWN, FAULT_AFTER);
    memory_store_fail(a, STORE_PUT_IF_ABSENT, 3, ERR_UNAVAILABLE, FAULT_BEFORE);
    assert_int_equal(try_put(a, "1", "x"), ERR_NONE);
    assert_int_equal(try_put(a, "2", "x"), ERR_UNKNOWN);
    assert_int_equal(try_put(a, "3", "x"), ERR_UNAVAILABLE);
    assert_int_equal(try_put(a, "4", "x"), ERR_NONE);
    assert_int_equal(memory_world_count(world, ""), 3);
    assert_null(memory_world_object(world, "3", NULL));
}

static int answers;

static void note(struct store_op *op) {
    answers++;
    store_op_clear(op);
}

static void test_a_request_arrives_and_its_process_dies(void **state) {
    (void)state;
    struct store *c = memory_store_open(world);
    struct store_op ops[3];
    const char *const keys[] = {"1", "2", "3"};
    memory_store_hold(c, true);
    answers = 0;
    for (int i = 0; i < 3; i++) {
        ops[i] = (struct store_op){.kind = STORE_PUT_IF_ABSENT, .key = keys[i], .done = note};
        store_submit(c, &ops[i]);
    }
    assert_int_equal(store_poll(c, 1000), 0);
    assert_int_equal(memory_store_pending(c), 3);
    assert_true(memory_store_step(c, 1));
    assert_int_equal(answers, 1);
    assert_true(memory_store_apply(c, 1));
    assert_false(memory_store_apply(c, 2));
    store_free(c);
    assert_int_equal(answers, 1);
    assert_null(memory_world_object(world, "1", NULL));
    assert_non_null(memory_world_object(world, "2", NULL));
    assert_non_null(memory_world_object(world, "3", NULL));
}

static void test_unsynced_parts_do_not_survive(void **state) {
    (void)state;
    assert_int_equal(try_create(a, &u, "k"), ERR_NONE);
    assert_int_equal(try_part(a, &u, "one"), ERR_NONE);
    assert_int_equal(try_sync(a, &u), ERR_NONE);
    struct test_upload synced = u;
    assert_int_equal(try_part(a, &u, "two"), ERR_NONE);
    memory_world_power_cut(world);
    assert_int_equal(try_complete(b, &u, true), ERR_INVALID_PART);
    assert_int_equal(try_complete(b, &synced, true), ERR_NONE);
    assert_string_equal(memory_world_object(world, "k", NULL), "one");
    assert_int_equal(try_complete(a, &synced, false), ERR_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_upload_appears_on_complete_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_small_parts_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_lost_upload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_faults_before_and_after, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_request_arrives_and_its_process_dies, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_unsynced_parts_do_not_survive, set_up_directory,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
