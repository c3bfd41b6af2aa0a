/* The HTTP thread: /healthz (the process lives), /readyz (the job runs) and /metrics on http.listen
 * (libmicrohttpd). */
#ifndef TIDEMARK_CONTROL_HTTP_H
#define TIDEMARK_CONTROL_HTTP_H

#include "base/error.h"
#include "control/metrics.h"

struct http_server;

/* Listens on host:port (port 0: any free one; http_server_port tells). ERR_USAGE where the address is
 * none; ERR_IO where it is taken. */
struct http_server *http_server_start(const char *host, uint16_t port, struct metrics *metrics,
                                      struct error *e);
uint16_t http_server_port(const struct http_server *s);
void http_server_stop(struct http_server *s);

#endif
