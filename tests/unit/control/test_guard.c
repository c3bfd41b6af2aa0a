/* Who may ask what: a table of requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "control/guard.h"

static const struct guard loopback = {.host = "127.0.0.1", .machine = "box", .loopback = true};
static const struct guard wildcard = {.host = "0.0.0.0", .machine = "box.example.org"};
static const struct guard with_token = {.host = "0.0.0.0", .machine = "box", .token = "s3cret"};
static const struct guard loopback_token = {
    .host = "localhost", .machine = "box", .token = "s3cret", .loopback = true};

static void host(const struct guard *g, const char *name, unsigned status) {
    struct guard_headers h = {.host = name};
    struct guard_verdict v = guard_request(g, &h);
    if (v.status != status)
        fail_msg("Host: %s at %s is answered with %u", name ? name : "(none)", g->host, v.status);
    assert_true((v.status == 200) == (v.text == NULL));
}

static void test_names_of_loopback(void **state) {
    (void)state;
    static const char *const own[] = {
        "127.0.0.1",     "127.0.0.1:8081", "127.8.9.1:1", "localhost",         "LocalHost:8081",
        "localhost.:80", "[::1]",          "[::1]:8081",  "[0:0:0:0:0:0:0:1]", NULL};
    static const char *const other[] = {"evil.example",
                                        "evil.example:8081",
                                        "box",
                                        "box:8081",
                                        "10.0.0.7",
                                        "[2001:db8::1]",
                                        "127.0.0.1.evil.example",
                                        "localhost.evil.example",
                                        "evil.example:127.0.0.1",
                                        "127.0.0.1:80:80",
                                        "127.0.0.1:x",
                                        "127.0.0.1@evil",
                                        "",
                                        ":8081",
                                        "[::1",
                                        "[::1]x",
                                        "[::1].evil.example",
                                        "::1",
                                        "2130706433",
                                        "0x7f.1",
                                        "127.1",
                                        "[127.0.0.1]",
                                        "a.internal",
                                        "0.0.0.0"};
    for (const char *const *h = own; *h; h++)
        host(&loopback, *h, 200);
    host(&loopback, NULL, 200);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        host(&loopback, other[i], 403);
}

static void test_names_of_other_addresses(void **state) {
    (void)state;
    static const char *const own[] = {"127.0.0.1:8081",
                                      "localhost",
                                      "10.0.0.7:8081",
                                      "[2001:db8::1]:8081",
                                      "0.0.0.0",
                                      "box.example.org:8081",
                                      "BOX.example.org",
                                      "tidemark:8081",
                                      "tidemark.jobs.svc",
                                      "tidemark.jobs.svc.cluster.local:80",
                                      "host.docker.internal",
                                      NULL};
    static const char *const other[] = {
        "evil.example", "box.example.com", "internal.evil.example",
        ".svc",         "a/b.svc",         "evil\x01.svc",
        "a b",          "x.svc.evil",      "box.example.org.evil.example",
        "a.1"};
    for (const char *const *h = own; *h; h++)
        host(&wildcard, *h, 200);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        host(&wildcard, other[i], 403);
}

static void test_the_name_in_the_settings_is_its_own(void **state) {
    (void)state;
    struct guard g = {.host = "jobs.example.org", .machine = "box"};
    host(&g, "jobs.example.org:8081", 200);
    host(&g, "JOBS.example.org.", 200);
    host(&g, "jobs.example.com", 403);
}

/* No page of another site can know it, so it comes from a proxy under a name of its own. */
static void test_the_token_vouches_for_any_host(void **state) {
    (void)state;
    struct guard_headers h = {.host = "tidemark.example.org", .authorization = "Bearer s3cret"};
    assert_int_equal(guard_request(&with_token, &h).status, 200);
    h.authorization = "Bearer s3cre";
    assert_int_equal(guard_request(&with_token, &h).status, 403);
    h.authorization = "Bearer s3cret";
    assert_int_equal(guard_request(&wildcard, &h).status, 403); /* none is set */
}

static void test_repeated_headers(void **state) {
    (void)state;
    struct guard_headers h = {.host = "127.0.0.1", .repeated = true};
    assert_int_equal(guard_request(&loopback, &h).status, 400);
}

enum { READS, CHANGES, SHOWS_RECORDS };

static unsigned route(const struct guard *g, int what, struct guard_headers h) {
    return guard_route(g, &h, what == CHANGES, what == SHOWS_RECORDS).status;
}

#define H(...) ((struct guard_headers){.host = "127.0.0.1:8081", __VA_ARGS__})

static void test_cross_site_changes(void **state) {
    (void)state;
    static const char *const own[] = {"http://127.0.0.1:8081", "https://127.0.0.1:8081",
                                      "HTTP://127.0.0.1:8081"};
    static const char *const other[] = {"http://evil.example",
                                        "null",
                                        "",
                                        "http://127.0.0.1:8082",
                                        "http://127.0.0.1",
                                        "http://localhost:8081",
                                        "http://127.0.0.1:8081.evil.example",
                                        "http://evil.example/127.0.0.1:8081",
                                        "127.0.0.1:8081",
                                        "file://127.0.0.1:8081"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_int_equal(route(&loopback, CHANGES, H(.origin = own[i])), 200);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        if (route(&loopback, CHANGES, H(.origin = other[i])) != 403)
            fail_msg("Origin %s may change", other[i]);
        assert_int_equal(route(&loopback, READS, H(.origin = other[i])), 200);
    }
    assert_int_equal(route(&loopback, CHANGES, H(.fetch_site = "cross-site")), 403);
    assert_int_equal(route(&loopback, CHANGES, H(.fetch_site = "same-site")), 403);
    assert_int_equal(route(&loopback, CHANGES, H(.fetch_site = "same-origin")), 200);
    assert_int_equal(route(&loopback, CHANGES, H(.fetch_site = "none")), 200);
    assert_int_equal(route(&loopback, CHANGES, ((struct guard_headers){.origin = "http://x"})),
                     403);
    assert_int_equal(route(&with_token, CHANGES,
                           H(.origin = "http://evil.example", .authorization = "Bearer s3cret")),
                     403);
}

static void test_tokens(void **state) {
    (void)state;
    static const char *const right[] = {"Bearer s3cret", "bearer s3cret", "BEARER   s3cret"};
    static const char *const wrong[] = {
        "Bearer s3cre",   "Bearer s3crett", "Bearer S3cret", "Bearer ",
        "Bearer",         "s3cret",         "Basic s3cret",  "",
        "Bearer s3cret ", "Bearers3cret"};
    const struct guard *guards[] = {&with_token, &loopback_token};
    for (size_t g = 0; g < 2; g++)
        for (int what = CHANGES; what <= SHOWS_RECORDS; what++) {
            for (size_t i = 0; i < sizeof right / sizeof *right; i++)
                assert_int_equal(route(guards[g], what, H(.authorization = right[i])), 200);
            for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
                if (route(guards[g], what, H(.authorization = wrong[i])) != 401)
                    fail_msg("Authorization: %s is taken", wrong[i]);
            assert_int_equal(route(guards[g], what, H(.authorization = NULL)), 401);
            assert_int_equal(route(guards[g], READS, H(.authorization = NULL)), 200);
        }
}

static void test_without_a_token(void **state) {
    (void)state;
    for (int what = CHANGES; what <= SHOWS_RECORDS; what++) {
        assert_int_equal(route(&loopback, what, H(.origin = NULL)), 200);
        assert_int_equal(route(&wildcard, what, H(.origin = NULL)), 403);
        assert_int_equal(route(&wildcard, what, H(.authorization = "Bearer ")), 403);
    }
    assert_int_equal(route(&wildcard, READS, H(.origin = NULL)), 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_loopback),
        cmocka_unit_test(test_names_of_other_addresses),
        cmocka_unit_test(test_the_name_in_the_settings_is_its_own),
        cmocka_unit_test(test_the_token_vouches_for_any_host),
        cmocka_unit_test(test_repeated_headers),
        cmocka_unit_test(test_cross_site_changes),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_without_a_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
