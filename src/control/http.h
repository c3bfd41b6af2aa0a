/* The HTTP thread on http.listen (libmicrohttpd): what a running job tells and is told.
 *
 *   http.c      the server: connections and their limits
 *   dispatch.c  a request's way: uri.c takes it apart, guard.c says who may ask, route.c finds who answers
 *   rest_*.c    what Flink 1.18's REST answers, and /tidemark/..., for our own page and commands
 *   page.c      the page at /; prometheus.c: /metrics
 */
#ifndef TIDEMARK_CONTROL_HTTP_H
#define TIDEMARK_CONTROL_HTTP_H

#include "base/error.h"
#include "control/job_info.h"
#include "control/journal.h"
#include "control/metrics.h"
#include "control/requests.h"

struct http_config {
    const char *host;  /* http.listen's, without brackets */
    uint16_t port;     /* 0: any free one; http_server_port tells */
    const char *token; /* http.token; NULL: none */
    const struct job_info *info;
    struct metrics *metrics;
    struct journal *journal;
    struct requests *requests;
    int request_ms; /* how long a whole request may take to come; 0: ten seconds */
};

struct http_server;

/* Listens; everything that cfg points to must outlive the server. ERR_USAGE where the address is none;
 * ERR_IO where it is taken. */
struct http_server *http_server_start(const struct http_config *cfg, struct error *e);
uint16_t http_server_port(const struct http_server *s);
void http_server_stop(struct http_server *s);

#endif
