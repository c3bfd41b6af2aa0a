#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "store/open.h"
#include "store/s3.h"
#include "support/fake_http.h"
#include "support/fake_tls.h"

static struct fake_http *server;
static struct store *store;

static int64_t connect_timeout_ms = 2000, request_timeout_ms = 20 * 1000;

static const char *session_token;

static void open_store(const char *endpoint, struct clock *clock) {
    struct error e;
    struct s3_config cfg = {.endpoint = endpoint,
                            .region = "us-east-1",
                            .path_style = true,
                            .access_key = "AKID",
                            .secret_key = "TOPSECRET",
                            .session_token = session_token,
                            .connect_timeout_ms = connect_timeout_ms,
                            .request_timeout_ms = request_timeout_ms};
    store = s3_open("s3://lake/p/", &cfg, clock, &e);
    assert_non_null(store);
}

static int set_up(void **state) {
    (void)state;
    server = fake_http_start();
    open_store(fake_http_endpoint(server), clock_system());
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    store_free(store);
    fake_http_stop(server);
    return 0;
}

static struct store_op get(void) {
    return (struct store_op){.kind = STORE_GET, .key = "k", .max_bytes = 1000};
}

static struct store_op put(void) {
    return (struct store_op){
        .kind = STORE_PUT_IF_ABSENT, .key = "dt=1/a b.json", .body = "123456789", .body_len = 9};
}

static const struct store_part parts[] = {
    {.n = 1, .etag = "e1", .bytes = 5 << 20, .crc32c = 0xe3069283},
    {.n = 2, .etag = "e\"2", .bytes = 1, .crc32c = 0}};

static struct store_op complete(void) {
    return (struct store_op){
        .kind = STORE_UPLOAD_COMPLETE, .key = "k", .upload = "u/1", .parts = parts, .n_parts = 2};
}

static void must_fail(struct store_op *op, enum error_code code) {
    assert_int_equal(store_call(store, op), -1);
    if (op->error.code != code)
        fail_msg("%s: %s", error_name(op->error.code), op->error.text);
    assert_null(strstr(op->error.text, "TOPSECRET"));
    assert_null(strchr(op->error.text, '\n'));
    store_op_clear(op);
}

static void must_do(struct store_op *op) {
    if (store_call(store, op))
        fail_msg("%s", op->error.text);
}

static void sent(size_t i, const char *text) {
    const char *request = fake_http_request(server, i);
    if (!strcasestr(request, text))
        fail_msg("no '%s' in:\n%s", text, request);
}

static void not_sent(size_t i, const char *text) {
    assert_null(strcasestr(fake_http_request(server, i), text));
}

/* ---- What is sent ---- */

static void test_put(void **state) {
    (void)state;
    struct store_op op = put();
    fake_http_answer(server, 200, "ETag: \"abc\"\r\n", "");
    must_do(&op);
    assert_string_equal(op.etag, "abc");
    assert_int_equal(op.http_status, 200);
    sent(0, "PUT /lake/p/dt%3D1/a%20b.json HTTP/1.1\r\n");
    sent(0, "\r\nIf-None-Match: *\r\n");
    sent(0, "\r\nContent-Length: 9\r\n");
    sent(0, "\r\nContent-Type: application/json\r\n");
    sent(0, "\r\nx-amz-checksum-crc32c: 4waSgw==\r\n"); /* RFC 3720: 0xe3069283 */
    sent(0, "\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n");
    sent(0, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKID/");
    sent(0, "SignedHeaders=content-type;host;if-none-match;x-amz-checksum-crc32c;"
            "x-amz-content-sha256;x-amz-date,");
    sent(0, "\r\n\r\n123456789");
    not_sent(0, "Expect:");
    not_sent(0, "Transfer-Encoding");
    not_sent(0, "TOPSECRET");
}

static void test_content_types(void **state) {
    (void)state;
    static const struct {
        const char *key, *type;
    } of[] = {{"a.jsonl", "application/x-ndjson"},
              {"a.jsonl.gz", "application/gzip"},
              {"a.jsonl.zst", "application/zstd"},
              {"a.json", "application/json"},
              {"gz", "application/octet-stream"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char line[80];
        struct store_op op = put();
        op.key = of[i].key;
        fake_http_answer(server, 200, "", "");
        must_do(&op);
        (void)snprintf(line, sizeof line, "\r\nContent-Type: %s\r\n", of[i].type);
        sent(i, line);
    }
}

static void test_a_session_token_is_sent_and_signed(void **state) {
    (void)state;
    struct store_op op = put();
    store_free(store);
    session_token = "TOKEN/+=";
    open_store(fake_http_endpoint(server), clock_system());
    session_token = NULL;
    fake_http_answer(server, 200, "", "");
    must_do(&op);
    sent(0, "\r\nx-amz-security-token: TOKEN/+=\r\n");
    sent(0, "x-amz-date;x-amz-security-token,");
}

static void test_get(void **state) {
    (void)state;
    struct store_op op = get();
    fake_http_answer(server, 200, "ETag: \"abc\"\r\n", "hello");
    must_do(&op);
    assert_string_equal(buffer_text(&op.answer), "hello");
    store_op_clear(&op);
    not_sent(0, "Range:");
    op.range_start = 3;
    op.range_len = 4;
    fake_http_answer(server, 206, "", "lo, ");
    must_do(&op);
    sent(1, "\r\nRange: bytes=3-6\r\n");
    store_op_clear(&op);
    op.range_len = 0;
    fake_http_answer(server, 416, "", "<Error><Code>InvalidRange</Code></Error>");
    must_do(&op);
    sent(2, "\r\nRange: bytes=3-\r\n");
    assert_int_equal(op.answer.len, 0); /* as a directory has it */
    fake_http_answer(server, 200, "", "hello");
    must_fail(&op, ERR_UNSUPPORTED);
    assert_int_equal(fake_http_connections(server), 1);
}

static void test_head(void **state) {
    (void)state;
    struct store_op op = {.kind = STORE_HEAD, .key = "k"};
    fake_http_reply(server, THEN_KEEP, "HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n");
    must_do(&op);
    assert_true(op.object_size == 5000000000);
    sent(0, "HEAD /lake/p/k HTTP/1.1");
    fake_http_reply(server, THEN_KEEP, "HTTP/1.1 404 No\r\nContent-Length: 100\r\n\r\n");
    must_fail(&op, ERR_NOT_FOUND);
}

static void test_create(void **state) {
    (void)state;
    struct store_op op = {.kind = STORE_UPLOAD_CREATE, .key = "a.jsonl"};
    fake_http_answer(server, 200, "",
                     "<InitiateMultipartUploadResult><UploadId>u/1</UploadId>"
                     "</InitiateMultipartUploadResult>");
    must_do(&op);
    assert_string_equal(op.upload_id, "u/1");
    sent(0, "POST /lake/p/a.jsonl?uploads= HTTP/1.1");
    sent(0, "\r\nx-amz-checksum-algorithm: CRC32C\r\n");
    sent(0, "\r\nContent-Type: application/x-ndjson\r\n");
    sent(0, "\r\nContent-Length: 0\r\n");
    store_op_clear(&op);
    fake_http_answer(server, 200, "", "<InitiateMultipartUploadResult/>");
    must_fail(&op, ERR_CORRUPT);
    fake_http_answer(server, 200, "", "<Initiate");
    must_fail(&op, ERR_CORRUPT);
}

static struct chunk *chunk_of(struct budget *budget, const char *text) {
    struct chunk *c = chunk_new(budget, 100000);
    c->len = (uint32_t)strlen(text);
    memcpy(c->data, text, c->len);
    return c;
}

static void test_part_from_a_chain(void **state) {
    (void)state;
    struct budget budget;
    budget_init(&budget, 1 << 20);
    char *big = xasprintf("%080000d", 7);
    struct chunk *chain = chunk_of(&budget, "12345");
    chain->next = chunk_of(&budget, "");
    chain->next->next = chunk_of(&budget, big);
    struct store_op op = {.kind = STORE_UPLOAD_PART,
                          .key = "k",
                          .upload = "u/1",
                          .part = 7,
                          .chunks = chain,
                          .bytes = 80005,
                          .crc32c = 0xe3069283};
    fake_http_answer(server, 200, "ETag: \"e7\"\r\n", "");
    must_do(&op);
    assert_string_equal(op.etag, "e7");
    sent(0, "PUT /lake/p/k?partNumber=7&uploadId=u%2F1 HTTP/1.1");
    sent(0, "\r\nx-amz-checksum-crc32c: 4waSgw==\r\n");
    const char *body = strstr(fake_http_request(server, 0), "\r\n\r\n") + 4;
    assert_int_equal(strlen(body), 80005);
    assert_memory_equal(body, "12345000", 8);
    assert_string_equal(body + 5, big);
    fake_http_answer(server, 200, "", "");
    must_fail(&op, ERR_CORRUPT); /* no ETag */
    chunk_free_chain(chain);
    free(big);
}

static void test_complete(void **state) {
    (void)state;
    struct store_op op = complete();
    fake_http_answer(server, 200, "",
                     " \n<CompleteMultipartUploadResult><ETag>\"e-2\"</ETag>"
                     "</CompleteMultipartUploadResult>");
    must_do(&op);
    assert_string_equal(op.etag, "e-2");
    sent(0, "POST /lake/p/k?uploadId=u%2F1 HTTP/1.1");
    sent(0, "\r\n\r\n<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
            "<ETag>&quot;e1&quot;</ETag><ChecksumCRC32C>4waSgw==</ChecksumCRC32C></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>&quot;e&quot;2&quot;</ETag>"
            "<ChecksumCRC32C>AAAAAA==</ChecksumCRC32C></Part></CompleteMultipartUpload>");
}

static void test_removals_of_what_is_gone_succeed(void **state) {
    (void)state;
    struct store_op op = {.kind = STORE_DELETE, .key = "k"};
    fake_http_reply(server, THEN_KEEP, "HTTP/1.1 204 No Content\r\n\r\n");
    must_do(&op);
    sent(0, "DELETE /lake/p/k HTTP/1.1");
    fake_http_answer(server, 404, "", "<Error><Code>NoSuchKey</Code></Error>");
    must_do(&op);
    fake_http_answer(server, 404, "", "<Error><Code>NoSuchBucket</Code></Error>");
    must_fail(&op, ERR_NOT_FOUND);
    op = (struct store_op){.kind = STORE_UPLOAD_ABORT, .key = "k", .upload = "u"};
    fake_http_answer(server, 404, "", "<Error><Code>NoSuchUpload</Code></Error>");
    must_do(&op);
    sent(3, "DELETE /lake/p/k?uploadId=u HTTP/1.1");
}

static void test_sync_needs_no_request(void **state) {
    (void)state;
    struct store_op op = {.kind = STORE_UPLOAD_SYNC, .key = "k", .upload = "u"};
    must_do(&op);
    assert_int_equal(fake_http_count(server), 0);
}

/* ---- Lists ---- */

#define ENTRY(key)                                                                  \
    "<Contents><Key>" key "</Key><LastModified>2024-10-22T21:00:00Z</LastModified>" \
    "<Size>5</Size></Contents>"

static void test_list_of_two_pages(void **state) {
    (void)state;
    struct store_op op = {.kind = STORE_LIST, .key = "dt="};
    fake_http_answer(server, 200, "",
                     "<ListBucketResult><EncodingType>url</EncodingType>"
                     "<IsTruncated>true</IsTruncated><NextContinuationToken>t/1+=</"
                     "NextContinuationToken>" ENTRY("p/dt%3D2")
                         ENTRY("p/dt%3D1%2Fb+c") "</ListBucketResult>");
    fake_http_answer(server, 200, "",
                     "<ListBucketResult><EncodingType>url</EncodingType>" ENTRY(
                         "p/dt%3D1%2Fa") "</ListBucketResult>");
    must_do(&op);
    sent(0, "GET /lake?encoding-type=url&list-type=2&prefix=p%2Fdt%3D HTTP/1.1");
    sent(1, "GET /lake?continuation-token=t%2F1%2B%3D&encoding-type=url&list-type=2&");
    assert_int_equal(op.n_entries, 3);
    assert_string_equal(op.entries[0].key, "dt=1/a");
    assert_string_equal(op.entries[1].key, "dt=1/b c");
    assert_string_equal(op.entries[2].key, "dt=2");
    assert_int_equal(op.entries[0].size, 5);
    assert_int_equal(op.entries[0].modified, 1729630800000);
    assert_int_equal(op.store_time, 1729630800000);
    store_op_clear(&op);
}

static void test_a_list_begins_behind_a_key(void **state) {
    (void)state;
    struct store_op op = {.kind = STORE_LIST, .key = "m/", .start_after = "m/chk-1 a.json"};
    fake_http_answer(server, 200, "",
                     "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</"
                     "NextContinuationToken>" ENTRY("p/m/chk-1")
                         ENTRY("p/m/chk-2") "</ListBucketResult>"); /* 1: it ignores start-after */
    fake_http_answer(server, 200, "",
                     "<ListBucketResult>" ENTRY("p/m/chk-3") "</ListBucketResult>");
    must_do(&op);
    sent(0, "GET /lake?encoding-type=url&list-type=2&prefix=p%2Fm%2F&"
            "start-after=p%2Fm%2Fchk-1%20a.json HTTP/1.1");
    sent(1,
         "GET /lake?continuation-token=t&encoding-type=url&list-type=2&prefix=p%2Fm%2F HTTP/1.1");
    assert_int_equal(op.n_entries, 2);
    store_op_clear(&op);
}

static void must_be_a_corrupt_list(const char *body) {
    struct store_op op = {.kind = STORE_LIST, .key = ""};
    fake_http_answer(server, 200, "", body);
    must_fail(&op, ERR_CORRUPT);
}

static void test_lists_that_cannot_be(void **state) {
    (void)state;
    must_be_a_corrupt_list("<ListBucketResult>");
    must_be_a_corrupt_list("<html></html>");
    must_be_a_corrupt_list("<ListBucketResult>" ENTRY("elsewhere/k") "</ListBucketResult>");
    must_be_a_corrupt_list("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>");
}

static void test_a_list_that_never_ends_is_noticed(void **state) {
    (void)state;
    const char *page = "<ListBucketResult><IsTruncated>true</IsTruncated>"
                       "<NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
    fake_http_answer(server, 200, "", page);
    must_be_a_corrupt_list(page);
    assert_int_equal(fake_http_count(server), 2);
}

static void must_be_corrupt_uploads(const char *extra) {
    struct store_op op = {.kind = STORE_LIST_UPLOADS, .key = ""};
    char body[512];
    (void)snprintf(body, sizeof body,
                   "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>%s"
                   "</ListMultipartUploadsResult>",
                   extra);
    fake_http_answer(server, 200, "", body);
    fake_http_answer(server, 200, "", body);
    must_fail(&op, ERR_CORRUPT);
}

static void test_uploads_that_never_end_are_noticed(void **state) {
    (void)state;
    must_be_corrupt_uploads("<NextKeyMarker>k</NextKeyMarker>");
    assert_int_equal(fake_http_count(server), 2);
    must_be_corrupt_uploads("<NextKeyMarker>k</NextKeyMarker>"
                            "<NextUploadIdMarker>u</NextUploadIdMarker>");
    assert_int_equal(fake_http_count(server), 4);
    must_be_corrupt_uploads("");
    assert_int_equal(fake_http_count(server), 5); /* its second answer is for the next one */
}

static void test_answers_that_lack_a_header(void **state) {
    (void)state;
    struct store_op head = {.kind = STORE_HEAD, .key = "k"};
    fake_http_reply(server, THEN_CLOSE, "HTTP/1.1 200 OK\r\n\r\n");
    must_fail(&head, ERR_CORRUPT);
    struct store_op list = {.kind = STORE_LIST, .key = ""};
    fake_http_reply(server, THEN_CLOSE,
                    "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n<ListBucketResult/>");
    must_fail(&list, ERR_CORRUPT); /* uploads' ages are told by it */
}

/* S3 takes 1,024 bytes. */
static void test_a_key_of_many_kilobytes_is_not_sent(void **state) {
    (void)state;
    char *key = xasprintf("%030000d", 7);
    struct store_op op = {.kind = STORE_PUT_IF_ABSENT, .key = key, .body = "x", .body_len = 1};
    must_fail(&op, ERR_DENIED);
    assert_int_equal(fake_http_count(server), 0);
    free(key);
}

static void test_the_roots_own_marker_is_no_key(void **state) {
    (void)state;
    struct store_op op = {.kind = STORE_LIST, .key = ""};
    fake_http_answer(server, 200, "",
                     "<ListBucketResult>" ENTRY("p/") ENTRY("p/k") "</ListBucketResult>");
    must_do(&op);
    assert_int_equal(op.n_entries, 1);
    assert_string_equal(op.entries[0].key, "k");
    store_op_clear(&op);
}

#define UPLOAD(key, id)                                     \
    "<Upload><Key>" key "</Key><UploadId>" id "</UploadId>" \
    "<Initiated>2024-10-22T20:00:00Z</Initiated></Upload>"

static void test_list_of_uploads(void **state) {
    (void)state;
    struct store_op op = {.kind = STORE_LIST_UPLOADS, .key = "dt="};
    fake_http_answer(server, 200, "",
                     "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>"
                     "<NextKeyMarker>p/dt=1</NextKeyMarker><NextUploadIdMarker>v</"
                     "NextUploadIdMarker>" UPLOAD("p/dt=1", "v") "</ListMultipartUploadsResult>");
    fake_http_answer(
        server, 200, "",
        "<ListMultipartUploadsResult>" UPLOAD("p/dt=1", "u") "</ListMultipartUploadsResult>");
    must_do(&op);
    sent(0, "GET /lake?encoding-type=url&prefix=p%2Fdt%3D&uploads= HTTP/1.1");
    sent(1, "GET /lake?encoding-type=url&key-marker=p%2Fdt%3D1&prefix=p%2Fdt%3D&"
            "upload-id-marker=v&uploads= HTTP/1.1");
    assert_int_equal(op.n_entries, 2);
    assert_string_equal(op.entries[0].upload, "u");
    assert_int_equal(op.entries[0].modified, 1729627200000);
    assert_int_equal(op.store_time, 1729630800000);
    store_op_clear(&op);
}

static void test_minio_lists_uploads_without_a_prefix(void **state) {
    (void)state;
    struct store_op op = {.kind = STORE_LIST_UPLOADS, .key = "dt="};
    fake_http_answer(server, 200, "Server: MinIO\r\n",
                     "<ListMultipartUploadsResult></ListMultipartUploadsResult>");
    fake_http_answer(server, 200, "Server: MinIO\r\n",
                     "<ListMultipartUploadsResult>" UPLOAD("other/dt=1", "u") UPLOAD("p/dt=1", "v")
                         UPLOAD("p/_late/1", "w") "</ListMultipartUploadsResult>");
    must_do(&op);
    not_sent(1, "prefix");
    assert_int_equal(op.n_entries, 1);
    assert_string_equal(op.entries[0].key, "dt=1");
    store_op_clear(&op);
}

/* ---- What can go wrong ---- */

static void test_connection_refused(void **state) {
    (void)state;
    struct store_op op = put();
    store_free(store);
    open_store("http://127.0.0.1:1", clock_system());
    must_fail(&op, ERR_UNAVAILABLE);
}

static void test_unknown_host(void **state) {
    (void)state;
    struct store_op op = put();
    store_free(store);
    open_store("http://tidemark.invalid", clock_system()); /* RFC 6761: never resolves */
    must_fail(&op, ERR_UNAVAILABLE);
}

/* Takes one connection, reads so many bytes from it, and resets it. */
struct resetting {
    pthread_t thread;
    int listener;
    size_t after;
    char endpoint[64];
};

static void *reset_one(void *ctx) {
    struct resetting *r = ctx;
    char block[4096];
    struct linger at_once = {1, 0};
    int fd = accept(r->listener, NULL, NULL);
    for (size_t got = 0; got < r->after;) {
        ssize_t n = recv(fd, block, sizeof block, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)close(fd);
    return NULL;
}

static void reset_after(size_t after, struct store_op *op, enum error_code *code) {
    struct resetting r = {.after = after, .listener = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(r.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(r.listener, 1), 0);
    assert_int_equal(getsockname(r.listener, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(r.endpoint, sizeof r.endpoint, "http://127.0.0.1:%d", ntohs(address.sin_port));
    store_free(store);
    open_store(r.endpoint, clock_system());
    assert_int_equal(pthread_create(&r.thread, NULL, reset_one, &r), 0);
    assert_int_equal(store_call(store, op), -1);
    assert_int_equal(pthread_join(r.thread, NULL), 0);
    (void)close(r.listener);
    assert_true(op->error.retriable);
    *code = op->error.code;
    store_op_clear(op);
}

/* Before its first byte, in its head, in its body: once something was sent, nobody knows. */
static void test_resets_while_the_request_is_sent(void **state) {
    (void)state;
    enum { MUCH = 16 << 20 };
    char *bytes = xcalloc(1, MUCH);
    for (size_t after = 0; after <= MUCH / 2; after = after ? after * 64 : 1) {
        enum error_code code;
        struct store_op op = {
            .kind = STORE_PUT_IF_ABSENT, .key = "k", .body = bytes, .body_len = MUCH};
        reset_after(after, &op, &code);
        assert_true(code == ERR_UNKNOWN || (after == 0 && code == ERR_UNAVAILABLE));
    }
    free(bytes);
}

/* Trying again ends the same way, so it is told at once. */
static void test_a_certificate_that_nobody_has_signed(void **state) {
    (void)state;
    struct fake_tls *tls = fake_tls_start();
    struct store_op op = put();
    store_free(store);
    connect_timeout_ms = 60 * 1000; /* a handshake takes its time under a sanitizer */
    open_store(fake_tls_endpoint(tls), clock_system());
    connect_timeout_ms = 2000;
    assert_int_equal(store_call(store, &op), -1);
    assert_int_equal(op.error.code, ERR_DENIED);
    assert_false(op.error.retriable);
    assert_non_null(strstr(op.error.text, "check the certificate"));
    store_op_clear(&op);
    fake_tls_stop(tls);
}

static void test_a_server_that_speaks_no_tls(void **state) {
    (void)state;
    char endpoint[64];
    struct store_op op = put();
    store_free(store);
    (void)snprintf(endpoint, sizeof endpoint, "https%s", fake_http_endpoint(server) + 4);
    open_store(endpoint, clock_system());
    must_fail(&op, ERR_UNAVAILABLE); /* nothing was sent of the request */
    assert_int_equal(fake_http_count(server), 0);
}

static void test_answers_that_do_not_come_whole(void **state) {
    (void)state;
    struct store_op op = get();
    fake_http_reply(server, THEN_CLOSE, "");
    must_fail(&op, ERR_UNKNOWN);
    fake_http_reply(server, THEN_RESET, "");
    must_fail(&op, ERR_UNKNOWN);
    fake_http_reply(server, THEN_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    must_fail(&op, ERR_UNKNOWN);
    fake_http_reply(server, THEN_RESET, "HTTP/1.1 200 OK\r\nContent-Len");
    must_fail(&op, ERR_UNKNOWN);
    /* Nor is a head: without its length, an answer seems to have no body. */
    fake_http_reply(server, THEN_CLOSE, "HTTP/1.1 200 OK\r\nContent-Len");
    must_fail(&op, ERR_UNKNOWN);
    fake_http_reply(server, THEN_CLOSE, "HTTP/1.1 200 OK\r\n");
    must_fail(&op, ERR_UNKNOWN);
    fake_http_reply(server, THEN_CLOSE, "HTTP/1.1 200 OK");
    must_fail(&op, ERR_UNKNOWN);
    op.kind = STORE_UPLOAD_CREATE;
    fake_http_reply(server, THEN_CLOSE, "HTTP/1.1 200 OK\r\nServer: MinIO\r\n");
    must_fail(&op, ERR_UNKNOWN);
    op.kind = STORE_HEAD;
    fake_http_reply(server, THEN_CLOSE, "HTTP/1.1 404 No\r\nServer: MinIO\r\n");
    must_fail(&op, ERR_UNKNOWN);
    op.kind = STORE_GET;
    fake_http_reply(server, THEN_CLOSE, "SSH-2.0-OpenSSH_9.2\r\n");
    must_fail(&op, ERR_UNKNOWN);
    /* A torn error is not believed either: what it says may be cut. */
    fake_http_reply(server, THEN_CLOSE,
                    "HTTP/1.1 404 No\r\nContent-Length: 50\r\n\r\n<Error><Code>NoSuch");
    must_fail(&op, ERR_UNKNOWN);
}

static void test_statuses(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *code;
        enum error_code expected;
    } cases[] = {
        {503, "SlowDown", ERR_UNAVAILABLE},      {429, "", ERR_UNAVAILABLE},
        {500, "InternalError", ERR_UNKNOWN},     {502, "", ERR_UNKNOWN},
        {412, "PreconditionFailed", ERR_EXISTS}, {409, "ConditionalRequestConflict", ERR_CONFLICT},
        {403, "AccessDenied", ERR_DENIED},       {404, "NoSuchBucket", ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store_op op = put();
        char body[128];
        (void)snprintf(body, sizeof body, "<Error><Code>%s</Code></Error>", cases[i].code);
        fake_http_answer(server, cases[i].status, "", *cases[i].code ? body : "<html>no</html>");
        must_fail(&op, cases[i].expected);
    }
}

static void must_not_complete(const char *body, enum error_code code) {
    struct store_op op = complete();
    fake_http_answer(server, 200, "", body);
    must_fail(&op, code);
}

static void test_complete_fails_in_a_200(void **state) {
    (void)state;
    must_not_complete("<Error><Code>InternalError</Code></Error>", ERR_UNKNOWN);
    must_not_complete("  <Error><Code>NoSuchUpload</Code></Error>", ERR_NO_SUCH_UPLOAD);
    must_not_complete("<Error><Code>InvalidPart</Code></Error>", ERR_INVALID_PART);
    must_not_complete("<CompleteMultipartUploadResult><ETa", ERR_UNKNOWN);
    must_not_complete("", ERR_UNKNOWN);
    must_not_complete("<html></html>", ERR_UNKNOWN);
}

static void test_answers_have_a_maximum(void **state) {
    (void)state;
    struct store_op op = get();
    char *big = xasprintf("%01001d", 1);
    fake_http_answer(server, 200, "", big);
    must_fail(&op, ERR_LIMIT);
    big[1000] = '\0';
    fake_http_answer(server, 200, "", big);
    must_do(&op);
    assert_int_equal(op.answer.len, 1000);
    store_op_clear(&op);
    free(big);
    big = xasprintf("<Error><Code>SlowDown</Code></Error>%0200000d", 1);
    fake_http_answer(server, 503, "", big); /* what errors say is cut */
    must_fail(&op, ERR_UNAVAILABLE);
    free(big);
}

static void test_stalls(void **state) {
    (void)state;
    struct store_op op = put();
    store_free(store);
    request_timeout_ms = 300;
    open_store(fake_http_endpoint(server), clock_system());
    request_timeout_ms = 20 * 1000;
    int64_t begun = clock_monotonic(clock_system());
    fake_http_reply(server, THEN_STALL, "");
    must_fail(&op, ERR_UNKNOWN);
    fake_http_reply(server, THEN_STALL, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    must_fail(&op, ERR_UNKNOWN);
    int64_t took = clock_monotonic(clock_system()) - begun;
    assert_true(took >= 600 && took < 20000);
}

/* libcurl repeats by itself what it sent on a kept connection that turns out to be dead. A put that
 * was applied would then meet itself. */
static void test_a_put_is_never_sent_twice(void **state) {
    (void)state;
    struct store_op op = put();
    fake_http_answer(server, 200, "", "");
    must_do(&op);
    fake_http_reply(server, THEN_CLOSE, "");
    must_fail(&op, ERR_UNKNOWN);
    assert_int_equal(fake_http_count(server), 2);
    op = complete();
    fake_http_answer(server, 503, "", "");
    must_fail(&op, ERR_UNAVAILABLE);
    fake_http_reply(server, THEN_CLOSE, "");
    must_fail(&op, ERR_UNKNOWN);
    assert_int_equal(fake_http_count(server), 4);
}

static void test_a_part_is_sent_again_on_a_dead_connection(void **state) {
    (void)state;
    struct budget budget;
    budget_init(&budget, 1 << 20);
    struct chunk *chain = chunk_of(&budget, "12345");
    struct store_op first = get(), op = {.kind = STORE_UPLOAD_PART,
                                         .key = "k",
                                         .upload = "u",
                                         .part = 1,
                                         .chunks = chain,
                                         .bytes = 5};
    fake_http_answer(server, 200, "", "");
    must_do(&first);
    store_op_clear(&first);
    fake_http_reply(server, THEN_CLOSE, "");
    fake_http_answer(server, 200, "ETag: \"e\"\r\n", "");
    must_do(&op);
    sent(2, "\r\n\r\n12345");
    chunk_free_chain(chain);
}

/* ---- The clock ---- */

static int64_t real_monotonic(struct clock *c) {
    (void)c;
    return clock_monotonic(clock_system());
}
static int64_t wrong_wall(struct clock *c) {
    (void)c;
    return 1729630800000 - 3600 * 1000; /* an hour before what fake_http_answer says */
}
static struct clock wrong_clock = {real_monotonic, wrong_wall, NULL};

#define SKEWED "<Error><Code>RequestTimeTooSkewed</Code></Error>"

static void test_a_wrong_clock_is_corrected_once(void **state) {
    (void)state;
    struct store_op op = put();
    store_free(store);
    open_store(fake_http_endpoint(server), &wrong_clock);
    fake_http_answer(server, 403, "", SKEWED);
    fake_http_answer(server, 200, "", "");
    must_do(&op);
    sent(0, "x-amz-date: 20241022T200000Z");
    sent(1, "x-amz-date: 20241022T210000Z");
    sent(1, "\r\n\r\n123456789");
    fake_http_answer(server, 200, "", ""); /* and stays so */
    must_do(&op);
    sent(2, "x-amz-date: 20241022T210000Z");
    fake_http_answer(server, 403, "", SKEWED);
    fake_http_answer(server, 403, "", SKEWED);
    must_fail(&op, ERR_UNAVAILABLE);
    assert_int_equal(fake_http_count(server), 5);
}

static void test_head_has_only_a_date_to_tell_by(void **state) {
    (void)state;
    struct store_op op = {.kind = STORE_HEAD, .key = "k"};
    store_free(store);
    open_store(fake_http_endpoint(server), &wrong_clock);
    fake_http_answer(server, 403, "", "");
    fake_http_answer(server, 200, "", "");
    must_do(&op);
    fake_http_answer(server, 403, "", "");
    must_fail(&op, ERR_DENIED);
    assert_int_equal(fake_http_count(server), 3);
}

static void test_a_date_that_cannot_be_read_corrects_nothing(void **state) {
    (void)state;
    static const char *const dates[] = {"", "Date: yesterday\r\n", "Date:\r\n",
                                        "Date: Tue, 22 Oct 2024 21:00:00 GMT, or about that time, "
                                        "by a clock that is not to be trusted any more than ours "
                                        "is, since nobody has set it for a very long time, and as "
                                        "it is slow anyway\r\n"};
    store_free(store);
    open_store(fake_http_endpoint(server), &wrong_clock);
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        struct store_op op = put();
        char reply[512];
        (void)snprintf(reply, sizeof reply, "HTTP/1.1 403 No\r\n%sContent-Length: %zu\r\n\r\n%s",
                       dates[i], strlen(SKEWED), SKEWED);
        fake_http_reply(server, THEN_KEEP, reply);
        must_fail(&op, ERR_UNAVAILABLE);
        sent(i, "x-amz-date: 20241022T200000Z");
        assert_int_equal(fake_http_count(server), i + 1);
    }
}

/* ---- Threads ---- */

static void count_one(struct store_op *op) {
    ++*(int *)op->ctx;
}

static void wake_counter(void *ctx) {
    atomic_fetch_add((_Atomic int *)ctx, 1);
}

static void test_many_at_once(void **state) {
    (void)state;
    enum { N = 200 };
    static struct store_op ops[N];
    static _Atomic int wakes; /* the I/O thread may wake a little after the last answer is taken */
    int done = 0;
    fake_http_reply_always(server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    store->ops->set_wake(store, wake_counter, &wakes);
    for (int i = 0; i < N; i++) {
        ops[i] = get();
        ops[i].done = count_one;
        ops[i].ctx = &done;
        store_submit(store, &ops[i]);
    }
    while (done < N)
        (void)store_poll(store, 1000);
    for (int i = 0; i < N; i++) {
        assert_int_equal(ops[i].error.code, ERR_NONE);
        assert_string_equal(buffer_text(&ops[i].answer), "hello");
        store_op_clear(&ops[i]);
    }
    assert_true(wakes >= 1);
    assert_true(fake_http_connections(server) <= S3_CONNECTIONS);
    assert_int_equal(fake_http_count(server), N);
    assert_int_equal(store_poll(store, 0), 0);
}

static void test_freeing_gives_up_what_is_under_way(void **state) {
    (void)state;
    enum { N = 40 }; /* more than there are connections */
    static struct store_op ops[N];
    int done = 0;
    for (int i = 0; i < N; i++) {
        fake_http_reply(server, THEN_STALL, "");
        ops[i] = i % 2 ? put() : get();
        ops[i].done = count_one;
        ops[i].ctx = &done;
        store_submit(store, &ops[i]);
    }
    while (fake_http_count(server) == 0)
        (void)store_poll(store, 1);
    store_free(store);
    assert_int_equal(done, 0);
    for (int i = 0; i < N; i++) /* what was finished, and not polled */
        store_op_clear(&ops[i]);
    open_store(fake_http_endpoint(server), clock_system());
}

/* ---- The probe over HTTP ---- */

static void test_probe_refuses_a_store_that_ignores_the_condition(void **state) {
    (void)state;
    struct error e;
    fake_http_reply_always(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(store_probe(store, random_system(), 1000, &e), -1);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_int_equal(fake_http_count(server), 3);
    sent(0, "PUT /lake/p/_probe-");
    sent(1, "PUT /lake/p/_probe-");
    sent(2, "DELETE /lake/p/_probe-");
}

static void test_probe_survives_a_lost_answer(void **state) {
    (void)state;
    struct error e;
    fake_http_reply(server, THEN_RESET, "");
    fake_http_answer(server, 412, "", "<Error><Code>PreconditionFailed</Code></Error>");
    fake_http_answer(server, 412, "", "<Error><Code>PreconditionFailed</Code></Error>");
    fake_http_reply(server, THEN_KEEP, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(store_probe(store, random_system(), 10000, &e), 0);
}

#define s3_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        s3_test(test_put),
        s3_test(test_content_types),
        s3_test(test_a_session_token_is_sent_and_signed),
        s3_test(test_get),
        s3_test(test_head),
        s3_test(test_create),
        s3_test(test_part_from_a_chain),
        s3_test(test_complete),
        s3_test(test_removals_of_what_is_gone_succeed),
        s3_test(test_sync_needs_no_request),
        s3_test(test_list_of_two_pages),
        s3_test(test_a_list_begins_behind_a_key),
        s3_test(test_lists_that_cannot_be),
        s3_test(test_a_list_that_never_ends_is_noticed),
        s3_test(test_uploads_that_never_end_are_noticed),
        s3_test(test_answers_that_lack_a_header),
        s3_test(test_a_key_of_many_kilobytes_is_not_sent),
        s3_test(test_the_roots_own_marker_is_no_key),
        s3_test(test_list_of_uploads),
        s3_test(test_minio_lists_uploads_without_a_prefix),
        s3_test(test_connection_refused),
        s3_test(test_unknown_host),
        s3_test(test_resets_while_the_request_is_sent),
        s3_test(test_a_certificate_that_nobody_has_signed),
        s3_test(test_a_server_that_speaks_no_tls),
        s3_test(test_answers_that_do_not_come_whole),
        s3_test(test_statuses),
        s3_test(test_complete_fails_in_a_200),
        s3_test(test_answers_have_a_maximum),
        s3_test(test_stalls),
        s3_test(test_a_put_is_never_sent_twice),
        s3_test(test_a_part_is_sent_again_on_a_dead_connection),
        s3_test(test_a_wrong_clock_is_corrected_once),
        s3_test(test_head_has_only_a_date_to_tell_by),
        s3_test(test_a_date_that_cannot_be_read_corrects_nothing),
        s3_test(test_many_at_once),
        s3_test(test_freeing_gives_up_what_is_under_way),
        s3_test(test_probe_refuses_a_store_that_ignores_the_condition),
        s3_test(test_probe_survives_a_lost_answer),
    };
    /* Whatever proxy this machine uses, 127.0.0.1 is not behind it. */
    (void)setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
