/* Tumbling windows: start, offset, negative times, and the ends of the years 0001 to 9999. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "window/window.h"

static struct window_rules rules(int64_t size, int64_t offset) {
    return (struct window_rules){.size = size, .offset = offset};
}

static void starts_at(int64_t size, int64_t offset, int64_t ts, int64_t want) {
    struct window_rules w = rules(size, offset);
    assert_true(window_start(&w, ts) == want);
}

static void starts(void **state) {
    (void)state;
    starts_at(300000, 0, 0, 0);
    starts_at(300000, 0, 1, 0);
    starts_at(300000, 0, 299999, 0);
    starts_at(300000, 0, 300000, 300000);
    starts_at(300000, 0, 1729630859999, 1729630800000);
    starts_at(1, 0, 17, 17);
    starts_at(7, 0, 20, 14);
}

static void negative_times(void **state) {
    (void)state;
    starts_at(300000, 0, -1, -300000);
    starts_at(300000, 0, -300000, -300000);
    starts_at(300000, 0, -300001, -600000);
}

static void offsets(void **state) {
    (void)state;
    starts_at(300000, 60000, 0, -240000);
    starts_at(300000, 60000, 59999, -240000);
    starts_at(300000, 60000, 60000, 60000);
    starts_at(300000, -60000, 0, -60000);
    starts_at(300000, -60000, 239999, -60000);
    starts_at(300000, -60000, 240000, 240000);
    starts_at(300000, 300000 * 7 + 5, 4, -299995);
}

/* start <= ts < start + size, and start is a multiple of size from offset. */
static void every_time_lies_in_its_window(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 200000; i++) {
        int64_t size = 1 + (int64_t)(splitmix64(i) % 1000000000);
        int64_t offset = (int64_t)(splitmix64(i + 1000000) % 2000000000) - 1000000000;
        int64_t ts = TIME_MIN_MS +
                     (int64_t)(splitmix64(i + 2000000) % (uint64_t)(TIME_END_MS - TIME_MIN_MS));
        struct window_rules w = rules(size, offset);
        int64_t start = window_start(&w, ts);
        assert_true(start <= ts && ts - start < size);
        assert_true((start - offset) % size == 0);
        assert_true(window_start(&w, start) == start);
        assert_true(window_start(&w, start + size) == start + size);
    }
}

static void in_range(int64_t size, int64_t offset, int64_t ts, bool want) {
    struct window_rules w = rules(size, offset);
    assert_int_equal(window_in_range(&w, ts), want);
}

static void the_ends_of_time(void **state) {
    (void)state;
    in_range(300000, 0, 0, true);
    in_range(300000, 0, TIME_MIN_MS, true);
    in_range(300000, 0, TIME_MIN_MS - 1, false);
    in_range(300000, 0, TIME_END_MS - 300001, true);
    in_range(300000, 0, TIME_END_MS - 300000, false); /* its end would be in the year 10000 */
    in_range(300000, 0, TIME_END_MS - 1, false);
    in_range(300000, 0, TIME_END_MS, false);
}

static void windows_that_reach_out(void **state) {
    (void)state;
    in_range(300000, 1, TIME_MIN_MS, false);
    in_range(300000, 1, TIME_MIN_MS + 1, true);
    in_range(300000, 1, TIME_END_MS - 300000, true);
    in_range(300000, 1, TIME_END_MS - 299999, false);
    in_range(1, 0, TIME_END_MS - 2, true);
    in_range(1, 0, TIME_END_MS - 1, false);
}

static void any_time_can_be_asked(void **state) {
    (void)state;
    in_range(300000, 0, INT64_MIN, false);
    in_range(300000, 0, INT64_MAX, false);
    in_range(300000, 299999, INT64_MIN, false);
    in_range(300000, -299999, INT64_MAX, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts),
        cmocka_unit_test(negative_times),
        cmocka_unit_test(offsets),
        cmocka_unit_test(every_time_lies_in_its_window),
        cmocka_unit_test(the_ends_of_time),
        cmocka_unit_test(windows_that_reach_out),
        cmocka_unit_test(any_time_can_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
