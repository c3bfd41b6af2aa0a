#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "store/s3_target.h"

static struct s3_target t;
static struct error e;

static int tear_down(void **state) {
    (void)state;
    s3_target_free(&t);
    return 0;
}

static void must_take(const char *path, struct s3_config cfg) {
    s3_target_free(&t);
    if (s3_target_init(&t, path, &cfg, &e))
        fail_msg("%s", e.text);
}

static void must_refuse(const char *path, struct s3_config cfg) {
    s3_target_free(&t);
    assert_int_equal(s3_target_init(&t, path, &cfg, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
}

static void must_lead_to(const char *key, const char *base, const char *host, const char *path) {
    struct buffer b;
    buffer_init(&b, 4096);
    assert_int_equal(s3_target_path(&t, key, &b), 0);
    assert_string_equal(t.base, base);
    assert_string_equal(t.host, host);
    assert_string_equal(buffer_text(&b), path);
    buffer_free(&b);
}

static void test_aws_itself(void **state) {
    (void)state;
    must_take("s3://lake/p/", (struct s3_config){.region = "eu-west-1"});
    must_lead_to("k", "https://lake.s3.eu-west-1.amazonaws.com", "lake.s3.eu-west-1.amazonaws.com",
                 "/p/k");
    must_lead_to(NULL, "https://lake.s3.eu-west-1.amazonaws.com", "lake.s3.eu-west-1.amazonaws.com",
                 "/");
    assert_string_equal(t.endpoint, "https://s3.eu-west-1.amazonaws.com");
    must_take("s3://lake", (struct s3_config){.endpoint = ""});
    assert_string_equal(t.endpoint, "https://s3.us-east-1.amazonaws.com");
    must_take("s3://lake", (struct s3_config){.region = "cn-north-1", .path_style = true});
    must_lead_to("k", "https://s3.cn-north-1.amazonaws.com.cn", "s3.cn-north-1.amazonaws.com.cn",
                 "/lake/k");
}

/* No certificate covers two labels before AWS's host. */
static void test_a_bucket_with_dots_over_tls_is_addressed_by_path(void **state) {
    (void)state;
    must_take("s3://la.ke/", (struct s3_config){.region = "eu-west-1"});
    must_lead_to("k", "https://s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com",
                 "/la.ke/k");
}

static void test_path_style(void **state) {
    (void)state;
    struct s3_config cfg = {.endpoint = "http://127.0.0.1:9000/", .path_style = true};
    must_take("s3://lake/a/b", cfg);
    must_lead_to("dt=1/k", "http://127.0.0.1:9000", "127.0.0.1:9000", "/lake/a/b/dt=1/k");
    must_lead_to(NULL, "http://127.0.0.1:9000", "127.0.0.1:9000", "/lake");
    assert_string_equal(t.endpoint, "http://127.0.0.1:9000");
    assert_string_equal(t.prefix, "a/b/");
    cfg.endpoint = "http://[::1]:9000";
    must_take("s3://lake", cfg);
    must_lead_to("k", "http://[::1]:9000", "[::1]:9000", "/lake/k");
    cfg.endpoint = "https://minio.example:443"; /* libcurl leaves a scheme's own port away */
    must_take("s3://lake", cfg);
    must_lead_to("k", "https://minio.example", "minio.example", "/lake/k");
}

static void test_virtual_hosts(void **state) {
    (void)state;
    must_take("s3://lake/p", (struct s3_config){.endpoint = "http://minio:9000"});
    must_lead_to("k", "http://lake.minio:9000", "lake.minio:9000", "/p/k");
    must_refuse("s3://lake/p", (struct s3_config){.endpoint = "http://10.0.0.1:9000"});
    assert_non_null(strstr(e.text, "s3.path_style"));
    must_refuse("s3://lake/p", (struct s3_config){.endpoint = "http://[::1]:9000"});
}

static void test_endpoints_that_are_none(void **state) {
    (void)state;
    must_refuse("s3://lake/", (struct s3_config){.endpoint = "minio:9000"});
    must_refuse("s3://lake/", (struct s3_config){.endpoint = "ftp://minio"});
    must_refuse("s3://lake/", (struct s3_config){.endpoint = "http://minio/base"});
    must_refuse("s3://lake/", (struct s3_config){.endpoint = "http://minio?a=b"});
    must_refuse("s3://lake/", (struct s3_config){.endpoint = "http://user:pass@minio"});
    assert_null(strstr(e.text, "pass"));
    must_refuse("s3://lake/", (struct s3_config){.endpoint = "http://"});
}

static void test_bucket_names(void **state) {
    (void)state;
    const struct s3_config cfg = {.region = "us-east-1"};
    char *longest = xasprintf("s3://%063d/", 0), *longer = xasprintf("s3://%064d/", 0);
    must_take("s3://abc", cfg);
    must_take("s3://a.b-1/", cfg);
    must_take(longest, cfg);
    must_refuse(longer, cfg);
    must_refuse("s3://", cfg);
    must_refuse("s3:///p", cfg);
    must_refuse("s3://ab", cfg);
    must_refuse("s3://Abc", cfg);
    must_refuse("s3://a_c", cfg);
    must_refuse("s3://-bc", cfg);
    must_refuse("s3://abc.", cfg);
    must_refuse("s3://a..c", cfg);
    must_refuse("s3://a c", cfg);
    free(longest);
    free(longer);
}

static void test_prefixes(void **state) {
    (void)state;
    const struct s3_config cfg = {.region = "us-east-1"};
    must_take("s3://abc/a b/c=d/", cfg);
    assert_string_equal(t.prefix, "a b/c=d/");
    must_take("s3://abc/", cfg);
    assert_string_equal(t.prefix, "");
    must_refuse("s3://abc//", cfg);
    must_refuse("s3://abc/a//b", cfg);
    must_refuse("s3://abc/a/../b", cfg);
    must_refuse("s3://abc/./b", cfg);
}

static void test_keys_come_in_pairs(void **state) {
    (void)state;
    must_take("s3://abc/", (struct s3_config){.access_key = "a", .secret_key = "s"});
    assert_string_equal(t.access_key, "a");
    assert_null(t.session_token);
    must_take("s3://abc/", (struct s3_config){.access_key = "", .secret_key = ""});
    assert_null(t.access_key);
    must_refuse("s3://abc/", (struct s3_config){.access_key = "a"});
    assert_non_null(strstr(e.text, "secret_key is not set"));
    must_refuse("s3://abc/", (struct s3_config){.secret_key = "hidden"});
    assert_null(strstr(e.text, "hidden"));
}

static void test_nothing_breaks_out_of_a_header(void **state) {
    (void)state;
    must_refuse("s3://abc/", (struct s3_config){.access_key = "a", .secret_key = "s\n"});
    must_refuse("s3://abc/", (struct s3_config){.access_key = "a\r\nX: y", .secret_key = "s"});
    must_refuse("s3://abc/", (struct s3_config){.region = "a\nb"});
    must_refuse("s3://abc/", (struct s3_config){.region = "evil.example/"});
}

#define target_test(f) cmocka_unit_test_teardown(f, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        target_test(test_aws_itself),
        target_test(test_a_bucket_with_dots_over_tls_is_addressed_by_path),
        target_test(test_path_style),
        target_test(test_virtual_hosts),
        target_test(test_endpoints_that_are_none),
        target_test(test_bucket_names),
        target_test(test_prefixes),
        target_test(test_keys_come_in_pairs),
        target_test(test_nothing_breaks_out_of_a_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
