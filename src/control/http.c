/* Requests come from libmicrohttpd, run by one thread of ours, which also ends connections that take
 * too long: libmicrohttpd itself knows only a limit on silence, so a byte now and then would hold one
 * for ever. What is asked and answered is dispatch.c's. */
#include "control/http.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "control/dispatch.h"
#include "control/listen.h"

enum {
    CONNECTIONS_MAX = 64,
    REQUEST_MS = 10 * 1000,        /* for a whole request to come, from the end of the last one */
    TAKE_MS = 30 * 1000,           /* for its answer to be taken */
    LINGER_MS = 1000,              /* at the end, for answers that are under way */
    CONNECTION_MEMORY = 16 * 1024, /* of libmicrohttpd's; a request's headers must fit into it */
    UNDER_WAY_MAX = 32 * 1024 * 1024, /* bytes of answers that nobody has taken yet */
    HOST_MAX = 256
};

struct connection {
    int fd; /* -1: free */
    int64_t deadline_ms;
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_config cfg;
    struct guard guard;
    char machine[HOST_MAX];
    struct listening listening;
    pthread_t thread;
    int stop_fd;
    /* The thread's: */
    struct connection connections[CONNECTIONS_MAX];
    bool some_closed;
    size_t answering; /* requests whose answers are under way */
    size_t under_way; /* their bytes */
    int64_t request_ms;
};

/* One request, from its first line until its answer has gone. */
struct exchange {
    char *uri;
    bool begun, answering;
    struct guard_headers headers;
    struct dispatch dispatch;
    struct buffer body;
    size_t answer_bytes;
};

static int64_t now_ms(void) {
    return clock_monotonic(clock_system());
}

/* ---- Answers ------------------------------------------------------------------------------------- */

static void add_headers(struct MHD_Response *r, const struct dispatch *d) {
    static const char *const headers[][2] = {
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        /* Only the page needs anything, and of this only what comes from here. */
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
         "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}};
    (void)MHD_add_response_header(r, "Content-Type", d->answer.type);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        (void)MHD_add_response_header(r, headers[i][0], headers[i][1]);
    if (d->allow && d->answer.status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(r, "Allow", d->allow);
    if (d->asks_for_token)
        (void)MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
}

/* The body's memory goes to libmicrohttpd. */
static struct MHD_Response *response_of(struct http_answer *a, size_t *bytes) {
    if (a->fixed) {
        *bytes = 0; /* takes no memory */
        return MHD_create_response_from_buffer(a->fixed_len, (void *)(uintptr_t)a->fixed,
                                               MHD_RESPMEM_PERSISTENT);
    }
    *bytes = a->body.len;
    struct MHD_Response *r = MHD_create_response_from_buffer(
        a->body.len, a->body.data, a->body.data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (r)
        a->body = (struct buffer){0};
    return r;
}

static struct connection *connection_of(struct MHD_Connection *c) {
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static enum MHD_Result answer(struct http_server *s, struct MHD_Connection *c, struct exchange *x) {
    struct http_answer *a = &x->dispatch.answer;
    if (s->under_way + a->body.len > UNDER_WAY_MAX)
        answer_error(a, MHD_HTTP_SERVICE_UNAVAILABLE, "too many answers are under way");
    struct MHD_Response *r = response_of(a, &x->answer_bytes);
    if (!r)
        return MHD_NO;
    add_headers(r, &x->dispatch);
    enum MHD_Result ok = MHD_queue_response(c, a->status, r);
    MHD_destroy_response(r);
    if (ok == MHD_YES) {
        x->answering = true;
        s->answering++;
        s->under_way += x->answer_bytes;
        connection_of(c)->deadline_ms = now_ms() + TAKE_MS;
    }
    return ok;
}

/* ---- Requests ------------------------------------------------------------------------------------ */

static void take(struct guard_headers *h, const char **field, const char *value) {
    h->repeated |= *field != NULL;
    *field = value ? value : "";
}

static enum MHD_Result on_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                 const char *value) {
    struct guard_headers *h = ctx;
    (void)kind;
    if (strcasecmp(name, "Host") == 0)
        take(h, &h->host, value);
    else if (strcasecmp(name, "Origin") == 0)
        take(h, &h->origin, value);
    else if (strcasecmp(name, "Sec-Fetch-Site") == 0)
        take(h, &h->fetch_site, value);
    else if (strcasecmp(name, "Authorization") == 0)
        take(h, &h->authorization, value);
    return MHD_YES;
}

/* The target as it came: libmicrohttpd decodes it, and would end it at %00. */
static void *on_uri(void *ctx, const char *uri, struct MHD_Connection *c) {
    struct http_server *s = ctx;
    (void)c;
    struct exchange *x = xcalloc(1, sizeof *x);
    x->uri = xstrdup(uri);
    dispatch_init(&x->dispatch, &s->cfg, &s->guard);
    buffer_init(&x->body, REQUEST_BODY_MAX);
    return x;
}

static bool says_too_much(struct MHD_Connection *c) {
    const char *length =
        MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length && strtoull(length, NULL, 10) > REQUEST_BODY_MAX;
}

/* Called when the headers have come, then for each piece of the body, then at its end. What is
 * refused is answered at once, and the connection closed behind it. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **state) {
    struct http_server *s = ctx;
    struct exchange *x = *state;
    (void)url;
    (void)version;
    if (!x->begun) {
        x->begun = true;
        (void)MHD_get_connection_values(c, MHD_HEADER_KIND, on_header, &x->headers);
        if (!dispatch_begin(&x->dispatch, method, x->uri, &x->headers))
            return answer(s, c, x);
        if (!says_too_much(c))
            return MHD_YES;
        dispatch_too_large(&x->dispatch);
        return answer(s, c, x);
    }
    if (*data_len) {
        (void)buffer_append(&x->body, data, *data_len); /* beyond the maximum: overflow */
        *data_len = 0;
        return MHD_YES;
    }
    if (x->body.overflow)
        dispatch_too_large(&x->dispatch);
    else
        dispatch_run(&x->dispatch, buffer_text(&x->body), x->body.len);
    return answer(s, c, x);
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode how) {
    struct http_server *s = ctx;
    struct exchange *x = *state;
    (void)how;
    if (!x)
        return;
    if (x->answering) {
        s->answering--;
        s->under_way -= x->answer_bytes;
        connection_of(c)->deadline_ms = now_ms() + s->request_ms;
    }
    dispatch_free(&x->dispatch);
    buffer_free(&x->body);
    free(x->uri);
    free(x);
    *state = NULL;
}

/* ---- Connections --------------------------------------------------------------------------------- */

static void on_connection(void *ctx, struct MHD_Connection *c, void **state,
                          enum MHD_ConnectionNotificationCode what) {
    struct http_server *s = ctx;
    struct connection *k = *state;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        k->fd = -1;
        s->some_closed = true;
        return;
    }
    for (k = s->connections; k->fd >= 0; k++) /* the daemon takes no more than there are */
        ;
    k->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    k->deadline_ms = now_ms() + s->request_ms;
    *state = k;
}

/* Ends those that have had their time; how long until the next has, or -1. */
static int64_t end_overdue(struct http_server *s) {
    int64_t now = now_ms(), wait = -1;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        const struct connection *k = &s->connections[i];
        if (k->fd < 0)
            continue;
        int64_t left = k->deadline_ms - now;
        if (left <= 0)
            (void)shutdown(k->fd, SHUT_RDWR); /* libmicrohttpd sees this and closes */
        if (left > 0 && (wait < 0 || left < wait))
            wait = left;
    }
    return wait;
}

static void run_once(struct http_server *s, int64_t at_most_ms) {
    int64_t wait = end_overdue(s);
    MHD_UNSIGNED_LONG_LONG theirs;
    if (MHD_get_timeout(s->daemon, &theirs) == MHD_YES && (wait < 0 || (int64_t)theirs < wait))
        wait = (int64_t)theirs;
    if (at_most_ms >= 0 && (wait < 0 || wait > at_most_ms))
        wait = at_most_ms;
    int epoll_fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct pollfd fds[] = {{.fd = epoll_fd, .events = POLLIN},
                           {.fd = s->stop_fd, .events = POLLIN}};
    (void)poll(fds, at_most_ms >= 0 ? 1 : 2, (int)wait);
    do {
        s->some_closed = false;
        (void)MHD_run(s->daemon);
    } while (s->some_closed); /* at its limit, it listens again only in the run behind a close */
}

static bool told_to_stop(const struct http_server *s) {
    struct pollfd p = {.fd = s->stop_fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void *serve(void *ctx) {
    struct http_server *s = ctx;
    while (!told_to_stop(s))
        run_once(s, -1);
    /* Whoever asked how the job ended has an answer under way. */
    for (int64_t until = now_ms() + LINGER_MS; s->answering && now_ms() < until;)
        run_once(s, 10);
    return NULL;
}

/* ---- The server ---------------------------------------------------------------------------------- */

static struct http_server *new_server(const struct http_config *cfg) {
    struct http_server *s = xcalloc(1, sizeof *s);
    s->cfg = *cfg;
    s->request_ms = cfg->request_ms ? cfg->request_ms : REQUEST_MS;
    (void)gethostname(s->machine, sizeof s->machine - 1);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        s->connections[i].fd = -1;
    s->stop_fd = -1;
    s->listening.fd = -1;
    return s;
}

static void free_server(struct http_server *s) {
    if (s->daemon)
        MHD_stop_daemon(s->daemon); /* closes the socket */
    else if (s->listening.fd >= 0)
        (void)close(s->listening.fd);
    if (s->stop_fd >= 0)
        (void)close(s->stop_fd);
    free(s);
}

static int start(struct http_server *s, struct error *e) {
    const struct http_config *cfg = &s->cfg;
    if (listen_on(cfg->host, cfg->port, CONNECTIONS_MAX, &s->listening, e) != 0)
        return -1;
    s->guard = (struct guard){.host = cfg->host,
                              .machine = s->machine,
                              .token = cfg->token,
                              .loopback = s->listening.loopback};
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->stop_fd >= 0)
        s->daemon = MHD_start_daemon(
            MHD_USE_EPOLL, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, s->listening.fd,
            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
            MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
            on_connection, s, MHD_OPTION_END);
    if (!s->daemon || pthread_create(&s->thread, NULL, serve, s) != 0)
        return error_set(e, ERR_IO, "http.listen: the HTTP server does not start on %s:%u",
                         cfg->host, cfg->port);
    return 0;
}

struct http_server *http_server_start(const struct http_config *cfg, struct error *e) {
    struct http_server *s = new_server(cfg);
    if (start(s, e) == 0)
        return s;
    free_server(s);
    return NULL;
}

uint16_t http_server_port(const struct http_server *s) {
    return s->listening.port;
}

void http_server_stop(struct http_server *s) {
    if (!s)
        return;
    (void)eventfd_write(s->stop_fd, 1);
    (void)pthread_join(s->thread, NULL);
    free_server(s);
}
