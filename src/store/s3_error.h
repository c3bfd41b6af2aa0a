/* What S3's answers, and missing ones, mean for the caller: a code, whether to try again, and one
 * line for people. */
#ifndef TIDEMARK_STORE_S3_ERROR_H
#define TIDEMARK_STORE_S3_ERROR_H

#include "base/error.h"
#include "store/http.h"
#include "store/s3_target.h"
#include "store/s3_xml.h"
#include "store/store.h"

/* A request that did not succeed. */
struct s3_failure {
    const struct s3_target *target;
    enum store_kind kind;
    const char *key; /* relative; NULL or "": the store's root */
    enum http_outcome outcome;
    const char *trouble;                 /* libcurl's words, where no whole answer came */
    long status;                         /* 200 too: Complete can carry an error in a good answer */
    const char *code, *message, *region; /* S3's; "" where the body says none */
    uint64_t answer_max;                 /* HTTP_TOO_LARGE: the cap */
};

/* Fills *e and returns -1. */
int s3_error_set(const struct s3_failure *f, struct error *e);

/* As s3_error_set for an answer that came and cannot be right. */
int s3_error_bad_answer(const struct s3_failure *f, enum error_code code, const char *what,
                        struct error *e);

#endif
