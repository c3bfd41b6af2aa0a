/* An HTTP server on 127.0.0.1 that answers as it is told, well or badly: each request gets the next
 * of the replies in the queue. For one client that has one request under way at a time, unless
 * fake_http_reply_always is used. */
#ifndef TIDEMARK_SUPPORT_FAKE_HTTP_H
#define TIDEMARK_SUPPORT_FAKE_HTTP_H

#include <stddef.h>
#include <sys/types.h>

enum fake_then {
    THEN_KEEP,  /* the connection stays */
    THEN_CLOSE, /* in order */
    THEN_RESET, /* RST: the client sees a connection reset */
    THEN_STALL, /* nothing more comes on it, and it stays */
};

struct fake_http;

struct fake_http *fake_http_start(void);
void fake_http_stop(struct fake_http *h);
/* "http://127.0.0.1:PORT" */
const char *fake_http_endpoint(const struct fake_http *h);

/* Raw bytes, "" for none. */
void fake_http_reply(struct fake_http *h, enum fake_then then, const char *bytes);
/* A whole answer with Content-Length and Date; extra is "" or whole header lines. */
void fake_http_answer(struct fake_http *h, int status, const char *extra, const char *body);
/* What requests get when the queue is empty (without it: 500). */
void fake_http_reply_always(struct fake_http *h, const char *bytes);

/* Requests seen so far, each as its raw bytes, head and body. Valid until fake_http_stop. */
size_t fake_http_count(struct fake_http *h);
const char *fake_http_request(struct fake_http *h, size_t i);
size_t fake_http_connections(struct fake_http *h);

/* As fork(), at a moment at which the server only waits: else the child could inherit a lock of the
 * allocator that the server's thread held, and wait for it without end. */
pid_t fake_http_fork(struct fake_http *h);

#endif
