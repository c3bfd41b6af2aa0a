/* Keys of output files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "window/name.h"
#include "window/window.h"

#define HEX "1a2b3c4d5e6f7081"
#define BY "dt=%Y-%m-%d/hour=%H"

static void must_be(char *key, const char *want) {
    assert_string_equal(key, want);
    free(key);
}

static void test_event_file(void **state) {
    (void)state;
    must_be(file_key(CLASS_EVENT, BY, 1729630800000, 2, 12345, HEX, ""),
            "dt=2024-10-22/hour=21/20241022T210000Z-p00002-o00000000000000012345-" HEX ".jsonl");
}

static void test_suffix(void **state) {
    (void)state;
    must_be(file_key(CLASS_EVENT, BY, 1729630800000, 2, 12345, HEX, ".zst"),
            "dt=2024-10-22/hour=21/20241022T210000Z-p00002-o00000000000000012345-" HEX
            ".jsonl.zst");
}

static void test_late_and_rejected_have_no_window(void **state) {
    (void)state;
    must_be(file_key(CLASS_LATE, BY, TS_NONE, 2, 0, HEX, ""),
            "_late/p00002-o00000000000000000000-" HEX ".jsonl");
    must_be(file_key(CLASS_REJECTED, BY, TS_NONE, 99999, INT64_MAX, HEX, ".gz"),
            "_rejected/p99999-o09223372036854775807-" HEX ".jsonl.gz");
}

static void test_every_conversion(void **state) {
    (void)state;
    must_be(file_key(CLASS_EVENT, "%Y/%m/%d/%H/%M/%S/%j/100%%", 1729634828000, 0, 1, HEX, ""),
            "2024/10/22/22/07/08/296/100%/20241022T220708Z-p00000-o00000000000000000001-" HEX
            ".jsonl");
}

static void test_one_slash_only(void **state) {
    (void)state;
    must_be(file_key(CLASS_EVENT, "x/", 0, 0, 1, HEX, ""),
            "x/19700101T000000Z-p00000-o00000000000000000001-" HEX ".jsonl");
    must_be(file_key(CLASS_EVENT, "", 0, 0, 1, HEX, ""),
            "19700101T000000Z-p00000-o00000000000000000001-" HEX ".jsonl");
}

static void test_years_have_four_digits(void **state) {
    (void)state;
    must_be(file_key(CLASS_EVENT, BY, TIME_MIN_MS, 0, 1, HEX, ""),
            "dt=0001-01-01/hour=00/00010101T000000Z-p00000-o00000000000000000001-" HEX ".jsonl");
    must_be(file_key(CLASS_EVENT, BY, TIME_END_MS - 300000, 0, 1, HEX, ""),
            "dt=9999-12-31/hour=23/99991231T235500Z-p00000-o00000000000000000001-" HEX ".jsonl");
}

static void test_milliseconds_where_there_are_some(void **state) {
    (void)state;
    must_be(file_key(CLASS_EVENT, "x", 1500, 0, 1, HEX, ""),
            "x/19700101T000001.500Z-p00000-o00000000000000000001-" HEX ".jsonl");
    must_be(file_key(CLASS_EVENT, "x", -1, 0, 1, HEX, ""),
            "x/19691231T235959.999Z-p00000-o00000000000000000001-" HEX ".jsonl");
    must_be(file_key(CLASS_EVENT, "x", -1000, 0, 1, HEX, ""),
            "x/19691231T235959Z-p00000-o00000000000000000001-" HEX ".jsonl");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_file),
        cmocka_unit_test(test_suffix),
        cmocka_unit_test(test_late_and_rejected_have_no_window),
        cmocka_unit_test(test_every_conversion),
        cmocka_unit_test(test_one_slash_only),
        cmocka_unit_test(test_years_have_four_digits),
        cmocka_unit_test(test_milliseconds_where_there_are_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
