#include "kafka/broker_link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/patience.h"
#include "kafka/big_endian.h"

enum {
    REQUEST_MAX = 16 << 20,
    KEPT_MAX = 4 << 20, /* of memory, after a larger answer */
    LENGTH = 4,
    READ_AHEAD = 64 << 10, /* room for an answer whose length is not known yet */
    SILENCE_MS = 30000
};

/* ---- Opening ---- */

struct lookup {
    char host[256], port[16];
    struct addrinfo *found;
    int rc;
    atomic_int users; /* who looks up and who waits for it, or no longer: the last one frees it */
};

static void let_go(struct lookup *l) {
    if (atomic_fetch_sub(&l->users, 1) > 1)
        return;
    if (l->rc == 0)
        freeaddrinfo(l->found);
    free(l);
}

static void look_up(void *arg) {
    struct lookup *l = arg;
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    l->rc = getaddrinfo(l->host, l->port, &hints, &l->found);
    let_go(l);
}

static int connect_failed(int fd, int errnum) {
    (void)close(fd);
    errno = errnum;
    return -1;
}

static int finish_connecting(int fd, int timeout_ms) {
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int n, errnum = 0;
    socklen_t len = sizeof errnum;
    do
        n = poll(&p, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return connect_failed(fd, ETIMEDOUT);
    if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
        return connect_failed(fd, errno);
    return errnum ? connect_failed(fd, errnum) : fd;
}

/* A connected socket, or -1 with errno. */
static int connect_to(const struct addrinfo *a, int timeout_ms) {
    static const int on = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    return errno == EINPROGRESS ? finish_connecting(fd, timeout_ms) : connect_failed(fd, errno);
}

static int connect_to_any(struct broker_link *l, const struct addrinfo *found, int timeout_ms,
                          struct error *e) {
    for (; found && l->fd < 0; found = found->ai_next)
        l->fd = connect_to(found, timeout_ms);
    if (l->fd < 0)
        return error_set(e, ERR_UNAVAILABLE, "cannot connect to %s: %s", l->name, strerror(errno));
    l->heard_ms = clock_monotonic(clock_system());
    return 0;
}

int broker_link_open(struct broker_link *l, const char *host, int port, int timeout_ms,
                     struct error *e) {
    *l = (struct broker_link){.fd = -1};
    buffer_init(&l->request, REQUEST_MAX);
    buffer_init(&l->answer, BROKER_ANSWER_MAX);
    (void)snprintf(l->name, sizeof l->name, "%s:%d", host, port);
    struct lookup *lookup = xcalloc(1, sizeof *lookup);
    (void)snprintf(lookup->host, sizeof lookup->host, "%s", host);
    (void)snprintf(lookup->port, sizeof lookup->port, "%d", port);
    atomic_init(&lookup->users, 2);
    int rc;
    /* A name server that is away would hold up everything else of this thread. */
    if (!call_with_patience(look_up, lookup, timeout_ms))
        rc = error_set(e, ERR_UNAVAILABLE, "no address for %s within %d ms", host, timeout_ms);
    else if (lookup->rc)
        rc = error_set(e, ERR_UNAVAILABLE, "no address for %s: %s", host, gai_strerror(lookup->rc));
    else
        rc = connect_to_any(l, lookup->found, timeout_ms, e);
    let_go(lookup);
    return rc;
}

void broker_link_close(struct broker_link *l) {
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    buffer_free(&l->request);
    buffer_free(&l->answer);
}

/* ---- Requests and answers ---- */

static int lost(const struct broker_link *l, const char *why, struct error *e) {
    return error_set(e, ERR_UNAVAILABLE, "the connection to %s: %s", l->name, why);
}

static bool must_wait(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int send_rest(struct broker_link *l, struct error *e) {
    while (l->sent < l->request.len) {
        ssize_t n = send(l->fd, l->request.data + l->sent, l->request.len - l->sent, MSG_NOSIGNAL);
        if (n < 0)
            return must_wait() ? 0 : lost(l, strerror(errno), e);
        l->sent += (size_t)n;
        l->heard_ms = clock_monotonic(clock_system());
    }
    return 0;
}

int broker_link_ask(struct broker_link *l, struct error *e) {
    l->sent = 0;
    l->asked = true;
    l->heard_ms = clock_monotonic(clock_system());
    return send_rest(l, e);
}

/* How many bytes the answer has, its length included; LENGTH as long as that is not known. */
static size_t answer_size(const struct broker_link *l) {
    if (l->answer.len < LENGTH)
        return LENGTH;
    return LENGTH + (size_t)(uint32_t)i32_at(l->answer.data);
}

/* Nothing follows an answer before the next request, so what is read belongs to it. */
static int receive(struct broker_link *l, struct error *e) {
    struct buffer *b = &l->answer;
    for (;;) {
        size_t size = answer_size(l);
        if (size == b->len)
            return 1;
        if (size > BROKER_ANSWER_MAX || size < b->len)
            return error_set(e, ERR_LIMIT, "%s answers with %zu bytes, which can't be", l->name,
                             size);
        size_t room = size == LENGTH ? READ_AHEAD : size - b->len;
        char *p = buffer_reserve(b, room);
        ssize_t n = p ? recv(l->fd, p, room, 0) : 0;
        if (n < 0)
            return must_wait() ? 0 : lost(l, strerror(errno), e);
        if (n == 0)
            return lost(l, "closed by the broker", e);
        b->len += (size_t)n;
        b->data[b->len] = '\0';
        l->heard_ms = clock_monotonic(clock_system());
    }
}

int broker_link_serve(struct broker_link *l, struct error *e) {
    if (!l->asked)
        return 0;
    if (l->taken)
        buffer_recycle(&l->answer, KEPT_MAX);
    l->taken = false;
    if (send_rest(l, e))
        return -1;
    int rc = receive(l, e);
    if (rc > 0) {
        l->asked = false;
        l->taken = true;
    } else if (rc == 0 && clock_monotonic(clock_system()) - l->heard_ms > SILENCE_MS) {
        return lost(l, "no answer for 30 s", e);
    }
    return rc;
}

short broker_link_events(const struct broker_link *l) {
    return l->sent < l->request.len ? POLLIN | POLLOUT : POLLIN;
}

const char *broker_link_answer(const struct buffer *answer) {
    return answer->data + LENGTH;
}

size_t broker_link_answer_len(const struct buffer *answer) {
    return answer->len - LENGTH;
}
