/* The restart strategy: so many attempts within an hour, and no cause twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "job/restart.h"

#define HOUR INT64_C(3600000)

static void test_attempts_are_used_up(void **state) {
    (void)state;
    struct restart r = {.attempts = 3};
    for (int i = 0; i < 3; i++)
        assert_true(restart_allow(&r, 1000 * i));
    assert_false(restart_allow(&r, 4000));
    assert_int_equal(r.count, 3); /* a refusal uses nothing up */
}

static void test_attempts_come_back_after_an_hour(void **state) {
    (void)state;
    struct restart r = {.attempts = 2};
    assert_true(restart_allow(&r, 0));
    assert_true(restart_allow(&r, HOUR / 2));
    assert_false(restart_allow(&r, HOUR - 1));
    assert_true(restart_allow(&r, HOUR));
    assert_false(restart_allow(&r, HOUR + 1)); /* the second is half an hour old */
    assert_true(restart_allow(&r, HOUR + HOUR / 2));
}

static void test_no_attempts_at_all(void **state) {
    (void)state;
    struct restart r = {.attempts = 0};
    assert_false(restart_allow(&r, 0));
}

static void test_more_attempts_than_are_remembered(void **state) {
    (void)state;
    static struct restart r = {.attempts = 1000000};
    for (int i = 0; i < RESTART_ATTEMPTS_MAX; i++)
        assert_true(restart_allow(&r, i));
    assert_false(restart_allow(&r, HOUR - 1));
    assert_true(restart_allow(&r, HOUR));
}

static void test_a_cause_counts_once(void **state) {
    (void)state;
    struct restart r = {.attempts = 3};
    assert_true(restart_new_cause(&r, 1, 50));
    assert_true(restart_new_cause(&r, 2, 50));
    assert_true(restart_new_cause(&r, 1, 51));
    assert_false(restart_new_cause(&r, 1, 50));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempts_are_used_up),
        cmocka_unit_test(test_attempts_come_back_after_an_hour),
        cmocka_unit_test(test_no_attempts_at_all),
        cmocka_unit_test(test_more_attempts_than_are_remembered),
        cmocka_unit_test(test_a_cause_counts_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
