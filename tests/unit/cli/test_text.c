/* Numbers as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/text.h"

static char t[TEXT_MAX];

static void test_durations(void **state) {
    (void)state;
    assert_string_equal(text_duration(-1, t), "-");
    assert_string_equal(text_duration(0, t), "0ms");
    assert_string_equal(text_duration(999, t), "999ms");
    assert_string_equal(text_duration(12345, t), "12.3s");
    assert_string_equal(text_duration(60000, t), "1m00s");
    assert_string_equal(text_duration(3599999, t), "59m59s");
    assert_string_equal(text_duration(3600000 + 120000, t), "1h02m");
    assert_string_equal(text_duration(INT64_C(3) * 86400000 + 4 * 3600000, t), "3d04h");
    assert_string_equal(text_duration(INT64_MAX, t), "106751991167d07h");
}

static void test_counts(void **state) {
    (void)state;
    assert_string_equal(text_count(-1, t), "-");
    assert_string_equal(text_count(0, t), "0");
    assert_string_equal(text_count(999, t), "999");
    assert_string_equal(text_count(1000, t), "1,000");
    assert_string_equal(text_count(123456, t), "123,456");
    assert_string_equal(text_count(INT64_MAX, t), "9,223,372,036,854,775,807");
}

static void test_bytes(void **state) {
    (void)state;
    assert_string_equal(text_bytes(-1, t), "-");
    assert_string_equal(text_bytes(1023, t), "1023 B");
    assert_string_equal(text_bytes(1024, t), "1.0 KiB");
    assert_string_equal(text_bytes(1536 * 1024, t), "1.5 MiB");
    assert_string_equal(text_bytes(1024 * 1024 - 1, t), "1.0 MiB"); /* never 1024.0 KiB */
    assert_string_equal(text_bytes(INT64_MAX, t), "8.0 EiB");
}

static void test_times(void **state) {
    (void)state;
    assert_string_equal(text_time(INT64_MIN, t), "-");
    assert_string_equal(text_time(1729630800123, t), "2024-10-22T21:00:00Z");
    assert_string_equal(text_time(-1, t), "1969-12-31T23:59:59Z");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
