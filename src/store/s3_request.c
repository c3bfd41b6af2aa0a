/* From an operation to a signed HTTP request. */
#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "store/s3_job.h"
#include "store/s3_xml.h"
#include "store/sigv4.h"

enum {
    PATH_MAX_BYTES = 8 * 1024,
    AUTHORIZATION_MAX = 4 * 1024,
    PAGE_MAX = 16 * 1024 * 1024, /* 1,000 entries, each with an encoded key of 3 KiB, and room */
    SMALL_ANSWER_MAX = 64 * 1024,
    PART_XML_MAX = 1024, /* one <Part>, its ETag escaped to six times its length */
};

struct draft {
    struct sigv4_pair query[SIGV4_MAX_PAIRS], headers[SIGV4_MAX_PAIRS];
    size_t n_query, n_headers;
    char numbers[64], range[64], crc[16], date[SIGV4_DATE_SIZE]; /* texts that pairs point to */
};

static void add_query(struct draft *d, const char *name, const char *value) {
    assert(d->n_query < SIGV4_MAX_PAIRS);
    d->query[d->n_query++] = (struct sigv4_pair){name, value};
}

static void add_header(struct draft *d, const char *name, const char *value) {
    assert(d->n_headers < SIGV4_MAX_PAIRS);
    d->headers[d->n_headers++] = (struct sigv4_pair){name, value};
}

/* https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html: the
 * big-endian bytes in base64. */
static void base64_crc(uint32_t crc, char dst[16]) {
    unsigned char bytes[4] = {(unsigned char)(crc >> 24), (unsigned char)(crc >> 16),
                              (unsigned char)(crc >> 8), (unsigned char)crc};
    (void)EVP_EncodeBlock((unsigned char *)dst, bytes, sizeof bytes);
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* For people who click on an object in a browser. */
static const char *content_type(const char *key) {
    if (ends_with(key, ".gz"))
        return "application/gzip";
    if (ends_with(key, ".zst"))
        return "application/zstd";
    if (ends_with(key, ".json"))
        return "application/json";
    return ends_with(key, ".jsonl") ? "application/x-ndjson" : "application/octet-stream";
}

static void draft_get(struct s3_job *job, struct draft *d) {
    const struct store_op *op = job->op;
    job->http.answer_max = op->max_bytes;
    if (op->range_len)
        (void)snprintf(d->range, sizeof d->range, "bytes=%llu-%llu",
                       (unsigned long long)op->range_start,
                       (unsigned long long)(op->range_start + op->range_len - 1));
    else if (op->range_start)
        (void)snprintf(d->range, sizeof d->range, "bytes=%llu-",
                       (unsigned long long)op->range_start);
    else
        return;
    add_header(d, "Range", d->range);
}

static void draft_put(struct s3_job *job, struct draft *d) {
    const struct store_op *op = job->op;
    job->http.method = "PUT";
    job->http.body = op->body;
    job->http.body_len = op->body_len;
    job->http.once = true;
    base64_crc(crc32c(0, op->body, op->body_len), d->crc);
    add_header(d, "If-None-Match", "*");
    add_header(d, "Content-Type", content_type(op->key));
    add_header(d, "x-amz-checksum-crc32c", d->crc);
}

static void draft_create(struct s3_job *job, struct draft *d) {
    job->http.method = "POST";
    add_query(d, "uploads", "");
    add_header(d, "Content-Type", content_type(job->op->key));
    /* Without it AWS refuses parts that carry a checksum; MinIO does not mind. */
    add_header(d, "x-amz-checksum-algorithm", "CRC32C");
}

static void draft_part(struct s3_job *job, struct draft *d) {
    const struct store_op *op = job->op;
    job->http.method = "PUT";
    job->http.chunks = op->chunks;
    job->http.body_len = op->bytes;
    (void)snprintf(d->numbers, sizeof d->numbers, "%d", (int)op->part);
    add_query(d, "partNumber", d->numbers);
    add_query(d, "uploadId", op->upload);
    base64_crc(op->crc32c, d->crc);
    add_header(d, "x-amz-checksum-crc32c", d->crc);
}

static void write_parts(const struct store_op *op, struct buffer *b) {
    buffer_init(b, (op->n_parts + 1) * PART_XML_MAX);
    int failed = buffer_puts(b, "<CompleteMultipartUpload>");
    for (size_t i = 0; i < op->n_parts; i++) {
        const struct store_part *part = &op->parts[i];
        char crc[16];
        base64_crc(part->crc32c, crc);
        failed |= buffer_printf(b, "<Part><PartNumber>%d</PartNumber><ETag>&quot;", (int)part->n);
        failed |= s3_xml_escape(b, part->etag);
        failed |= buffer_printf(b, "&quot;</ETag><ChecksumCRC32C>%s</ChecksumCRC32C></Part>", crc);
    }
    failed |= buffer_puts(b, "</CompleteMultipartUpload>");
    assert(!failed);
    (void)failed;
}

static void draft_complete(struct s3_job *job, struct draft *d) {
    buffer_free(&job->body);
    write_parts(job->op, &job->body);
    job->http.method = "POST";
    job->http.body = job->body.data;
    job->http.body_len = job->body.len;
    job->http.once = true;
    add_query(d, "uploadId", job->op->upload);
    add_header(d, "Content-Type", "application/xml");
}

static void draft_list(struct s3_job *job, struct draft *d, const char *prefix,
                       const char *start_after) {
    job->http.answer_max = PAGE_MAX;
    add_query(d, "list-type", "2");
    add_query(d, "encoding-type", "url");
    add_query(d, "prefix", prefix);
    if (job->token)
        add_query(d, "continuation-token", job->token);
    else if (job->op->start_after)
        add_query(d, "start-after", start_after);
}

static void draft_list_uploads(struct s3_job *job, struct draft *d, const char *prefix) {
    job->http.answer_max = PAGE_MAX;
    add_query(d, "uploads", "");
    add_query(d, "encoding-type", "url");
    if (!job->rewound)
        add_query(d, "prefix", prefix);
    if (job->key_marker)
        add_query(d, "key-marker", job->key_marker);
    if (job->upload_marker)
        add_query(d, "upload-id-marker", job->upload_marker);
}

static void draft_request(struct s3_job *job, struct draft *d, const char *prefix,
                          const char *start_after) {
    job->http.answer_max = SMALL_ANSWER_MAX;
    switch (job->op->kind) {
    case STORE_GET:
        draft_get(job, d);
        break;
    case STORE_HEAD:
        job->http.method = "HEAD";
        break;
    case STORE_PUT_IF_ABSENT:
        draft_put(job, d);
        break;
    case STORE_DELETE:
        job->http.method = "DELETE";
        break;
    case STORE_LIST:
        draft_list(job, d, prefix, start_after);
        break;
    case STORE_UPLOAD_CREATE:
        draft_create(job, d);
        break;
    case STORE_UPLOAD_PART:
        draft_part(job, d);
        break;
    case STORE_UPLOAD_COMPLETE:
        draft_complete(job, d);
        break;
    case STORE_LIST_UPLOADS:
        draft_list_uploads(job, d, prefix);
        break;
    case STORE_UPLOAD_ABORT:
        job->http.method = "DELETE";
        add_query(d, "uploadId", job->op->upload);
        break;
    case STORE_UPLOAD_SYNC: /* answered without a request */
    case STORE_KIND_COUNT:
        assert(!"not a request");
    }
}

/* Signs all headers, and hands them to the request. */
static void sign(struct s3_job *job, struct draft *d, const char *path) {
    const struct s3_target *t = job->target;
    struct buffer authorization;
    buffer_init(&authorization, AUTHORIZATION_MAX);
    add_header(d, "Host", t->host);
    if (t->access_key) {
        sigv4_date(job->signed_ms, d->date);
        add_header(d, "x-amz-date", d->date);
        add_header(d, "x-amz-content-sha256", SIGV4_UNSIGNED_PAYLOAD);
        if (t->session_token)
            add_header(d, "x-amz-security-token", t->session_token);
        struct sigv4_request r = {
            .method = job->http.method,
            .path = path,
            .query = d->query,
            .n_query = d->n_query,
            .headers = d->headers,
            .n_headers = d->n_headers,
            .payload = SIGV4_UNSIGNED_PAYLOAD,
            .date = d->date,
            .region = t->region,
            .access_key = t->access_key,
            .secret_key = t->secret_key,
        };
        if (sigv4_sign(&r, &authorization) == 0)
            http_add_header(&job->http, "Authorization", buffer_text(&authorization));
    }
    for (size_t i = 0; i < d->n_headers; i++)
        http_add_header(&job->http, d->headers[i].name, d->headers[i].value);
    buffer_free(&authorization);
}

void s3_request_build(struct s3_job *job, int64_t now_ms) {
    const struct s3_target *t = job->target;
    struct http_request *http = &job->http;
    struct draft d = {.n_query = 0};
    struct buffer path, prefix, after;
    assert(job->op->key);
    bool of_bucket = job->op->kind == STORE_LIST || job->op->kind == STORE_LIST_UPLOADS;
    buffer_init(&path, PATH_MAX_BYTES);
    buffer_init(&prefix, PATH_MAX_BYTES);
    buffer_init(&after, PATH_MAX_BYTES);
    http_request_reset(http);
    job->signed_ms = now_ms;
    int failed = s3_target_path(t, of_bucket ? NULL : job->op->key, &path);
    if (of_bucket)
        failed |= buffer_printf(&prefix, "%s%s", t->prefix, job->op->key);
    if (of_bucket && job->op->start_after)
        failed |= buffer_printf(&after, "%s%s", t->prefix, job->op->start_after);
    draft_request(job, &d, buffer_text(&prefix), buffer_text(&after));
    failed |=
        buffer_puts(&http->url, t->base) || sigv4_encode(&http->url, buffer_text(&path), true);
    if (d.n_query)
        failed |= buffer_puts(&http->url, "?") || sigv4_query(&http->url, d.query, d.n_query);
    if (failed) /* a key of many kilobytes: S3 takes 1,024 bytes */
        buffer_reset(&http->url);
    sign(job, &d, buffer_text(&path));
    buffer_free(&path);
    buffer_free(&prefix);
    buffer_free(&after);
}
