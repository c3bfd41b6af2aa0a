#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "store/s3_xml.h"

static struct s3_xml x;
static struct error e;

static int tear_down(void **state) {
    (void)state;
    s3_xml_free(&x);
    return 0;
}

static void must_parse(const char *text) {
    assert_int_equal(s3_xml_parse(text, strlen(text), &x, &e), 0);
}

static void must_not_parse(const char *text) {
    assert_int_equal(s3_xml_parse(text, strlen(text), &x, &e), -1);
    assert_int_equal(e.code, ERR_CORRUPT);
    assert_false(e.retriable);
    s3_xml_free(&x);
}

static void test_error(void **state) {
    (void)state;
    must_parse("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>PermanentRedirect</Code>"
               "<Message>use\nthe &lt;other&gt;</Message><Region>eu-west-1</Region>"
               "<BucketName>b</BucketName></Error>");
    assert_int_equal(x.root, S3_ROOT_ERROR);
    assert_string_equal(x.code, "PermanentRedirect");
    assert_string_equal(x.message, "use the <other>");
    assert_string_equal(x.region, "eu-west-1");
}

static void test_words_are_cut_between_characters(void **state) {
    (void)state;
    char *text = xasprintf("<Error><Message>%0254d\xc3\xa9</Message></Error>", 0);
    must_parse(text);
    free(text);
    assert_int_equal(strlen(x.message), 254);
}

static void test_created(void **state) {
    (void)state;
    must_parse("<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
               "<Bucket>b</Bucket><Key>k</Key><UploadId>2~ab</UploadId>"
               "</InitiateMultipartUploadResult>");
    assert_int_equal(x.root, S3_ROOT_CREATED);
    assert_string_equal(x.upload_id, "2~ab");
}

static void test_completed_after_white_space(void **state) {
    (void)state;
    must_parse(" \r\n\t<?xml version=\"1.0\"?>\n<s3:CompleteMultipartUploadResult xmlns:s3=\"u\">"
               "<s3:ETag>&quot;ab-2&quot;</s3:ETag></s3:CompleteMultipartUploadResult>");
    assert_int_equal(x.root, S3_ROOT_COMPLETED);
    assert_string_equal(x.etag, "ab-2");
}

#define ENTRY(key)                                                                      \
    "<Contents><Key>" key "</Key><LastModified>2024-10-22T21:00:00.123Z</LastModified>" \
    "<Size>18446744073709551615</Size><Owner><ID>i</ID><Key>no</Key></Owner>"           \
    "<StorageClass>STANDARD</StorageClass></Contents>"
#define LIST(inside) "<ListBucketResult>" inside "</ListBucketResult>"

static void test_list(void **state) {
    (void)state;
    must_parse(LIST("<Name>b</Name><Prefix>p</Prefix><IsTruncated>true</IsTruncated>" ENTRY(
        "a%2Fdt%3D1+%25%C3%A9") ENTRY("b") "<EncodingType>url</EncodingType>"
                                           "<NextContinuationToken>a+b%2F=</NextContinuationToken>"
                                           "<CommonPrefixes><Prefix>q</Prefix></CommonPrefixes>"));
    assert_int_equal(x.root, S3_ROOT_LIST);
    assert_int_equal(x.n_entries, 2);
    assert_string_equal(x.entries[0].key, "a/dt=1 %\xc3\xa9");
    assert_true(x.entries[0].size == UINT64_MAX);
    assert_int_equal(x.entries[0].modified, 1729630800123);
    assert_string_equal(x.entries[1].key, "b");
    assert_true(x.truncated);
    assert_string_equal(x.next_token, "a+b%2F="); /* never encoded */
}

static void test_keys_are_taken_as_they_are_without_encoding_type(void **state) {
    (void)state;
    must_parse(LIST(ENTRY("a+%2F")));
    assert_string_equal(x.entries[0].key, "a+%2F");
    assert_false(x.truncated);
}

static void test_uploads(void **state) {
    (void)state;
    must_parse("<ListMultipartUploadsResult><EncodingType>url</EncodingType>"
               "<NextKeyMarker>a%2Fb</NextKeyMarker><NextUploadIdMarker>u%2F</NextUploadIdMarker>"
               "<IsTruncated>true</IsTruncated><Upload><Key>a%2Fb</Key><UploadId>u%2F</UploadId>"
               "<Initiated>2024-10-22T21:00:00Z</Initiated></Upload></ListMultipartUploadsResult>");
    assert_int_equal(x.n_entries, 1);
    assert_string_equal(x.entries[0].key, "a/b");
    assert_string_equal(x.entries[0].upload, "u%2F");
    assert_int_equal(x.entries[0].modified, 1729630800000);
    assert_string_equal(x.next_key_marker, "a/b");
    assert_string_equal(x.next_upload_marker, "u%2F");
}

static void test_entities_are_refused(void **state) {
    (void)state;
    must_not_parse("<!DOCTYPE a [<!ENTITY l \"lol\"><!ENTITY m \"&l;&l;&l;&l;\">]>"
                   "<Error><Code>&m;</Code></Error>");
    assert_non_null(strstr(e.text, "DTD"));
    must_not_parse("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><Error/>");
    must_not_parse("<Error><Code>&m;</Code></Error>");
}

static void test_broken_answers(void **state) {
    (void)state;
    must_not_parse("");
    must_not_parse("  \n ");
    must_not_parse("<html>");
    must_not_parse("not XML");
    must_not_parse("<Error><Code>a</Code></Error><Error/>");
    must_not_parse("<Error><Code>\xff</Code></Error>");
    must_not_parse(LIST("<Contents><Size>1</Size></Contents>"));
    must_not_parse(LIST("<Contents><Key>a</Key><LastModified>2024-10-22T21:00:00Z</LastModified>"
                        "</Contents>"));
    must_not_parse(LIST("<Contents><Key>a</Key><Size>-1</Size></Contents>"));
    must_not_parse(LIST("<Contents><Key>a</Key><Size>18446744073709551616</Size></Contents>"));
    must_not_parse(LIST("<Contents><Key>a</Key><LastModified>now</LastModified></Contents>"));
    must_not_parse(LIST("<EncodingType>url</EncodingType>" ENTRY("a%2")));
    must_not_parse(LIST("<EncodingType>url</EncodingType>" ENTRY("a%00b")));
    must_not_parse(LIST("<EncodingType>url</EncodingType>" ENTRY("a%zz")));
    must_not_parse("<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>");
}

static void test_every_truncation_is_noticed(void **state) {
    (void)state;
    const char *text = LIST("<EncodingType>url</EncodingType>" ENTRY("a%2Fb"));
    for (size_t n = 0; n < strlen(text); n++) {
        assert_int_equal(s3_xml_parse(text, n, &x, &e), -1);
        s3_xml_free(&x);
    }
}

static void test_an_element_has_a_maximum(void **state) {
    (void)state;
    char *text = xasprintf("<Error><Code>%0*d</Code></Error>", S3_XML_TEXT_MAX + 1, 0);
    must_not_parse(text);
    free(text);
}

static void test_other_roots(void **state) {
    (void)state;
    must_parse("<html><Contents><Key>a</Key></Contents></html>");
    assert_int_equal(x.root, S3_ROOT_OTHER);
    assert_int_equal(x.n_entries, 0);
}

static void test_times(void **state) {
    (void)state;
    int64_t t;
    assert_true(s3_xml_time("1970-01-01T00:00:00Z", &t) && t == 0);
    assert_true(s3_xml_time("2024-02-29T23:59:59.999Z", &t) && t == 1709251199999);
    assert_true(s3_xml_time("2024-10-22T21:00:00.1Z", &t) && t == 1729630800100);
    assert_true(s3_xml_time("2024-10-22T21:00:00.123456789Z", &t) && t == 1729630800123);
    assert_true(s3_xml_time("0001-01-01T00:00:00Z", &t) && t == -62135596800000);
    assert_false(s3_xml_time("", &t));
    assert_false(s3_xml_time("2024-13-22T21:00:00Z", &t));
    assert_false(s3_xml_time("2024-10-22T21:00:00", &t));
    assert_false(s3_xml_time("2024-10-22 21:00:00Z", &t));
    assert_false(s3_xml_time("2024-10-22T21:00:00+01:00", &t));
    assert_true(s3_xml_time("0000-01-01T00:00:00Z", &t) && t == -62167219200000);
    /* A digit or a sign less, at each place. */
    static const char whole[] = "2024-10-22T21:00:00Z";
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        char broken[sizeof whole];
        memcpy(broken, whole, sizeof whole);
        broken[i] = 'x';
        assert_false(s3_xml_time(broken, &t));
        broken[i] = '\0';
        assert_false(s3_xml_time(broken, &t));
        broken[i] = '/';
        assert_false(s3_xml_time(broken, &t));
    }
    assert_false(s3_xml_time("2024-00-22T21:00:00Z", &t));
    assert_false(s3_xml_time("2024-10-00T21:00:00Z", &t));
    assert_false(s3_xml_time("2024-10-32T21:00:00Z", &t));
    assert_false(s3_xml_time("2024-10-22T24:00:00Z", &t));
    assert_false(s3_xml_time("2024-10-22T21:60:00Z", &t));
    assert_false(s3_xml_time("2024-10-22T21:00:61Z", &t));
    assert_false(s3_xml_time("2024-10-22T21:00:00.x", &t));
}

static void test_etags(void **state) {
    (void)state;
    char etag[STORE_ETAG_MAX];
    char longest[STORE_ETAG_MAX];
    s3_etag_copy(etag, "\"ab\"", 4);
    assert_string_equal(etag, "ab");
    s3_etag_copy(etag, "ab", 2);
    assert_string_equal(etag, "ab");
    s3_etag_copy(etag, "\"", 1);
    assert_string_equal(etag, "\"");
    memset(longest, 'a', sizeof longest);
    s3_etag_copy(etag, longest, sizeof longest);
    assert_string_equal(etag, "");
    s3_etag_copy(etag, longest, sizeof longest - 1);
    assert_int_equal(strlen(etag), STORE_ETAG_MAX - 1);
}

static void test_escaping(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b, 100);
    assert_int_equal(s3_xml_escape(&b, "a<&>\"'b"), 0);
    assert_string_equal(buffer_text(&b), "a&lt;&amp;&gt;&quot;&apos;b");
    buffer_free(&b);
}

#define xml_test(f) cmocka_unit_test_teardown(f, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        xml_test(test_error),
        xml_test(test_words_are_cut_between_characters),
        xml_test(test_created),
        xml_test(test_completed_after_white_space),
        xml_test(test_list),
        xml_test(test_keys_are_taken_as_they_are_without_encoding_type),
        xml_test(test_uploads),
        xml_test(test_entities_are_refused),
        xml_test(test_broken_answers),
        xml_test(test_every_truncation_is_noticed),
        xml_test(test_an_element_has_a_maximum),
        xml_test(test_other_roots),
        xml_test(test_times),
        xml_test(test_etags),
        xml_test(test_escaping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
