/* Speeds out of counters, as worker_publish asks for them: four times a second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "job/rates.h"

enum { STEP_MS = 250 };

struct job {
    struct rates rates;
    struct job_metrics now;
    int64_t ms;
};

static void begin(struct job *j) {
    *j = (struct job){.ms = 1000};
    rates_update(&j->rates, &j->now, j->ms);
}

/* `seconds` at this many records a second. */
static void go_on(struct job *j, int seconds, uint64_t a_second) {
    for (int i = 0; i < seconds * 1000 / STEP_MS; i++) {
        j->ms += STEP_MS;
        j->now.records += a_second * STEP_MS / 1000;
        j->now.bytes_in = 100 * j->now.records;
        j->now.bytes_out = 150 * j->now.records;
        rates_update(&j->rates, &j->now, j->ms);
    }
}

static void near(double found, double wanted) {
    assert_true(found > wanted * 0.999 && found < wanted * 1.001);
}

static void test_first_has_no_rate(void **state) {
    (void)state;
    struct job j;
    begin(&j);
    assert_true(j.now.records_rate == 0);
    assert_int_equal(j.now.worker_rate.busy_ms, 0);
    rates_update(&j.rates, &j.now, j.ms); /* at the same instant: nothing is divided by 0 */
    assert_true(j.now.records_rate == 0);
}

static void test_rate_from_the_second_on(void **state) {
    (void)state;
    struct job j;
    begin(&j);
    go_on(&j, 1, 8000);
    near(j.now.records_rate, 8000);
    near(j.now.bytes_in_rate, 800000);
    near(j.now.bytes_out_rate, 1200000);
}

/* A change is seen whole after RATES_LONG_MS, in a ring that has gone round by then. */
static void test_rate_forgets_what_is_old(void **state) {
    (void)state;
    struct job j;
    begin(&j);
    go_on(&j, 60, 8000);
    near(j.now.records_rate, 8000);
    go_on(&j, RATES_LONG_MS / 1000 / 2, 16000);
    assert_true(j.now.records_rate > 9000 && j.now.records_rate < 15000);
    go_on(&j, RATES_LONG_MS / 1000, 16000);
    near(j.now.records_rate, 16000);
    go_on(&j, RATES_LONG_MS / 1000 + 1, 0);
    assert_true(j.now.records_rate == 0);
}

static void test_shares_of_the_last_second(void **state) {
    (void)state;
    struct job j;
    begin(&j);
    for (int i = 0; i < 40; i++) {
        j.ms += STEP_MS;
        j.now.worker.busy_ms += 150;
        j.now.worker.backpressured_ms += 75;
        j.now.worker.idle_ms += 25;
        j.now.output.busy_ms += 200;
        rates_update(&j.rates, &j.now, j.ms);
    }
    assert_int_equal(j.now.worker_rate.busy_ms, 600);
    assert_int_equal(j.now.worker_rate.backpressured_ms, 300);
    assert_int_equal(j.now.worker_rate.idle_ms, 100);
    assert_int_equal(j.now.output_busy_rate, 800);
    for (int i = 0; i < RATES_SHORT_MS / STEP_MS; i++) {
        j.ms += STEP_MS;
        j.now.worker.idle_ms += STEP_MS;
        rates_update(&j.rates, &j.now, j.ms);
    }
    assert_int_equal(j.now.worker_rate.busy_ms, 0);
    assert_int_equal(j.now.worker_rate.idle_ms, 1000);
    assert_int_equal(j.now.output_busy_rate, 0);
    j.ms += STEP_MS; /* accounted for late, all at once: still no more than the whole */
    j.now.worker.busy_ms += 5000;
    rates_update(&j.rates, &j.now, j.ms);
    assert_int_equal(j.now.worker_rate.busy_ms, 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_has_no_rate),
        cmocka_unit_test(test_rate_from_the_second_on),
        cmocka_unit_test(test_rate_forgets_what_is_old),
        cmocka_unit_test(test_shares_of_the_last_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
