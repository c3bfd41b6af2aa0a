#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "store/s3_error.h"

static struct s3_target target;

static int set_up(void **state) {
    (void)state;
    struct s3_config cfg = {.endpoint = "http://h:9000",
                            .region = "eu-west-1",
                            .path_style = true,
                            .access_key = "AKID",
                            .secret_key = "SECRET"};
    return s3_target_init(&target, "s3://lake/p/", &cfg, NULL);
}

static int tear_down(void **state) {
    (void)state;
    s3_target_free(&target);
    return 0;
}

static struct error of(enum store_kind kind, long status, const char *code) {
    struct error e;
    struct s3_failure f = {.target = &target,
                           .kind = kind,
                           .key = "k",
                           .outcome = HTTP_ANSWERED,
                           .trouble = "",
                           .status = status,
                           .code = code,
                           .message = "",
                           .region = ""};
    assert_int_equal(s3_error_set(&f, &e), -1);
    return e;
}

static void must_be(long status, const char *code, enum error_code expected, bool retriable) {
    struct error e = of(STORE_UPLOAD_PART, status, code);
    assert_int_equal(e.code, expected);
    assert_int_equal(e.retriable, retriable);
}

static void test_codes(void **state) {
    (void)state;
    must_be(404, "NoSuchKey", ERR_NOT_FOUND, false);
    must_be(404, "NoSuchBucket", ERR_NOT_FOUND, false);
    must_be(404, "NoSuchUpload", ERR_NO_SUCH_UPLOAD, false);
    must_be(400, "InvalidPart", ERR_INVALID_PART, false);
    must_be(400, "InvalidPartOrder", ERR_INVALID_PART, false);
    must_be(400, "EntityTooSmall", ERR_TOO_SMALL, false);
    must_be(412, "PreconditionFailed", ERR_EXISTS, false);
    must_be(409, "ConditionalRequestConflict", ERR_CONFLICT, true);
    must_be(409, "OperationAborted", ERR_CONFLICT, true);
    must_be(403, "InvalidAccessKeyId", ERR_DENIED, false);
    must_be(403, "SignatureDoesNotMatch", ERR_DENIED, false);
    must_be(403, "AccessDenied", ERR_DENIED, false);
    must_be(400, "ExpiredToken", ERR_DENIED, false);
    must_be(403, "InvalidTokenId", ERR_DENIED, false);
    must_be(403, "RequestTimeTooSkewed", ERR_UNAVAILABLE, true);
    must_be(400, "BadDigest", ERR_UNKNOWN, true);
    must_be(400, "XAmzContentChecksumMismatch", ERR_UNKNOWN, true);
    must_be(400, "RequestTimeout", ERR_UNKNOWN, true);
    must_be(503, "SlowDown", ERR_UNAVAILABLE, true);
    must_be(500, "InternalError", ERR_UNKNOWN, true);
    must_be(507, "XMinioStorageFull", ERR_NO_SPACE, false);
    must_be(501, "NotImplemented", ERR_UNSUPPORTED, false);
    must_be(400, "AuthorizationHeaderMalformed", ERR_USAGE, false);
    must_be(301, "PermanentRedirect", ERR_USAGE, false);
}

/* In a good answer to Complete the code alone tells. */
static void test_codes_in_a_200(void **state) {
    (void)state;
    must_be(200, "InternalError", ERR_UNKNOWN, true);
    must_be(200, "SlowDown", ERR_UNAVAILABLE, true);
    must_be(200, "InvalidPart", ERR_INVALID_PART, false);
    must_be(200, "SomethingNew", ERR_UNKNOWN, true);
}

static void test_statuses_without_a_code(void **state) {
    (void)state;
    must_be(301, "", ERR_USAGE, false);
    must_be(400, "", ERR_UNSUPPORTED, false);
    must_be(401, "", ERR_DENIED, false);
    must_be(403, "", ERR_DENIED, false);
    must_be(408, "", ERR_UNKNOWN, true);
    must_be(409, "", ERR_CONFLICT, true);
    must_be(412, "", ERR_EXISTS, false);
    must_be(429, "", ERR_UNAVAILABLE, true);
    must_be(500, "", ERR_UNKNOWN, true);
    must_be(502, "", ERR_UNKNOWN, true);
    must_be(503, "", ERR_UNAVAILABLE, true);
    must_be(504, "", ERR_UNKNOWN, true);
    must_be(308, "", ERR_USAGE, false);
    must_be(416, "", ERR_UNSUPPORTED, false);
    must_be(501, "", ERR_UNSUPPORTED, false);
    must_be(507, "", ERR_NO_SPACE, false);
}

static void test_a_404_counts_only_from_s3(void **state) {
    (void)state;
    struct error e = of(STORE_GET, 404, "");
    assert_int_equal(e.code, ERR_UNKNOWN);
    assert_non_null(strstr(e.text, "check s3.endpoint"));
    assert_int_equal(of(STORE_HEAD, 404, "").code, ERR_NOT_FOUND);
}

static void test_what_never_came(void **state) {
    (void)state;
    static const struct {
        enum http_outcome outcome;
        enum error_code code;
        bool retriable;
    } cases[] = {
        {HTTP_NOT_SENT, ERR_UNAVAILABLE, true},
        {HTTP_LOST, ERR_UNKNOWN, true},
        {HTTP_TOO_LARGE, ERR_LIMIT, false},
        {HTTP_REFUSED, ERR_DENIED, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e;
        struct s3_failure f = {.target = &target,
                               .kind = STORE_GET,
                               .key = "k",
                               .outcome = cases[i].outcome,
                               .trouble = "because",
                               .code = "",
                               .message = "",
                               .region = "",
                               .answer_max = 7};
        assert_int_equal(s3_error_set(&f, &e), -1);
        assert_int_equal(e.code, cases[i].code);
        assert_int_equal(e.retriable, cases[i].retriable);
        if (cases[i].outcome == HTTP_NOT_SENT)
            assert_non_null(strstr(e.text, "not reached: because; does the store run"));
    }
}

static void test_texts(void **state) {
    (void)state;
    struct error e;
    struct s3_failure f = {.target = &target,
                           .kind = STORE_PUT_IF_ABSENT,
                           .key = "k",
                           .outcome = HTTP_ANSWERED,
                           .status = 403,
                           .code = "SignatureDoesNotMatch",
                           .message = "It does not.",
                           .region = ""};
    (void)s3_error_set(&f, &e);
    assert_string_equal(e.text,
                        "put s3://lake/p/k at http://h:9000: HTTP 403 SignatureDoesNotMatch: "
                        "It does not; check s3.secret_key and s3.region");
    assert_non_null(strstr(of(STORE_DELETE, 403, "AccessDenied").text, "s3:DeleteObject"));
    assert_non_null(strstr(of(STORE_LIST, 403, "InvalidTokenId").text, "check s3.session_token"));
    assert_non_null(strstr(of(STORE_LIST, 403, "AccessDenied").text, "s3:ListBucket"));
    assert_non_null(strstr(of(STORE_GET, 404, "NoSuchBucket").text, "create the bucket lake"));
    assert_non_null(strstr(of(STORE_GET, 301, "").text, "not in region eu-west-1"));
    f.status = 301;
    f.code = "PermanentRedirect";
    f.region = "ap-south-1";
    (void)s3_error_set(&f, &e);
    assert_non_null(strstr(e.text, "the bucket is in region ap-south-1: set s3.region"));
}

static void test_the_permission_that_is_missing(void **state) {
    (void)state;
    static const struct {
        enum store_kind kind;
        const char *permission;
    } of_kind[] = {
        {STORE_GET, "need s3:GetObject here"},
        {STORE_HEAD, "need s3:GetObject and s3:ListBucket here"},
        {STORE_PUT_IF_ABSENT, "need s3:PutObject here"},
        {STORE_DELETE, "need s3:DeleteObject here"},
        {STORE_LIST, "need s3:ListBucket here"},
        {STORE_UPLOAD_CREATE, "need s3:PutObject here"},
        {STORE_UPLOAD_PART, "need s3:PutObject here"},
        {STORE_UPLOAD_COMPLETE, "need s3:PutObject here"},
        {STORE_LIST_UPLOADS, "need s3:ListBucketMultipartUploads here"},
        {STORE_UPLOAD_ABORT, "need s3:AbortMultipartUpload here"},
    };
    for (size_t i = 0; i < sizeof of_kind / sizeof *of_kind; i++) {
        struct error e = of(of_kind[i].kind, 403, "");
        assert_int_equal(e.code, ERR_DENIED);
        assert_non_null(strstr(e.text, of_kind[i].permission));
    }
}

static void test_unsigned_requests_ask_for_keys(void **state) {
    (void)state;
    char *key = target.access_key;
    target.access_key = NULL;
    struct error e = of(STORE_GET, 403, "AccessDenied");
    target.access_key = key;
    assert_non_null(strstr(e.text, "set s3.access_key"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_codes_in_a_200),
        cmocka_unit_test(test_statuses_without_a_code),
        cmocka_unit_test(test_a_404_counts_only_from_s3),
        cmocka_unit_test(test_what_never_came),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_the_permission_that_is_missing),
        cmocka_unit_test(test_unsigned_requests_ask_for_keys),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
