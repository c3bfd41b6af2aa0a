#include "control/http.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/memory.h"

enum {
    CONNECTIONS_MAX = 32,
    TIMEOUT_S = 10,
    CONNECTION_MEMORY = 16 * 1024,
    ANSWER_MAX = 8 * 1024 * 1024
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_config cfg;
    uint16_t port;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              const char *text, size_t len) {
    struct MHD_Response *r =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (!r)
        return MHD_NO;
    (void)MHD_add_response_header(r, "Content-Type", type);
    (void)MHD_add_response_header(r, "Cache-Control", "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(r, "Allow", "GET, HEAD");
    enum MHD_Result ok = MHD_queue_response(connection, status, r);
    MHD_destroy_response(r);
    return ok;
}

static enum MHD_Result text(struct MHD_Connection *c, unsigned status, const char *s) {
    return answer(c, status, "text/plain; charset=utf-8", s, strlen(s));
}

static enum MHD_Result get_metrics(struct http_server *s, struct MHD_Connection *c) {
    struct buffer b;
    buffer_init(&b, ANSWER_MAX);
    metrics_render(s->cfg.metrics, &b);
    enum MHD_Result ok =
        answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", buffer_text(&b), b.len);
    buffer_free(&b);
    return ok;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **state) {
    struct http_server *s = ctx;
    (void)version;
    (void)data;
    static int seen;
    if (!*state) { /* the headers have come; answer once the body has, too */
        *state = &seen;
        return MHD_YES;
    }
    if (*data_len) {
        *data_len = 0; /* no request here has a body worth reading */
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET is served here\n");
    if (strcmp(url, "/metrics") == 0)
        return get_metrics(s, c);
    if (strcmp(url, "/healthz") == 0) /* also while it starts or waits before a restart */
        return text(c, MHD_HTTP_OK, "ok\n");
    if (strcmp(url, "/readyz") == 0)
        return metrics_healthy(s->cfg.metrics)
                   ? text(c, MHD_HTTP_OK, "ok\n")
                   : text(c, MHD_HTTP_SERVICE_UNAVAILABLE, "not running\n");
    return text(c, MHD_HTTP_NOT_FOUND, "not found; there are /metrics, /healthz and /readyz\n");
}

/* -1 with *why, an errno. */
static int listen_at(const struct addrinfo *a, int *why) {
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, CONNECTIONS_MAX) == 0)
        return fd;
    *why = errno;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static int listen_on(const char *host, uint16_t port, uint16_t *bound, struct error *e) {
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc == EAI_MEMORY)
        out_of_memory();
    if (rc != 0)
        return error_set(e, rc == EAI_AGAIN ? ERR_IO : ERR_USAGE,
                         "http.listen: %s is no address of this machine: %s", host,
                         gai_strerror(rc));
    int fd = -1, why = 0;
    for (const struct addrinfo *a = list; a && fd < 0 && why != EADDRINUSE; a = a->ai_next)
        fd = listen_at(a, &why); /* localhost may mean ::1 first, where there is no IPv6 */
    if (fd < 0) {
        if (why == EADDRINUSE)
            (void)error_set(e, ERR_IO,
                            "http.listen: %s:%u is taken by another process (another tidemark?); "
                            "set http.listen to a free port",
                            host, port);
        else
            (void)error_errno(e, why, "http.listen: cannot listen on %s:%u", host, port);
        freeaddrinfo(list);
        return -1;
    }
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char number[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        (void)getnameinfo((struct sockaddr *)&address, len, NULL, 0, number, sizeof number,
                          NI_NUMERICSERV);
    *bound = (uint16_t)strtoul(number, NULL, 10);
    freeaddrinfo(list);
    return fd;
}

struct http_server *http_server_start(const struct http_config *cfg, struct error *e) {
    struct http_server *s = xcalloc(1, sizeof *s);
    s->cfg = *cfg;
    int fd = listen_on(cfg->host, cfg->port, &s->port, e);
    if (fd < 0) {
        free(s);
        return NULL;
    }
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, s,
                                 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
    if (!s->daemon) {
        (void)error_set(e, ERR_IO, "http.listen: the HTTP server does not start on %s:%u",
                        cfg->host, cfg->port);
        (void)close(fd);
        free(s);
        return NULL;
    }
    return s;
}

uint16_t http_server_port(const struct http_server *s) {
    return s->port;
}

void http_server_stop(struct http_server *s) {
    if (!s)
        return;
    MHD_stop_daemon(s->daemon); /* closes the socket */
    free(s);
}
