/* Any answer of a server, by its status and body, to any of our requests: it ends in a success that is
 * whole or in an error of one line, and a list whose pages repeat themselves ends.
 *
 * Three bytes choose the request, the status and what else came; the rest is the body. */
#include "fuzz.h"

#include <ctype.h>

#include "store/s3_error.h"
#include "store/s3_job.h"

enum { CHOICE_BYTES = 3, PAGES_MAX = 3 };

static const long statuses[] = {200, 204, 206, 301, 307, 400, 403, 404, 409, 412,
                                416, 429, 500, 501, 503, 507, 0,   999, 100, 408};

static struct s3_target target;

static void take_answer(struct s3_job *job, const uint8_t *choice, const uint8_t *body,
                        size_t size) {
    struct http_request *http = &job->http;
    http_request_reset(http);
    http->outcome = (choice[2] & 0x1c) ? HTTP_ANSWERED : (enum http_outcome)(choice[2] >> 5 & 3);
    http->status = statuses[choice[1] % (sizeof statuses / sizeof *statuses)];
    http->date = choice[2] & 1 ? 1729630800000 : 0;
    http->content_length = choice[2] & 2 ? (int64_t)size : -1;
    (void)snprintf(http->etag, sizeof http->etag, "%s", choice[2] & 1 ? "\"tag\"" : "");
    (void)snprintf(http->server, sizeof http->server, "%s", choice[2] & 2 ? "MinIO" : "");
    buffer_init(&http->answer, 1 << 20);
    (void)buffer_append(&http->answer, body, size);
}

static void check_error(const struct error *e) {
    CHECK(e->text[0]);
    for (const char *p = e->text; *p; p++)
        CHECK(!iscntrl((unsigned char)*p));
}

static void check_success(const struct store_op *op) {
    if (op->kind == STORE_UPLOAD_CREATE)
        CHECK(op->upload_id && *op->upload_id);
    if (op->kind == STORE_UPLOAD_PART)
        CHECK(*op->etag);
    for (size_t i = 0; i < op->n_entries; i++) {
        CHECK(op->entries[i].key[0]);
        CHECK(i == 0 || strcmp(op->entries[i - 1].key, op->entries[i].key) <= 0);
        CHECK(!op->entries[i].upload == (op->kind == STORE_LIST));
    }
}

static void run(const uint8_t *choice, const uint8_t *body, size_t size) {
    struct store_op op = {.kind = (enum store_kind)(choice[0] % STORE_KIND_COUNT),
                          .key = choice[0] & 0x80 ? "dt=2024/a b.jsonl" : "dt=",
                          .max_bytes = 1 << 20};
    struct s3_job *job = xcalloc(1, sizeof *job);
    job->target = &target;
    job->op = &op;
    int pages = 0;
    do {
        CHECK(++pages <= PAGES_MAX);
        take_answer(job, choice, body, size);
        (void)s3_result_is_skewed(job);
    } while (s3_result_take(job) == S3_REPEAT);
    if (op.error.code != ERR_NONE)
        check_error(&op.error);
    else
        check_success(&op);
    s3_job_free(job);
    store_op_clear(&op);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct s3_config cfg = {.endpoint = "http://h:9000",
                                         .region = "eu-west-1",
                                         .path_style = true,
                                         .access_key = "AKID",
                                         .secret_key = "SECRET"};
    if (!target.bucket)
        CHECK(s3_target_init(&target, "s3://lake/p/", &cfg, NULL) == 0);
    if (size >= CHOICE_BYTES)
        run(data, data + CHOICE_BYTES, size - CHOICE_BYTES);
    return 0;
}
