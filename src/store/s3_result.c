/* From an HTTP answer to an operation's result. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "store/s3_error.h"
#include "store/s3_job.h"
#include "store/s3_xml.h"

enum {
    ENTRIES_MAX = 8 * 1000 * 1000,          /* about 1 GB; a bucket of more needs a prefix */
    SKEW_ALLOWED_MS = 15 * 60 * 1000 - 1000 /* S3's limit; Date has seconds only */
};

static struct s3_failure failure_of(const struct s3_job *job, const struct s3_xml *x) {
    const struct http_request *http = &job->http;
    return (struct s3_failure){
        .target = job->target,
        .kind = job->op->kind,
        .key = job->op->key,
        .outcome = http->outcome,
        .trouble = http->trouble,
        .status = http->status,
        .code = x->code,
        .message = x->message,
        .region = *x->region ? x->region : http->bucket_region,
        .answer_max = http->answer_max,
    };
}

/* The error that the body tells; all "" where it tells none. */
static void parse_error(const struct http_request *http, struct s3_xml *x) {
    *x = (struct s3_xml){0};
    if (http->outcome != HTTP_ANSWERED || http->answer.len == 0)
        return;
    bool is_error =
        s3_xml_parse(http->answer.data, http->answer.len, x, NULL) == 0 && x->root == S3_ROOT_ERROR;
    if (!is_error)
        s3_xml_free(x);
}

static enum s3_next fail(struct s3_job *job, const struct s3_xml *x) {
    struct s3_failure f = failure_of(job, x);
    (void)s3_error_set(&f, &job->op->error);
    return S3_FINISHED;
}

static enum s3_next bad_answer(struct s3_job *job, enum error_code code, const char *what) {
    struct s3_xml none = {0};
    struct s3_failure f = failure_of(job, &none);
    (void)s3_error_bad_answer(&f, code, what, &job->op->error);
    return S3_FINISHED;
}

bool s3_result_is_skewed(const struct s3_job *job) {
    const struct http_request *http = &job->http;
    if (http->outcome != HTTP_ANSWERED || http->status != 403 || !http->date ||
        !job->target->access_key)
        return false;
    struct s3_xml x;
    parse_error(http, &x);
    int64_t offset = http->date - job->signed_ms;
    /* HEAD's answer has no body to say so. */
    bool skewed = *x.code ? strcmp(x.code, "RequestTimeTooSkewed") == 0
                          : offset > SKEW_ALLOWED_MS || offset < -SKEW_ALLOWED_MS;
    s3_xml_free(&x);
    return skewed;
}

/* ---- Objects ---- */

static enum s3_next take_object(struct s3_job *job) {
    struct store_op *op = job->op;
    struct http_request *http = &job->http;
    if ((op->range_start || op->range_len) && http->status != 206)
        return bad_answer(job, ERR_UNSUPPORTED, "the store ignores Range");
    op->answer = http->answer; /* moves */
    buffer_init(&http->answer, 0);
    op->answer.max = op->max_bytes;
    return S3_FINISHED;
}

static enum s3_next take_size(struct s3_job *job) {
    if (job->http.content_length < 0)
        return bad_answer(job, ERR_CORRUPT, "the answer does not tell the object's size");
    job->op->object_size = (uint64_t)job->http.content_length;
    return S3_FINISHED;
}

/* ---- Uploads ---- */

static enum s3_next take_created(struct s3_job *job) {
    struct s3_xml x;
    struct error e = {0};
    const struct http_request *http = &job->http;
    enum s3_next next = S3_FINISHED;
    if (s3_xml_parse(http->answer.data, http->answer.len, &x, &e))
        next = bad_answer(job, ERR_CORRUPT, e.text);
    else if (x.root != S3_ROOT_CREATED || !x.upload_id || !*x.upload_id)
        next = bad_answer(job, ERR_CORRUPT, "the answer holds no upload id");
    else
        job->op->upload_id = xstrdup(x.upload_id);
    s3_xml_free(&x);
    return next;
}

static enum s3_next take_part(struct s3_job *job) {
    if (!*job->op->etag)
        return bad_answer(job, ERR_CORRUPT, "the answer holds no ETag");
    return S3_FINISHED;
}

/* S3 begins its answer before it knows the outcome, so an error can stand in a 200, and what cannot
 * be read says nothing about the object.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html */
static enum s3_next take_completed(struct s3_job *job) {
    struct s3_xml x;
    struct error e = {0};
    const struct http_request *http = &job->http;
    enum s3_next next = S3_FINISHED;
    if (s3_xml_parse(http->answer.data, http->answer.len, &x, &e))
        next = bad_answer(job, ERR_UNKNOWN, e.text);
    else if (x.root == S3_ROOT_ERROR)
        next = fail(job, &x);
    else if (x.root != S3_ROOT_COMPLETED)
        next = bad_answer(job, ERR_UNKNOWN, "the answer is not a result of Complete");
    else if (*x.etag)
        memcpy(job->op->etag, x.etag, sizeof x.etag);
    s3_xml_free(&x);
    return next;
}

/* ---- Lists ---- */

static int by_key_then_upload(const void *a, const void *b) {
    const struct store_entry *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order || !x->upload || !y->upload ? order : strcmp(x->upload, y->upload);
}

/* Moves a page's entries over, keys relative to the root. False where one is not below the prefix,
 * unless the whole bucket was asked for. */
static bool take_entries(struct s3_job *job, struct s3_xml *x) {
    struct store_op *op = job->op;
    size_t root = strlen(job->target->prefix), asked = op->key ? strlen(op->key) : 0;
    array_reserve(&op->entries, &job->entries_cap, op->n_entries + x->n_entries,
                  sizeof *op->entries);
    for (size_t i = 0; i < x->n_entries; i++) {
        struct store_entry *entry = &x->entries[i];
        const char *key = entry->key;
        bool below = strncmp(key, job->target->prefix, root) == 0 &&
                     (!asked || strncmp(key + root, op->key, asked) == 0);
        if (!below && !job->rewound)
            return false;
        if (!below || !key[root]) /* "prefix/" itself: a folder that somebody's console made */
            continue;
        if (op->start_after && strcmp(key + root, op->start_after) <= 0)
            continue; /* not every store knows start-after */
        struct store_entry *to = &op->entries[op->n_entries++];
        *to = *entry;
        to->key = xstrdup(key + root);
        free(entry->key);
        *entry = (struct store_entry){0};
    }
    return true;
}

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void move(char **to, char **from) {
    free(*to);
    *to = *from;
    *from = NULL;
}

/* Notes where the next page begins; false where the answer does not tell, or tells this page's. */
static bool advance(struct s3_job *job, struct s3_xml *x) {
    if (x->root == S3_ROOT_LIST) {
        if (!x->next_token || same(x->next_token, job->token))
            return false;
        move(&job->token, &x->next_token);
        return true;
    }
    if (!x->next_key_marker || (same(x->next_key_marker, job->key_marker) &&
                                same(x->next_upload_marker, job->upload_marker)))
        return false;
    move(&job->key_marker, &x->next_key_marker);
    move(&job->upload_marker, &x->next_upload_marker);
    return true;
}

/* MinIO takes ListMultipartUploads' prefix for a whole key and finds nothing below a folder; without
 * a prefix it lists what it knows of the bucket. */
static bool must_rewind(const struct s3_job *job) {
    return job->op->kind == STORE_LIST_UPLOADS && !job->rewound && job->op->n_entries == 0 &&
           strncasecmp(job->http.server, "MinIO", 5) == 0;
}

static enum s3_next take_page(struct s3_job *job, struct s3_xml *x) {
    struct store_op *op = job->op;
    enum s3_root wanted = op->kind == STORE_LIST ? S3_ROOT_LIST : S3_ROOT_UPLOADS;
    if (x->root != wanted)
        return bad_answer(job, ERR_CORRUPT, "the answer is not a list");
    if (!take_entries(job, x))
        return bad_answer(job, ERR_CORRUPT, "the list holds keys that were not asked for");
    if (op->n_entries > ENTRIES_MAX)
        return bad_answer(job, ERR_LIMIT, "the list has more than 8,000,000 entries");
    if (!op->store_time) /* of the first page: ages are not overrated */
        op->store_time = job->http.date;
    if (x->truncated)
        return advance(job, x) ? S3_REPEAT
                               : bad_answer(job, ERR_CORRUPT, "the list does not go on");
    if (must_rewind(job)) {
        job->rewound = true;
        return S3_REPEAT;
    }
    if (!op->store_time)
        return bad_answer(job, ERR_CORRUPT, "the answer has no Date");
    if (op->n_entries > 1)
        qsort(op->entries, op->n_entries, sizeof *op->entries, by_key_then_upload);
    return S3_FINISHED;
}

static enum s3_next take_list(struct s3_job *job) {
    struct s3_xml x;
    struct error e = {0};
    const struct http_request *http = &job->http;
    enum s3_next next = s3_xml_parse(http->answer.data, http->answer.len, &x, &e)
                            ? bad_answer(job, ERR_CORRUPT, e.text)
                            : take_page(job, &x);
    s3_xml_free(&x);
    return next;
}

/* ---- All ---- */

static enum s3_next take_success(struct s3_job *job) {
    switch (job->op->kind) {
    case STORE_GET:
        return take_object(job);
    case STORE_HEAD:
        return take_size(job);
    case STORE_UPLOAD_CREATE:
        return take_created(job);
    case STORE_UPLOAD_PART:
        return take_part(job);
    case STORE_UPLOAD_COMPLETE:
        return take_completed(job);
    case STORE_LIST:
    case STORE_LIST_UPLOADS:
        return take_list(job);
    default:
        return S3_FINISHED;
    }
}

/* What is gone already needs no removal, and nothing lies beyond an object's end. */
static bool is_harmless(const struct s3_job *job, const struct s3_xml *x) {
    switch (job->op->kind) {
    case STORE_DELETE:
        return strcmp(x->code, "NoSuchKey") == 0;
    case STORE_UPLOAD_ABORT:
        return strcmp(x->code, "NoSuchUpload") == 0;
    case STORE_GET:
        return job->http.status == 416;
    default:
        return false;
    }
}

static enum s3_next take_failure(struct s3_job *job) {
    struct s3_xml x;
    parse_error(&job->http, &x);
    enum s3_next next = is_harmless(job, &x) ? S3_FINISHED : fail(job, &x);
    s3_xml_free(&x);
    return next;
}

enum s3_next s3_result_take(struct s3_job *job) {
    struct store_op *op = job->op;
    const struct http_request *http = &job->http;
    op->http_status = (int32_t)http->status;
    if (http->outcome != HTTP_ANSWERED || http->status < 200 || http->status >= 300)
        return take_failure(job);
    s3_etag_copy(op->etag, http->etag, strlen(http->etag));
    return take_success(job);
}

void s3_job_free(struct s3_job *job) {
    http_request_free(&job->http);
    buffer_free(&job->body);
    free(job->token);
    free(job->key_marker);
    free(job->upload_marker);
    free(job);
}
