/* One store operation on its way through S3: one request, or several where a list has pages. */
#ifndef TIDEMARK_STORE_S3_JOB_H
#define TIDEMARK_STORE_S3_JOB_H

#include "base/clock.h"
#include "store/http.h"
#include "store/s3_target.h"
#include "store/store.h"

struct s3;

struct s3_job {
    struct http_request http; /* first, so that a request's address is its job's */
    const struct s3_target *target;
    struct s3 *s3;
    struct store_op *op;
    int64_t signed_ms;  /* when, by S3's clock as far as it is known */
    struct buffer body; /* Complete's list of parts */

    bool skew_repeated; /* once for each operation */
    bool rewound;       /* LIST_UPLOADS without its prefix: see s3_result.c */
    size_t entries_cap;
    char *token;                      /* LIST: where the next page begins */
    char *key_marker, *upload_marker; /* LIST_UPLOADS, likewise */
};

/* Fills job->http with the signed request for the operation's next step; now_ms is S3's time. */
void s3_request_build(struct s3_job *job, int64_t now_ms);

enum s3_next {
    S3_FINISHED, /* op holds the answer or the error */
    S3_REPEAT,   /* another request is needed */
};

/* Takes the answer in job->http over into the operation. */
enum s3_next s3_result_take(struct s3_job *job);

/* True for an answer that complains about our clock; job->http.date is then S3's. */
bool s3_result_is_skewed(const struct s3_job *job);

void s3_job_free(struct s3_job *job);

#endif
