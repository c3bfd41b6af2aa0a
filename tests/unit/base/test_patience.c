/* Calls that come back, and one that does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <semaphore.h>

#include "base/clock.h"
#include "base/patience.h"

static sem_t gate, passed;

static void count(void *arg) {
    ++*(int *)arg;
}

static void wait_at_gate(void *arg) {
    (void)arg;
    (void)sem_wait(&gate);
    (void)sem_post(&passed);
}

static void test_a_call_that_comes_back(void **state) {
    (void)state;
    int n = 0;
    assert_true(call_with_patience(count, &n, 60000));
    assert_int_equal(n, 1);
}

static void test_a_call_that_does_not(void **state) {
    (void)state;
    int64_t began = clock_monotonic(clock_system());
    assert_false(call_with_patience(wait_at_gate, NULL, 120));
    assert_true(clock_monotonic(clock_system()) - began >= 119);
    (void)sem_post(&gate); /* it has gone on all the while */
    (void)sem_wait(&passed);
}

int main(void) {
    (void)sem_init(&gate, 0, 0);
    (void)sem_init(&passed, 0, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_that_comes_back),
        cmocka_unit_test(test_a_call_that_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
