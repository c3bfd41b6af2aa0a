/* An error is a code, a text for people and whether trying again may help. It is filled where the
 * trouble is seen, wrapped with context on the way up, and logged once, at the top. */
#ifndef TIDEMARK_BASE_ERROR_H
#define TIDEMARK_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

enum error_code {
    ERR_NONE = 0,
    ERR_USAGE,          /* wrong command line or settings: exit code 2 */
    ERR_NOT_FOUND,      /* no such key, bucket, topic, partition */
    ERR_EXISTS,         /* put-if-absent: the key exists (HTTP 412) */
    ERR_CONFLICT,       /* another request on this key is under way (HTTP 409) */
    ERR_UNKNOWN,        /* time-out, reset, 5xx after sending: applied or not, nobody knows */
    ERR_UNAVAILABLE,    /* not applied and worth retrying: connection refused, 503 SlowDown */
    ERR_DENIED,         /* credentials or permissions */
    ERR_NO_SUCH_UPLOAD, /* the store does not know this upload */
    ERR_INVALID_PART,   /* Complete names a part that the store does not have */
    ERR_TOO_SMALL,      /* Complete: EntityTooSmall */
    ERR_NO_SPACE,       /* disk or quota full */
    ERR_IO,             /* EIO, a failed fsync, anything that makes a file untrustworthy */
    ERR_CORRUPT,        /* bytes that cannot be what was written */
    ERR_MISMATCH,       /* a checkpoint of another topic, cluster, output or settings */
    ERR_UNSUPPORTED,    /* e.g. a store that ignores If-None-Match */
    ERR_KAFKA,          /* broker or client library */
    ERR_DATA_LOSS,      /* offsets that Kafka no longer has */
    ERR_FENCED,         /* another process owns this partition now */
    ERR_LIMIT,          /* a declared cap was reached */
    ERR_NO_MEMORY,
    ERR_INTERRUPTED, /* a signal asked to stop */
    ERR_INTERNAL,    /* a broken invariant */
};

enum { ERROR_TEXT_MAX = 640 };

struct error {
    enum error_code code;
    bool retriable;
    char text[ERROR_TEXT_MAX];
};

/* Fills *e (may be NULL) and returns -1, so that a failing function can `return error_set(...)`.
 * retriable is set for ERR_UNKNOWN, ERR_UNAVAILABLE and ERR_CONFLICT; change it afterwards where a
 * case differs. The text is one line: what, where, what to do; never a secret. */
int error_set(struct error *e, enum error_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text; keeps code and retriable. Returns -1. */
int error_wrap(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As error_set with ": <strerror(errnum)>" appended; ENOSPC and EDQUOT become ERR_NO_SPACE, EACCES,
 * EPERM and EROFS ERR_DENIED, ENOENT ERR_NOT_FOUND, EEXIST ERR_EXISTS, the rest ERR_IO. */
int error_errno(struct error *e, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

void error_clear(struct error *e);

/* "not_found", "denied", ...: stable names for logs and metrics. */
const char *error_name(enum error_code code);

#endif
