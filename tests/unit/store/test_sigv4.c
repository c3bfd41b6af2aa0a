#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "store/sigv4.h"

/* SHA-256 of nothing. */
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void must_sign(const struct sigv4_request *r, const char *expected) {
    struct buffer b;
    buffer_init(&b, 4096);
    assert_int_equal(sigv4_sign(r, &b), 0);
    assert_string_equal(buffer_text(&b), expected);
    buffer_free(&b);
}

/* ---- The examples of
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html ---- */

#define DOC_HOST \
    { "Host", "examplebucket.s3.amazonaws.com" }
#define DOC_DATE \
    { "x-amz-date", "20130524T000000Z" }
#define DOC_CREDENTIAL \
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"

static struct sigv4_request documented(const char *method, const char *path) {
    return (struct sigv4_request){.method = method,
                                  .path = path,
                                  .payload = EMPTY,
                                  .date = "20130524T000000Z",
                                  .region = "us-east-1",
                                  .access_key = "AKIAIOSFODNN7EXAMPLE",
                                  .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
}

static void test_aws_get_object(void **state) {
    (void)state;
    struct sigv4_request r = documented("GET", "/test.txt");
    struct sigv4_pair headers[] = {
        DOC_HOST, {"Range", "bytes=0-9"}, {"x-amz-content-sha256", EMPTY}, DOC_DATE};
    r.headers = headers;
    r.n_headers = COUNT(headers);
    must_sign(&r, DOC_CREDENTIAL
              "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
              "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void test_aws_put_object(void **state) {
    (void)state;
    const char *hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    struct sigv4_request r = documented("PUT", "/test$file.text");
    struct sigv4_pair headers[] = {{"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                                   {"x-amz-content-sha256", hash},
                                   DOC_DATE,
                                   DOC_HOST,
                                   {"Date", "Fri, 24 May 2013 00:00:00 GMT"}};
    r.payload = hash;
    r.headers = headers;
    r.n_headers = COUNT(headers);
    must_sign(&r, DOC_CREDENTIAL
              "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
              "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void test_aws_get_lifecycle(void **state) {
    (void)state;
    struct sigv4_request r = documented("GET", "/");
    struct sigv4_pair headers[] = {DOC_HOST, DOC_DATE, {"x-amz-content-sha256", EMPTY}};
    struct sigv4_pair query[] = {{"lifecycle", ""}};
    r.headers = headers;
    r.n_headers = COUNT(headers);
    r.query = query;
    r.n_query = COUNT(query);
    must_sign(&r, DOC_CREDENTIAL
              "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
              "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

static void test_aws_list_objects(void **state) {
    (void)state;
    struct sigv4_request r = documented("GET", "/");
    struct sigv4_pair headers[] = {DOC_HOST, DOC_DATE, {"x-amz-content-sha256", EMPTY}};
    struct sigv4_pair query[] = {{"prefix", "J"}, {"max-keys", "2"}};
    r.headers = headers;
    r.n_headers = COUNT(headers);
    r.query = query;
    r.n_query = COUNT(query);
    must_sign(&r, DOC_CREDENTIAL
              "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
              "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* ---- What we send, signed by botocore 1.44 (S3SigV4Auth, payload signing off) ---- */

#define BOTO_DATE \
    { "x-amz-date", "20241022T210405Z" }
#define BOTO_PAYLOAD \
    { "x-amz-content-sha256", SIGV4_UNSIGNED_PAYLOAD }
#define BOTO_CREDENTIAL \
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20241022/eu-west-1/s3/aws4_request,"

static struct sigv4_request like_botocore(const char *method, const char *path) {
    return (struct sigv4_request){.method = method,
                                  .path = path,
                                  .payload = SIGV4_UNSIGNED_PAYLOAD,
                                  .date = "20241022T210405Z",
                                  .region = "eu-west-1",
                                  .access_key = "AKIDEXAMPLE",
                                  .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
}

static void test_conditional_put_of_a_strange_key(void **state) {
    (void)state;
    struct sigv4_request r =
        like_botocore("PUT", "/lakehouse/dt=2024-10-22/hour=21/a b+c%d~\xc3\xa9:@!$'()*,;.jsonl");
    struct sigv4_pair headers[] = {{"If-None-Match", "*"},
                                   {"Content-Type", "application/json"},
                                   {"x-amz-checksum-crc32c", "4waSgw=="},
                                   {"Host", "s3.eu-west-1.amazonaws.com"},
                                   BOTO_DATE,
                                   BOTO_PAYLOAD};
    r.headers = headers;
    r.n_headers = COUNT(headers);
    must_sign(&r, BOTO_CREDENTIAL
              "SignedHeaders=content-type;host;if-none-match;x-amz-checksum-crc32c;"
              "x-amz-content-sha256;x-amz-date,"
              "Signature=0b725cd8f914c76fd689f8a4766318bffd52afe24f805e42fb830c40e4fe39af");
}

static void test_create_with_a_session_token(void **state) {
    (void)state;
    struct sigv4_request r = like_botocore("POST", "/p/dt=2024-10-22/hour=21/x.jsonl");
    struct sigv4_pair headers[] = {{"x-amz-checksum-algorithm", "CRC32C"},
                                   {"Content-Type", "application/x-ndjson"},
                                   {"x-amz-security-token", "FwoGZXIvYXdzEBYaDH/token=="},
                                   {"Host", "lakehouse.s3.eu-west-1.amazonaws.com"},
                                   BOTO_DATE,
                                   BOTO_PAYLOAD};
    struct sigv4_pair query[] = {{"uploads", ""}};
    r.headers = headers;
    r.n_headers = COUNT(headers);
    r.query = query;
    r.n_query = COUNT(query);
    must_sign(&r, BOTO_CREDENTIAL
              "SignedHeaders=content-type;host;x-amz-checksum-algorithm;x-amz-content-sha256;"
              "x-amz-date;x-amz-security-token,"
              "Signature=44c175beb973f6b22bb359aaf561238ca35848b9a319d2bf635ab44f838f49a4");
}

static void test_part_with_a_strange_upload_id(void **state) {
    (void)state;
    struct sigv4_request r = like_botocore("PUT", "/lakehouse/x.jsonl");
    struct sigv4_pair headers[] = {
        {"x-amz-checksum-crc32c", "4waSgw=="}, {"Host", "127.0.0.1:9000"}, BOTO_DATE, BOTO_PAYLOAD};
    struct sigv4_pair query[] = {{"uploadId", "2~VWFh/Yj+a=b c"}, {"partNumber", "12"}};
    r.headers = headers;
    r.n_headers = COUNT(headers);
    r.query = query;
    r.n_query = COUNT(query);
    must_sign(&r, BOTO_CREDENTIAL
              "SignedHeaders=host;x-amz-checksum-crc32c;x-amz-content-sha256;x-amz-date,"
              "Signature=a860b6321e98be61ba06eb58855f94539ce094be70697e52051f7ecc0f83f0da");
}

static void test_list_with_a_strange_prefix(void **state) {
    (void)state;
    struct sigv4_request r = like_botocore("GET", "/");
    struct sigv4_pair headers[] = {
        {"Host", "lakehouse.s3.eu-west-1.amazonaws.com"}, BOTO_DATE, BOTO_PAYLOAD};
    struct sigv4_pair query[] = {
        {"prefix", "a b/dt=2024-10-22/+\xc3\xa9~*"},
        {"list-type", "2"},
        {"encoding-type", "url"},
        {"continuation-token", "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM="}};
    r.headers = headers;
    r.n_headers = COUNT(headers);
    r.query = query;
    r.n_query = COUNT(query);
    must_sign(&r, BOTO_CREDENTIAL
              "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
              "Signature=bddb9d77f1a9e3db47635bd7f844a1cd1f4f2317e39109811b51255daeb24f17");
}

/* ---- The pieces ---- */

static void test_blanks_in_a_header_do_not_count(void **state) {
    (void)state;
    struct sigv4_request r = documented("GET", "/");
    struct sigv4_pair tidy[] = {DOC_HOST, {"x-amz-meta-a", "b c"}};
    struct sigv4_pair untidy[] = {{"x-amz-meta-a", "  b \t c "}, DOC_HOST};
    struct buffer a, b;
    buffer_init(&a, 4096);
    buffer_init(&b, 4096);
    r.n_headers = 2;
    r.headers = tidy;
    assert_int_equal(sigv4_sign(&r, &a), 0);
    r.headers = untidy;
    assert_int_equal(sigv4_sign(&r, &b), 0);
    assert_string_equal(buffer_text(&a), buffer_text(&b));
    buffer_free(&a);
    buffer_free(&b);
}

static void test_dates(void **state) {
    (void)state;
    char date[SIGV4_DATE_SIZE];
    sigv4_date(1369353600000, date);
    assert_string_equal(date, "20130524T000000Z");
    sigv4_date(1729630800999, date);
    assert_string_equal(date, "20241022T210000Z");
}

static void test_encoding(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b, 100);
    assert_int_equal(sigv4_encode(&b, "/dt=1/a b+%~-._", true), 0);
    assert_string_equal(buffer_text(&b), "/dt%3D1/a%20b%2B%25~-._");
    buffer_reset(&b);
    assert_int_equal(sigv4_encode(&b, "a/\xff", false), 0);
    assert_string_equal(buffer_text(&b), "a%2F%FF");
    buffer_free(&b);
}

static void test_a_full_buffer_fails(void **state) {
    (void)state;
    struct buffer b;
    struct sigv4_request r = documented("GET", "/");
    struct sigv4_pair headers[] = {DOC_HOST};
    r.headers = headers;
    r.n_headers = 1;
    for (size_t max = 0; max < 150; max++) {
        buffer_init(&b, max);
        assert_int_equal(sigv4_sign(&r, &b), -1);
        buffer_free(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aws_get_object),
        cmocka_unit_test(test_aws_put_object),
        cmocka_unit_test(test_aws_get_lifecycle),
        cmocka_unit_test(test_aws_list_objects),
        cmocka_unit_test(test_conditional_put_of_a_strange_key),
        cmocka_unit_test(test_create_with_a_session_token),
        cmocka_unit_test(test_part_with_a_strange_upload_id),
        cmocka_unit_test(test_list_with_a_strange_prefix),
        cmocka_unit_test(test_blanks_in_a_header_do_not_count),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_a_full_buffer_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
