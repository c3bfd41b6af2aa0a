/* Targets of requests, and what they come to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/uri.h"

static void path(const char *raw, const char *expected) {
    struct uri u;
    const char *why = uri_parse(&u, raw);
    if (why)
        fail_msg("%s: %s", raw, why);
    assert_string_equal(u.path, expected);
}

static void refused(const char *raw, const char *words) {
    struct uri u;
    const char *why = uri_parse(&u, raw);
    if (!why || !strstr(why, words))
        fail_msg("%s: %s", raw, why ? why : u.path);
}

static void test_paths(void **state) {
    (void)state;
    path("/", "/");
    path("/jobs/1?x=/v1/", "/jobs/1");
    path("/v1/jobs", "/jobs");
    path("/v1/", "/");
    path("/v1", "/v1");
    path("/v1x/jobs", "/v1x/jobs");
    path("/v1/v1/jobs", "/v1/jobs");
    path("/%76%31/jobs", "/jobs");
    path("/a%20b+c%c3%a9%FF", "/a b+c\xc3\xa9\xff");
    path("/%2e%2e/./..", "/.././..");
    path("/?", "/");
}

static void test_refused_paths(void **state) {
    (void)state;
    refused("", "begin with a slash");
    refused("*", "begin with a slash");
    refused("http://h/x", "begin with a slash");
    refused("/%", "bad %-sequence");
    refused("/%4", "bad %-sequence");
    refused("/%4?41", "bad %-sequence");
    refused("/%g1", "bad %-sequence");
    refused("/%00", "bad %-sequence");
    refused("/a%0d%0aSet-Cookie:x", "control character");
    refused("/a\tb", "control character");
    refused("/%7f", "control character");
    refused("/a%2Fb", "encoded slash");
    refused("/?a=%00", "control character");
    refused("/?a=%", "bad %-sequence");
    refused("/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", "too many");
}

static void test_lengths(void **state) {
    (void)state;
    char raw[URI_MAX + 2];
    memset(raw, 'x', sizeof raw);
    raw[0] = '/';
    raw[URI_MAX - 1] = '\0';
    path(raw, raw);
    raw[1] = '?';
    path(raw, "/");
    raw[URI_MAX - 1] = 'x';
    raw[URI_MAX] = '\0';
    refused(raw, "too long");
}

static void test_arguments(void **state) {
    (void)state;
    struct uri u;
    assert_null(uri_parse(&u, "/x?mode=cancel&a=1+2%26&a=3&empty=&bare&&=v&e=a=b"));
    assert_string_equal(uri_arg(&u, "mode"), "cancel");
    assert_string_equal(uri_arg(&u, "a"), "1 2&");
    assert_string_equal(uri_arg(&u, "empty"), "");
    assert_string_equal(uri_arg(&u, "bare"), "");
    assert_string_equal(uri_arg(&u, "e"), "a=b");
    assert_null(uri_arg(&u, "mod"));
    assert_null(uri_arg(&u, "modes"));
    assert_null(uri_parse(&u, "/x"));
    assert_null(uri_arg(&u, "mode")); /* of the one before */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_refused_paths),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
