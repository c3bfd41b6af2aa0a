/* A connection to a broker, whose other end is held here: by the same thread where the order of
 * what happens matters, by another one where more goes than fits between the two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "kafka/broker_link.h"

enum {
    TIMEOUT_MS = 10000, /* for what does not time out */
    SILENCE_MS = 30000,
    KEPT_MAX = 4 << 20
};

/* ---- Names ---------------------------------------------------------------------------------- */

/* "slow.test" is looked up until the gate is open; at two of the addresses of "three.test" nothing
 * listens. */
static sem_t gate, freed;

/* A function of the C library's that one of these here stands before. */
static void find(const char *name, void *function, size_t n) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    memcpy(function, &found, n); /* C has no cast for it */
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **found) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    find("getaddrinfo", &real, sizeof real);
    if (strcmp(host, "three.test") == 0) {
        static const char *const addresses[] = {"127.0.0.2", "127.0.0.1", "127.0.0.3"};
        int rc = 0;
        for (int i = 0; i < 3 && rc == 0; i++, found = &(*found)->ai_next)
            rc = real(addresses[i], port, hints, found);
        return rc;
    }
    if (strcmp(host, "slow.test") != 0)
        return real(host, port, hints, found);
    while (sem_wait(&gate) != 0)
        ;
    return real("127.0.0.1", port, hints, found);
}

void freeaddrinfo(struct addrinfo *found) {
    void (*real)(struct addrinfo *);
    find("freeaddrinfo", &real, sizeof real);
    real(found);
    (void)sem_post(&freed);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* ---- Both ends ------------------------------------------------------------------------------ */

struct world {
    int listener, port;
    int peer; /* the connection's other end, once it is accepted */
    struct broker_link link;
    struct error e;
};

static int bound_socket(int *port) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static int set_up(void **state) {
    struct world *w = xcalloc(1, sizeof *w);
    w->listener = bound_socket(&w->port);
    w->peer = w->link.fd = -1;
    assert_int_equal(listen(w->listener, 4), 0);
    *state = w;
    return 0;
}

static void hang_up(struct world *w) {
    if (w->peer >= 0)
        (void)close(w->peer);
    w->peer = -1;
}

static int tear_down(void **state) {
    struct world *w = *state;
    broker_link_close(&w->link);
    assert_int_equal(w->link.fd, -1);
    hang_up(w);
    (void)close(w->listener);
    free(w);
    return 0;
}

static int open_link(struct world *w, const char *host, int timeout_ms) {
    return broker_link_open(&w->link, host, w->port, timeout_ms, &w->e);
}

static void accept_peer(struct world *w) {
    static const int on = 1;
    w->peer = accept(w->listener, NULL, NULL);
    assert_true(w->peer >= 0);
    assert_int_equal(setsockopt(w->peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
}

static void connect_both(struct world *w) {
    assert_int_equal(open_link(w, "127.0.0.1", TIMEOUT_MS), 0);
    accept_peer(w);
}

static void reconnect(struct world *w) {
    broker_link_close(&w->link);
    hang_up(w);
    connect_both(w);
}

static void unavailable(const struct world *w, int rc, const char *what) {
    assert_int_equal(rc, -1);
    assert_int_equal(w->e.code, ERR_UNAVAILABLE);
    assert_true(w->e.retriable);
    assert_non_null(strstr(w->e.text, what));
}

static void lost(const struct world *w, int rc) {
    char name[64];
    (void)snprintf(name, sizeof name, "127.0.0.1:%d", w->port);
    unavailable(w, rc, name);
}

/* ---- What the two say ----------------------------------------------------------------------- */

static int ask(struct world *w, const char *request) {
    buffer_reset(&w->link.request);
    assert_int_equal(buffer_puts(&w->link.request, request), 0);
    return broker_link_ask(&w->link, &w->e);
}

static void peer_hears(const struct world *w, const char *request) {
    char heard[64];
    size_t n = strlen(request);
    assert_true(n <= sizeof heard);
    assert_int_equal(recv(w->peer, heard, n, MSG_WAITALL), n);
    assert_memory_equal(heard, request, n);
}

static void asked(struct world *w, const char *request) {
    assert_int_equal(ask(w, request), 0);
    peer_hears(w, request);
}

static void peer_says(const struct world *w, const void *bytes, size_t n) {
    assert_int_equal(send(w->peer, bytes, n, MSG_NOSIGNAL), n);
}

static void peer_answers(const struct world *w, const char *answer) {
    size_t n = strlen(answer);
    const char length[4] = {0, 0, 0, (char)n};
    peer_says(w, length, sizeof length);
    peer_says(w, answer, n);
}

/* Once something has come, or can go. */
static int serve(struct world *w) {
    struct pollfd p = {.fd = w->link.fd, .events = broker_link_events(&w->link)};
    assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
    return broker_link_serve(&w->link, &w->e);
}

static int serve_to_the_end(struct world *w) {
    int rc;
    while ((rc = serve(w)) == 0)
        ;
    return rc;
}

static void answer_is(const struct buffer *b, const char *answer) {
    assert_int_equal(broker_link_answer_len(b), strlen(answer));
    assert_memory_equal(broker_link_answer(b), answer, strlen(answer));
}

static void answered(struct world *w, const char *answer) {
    peer_answers(w, answer);
    assert_int_equal(serve_to_the_end(w), 1);
    answer_is(&w->link.answer, answer);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static void a_round_trip(void **state) {
    struct world *w = *state;
    connect_both(w);
    asked(w, "request");
    assert_int_equal(broker_link_events(&w->link), POLLIN);
    assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    answered(w, "answer");
}

static void localhost(void **state) {
    struct world *w = *state;
    assert_int_equal(open_link(w, "localhost", TIMEOUT_MS), 0);
    accept_peer(w);
    asked(w, "request");
    answered(w, "answer");
}

static void the_second_address(void **state) {
    struct world *w = *state;
    assert_int_equal(open_link(w, "three.test", TIMEOUT_MS), 0);
    accept_peer(w);
    asked(w, "request");
    answered(w, "answer");
}

static void refused(void **state) {
    struct world *w = *state;
    (void)close(w->listener);
    w->listener = bound_socket(&w->port); /* nobody else has the port, and nobody listens */
    lost(w, open_link(w, "127.0.0.1", TIMEOUT_MS));
    assert_non_null(strstr(w->e.text, strerror(ECONNREFUSED)));
    assert_int_equal(w->link.fd, -1);
}

/* The kernel takes a few connections for who does not accept, and no more. */
static void connecting_takes_too_long(void **state) {
    enum { MANY = 16 };
    struct world *w = *state;
    struct broker_link links[MANY];
    int n = 0, rc;
    assert_int_equal(listen(w->listener, 0), 0);
    while ((rc = broker_link_open(&links[n], "127.0.0.1", w->port, 200, &w->e)) == 0)
        assert_true(++n < MANY);
    lost(w, rc);
    assert_non_null(strstr(w->e.text, strerror(ETIMEDOUT)));
    assert_int_equal(links[n].fd, -1);
    for (; n >= 0; n--)
        broker_link_close(&links[n]);
}

/* Its name server says so, or there is none. */
static void an_unknown_host(void **state) {
    struct world *w = *state;
    int64_t began = clock_monotonic(clock_system());
    unavailable(w, open_link(w, "no-such-host.invalid", 1000), "no-such-host.invalid");
    assert_int_equal(w->link.fd, -1);
    assert_true(clock_monotonic(clock_system()) - began < 1000 + TIMEOUT_MS / 2);
}

/* What a look-up finds that nobody waits for any more is given back all the same. */
static void looking_up_takes_too_long(void **state) {
    struct world *w = *state;
    struct timespec until;
    while (sem_trywait(&freed) == 0)
        ;
    unavailable(w, open_link(w, "slow.test", 50), "slow.test");
    assert_int_equal(w->link.fd, -1);
    assert_int_equal(sem_trywait(&freed), -1);
    (void)sem_post(&gate);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TIMEOUT_MS / 1000;
    int rc;
    while ((rc = sem_timedwait(&freed, &until)) != 0 && errno == EINTR)
        ;
    assert_int_equal(rc, 0);
}

/* ---- Answers -------------------------------------------------------------------------------- */

static void byte_by_byte(void **state) {
    static const char bytes[] = {0, 0, 0, 6, 'a', 'n', 's', 'w', 'e', 'r'};
    struct world *w = *state;
    connect_both(w);
    asked(w, "request");
    for (size_t i = 0; i < sizeof bytes; i++) {
        peer_says(w, &bytes[i], 1);
        assert_int_equal(serve(w), i == sizeof bytes - 1);
        assert_int_equal(w->link.answer.len, i + 1);
        assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
        if (i < sizeof bytes - 1)
            assert_int_equal(w->link.answer.len, i + 1);
    }
}

static void an_answer_of_nothing(void **state) {
    struct world *w = *state;
    connect_both(w);
    asked(w, "one");
    answered(w, "");
    asked(w, "two");
    answered(w, "answer");
}

static void nothing_was_asked(void **state) {
    struct world *w = *state;
    connect_both(w);
    assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    asked(w, "request");
    answered(w, "answer");
    assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    answer_is(&w->link.answer, "answer");
}

static char byte_at(size_t i) {
    return (char)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

static char *pattern(size_t n) {
    char *p = xmalloc(n);
    for (size_t i = 0; i < n; i++)
        p[i] = byte_at(i);
    return p;
}

static void send_all(int fd, const char *p, size_t n) {
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* the other end finds out */
        p += sent;
        n -= (size_t)sent;
    }
}

struct large {
    int fd;
    size_t n;
};

static void *send_large(void *ctx) {
    const struct large *large = ctx;
    char *bytes = pattern(large->n);
    char length[4];
    for (int i = 0; i < 4; i++)
        length[i] = (char)(large->n >> (24 - 8 * i));
    send_all(large->fd, length, sizeof length);
    send_all(large->fd, bytes, large->n);
    free(bytes);
    return NULL;
}

static void large_answer(struct world *w, size_t n) {
    struct large large = {w->peer, n};
    pthread_t thread;
    asked(w, "request");
    assert_int_equal(pthread_create(&thread, NULL, send_large, &large), 0);
    assert_int_equal(serve_to_the_end(w), 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(broker_link_answer_len(&w->link.answer), n);
    const char *p = broker_link_answer(&w->link.answer);
    for (size_t i = 0; i < n; i++)
        if (p[i] != byte_at(i))
            fail_msg("byte %zu of %zu is another", i, n);
}

static void large_answers(void **state) {
    struct world *w = *state;
    connect_both(w);
    large_answer(w, 3000000);
    size_t cap = w->link.answer.cap;
    asked(w, "request");
    answered(w, "small");
    assert_int_equal(w->link.answer.cap, cap); /* memory is kept for the next one... */
    large_answer(w, 9000000);
    asked(w, "request");
    answered(w, "small");
    assert_true(w->link.answer.cap <= KEPT_MAX); /* ...but not that much */
}

/* Whoever delivers an answer takes its buffer, and leaves that of the one before. */
static void exchange(struct world *w, struct buffer *taken) {
    struct buffer delivered = *taken;
    *taken = w->link.answer;
    w->link.answer = delivered;
}

static void asked_while_the_answer_is_held(void **state) {
    static const char *const answers[] = {"first", "the second", "3rd", "and a fourth one"};
    enum { N = sizeof answers / sizeof *answers };
    struct world *w = *state;
    struct buffer taken;
    buffer_init(&taken, BROKER_ANSWER_MAX);
    connect_both(w);
    asked(w, "request");
    for (size_t i = 0; i < N; i++) {
        answered(w, answers[i]);
        asked(w, "the next request");
        answer_is(&w->link.answer, answers[i]);
        if (i > 0)
            answer_is(&taken, answers[i - 1]);
        exchange(w, &taken);
        answer_is(&taken, answers[i]);
    }
    assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    answer_is(&taken, answers[N - 1]);
    buffer_free(&taken);
}

/* ---- What goes wrong ------------------------------------------------------------------------ */

static void closed_before_the_answer(void **state) {
    struct world *w = *state;
    connect_both(w);
    asked(w, "request");
    hang_up(w);
    lost(w, serve_to_the_end(w));
}

static void closed_within_the_answer(void **state) {
    static const char bytes[] = {0, 0, 0, 6, 'a', 'n', 's', 'w', 'e'};
    struct world *w = *state;
    for (size_t n = 1; n <= sizeof bytes; n++) {
        reconnect(w);
        asked(w, "request");
        peer_says(w, bytes, n);
        hang_up(w);
        lost(w, serve_to_the_end(w));
    }
}

/* Nobody notices until something is asked. */
static void closed_between_two_requests(void **state) {
    struct world *w = *state;
    connect_both(w);
    asked(w, "request");
    answered(w, "answer");
    hang_up(w);
    assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    int rc = ask(w, "request");
    lost(w, rc ? rc : serve_to_the_end(w));
}

static void reset(void **state) {
    static const struct linger at_once = {1, 0};
    struct world *w = *state;
    connect_both(w);
    asked(w, "request");
    assert_int_equal(setsockopt(w->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    hang_up(w);
    lost(w, serve_to_the_end(w));
    assert_non_null(strstr(w->e.text, strerror(ECONNRESET)));
    lost(w, ask(w, "request")); /* and no SIGPIPE */
    assert_non_null(strstr(w->e.text, strerror(EPIPE)));
}

static void absurd_lengths(void **state) {
    static const unsigned char lengths[][4] = {{0x05, 0xf5, 0xe0, 0xfd}, /* 1 byte too many */
                                               {0x05, 0xf5, 0xe1, 0x00},
                                               {0x7f, 0xff, 0xff, 0xff},
                                               {0x80, 0x00, 0x00, 0x00},
                                               {0xff, 0xff, 0xff, 0xff}};
    static const unsigned char longest[] = {0x05, 0xf5, 0xe0, 0xfc};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        reconnect(w);
        asked(w, "request");
        peer_says(w, lengths[i], sizeof lengths[i]);
        assert_int_equal(serve_to_the_end(w), -1);
        assert_int_equal(w->e.code, ERR_LIMIT);
    }
    reconnect(w);
    asked(w, "request");
    peer_says(w, longest, sizeof longest);
    assert_int_equal(serve(w), 0);
}

static void more_than_the_answer(void **state) {
    static const char bytes[] = {0, 0, 0, 1, 'a', 'b'};
    struct world *w = *state;
    connect_both(w);
    asked(w, "request");
    peer_says(w, bytes, sizeof bytes);
    assert_int_equal(serve_to_the_end(w), -1);
    assert_int_equal(w->e.code, ERR_LIMIT);
}

/* ---- Silence -------------------------------------------------------------------------------- */

static void never_accepted(void **state) {
    struct world *w = *state;
    assert_int_equal(open_link(w, "127.0.0.1", TIMEOUT_MS), 0);
    assert_int_equal(ask(w, "request"), 0);
    assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    w->link.heard_ms -= SILENCE_MS / 2; /* and as much for a slow machine */
    assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    w->link.heard_ms -= SILENCE_MS / 2 + 1;
    lost(w, broker_link_serve(&w->link, &w->e));
    assert_non_null(strstr(w->e.text, "30 s"));
}

static void silent_within_the_answer(void **state) {
    struct world *w = *state;
    connect_both(w);
    asked(w, "request");
    w->link.heard_ms -= SILENCE_MS + 1;
    peer_says(w, "", 1);
    assert_int_equal(serve(w), 0);
    assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    w->link.heard_ms -= SILENCE_MS + 1;
    lost(w, broker_link_serve(&w->link, &w->e));
}

/* Between two requests there is nothing to be heard. */
static void silent_while_nothing_is_asked(void **state) {
    struct world *w = *state;
    connect_both(w);
    asked(w, "request");
    answered(w, "answer");
    w->link.heard_ms -= 100 * SILENCE_MS;
    assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    asked(w, "request");
    assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    answered(w, "answer");
}

/* An answer that has come meanwhile counts, however long nobody has looked. */
static void served_late(void **state) {
    struct world *w = *state;
    connect_both(w);
    asked(w, "request");
    peer_answers(w, "answer");
    w->link.heard_ms -= 100 * SILENCE_MS;
    assert_int_equal(serve_to_the_end(w), 1);
    answer_is(&w->link.answer, "answer");
}

/* ---- A large request ------------------------------------------------------------------------ */

enum { LARGE = 4 << 20, SMALL_BUFFER = 64 << 10 };

static void connect_both_narrowly(struct world *w) {
    static const int size = SMALL_BUFFER;
    assert_int_equal(setsockopt(w->listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    connect_both(w);
    assert_int_equal(setsockopt(w->link.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
}

static int ask_large(struct world *w) {
    char *bytes = pattern(LARGE);
    buffer_reset(&w->link.request);
    assert_int_equal(buffer_append(&w->link.request, bytes, LARGE), 0);
    free(bytes);
    return broker_link_ask(&w->link, &w->e);
}

/* Takes what there is. */
static size_t peer_takes(const struct world *w, size_t at) {
    char bytes[SMALL_BUFFER];
    ssize_t n = recv(w->peer, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0)
        assert_int_equal(errno, EAGAIN);
    for (ssize_t i = 0; i < n; i++)
        if (bytes[i] != byte_at(at + (size_t)i))
            fail_msg("byte %zu of the request is another", at + (size_t)i);
    return n < 0 ? 0 : (size_t)n;
}

static void a_request_in_pieces(void **state) {
    struct world *w = *state;
    connect_both_narrowly(w);
    assert_int_equal(ask_large(w), 0);
    assert_true(w->link.sent > 0 && w->link.sent < LARGE);
    assert_int_equal(broker_link_events(&w->link), POLLIN | POLLOUT);
    for (size_t at = 0; at < LARGE;) {
        struct pollfd p[] = {{.fd = w->peer, .events = POLLIN},
                             {.fd = w->link.fd, .events = broker_link_events(&w->link)}};
        assert_true(poll(p, 2, TIMEOUT_MS) > 0);
        at += peer_takes(w, at);
        assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    }
    assert_int_equal(w->link.sent, LARGE);
    assert_int_equal(broker_link_events(&w->link), POLLIN);
    answered(w, "answer");
}

/* Who takes something, though slowly, is not silent; who takes nothing is. */
static void a_request_that_nobody_reads(void **state) {
    struct world *w = *state;
    connect_both_narrowly(w);
    assert_int_equal(ask_large(w), 0);
    size_t at = 0, sent = w->link.sent;
    while (w->link.sent == sent) {
        w->link.heard_ms = clock_monotonic(clock_system()) - SILENCE_MS + TIMEOUT_MS;
        at += peer_takes(w, at);
        assert_int_equal(broker_link_serve(&w->link, &w->e), 0);
    }
    assert_true(clock_monotonic(clock_system()) - w->link.heard_ms < TIMEOUT_MS);
    while (broker_link_serve(&w->link, &w->e) == 0)
        w->link.heard_ms -= SILENCE_MS + 1;
    lost(w, -1);
    assert_non_null(strstr(w->e.text, "30 s"));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    (void)sem_init(&gate, 0, 0);
    (void)sem_init(&freed, 0, 0);
    const struct CMUnitTest tests[] = {
        TEST(a_round_trip),
        TEST(localhost),
        TEST(the_second_address),
        TEST(refused),
        TEST(connecting_takes_too_long),
        TEST(an_unknown_host),
        TEST(looking_up_takes_too_long),
        TEST(byte_by_byte),
        TEST(an_answer_of_nothing),
        TEST(nothing_was_asked),
        TEST(large_answers),
        TEST(asked_while_the_answer_is_held),
        TEST(closed_before_the_answer),
        TEST(closed_within_the_answer),
        TEST(closed_between_two_requests),
        TEST(reset),
        TEST(absurd_lengths),
        TEST(more_than_the_answer),
        TEST(never_accepted),
        TEST(silent_within_the_answer),
        TEST(silent_while_nothing_is_asked),
        TEST(served_late),
        TEST(a_request_in_pieces),
        TEST(a_request_that_nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
