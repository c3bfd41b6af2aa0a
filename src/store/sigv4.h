/* AWS Signature Version 4 in an Authorization header, as S3 wants it: a path is encoded once, not
 * twice as other services have it. libcurl's own signer mis-signs unsorted queries and '=' in paths.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
#ifndef TIDEMARK_STORE_SIGV4_H
#define TIDEMARK_STORE_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* The body is not hashed: its CRC-32C goes with it and costs a fraction of a SHA-256. */
#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

enum { SIGV4_MAX_PAIRS = 16, SIGV4_DATE_SIZE = 17 };

struct sigv4_pair {
    const char *name, *value;
};

struct sigv4_request {
    const char *method;
    const char *path;               /* not encoded, begins with '/' */
    const struct sigv4_pair *query; /* not encoded, in any order; "" where there is no value */
    size_t n_query;
    const struct sigv4_pair *headers; /* all that are signed, in any order: Host, X-Amz-Date, ... */
    size_t n_headers;
    const char *payload; /* SHA-256 in hex, or SIGV4_UNSIGNED_PAYLOAD */
    const char *date;    /* as sigv4_date wrote it */
    const char *region, *access_key, *secret_key;
};

/* "20130524T000000Z" from epoch milliseconds, for X-Amz-Date. */
void sigv4_date(int64_t epoch_ms, char date[SIGV4_DATE_SIZE]);

/* RFC 3986 percent-encoding of all but unreserved characters, and '/' where keep_slash says so. */
int sigv4_encode(struct buffer *b, const char *s, bool keep_slash);

/* "a=1&b=": encoded and sorted, so the URL that is sent equals what was signed. At most
 * SIGV4_MAX_PAIRS pairs. 0, or -1 when b is full. */
int sigv4_query(struct buffer *b, const struct sigv4_pair *query, size_t n);

/* Appends the Authorization header's value. 0, or -1 when b is full or there are too many pairs. */
int sigv4_sign(const struct sigv4_request *r, struct buffer *authorization);

#endif
