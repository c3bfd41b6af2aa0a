/* Instants as text and back: against Java, and against a calendar that counts day by day. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "event/instant.h"
#include "window/window.h"

static void check_format(int64_t ms, const char *want) {
    char *exact = xmalloc(INSTANT_MAX);
    size_t n = instant_format(ms, exact);
    if (n != strlen(want) || memcmp(exact, want, n) != 0)
        fail_msg("%lld is %.*s, not %s", (long long)ms, (int)n, exact, want);
    free(exact);
}

static int parse(const char *text, int64_t *ms) {
    size_t len = strlen(text);
    char *exact = xmalloc(len);
    memcpy(exact, text, len);
    int r = instant_parse(exact, len, ms);
    free(exact);
    return r;
}

static void reads(const char *text, int64_t want) {
    int64_t ms = 42;
    if (parse(text, &ms) != 0 || ms != want)
        fail_msg("%s is %lld, not %lld", text, (long long)ms, (long long)want);
}

static void refuses(const char *text) {
    int64_t ms = 42;
    if (parse(text, &ms) == 0)
        fail_msg("%s is %lld", text, (long long)ms);
    assert_int_equal(ms, 42);
}

/* Printed by Java's Instant.ofEpochMilli(ms).toString(). */
static const struct {
    int64_t ms;
    const char *text;
} java[] = {
#include "event/instants.inc"
};

static void as_java_prints(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof java / sizeof *java; i++) {
        check_format(java[i].ms, java[i].text);
        reads(java[i].text, java[i].ms);
    }
}

/* ---- A calendar that counts --------------------------------------------------------------------- */

static bool leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int year, int month) {
    if (month == 2)
        return leap(year) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static void every_day_from_0001_to_9999(void **state) {
    (void)state;
    int64_t ms = TIME_MIN_MS;
    for (int year = 1; year <= 9999; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= days_in(year, month); day++, ms += 86400000) {
                char want[48], got[INSTANT_MAX];
                (void)snprintf(want, sizeof want, "%04d-%02d-%02dT00:00:00Z", year, month, day);
                int64_t back;
                if (instant_format(ms, got) != 20 || memcmp(got, want, 20) != 0 ||
                    instant_parse(want, 20, &back) != 0 || back != ms)
                    fail_msg("%s", want);
            }
    assert_true(ms == TIME_END_MS);
}

static void every_second_of_a_day(void **state) {
    (void)state;
    for (int s = 0; s < 86400; s++)
        for (int f = 0; f < 1000; f += 333) {
            char want[64];
            (void)snprintf(want, sizeof want, "1969-12-31T%02d:%02d:%02d", s / 3600, s / 60 % 60,
                           s % 60);
            if (f)
                (void)snprintf(want + 19, sizeof want - 19, ".%03dZ", f);
            else
                (void)snprintf(want + 19, sizeof want - 19, "Z");
            check_format((int64_t)(s - 86400) * 1000 + f, want);
        }
}

static void every_millisecond_of_a_second(void **state) {
    (void)state;
    for (int ms = 1; ms < 1000; ms++) {
        char want[48];
        (void)snprintf(want, sizeof want, "1969-12-31T23:59:59.%03dZ", ms);
        check_format(ms - 1000, want);
        reads(want, ms - 1000);
    }
}

static void the_edges(void **state) {
    (void)state;
    check_format(TIME_MIN_MS, "0001-01-01T00:00:00Z");
    check_format(TIME_MIN_MS + 1, "0001-01-01T00:00:00.001Z");
    check_format(TIME_END_MS - 1, "9999-12-31T23:59:59.999Z");
    check_format(0, "1970-01-01T00:00:00Z");
    check_format(-1, "1969-12-31T23:59:59.999Z");
    check_format(1729630800000, "2024-10-22T21:00:00Z");
    check_format(1729630800100, "2024-10-22T21:00:00.100Z");
}

/* ---- Reading ------------------------------------------------------------------------------------ */

static void zones(void **state) {
    (void)state;
    reads("2024-10-22T21:00:00Z", 1729630800000);
    reads("2024-10-22t21:00:00z", 1729630800000);
    reads("2024-10-22 21:00:00Z", 1729630800000);
    reads("2024-10-22T21:00:00+00:00", 1729630800000);
    reads("2024-10-22T21:00:00-00:00", 1729630800000);
    reads("2024-10-22T23:00:00+02:00", 1729630800000);
    reads("2024-10-23T02:30:00+05:30", 1729630800000);
    reads("2024-10-22T13:00:00-08:00", 1729630800000);
    reads("2024-10-22T21:00:00+23:59", 1729630800000 - (23 * 60 + 59) * 60000);
    refuses("2024-10-22T21:00:00");
    refuses("2024-10-22T21:00:00+02");
    refuses("2024-10-22T21:00:00+0200");
    refuses("2024-10-22T21:00:00+2:00");
    refuses("2024-10-22T21:00:00+24:00");
    refuses("2024-10-22T21:00:00+02:60");
    refuses("2024-10-22T21:00:00+02:00Z");
    refuses("2024-10-22T21:00:00 Z");
    refuses("2024-10-22T21:00:00CET");
    refuses("2024-10-22T21:00:00Z ");
    refuses(" 2024-10-22T21:00:00Z");
}

static void fractions(void **state) {
    (void)state;
    reads("1970-01-01T00:00:00.1Z", 100);
    reads("1970-01-01T00:00:00.12Z", 120);
    reads("1970-01-01T00:00:00.123Z", 123);
    reads("1970-01-01T00:00:00.000Z", 0);
    reads("1970-01-01T00:00:00.007+00:00", 7);
    refuses("1970-01-01T00:00:00.Z");
    refuses("1970-01-01T00:00:00.1234Z");
    refuses("1970-01-01T00:00:00.000000Z");
    refuses("1970-01-01T00:00:00,123Z");
    refuses("1970-01-01T00:00:00.12aZ");
    refuses("1970-01-01T00:00:00.-1Z");
    refuses("1970-01-01T00:00:00.99999999999999999999999999999999999999999Z");
}

static void dates(void **state) {
    (void)state;
    reads("2024-02-29T00:00:00Z", 1709164800000);
    reads("2000-02-29T00:00:00Z", 951782400000);
    refuses("2023-02-29T00:00:00Z");
    refuses("1900-02-29T00:00:00Z");
    refuses("2024-02-30T00:00:00Z");
    refuses("2024-04-31T00:00:00Z");
    refuses("2024-01-32T00:00:00Z");
    refuses("2024-01-00T00:00:00Z");
    refuses("2024-00-01T00:00:00Z");
    refuses("2024-13-01T00:00:00Z");
    refuses("24-01-01T00:00:00Z");
    refuses("02024-01-01T00:00:00Z");
    refuses("+2024-01-01T00:00:00Z");
    refuses("-2024-01-01T00:00:00Z");
    refuses("2024-1-01T00:00:00Z");
    refuses("2024/01/01T00:00:00Z");
    refuses("20240101T000000Z");
    refuses("2024-001T00:00:00Z");
    refuses("2024-01-01");
    refuses("2024-01-01Z");
}

static void times(void **state) {
    (void)state;
    reads("1970-01-01T23:59:59Z", 86399000);
    refuses("1970-01-01T24:00:00Z");
    refuses("1970-01-01T23:60:00Z");
    refuses("1970-01-01T23:59:60Z");
    refuses("2016-12-31T23:59:60Z"); /* a leap second */
    refuses("1970-01-01T00:00Z");
    refuses("1970-01-01T0:00:00Z");
    refuses("1970-01-01T00:00:0Z");
    refuses("1970-01-01X00:00:00Z");
    refuses("1970-01-01T-1:00:00Z");
}

static void years_out_of_range(void **state) {
    (void)state;
    reads("0001-01-01T00:00:00Z", TIME_MIN_MS);
    reads("9999-12-31T23:59:59.999Z", TIME_END_MS - 1);
    reads("0000-12-31T23:30:00-00:30", TIME_MIN_MS);
    refuses("0000-12-31T23:59:59Z");
    refuses("0001-01-01T00:00:00+00:01");
    refuses("9999-12-31T23:59:59-00:01");
    refuses("0000-00-00T00:00:00Z");
}

static void every_prefix_is_refused(void **state) {
    (void)state;
    char text[] = "2024-10-22T21:00:00.123+02:00";
    for (size_t n = strlen(text); n-- > 0;) {
        text[n] = '\0';
        refuses(text);
    }
}

static void any_other_byte_is_refused_or_read(void **state) {
    (void)state;
    const char good[] = "2024-10-22T21:00:00.123Z";
    for (size_t at = 0; at < strlen(good); at++)
        for (int c = 0; c < 256; c++) {
            char text[sizeof good];
            memcpy(text, good, sizeof good);
            text[at] = (char)c;
            int64_t ms;
            bool digit = c >= '0' && c <= '9';
            if (instant_parse(text, strlen(good), &ms) == 0)
                assert_true(digit || c == good[at] || (at == 10 && strchr("t ", c)) ||
                            (at == 23 && c == 'z') || (at == 22 && (c == 'Z' || c == 'z')));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_java_prints),
        cmocka_unit_test(every_day_from_0001_to_9999),
        cmocka_unit_test(every_second_of_a_day),
        cmocka_unit_test(every_millisecond_of_a_second),
        cmocka_unit_test(the_edges),
        cmocka_unit_test(zones),
        cmocka_unit_test(fractions),
        cmocka_unit_test(dates),
        cmocka_unit_test(times),
        cmocka_unit_test(years_out_of_range),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(any_other_byte_is_refused_or_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
