/* HTTP requests on one I/O thread with one libcurl multi handle. A request makes one attempt and
 * tells, besides the answer, how far it got: whether the server may have acted on it. Knows nothing
 * about S3. */
#ifndef TIDEMARK_STORE_HTTP_H
#define TIDEMARK_STORE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/chunk.h"
#include "base/clock.h"

struct http;
struct curl_slist;

struct http_config {
    int connections; /* requests under way at once; others wait in line */
    int64_t connect_timeout_ms;
    int64_t request_timeout_ms; /* without a byte of progress in either direction */
    struct clock *clock;        /* monotonic_ms must be thread-safe */
};

enum http_outcome {
    HTTP_ANSWERED,  /* status and headers, and the whole body */
    HTTP_NOT_SENT,  /* no connection: the server has seen nothing of it */
    HTTP_LOST,      /* sent at least in part, and no whole answer came */
    HTTP_TOO_LARGE, /* a successful answer is larger than answer_max */
    HTTP_REFUSED,   /* certificates or set-up: another attempt would end the same way */
};

enum { HTTP_FIELD_SIZE = 136, HTTP_TROUBLE_SIZE = 256 };

struct http_request {
    /* Called on the I/O thread right before the request starts; fills what follows. */
    void (*prepare)(struct http_request *r);
    /* Called on the I/O thread; may submit r again, or free it. */
    void (*done)(struct http_request *r);

    const char *method;
    struct buffer url;
    struct curl_slist *headers; /* http_add_header */
    const void *body;           /* either this */
    const struct chunk *chunks; /* or these, which are read where they lie */
    uint64_t body_len;
    size_t answer_max; /* of a status below 300; what others say is cut at 64 KiB */
    /* libcurl sends again by itself when a kept connection turns out to be dead; not with this,
     * where a server that acted twice would give another answer. */
    bool once;

    enum http_outcome outcome;
    char trouble[HTTP_TROUBLE_SIZE]; /* libcurl's words where there is no whole answer */
    long status;                     /* 0: none came */
    struct buffer answer;
    int64_t content_length; /* -1: not said */
    int64_t date;           /* Date as epoch ms; 0: none */
    char etag[HTTP_FIELD_SIZE], server[HTTP_FIELD_SIZE], bucket_region[HTTP_FIELD_SIZE];

    /* http.c's own. */
    struct http *http;
    struct http_request *next;
    void *easy;
    const struct chunk *reading;
    uint64_t read, read_in_chunk;
    int64_t progress_ms; /* when a byte last moved */
    bool too_large;
    bool head_ended;        /* the answer's head came whole */
    char error_buffer[256]; /* CURL_ERROR_SIZE */
};

/* Starts the I/O thread; NULL where the system refuses. */
struct http *http_new(const struct http_config *config);
/* From any thread. Only prepare and done (and the body) need to be set. */
void http_submit(struct http *h, struct http_request *r);
/* Ends everything under way without done(), then calls drop() for each such request. */
void http_free(struct http *h, void (*drop)(struct http_request *r));

/* "Name: value"; a value of "" takes away a header that libcurl would add. */
void http_add_header(struct http_request *r, const char *name, const char *value);
/* Empties request and answer, so that prepare can fill it anew. */
void http_request_reset(struct http_request *r);
void http_request_free(struct http_request *r);

#endif
