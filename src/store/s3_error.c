#include "store/s3_error.h"

#include <stdio.h>
#include <string.h>

/* https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and MinIO's own (XMinio...,
 * cmd/api-errors.go). What is not here goes by its status. */
static const struct rule {
    const char *name;
    enum error_code code;
    const char *hint; /* NULL: none */
} rules[] = {
    {"NoSuchKey", ERR_NOT_FOUND, NULL},
    {"NoSuchUpload", ERR_NO_SUCH_UPLOAD, NULL},
    {"InvalidPart", ERR_INVALID_PART, NULL},
    {"InvalidPartOrder", ERR_INVALID_PART, NULL},
    {"EntityTooSmall", ERR_TOO_SMALL, NULL},
    {"EntityTooLarge", ERR_LIMIT, NULL},
    {"PreconditionFailed", ERR_EXISTS, NULL},
    {"ConditionalRequestConflict", ERR_CONFLICT, NULL},
    {"OperationAborted", ERR_CONFLICT, NULL},
    {"InvalidAccessKeyId", ERR_DENIED, "check s3.access_key and s3.endpoint"},
    {"SignatureDoesNotMatch", ERR_DENIED, "check s3.secret_key and s3.region"},
    {"ExpiredToken", ERR_DENIED, "the session token has expired; get new keys"},
    {"TokenRefreshRequired", ERR_DENIED, "the session token has expired; get new keys"},
    {"InvalidToken", ERR_DENIED, "check s3.session_token"},
    {"InvalidTokenId", ERR_DENIED, "check s3.session_token"},
    {"RequestTimeTooSkewed", ERR_UNAVAILABLE, "set this machine's clock"},
    {"TemporaryRedirect", ERR_UNAVAILABLE, "the bucket is new; wait a little"},
    {"InvalidBucketName", ERR_USAGE, "correct the path"},
    /* Bytes that were damaged or cut on their way: the same ones again may arrive. */
    {"BadDigest", ERR_UNKNOWN, "the bytes were damaged on their way"},
    {"InvalidDigest", ERR_UNKNOWN, "the bytes were damaged on their way"},
    {"XAmzContentChecksumMismatch", ERR_UNKNOWN, "the bytes were damaged on their way"},
    {"XAmzContentSHA256Mismatch", ERR_UNKNOWN, "the bytes were damaged on their way"},
    {"IncompleteBody", ERR_UNKNOWN, NULL},
    {"RequestTimeout", ERR_UNKNOWN, NULL},
    {"InternalError", ERR_UNKNOWN, NULL},
    {"ServiceUnavailable", ERR_UNAVAILABLE, NULL},
    {"SlowDown", ERR_UNAVAILABLE, NULL},
    {"SlowDownRead", ERR_UNAVAILABLE, NULL},
    {"SlowDownWrite", ERR_UNAVAILABLE, NULL},
    {"RequestLimitExceeded", ERR_UNAVAILABLE, NULL},
    {"Throttling", ERR_UNAVAILABLE, NULL},
    {"TooManyRequests", ERR_UNAVAILABLE, NULL},
    {"QuotaExceeded", ERR_NO_SPACE, NULL},
    {"XMinioStorageFull", ERR_NO_SPACE, NULL},
    {"XMinioAdminBucketQuotaExceeded", ERR_NO_SPACE, NULL},
    {"NotImplemented", ERR_UNSUPPORTED, NULL},
};

static const struct rule *find_rule(const char *code) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].name, code) == 0)
            return &rules[i];
    return NULL;
}

/* A 404 without S3's code is some proxy's; taken for "no such checkpoint" it would do harm, so it
 * counts as no answer. HEAD's answers have no body and go by the status alone. */
static enum error_code code_of_404(const struct s3_failure *f) {
    return f->kind == STORE_HEAD || *f->code ? ERR_NOT_FOUND : ERR_UNKNOWN;
}

static enum error_code code_of_status(const struct s3_failure *f) {
    switch (f->status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
        return code_of_404(f);
    case 408:
        return ERR_UNKNOWN;
    case 409:
        return ERR_CONFLICT;
    case 412:
        return ERR_EXISTS;
    case 429:
    case 503:
        return ERR_UNAVAILABLE;
    case 501:
        return ERR_UNSUPPORTED;
    case 507:
        return ERR_NO_SPACE;
    default:
        /* Below 300: an error inside a good answer, of a code that nobody knows. */
        return f->status >= 500 || f->status < 300 ? ERR_UNKNOWN : ERR_UNSUPPORTED;
    }
}

static bool is_about_region(const struct s3_failure *f) {
    return strcmp(f->code, "PermanentRedirect") == 0 ||
           strcmp(f->code, "AuthorizationHeaderMalformed") == 0 ||
           strcmp(f->code, "IllegalLocationConstraintException") == 0 || f->status == 301 ||
           f->status == 308;
}

static const char *permission(enum store_kind kind) {
    switch (kind) {
    case STORE_GET:
        return "s3:GetObject";
    case STORE_HEAD:
        return "s3:GetObject and s3:ListBucket";
    case STORE_DELETE:
        return "s3:DeleteObject";
    case STORE_LIST:
        return "s3:ListBucket";
    case STORE_LIST_UPLOADS:
        return "s3:ListBucketMultipartUploads";
    case STORE_UPLOAD_ABORT:
        return "s3:AbortMultipartUpload";
    default:
        return "s3:PutObject";
    }
}

static void describe(const struct s3_failure *f, char *what, size_t size) {
    const struct s3_target *t = f->target;
    (void)snprintf(what, size, "%s s3://%s/%.120s%.160s at %.100s", store_kind_name(f->kind),
                   t->bucket, t->prefix, f->key ? f->key : "", t->endpoint);
}

/* Without the full stop that some sentences end with: the hint goes on behind it. */
static int message_len(const char *message) {
    int n = (int)strlen(message);
    return n && message[n - 1] == '.' ? n - 1 : n;
}

static int answered(const struct s3_failure *f, enum error_code code, const char *hint,
                    struct error *e) {
    char what[ERROR_TEXT_MAX];
    describe(f, what, sizeof what);
    return error_set(e, code, "%s: HTTP %ld%s%s%s%.*s%s%s", what, f->status, *f->code ? " " : "",
                     f->code, *f->message ? ": " : "", message_len(f->message), f->message,
                     hint ? "; " : "", hint ? hint : "");
}

static int region_error(const struct s3_failure *f, struct error *e) {
    char hint[160];
    if (*f->region)
        (void)snprintf(hint, sizeof hint, "the bucket is in region %s: set s3.region", f->region);
    else
        (void)snprintf(hint, sizeof hint,
                       "the bucket is not in region %.60s or not at this "
                       "endpoint: correct s3.region or s3.endpoint",
                       f->target->region);
    return answered(f, ERR_USAGE, hint, e);
}

static int answer_error(const struct s3_failure *f, struct error *e) {
    char hint[160];
    if (is_about_region(f))
        return region_error(f, e);
    if (strcmp(f->code, "NoSuchBucket") == 0) {
        (void)snprintf(hint, sizeof hint, "create the bucket %s or correct the path",
                       f->target->bucket);
        return answered(f, ERR_NOT_FOUND, hint, e);
    }
    const struct rule *rule = find_rule(f->code);
    if (rule)
        return answered(f, rule->code, rule->hint, e);
    enum error_code code = code_of_status(f);
    if (code == ERR_DENIED) {
        if (f->target->access_key)
            (void)snprintf(hint, sizeof hint, "the keys need %s here", permission(f->kind));
        else
            (void)snprintf(hint, sizeof hint,
                           "the request was not signed; set s3.access_key and "
                           "s3.secret_key");
        return answered(f, code, hint, e);
    }
    if (code == ERR_UNKNOWN && f->status == 404)
        return answered(f, code, "this is not S3's own answer; check s3.endpoint", e);
    return answered(f, code, NULL, e);
}

int s3_error_set(const struct s3_failure *f, struct error *e) {
    char what[ERROR_TEXT_MAX];
    describe(f, what, sizeof what);
    switch (f->outcome) {
    case HTTP_NOT_SENT:
        return error_set(e, ERR_UNAVAILABLE,
                         "%s: not reached: %s; does the store run, and is s3.endpoint right?", what,
                         f->trouble);
    case HTTP_REFUSED:
        return error_set(e, ERR_DENIED,
                         "%s: %s; check the certificate, this machine's CA certificates and "
                         "s3.endpoint",
                         what, f->trouble);
    case HTTP_TOO_LARGE:
        return error_set(e, ERR_LIMIT, "%s: the answer is larger than %llu bytes", what,
                         (unsigned long long)f->answer_max);
    case HTTP_LOST:
        return error_set(e, ERR_UNKNOWN, "%s: no whole answer%s: %s", what,
                         f->status ? " after its beginning" : "", f->trouble);
    case HTTP_ANSWERED:
        break;
    }
    return answer_error(f, e);
}

int s3_error_bad_answer(const struct s3_failure *f, enum error_code code, const char *what,
                        struct error *e) {
    return answered(f, code, what, e);
}
