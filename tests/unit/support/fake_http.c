#include "support/fake_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { CONNECTIONS_MAX = 64, QUEUE_MAX = 64, REQUESTS_MAX = 512, REQUEST_BYTES_MAX = 64 << 20 };

struct reply {
    char *bytes;
    enum fake_then then;
};

struct fake_http {
    pthread_t thread;
    int listener, stop_pipe[2];
    char endpoint[64];

    /* The thread's own. */
    int fds[CONNECTIONS_MAX];
    bool stalled[CONNECTIONS_MAX];
    int n_fds;

    pthread_mutex_t turn; /* the thread's while it does more than wait */
    sem_t started;

    pthread_mutex_t lock; /* guards what follows */
    struct reply queue[QUEUE_MAX];
    size_t first, last;
    char *always;
    char *requests[REQUESTS_MAX];
    size_t n_requests, connections;
};

static void fail(const char *what) {
    perror(what);
    abort();
}

/* Bytes that the head announces, or -1 while it is not whole. */
static long body_wanted(const struct buffer *b, size_t *head) {
    const char *text = buffer_text(b);
    const char *end = strstr(text, "\r\n\r\n");
    if (!end)
        return -1;
    *head = (size_t)(end - text) + 4;
    const char *length = strcasestr(text, "\r\nContent-Length:");
    return length && length < end ? strtol(length + 17, NULL, 10) : 0;
}

/* Reads one request; false where the client has gone. */
static bool read_request(int fd, struct buffer *b) {
    for (;;) {
        size_t head = 0;
        long wanted = body_wanted(b, &head);
        if (wanted >= 0 && b->len >= head + (size_t)wanted)
            return true;
        char *room = buffer_reserve(b, 65536);
        ssize_t n = room ? recv(fd, room, 65536, 0) : -1;
        if (n <= 0)
            return false;
        b->len += (size_t)n;
        b->data[b->len] = '\0';
    }
}

static struct reply take_reply(struct fake_http *h, const struct buffer *request) {
    struct reply reply = {NULL, THEN_KEEP};
    pthread_mutex_lock(&h->lock);
    if (h->n_requests < REQUESTS_MAX)
        h->requests[h->n_requests++] = xstrndup(buffer_text(request), request->len);
    if (h->first < h->last) {
        reply = h->queue[h->first];
        h->queue[h->first++].bytes = NULL;
    } else {
        reply.bytes =
            xstrdup(h->always ? h->always : "HTTP/1.1 500 Unexpected\r\nContent-Length: 0\r\n\r\n");
    }
    pthread_mutex_unlock(&h->lock);
    return reply;
}

static void send_all(int fd, const char *bytes) {
    for (size_t n = strlen(bytes); n;) {
        ssize_t k = send(fd, bytes, n, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        bytes += k;
        n -= (size_t)k;
    }
}

static void close_at(struct fake_http *h, int i, bool reset) {
    struct linger at_once = {1, 0};
    if (reset)
        (void)setsockopt(h->fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)close(h->fds[i]);
    h->n_fds--;
    h->fds[i] = h->fds[h->n_fds];
    h->stalled[i] = h->stalled[h->n_fds];
}

static void serve(struct fake_http *h, int i) {
    struct buffer request;
    buffer_init(&request, REQUEST_BYTES_MAX);
    if (!read_request(h->fds[i], &request)) {
        close_at(h, i, false);
    } else {
        struct reply reply = take_reply(h, &request);
        send_all(h->fds[i], reply.bytes);
        free(reply.bytes);
        if (reply.then == THEN_STALL)
            h->stalled[i] = true;
        else if (reply.then != THEN_KEEP)
            close_at(h, i, reply.then == THEN_RESET);
    }
    buffer_free(&request);
}

static void take_connection(struct fake_http *h) {
    int fd = accept(h->listener, NULL, NULL);
    if (fd < 0 || h->n_fds == CONNECTIONS_MAX)
        fail("accept");
    h->stalled[h->n_fds] = false;
    h->fds[h->n_fds++] = fd;
    pthread_mutex_lock(&h->lock);
    h->connections++;
    pthread_mutex_unlock(&h->lock);
}

static void *server_thread(void *ctx) {
    struct fake_http *h = ctx;
    (void)sem_post(&h->started);
    for (;;) {
        struct pollfd p[CONNECTIONS_MAX + 2];
        int n = h->n_fds;
        for (int i = 0; i < n; i++) /* a negative one is not looked at */
            p[i] = (struct pollfd){.fd = h->stalled[i] ? -1 : h->fds[i], .events = POLLIN};
        p[n] = (struct pollfd){.fd = h->listener, .events = POLLIN};
        p[n + 1] = (struct pollfd){.fd = h->stop_pipe[0], .events = POLLIN};
        if (poll(p, (nfds_t)n + 2, -1) < 0)
            fail("poll");
        if (p[n + 1].revents)
            return NULL;
        pthread_mutex_lock(&h->turn);
        for (int i = n - 1; i >= 0; i--)
            if (p[i].revents)
                serve(h, i);
        if (p[n].revents)
            take_connection(h);
        pthread_mutex_unlock(&h->turn);
    }
}

struct fake_http *fake_http_start(void) {
    struct fake_http *h = xcalloc(1, sizeof *h);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pthread_mutex_init(&h->turn, NULL);
    pthread_mutex_init(&h->lock, NULL);
    (void)sem_init(&h->started, 0, 0);
    h->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (h->listener < 0 || bind(h->listener, (struct sockaddr *)&address, sizeof address) ||
        listen(h->listener, CONNECTIONS_MAX) ||
        getsockname(h->listener, (struct sockaddr *)&address, &len) || pipe(h->stop_pipe))
        fail("fake_http_start");
    (void)snprintf(h->endpoint, sizeof h->endpoint, "http://127.0.0.1:%d", ntohs(address.sin_port));
    if (pthread_create(&h->thread, NULL, server_thread, h))
        fail("pthread_create");
    while (sem_wait(&h->started) != 0)
        ;
    return h;
}

void fake_http_stop(struct fake_http *h) {
    if (write(h->stop_pipe[1], "", 1) != 1)
        fail("write");
    (void)pthread_join(h->thread, NULL);
    while (h->n_fds)
        close_at(h, 0, false);
    (void)close(h->listener);
    (void)close(h->stop_pipe[0]);
    (void)close(h->stop_pipe[1]);
    for (size_t i = h->first; i < h->last; i++)
        free(h->queue[i].bytes);
    for (size_t i = 0; i < h->n_requests; i++)
        free(h->requests[i]);
    free(h->always);
    pthread_mutex_destroy(&h->lock);
    pthread_mutex_destroy(&h->turn);
    (void)sem_destroy(&h->started);
    free(h);
}

pid_t fake_http_fork(struct fake_http *h) {
    pthread_mutex_lock(&h->turn);
    pid_t child = fork();
    pthread_mutex_unlock(&h->turn);
    return child;
}

const char *fake_http_endpoint(const struct fake_http *h) {
    return h->endpoint;
}

void fake_http_reply(struct fake_http *h, enum fake_then then, const char *bytes) {
    pthread_mutex_lock(&h->lock);
    if (h->last == QUEUE_MAX)
        abort();
    h->queue[h->last++] = (struct reply){xstrdup(bytes), then};
    pthread_mutex_unlock(&h->lock);
}

void fake_http_answer(struct fake_http *h, int status, const char *extra, const char *body) {
    char *bytes = xasprintf("HTTP/1.1 %d Status\r\nDate: Tue, 22 Oct 2024 21:00:00 GMT\r\n"
                            "Content-Length: %zu\r\n%s\r\n%s",
                            status, strlen(body), extra, body);
    fake_http_reply(h, THEN_KEEP, bytes);
    free(bytes);
}

void fake_http_reply_always(struct fake_http *h, const char *bytes) {
    pthread_mutex_lock(&h->lock);
    free(h->always);
    h->always = xstrdup(bytes);
    pthread_mutex_unlock(&h->lock);
}

size_t fake_http_count(struct fake_http *h) {
    pthread_mutex_lock(&h->lock);
    size_t n = h->n_requests;
    pthread_mutex_unlock(&h->lock);
    return n;
}

const char *fake_http_request(struct fake_http *h, size_t i) {
    pthread_mutex_lock(&h->lock);
    const char *request = i < h->n_requests ? h->requests[i] : "";
    pthread_mutex_unlock(&h->lock);
    return request;
}

size_t fake_http_connections(struct fake_http *h) {
    pthread_mutex_lock(&h->lock);
    size_t n = h->connections;
    pthread_mutex_unlock(&h->lock);
    return n;
}
