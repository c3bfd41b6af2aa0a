/* JSON numbers whose value is an integer, exactly. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "event/integer.h"

static enum integer_result parse(const char *text, size_t len, int64_t *v) {
    char *exact = xmalloc(len);
    memcpy(exact, text, len);
    enum integer_result r = integer_parse(exact, len, v);
    free(exact);
    return r;
}

static void is(const char *text, int64_t want) {
    int64_t v = 42;
    if (parse(text, strlen(text), &v) != INTEGER_OK || v != want)
        fail_msg("%s is %lld, not %lld", text, (long long)v, (long long)want);
}

static void fails(const char *text, enum integer_result want) {
    int64_t v;
    if (parse(text, strlen(text), &v) != want)
        fail_msg("%s", text);
}

#define fraction(text) fails(text, INTEGER_FRACTION)
#define too_large(text) fails(text, INTEGER_OUT_OF_RANGE)

static void plain(void **state) {
    (void)state;
    is("0", 0);
    is("-0", 0);
    is("7", 7);
    is("-7", -7);
    is("1729630800000", 1729630800000);
    is("-62135596800000", -62135596800000);
    is("999999999999999999", 999999999999999999);
    is("1000000000000000000", 1000000000000000000);
}

static void points(void **state) {
    (void)state;
    is("0.0", 0);
    is("-0.000", 0);
    is("1.0", 1);
    is("1729630800000.0", 1729630800000);
    is("10.00", 10);
    is("-10.00", -10);
    fraction("0.5");
    fraction("1.5");
    fraction("-1.000000000000000000000000000000000001");
    fraction("0.0000000000000000000000000000000000001");
}

static void exponents(void **state) {
    (void)state;
    is("1.7e12", 1700000000000);
    is("1.7E+12", 1700000000000);
    is("17296308e5", 1729630800000);
    is("1729630800000000e-3", 1729630800000);
    is("1E+3", 1000);
    is("1e0", 1);
    is("1e-0", 1);
    is("1e+0003", 1000);
    is("0.001e3", 1);
    is("-0.25e2", -25);
    is("1.50e1", 15);
    is("100e-2", 1);
    is("100.00e-2", 1);
    is("9223372036854775807e0", INT64_MAX);
    fraction("1e-1");
    fraction("15e-1");
    fraction("1729630800000001e-3");
    fraction("1.55e1");
    fraction("1e-99999999999999999999999999999");
}

static void absurd_exponents(void **state) {
    (void)state;
    is("0e999999999", 0);
    is("0e99999999999999999999999999999999", 0);
    is("0.000e-99999999999999999999999999999999", 0);
    is("1e00000000000000000000000000000000003", 1000);
    too_large("1e19");
    too_large("1e20");
    too_large("1e2147483647");
    too_large("1e2147483648");
    too_large("1e4294967296");
    too_large("1e9223372036854775807");
    too_large("1e9223372036854775808");
    too_large("1e18446744073709551616");
    too_large("-1e99999999999999999999999999999999999999");
    fraction("1e-2147483648");
    fraction("1e-9223372036854775808");
    fraction("1e-18446744073709551616");
}

static void the_edges(void **state) {
    (void)state;
    is("9223372036854775807", INT64_MAX);
    is("-9223372036854775808", INT64_MIN);
    is("9223372036854775807.000", INT64_MAX);
    is("9.223372036854775807e18", INT64_MAX);
    is("-922337203685477580.8e1", INT64_MIN);
    is("92233720368547758070e-1", INT64_MAX);
    is("5000000000000000000", 5000000000000000000);
    is("9e18", 9000000000000000000);
    too_large("9223372036854775808");
    too_large("-9223372036854775809");
    too_large("9223372036854775808.0");
    too_large("10000000000000000000");
    too_large("18446744073709551616");
    too_large("99999999999999999999999999999999999999999");
    too_large("9.3e18");
}

/* 1, n zeros, and an exponent that takes them away again. */
static void long_mantissas(void **state) {
    (void)state;
    for (int n = 0; n < 3000; n += 7) {
        char text[4000];
        (void)snprintf(text, sizeof text, "1%0*de-%d", n + 1, 0, n + 1);
        is(text, 1);
        (void)snprintf(text, sizeof text, "0.%0*d1e%d", n + 1, 0, n + 2);
        is(text, 1);
        (void)snprintf(text, sizeof text, "12.%0*d", n + 1, 0);
        is(text, 12);
        (void)snprintf(text, sizeof text, "12.%0*d1", n + 1, 0);
        fraction(text);
    }
}

/* The same value written with its point and exponent elsewhere. */
static void shifted(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        int64_t v = (int64_t)splitmix64(i) >> (splitmix64(~i) % 63);
        char digits[32], text[64];
        uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
        int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)magnitude);
        int point = 1 + (int)(splitmix64(i + 77) % (unsigned)n);
        (void)snprintf(text, sizeof text, "%s%.*s.%s0e%d", v < 0 ? "-" : "", point, digits,
                       digits + point, n - point);
        is(text, v);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),     cmocka_unit_test(points),
        cmocka_unit_test(exponents), cmocka_unit_test(absurd_exponents),
        cmocka_unit_test(the_edges), cmocka_unit_test(long_mantissas),
        cmocka_unit_test(shifted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
