/* From a request without its transport to an answer: guard, route, handler. http.c brings requests
 * from sockets, tests and fuzzers from memory. */
#ifndef TIDEMARK_CONTROL_DISPATCH_H
#define TIDEMARK_CONTROL_DISPATCH_H

#include "control/guard.h"
#include "control/route.h"
#include "control/uri.h"

enum { ANSWER_MAX = 16 * 1024 * 1024 };

struct dispatch {
    const struct http_config *cfg;
    const struct guard *guard;
    struct uri uri;
    struct http_request request;
    const struct route *route;
    struct http_answer answer;
    const char *allow;   /* for the header Allow; NULL: none */
    bool asks_for_token; /* for the header WWW-Authenticate */
};

void dispatch_init(struct dispatch *d, const struct http_config *cfg, const struct guard *g);
void dispatch_free(struct dispatch *d);

/* The headers are here. False: the answer is ready, whatever else may come. method, raw_uri and h
 * must last until dispatch_run. */
bool dispatch_begin(struct dispatch *d, const char *method, const char *raw_uri,
                    const struct guard_headers *h);
/* Answers. body is NUL-terminated. */
void dispatch_run(struct dispatch *d, const char *body, size_t len);
/* Answers 413 instead. */
void dispatch_too_large(struct dispatch *d);

#endif
