#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "job/ledger.h"

/* A task keeps the pointer while other partitions come. */
static void test_counters_stay_where_they_are(void **state) {
    (void)state;
    struct ledger l = {0};
    struct partition_counters *one = ledger_partition(&l, 1);
    one->records = 5;
    for (int32_t id = 0; id < 500; id++)
        ledger_partition(&l, id)->bytes_in = (uint64_t)id;
    assert_ptr_equal(ledger_partition(&l, 1), one);
    assert_int_equal(one->records, 5);
    assert_int_equal(ledger_partition(&l, 499)->bytes_in, 499);
    assert_int_equal(ledger_partition(&l, 499)->records, 0);
    ledger_free(&l);
    assert_int_equal(l.n, 0);
}

/* A partition that comes back begins further on, but this process began to read it where it did. */
static void test_begin_is_the_first(void **state) {
    (void)state;
    struct ledger l = {0};
    assert_int_equal(ledger_begun_at(&l, 3), -1);
    ledger_begin(&l, 3, 100);
    assert_int_equal(ledger_begun_at(&l, 3), 100);
    assert_int_equal(ledger_begun_at(&l, 2), -1);
    ledger_begin(&l, 3, 200);
    assert_int_equal(ledger_begun_at(&l, 3), 100);
    ledger_begin(&l, 2, 0);
    ledger_begin(&l, 2, 7);
    assert_int_equal(ledger_begun_at(&l, 2), 0);
    ledger_free(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_stay_where_they_are),
        cmocka_unit_test(test_begin_is_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
