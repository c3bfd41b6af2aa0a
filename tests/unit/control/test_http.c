/* The HTTP thread, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "control/http.h"
#include "support/control_world.h"

struct fixture {
    struct control_world *world;
    struct metrics *metrics; /* the world's */
    struct http_server *server;
};

static struct http_server *listen_at(const char *host, uint16_t port, struct fixture *f,
                                     struct error *e) {
    f->world->cfg.host = host;
    f->world->cfg.port = port;
    return http_server_start(&f->world->cfg, e);
}

static int set_up(void **state) {
    static struct fixture f;
    struct error e;
    f.world = control_world_new();
    f.metrics = f.world->metrics;
    f.server = listen_at("127.0.0.1", 0, &f, &e);
    if (!f.server)
        fail_msg("%s", e.text);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    http_server_stop(f->server);
    control_world_free(f->world);
    return 0;
}

/* Another server for the same job, at any free port. */
static void restart(struct fixture *f, const char *host) {
    struct error e;
    http_server_stop(f->server);
    f->server = listen_at(host, 0, f, &e);
    if (!f->server)
        fail_msg("%s", e.text);
}

static void publish(struct fixture *f, bool running) {
    struct partition_metrics p = {.partition = 3, .position = 42, .state = "running"};
    metrics_publish(f->metrics,
                    &(struct job_metrics){.running = running, .partitions = &p, .n_partitions = 1});
}

enum { ANSWER_BYTES = 65536 };

static int connected(const struct fixture *f) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(http_server_port(f->server))};
    struct timeval patience = {.tv_sec = 8}; /* less than the server's own */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void send_all(int fd, const char *data, size_t len) {
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/* Reads until the server closes. */
static void read_all(int fd, char answer[ANSWER_BYTES]) {
    size_t n = 0;
    for (ssize_t k;
         n + 1 < ANSWER_BYTES && (k = recv(fd, answer + n, ANSWER_BYTES - 1 - n, 0)) > 0;)
        n += (size_t)k;
    answer[n] = '\0';
    (void)close(fd);
}

static void ask(const struct fixture *f, const char *request, char answer[ANSWER_BYTES]) {
    int fd = connected(f);
    send_all(fd, request, strlen(request));
    read_all(fd, answer);
}

/* The status line begins with this status, and all words stand in the answer. */
static void answers(const struct fixture *f, const char *method, const char *path, int status,
                    const char *words) {
    char request[256], answer[ANSWER_BYTES], line[32];
    (void)snprintf(
        request, sizeof request,
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
        method, path, strcmp(method, "POST") == 0 ? 4 : 0,
        strcmp(method, "POST") == 0 ? "body" : "");
    ask(f, request, answer);
    (void)snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    if (strncmp(answer, line, strlen(line)) != 0 || !strstr(answer, words))
        fail_msg("%s %s answers: %s", method, path, answer);
}

static void test_metrics(void **state) {
    struct fixture *f = *state;
    publish(f, true);
    answers(f, "GET", "/metrics", 200, "Content-Type: text/plain; version=0.0.4");
    answers(f, "GET", "/metrics", 200, "\ntidemark_position{partition=\"3\"} 42\n");
    answers(f, "GET", "/metrics?x=y", 200, "tidemark_up 1\n");
}

static void test_health_follows_the_job(void **state) {
    struct fixture *f = *state;
    answers(f, "GET", "/healthz", 200, "ok\n");
    answers(f, "GET", "/readyz", 503, "not running\n");
    publish(f, true);
    answers(f, "GET", "/healthz", 200, "ok\n");
    answers(f, "GET", "/readyz", 200, "ok\n");
    publish(f, false);
    answers(f, "GET", "/healthz", 200, "ok\n");
    answers(f, "GET", "/readyz", 503, "not running\n");
}

static void test_head(void **state) {
    struct fixture *f = *state;
    publish(f, true);
    char answer[ANSWER_BYTES];
    ask(f, "HEAD /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", answer);
    assert_non_null(strstr(answer, "Content-Length: 3\r\n"));
    assert_null(strstr(answer, "ok\n"));
}

static void test_what_is_not_served(void **state) {
    struct fixture *f = *state;
    answers(f, "GET", "/metricsx", 404, "docs/rest.md");
    answers(f, "POST", "/metrics", 405, "this path serves GET, HEAD");
    answers(f, "POST", "/metrics", 405, "Allow: GET, HEAD\r\n");
    answers(f, "DELETE", "/metrics", 405, "this path serves GET, HEAD");
}

static void *publish_often(void *ctx) {
    for (int i = 0; i < 2000; i++)
        publish(ctx, true);
    return NULL;
}

static void test_answers_while_the_worker_publishes(void **state) {
    struct fixture *f = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, publish_often, f), 0);
    for (int i = 0; i < 20; i++)
        answers(f, "GET", "/metrics", 200, "tidemark_up");
    (void)pthread_join(thread, NULL);
}

static void test_taken_port(void **state) {
    struct fixture *f = *state;
    struct error e;
    char where[64];
    uint16_t port = http_server_port(f->server);
    assert_null(listen_at("127.0.0.1", port, f, &e));
    assert_int_equal(e.code, ERR_IO);
    (void)snprintf(where, sizeof where, "http.listen: 127.0.0.1:%u is taken", port);
    assert_non_null(strstr(e.text, where));
    assert_non_null(strstr(e.text, "set http.listen to a free port"));
}

static void test_no_address(void **state) {
    struct fixture *f = *state;
    struct error e;
    assert_null(listen_at("256.1.1.1.invalid", 0, f, &e));
    assert_non_null(strstr(e.text, "http.listen: 256.1.1.1.invalid is no address"));
}

/* An address of another machine (TEST-NET-1). */
static void test_address_of_another_machine(void **state) {
    struct fixture *f = *state;
    struct error e;
    assert_null(listen_at("192.0.2.1", 0, f, &e));
    assert_int_equal(e.code, ERR_IO);
    assert_non_null(strstr(e.text, "cannot listen on 192.0.2.1:0"));
}

static void test_localhost(void **state) {
    struct fixture *f = *state;
    struct error e;
    struct http_server *s = listen_at("localhost", 0, f, &e);
    if (!s)
        fail_msg("%s", e.text);
    assert_true(http_server_port(s) > 0);
    http_server_stop(s);
}

static void test_port_is_free_after_the_stop(void **state) {
    struct fixture *f = *state;
    struct error e;
    uint16_t port = http_server_port(f->server);
    http_server_stop(f->server);
    f->server = listen_at("127.0.0.1", port, f, &e);
    if (!f->server)
        fail_msg("%s", e.text);
}

/* ---- Hostile requests ---------------------------------------------------------------------------- */

#define HOST "Host: 127.0.0.1\r\n"
#define END "Connection: close\r\n\r\n"
#define JOB "/jobs/" CONTROL_JOB_ID

/* The whole request; the answer has this status and these words, and does not let other sites in. */
static void raw(const struct fixture *f, const char *request, int status, const char *words) {
    char answer[ANSWER_BYTES], line[32];
    ask(f, request, answer);
    (void)snprintf(line, sizeof line, " %d ", status);
    if (strncmp(answer, "HTTP/1.", 7) != 0 || strncmp(answer + 8, line, strlen(line)) != 0 ||
        !strstr(answer, words))
        fail_msg("%s\nis not answered with %d %s but with:\n%s", request, status, words, answer);
    assert_null(strstr(answer, "Access-Control-"));
}

static void test_every_answer_has_the_security_headers(void **state) {
    struct fixture *f = *state;
    static const char *const requests[] = {"GET /healthz HTTP/1.1\r\n" HOST END,
                                           "GET /nothing HTTP/1.1\r\n" HOST END,
                                           "PUT /healthz HTTP/1.1\r\n" HOST END,
                                           "GET /healthz HTTP/1.1\r\nHost: evil\r\n" END,
                                           "GET /healthz%00 HTTP/1.1\r\n" HOST END,
                                           "POST /healthz HTTP/1.1\r\n" HOST
                                           "Content-Length: 99999\r\n" END};
    static const char *const headers[] = {
        "\r\nCache-Control: no-store\r\n", "\r\nX-Content-Type-Options: nosniff\r\n",
        "\r\nX-Frame-Options: DENY\r\n",   "\r\nReferrer-Policy: no-referrer\r\n",
        "frame-ancestors 'none'",          "default-src 'none'"};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        for (size_t k = 0; k < sizeof headers / sizeof *headers; k++) {
            char answer[ANSWER_BYTES];
            ask(f, requests[i], answer);
            if (!strstr(answer, headers[k]))
                fail_msg("%s lacks %s in:\n%s", requests[i], headers[k], answer);
        }
}

static void test_other_hosts_are_refused(void **state) {
    struct fixture *f = *state;
    raw(f, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n" END, 403, "names another server");
    raw(f, "GET /metrics HTTP/1.1\r\nHost: evil.example:8081\r\n" END, 403, "another server");
    raw(f, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n" END, 403, "another server");
    raw(f, "GET /metrics HTTP/1.1\r\n" HOST "Host: evil.example\r\n" END, 400, "came twice");
    raw(f, "GET /metrics HTTP/1.1\r\nHost: localhost:9\r\n" END, 200, "tidemark_up");
    raw(f, "GET /metrics HTTP/1.1\r\nHost: [::1]:9\r\n" END, 200, "tidemark_up");
    raw(f, "GET /metrics HTTP/1.1\r\n" END, 400, "");
    raw(f, "GET /healthz HTTP/1.0\r\n\r\n", 200, "ok\n"); /* a load balancer's check */
}

static void test_other_sites_change_nothing(void **state) {
    struct fixture *f = *state;
    raw(f, "POST " JOB "/stop HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n" END, 403,
        "another site");
    raw(f, "POST " JOB "/stop HTTP/1.1\r\n" HOST "Origin: null\r\n" END, 403, "another site");
    raw(f, "POST " JOB "/stop HTTP/1.1\r\n" HOST "Sec-Fetch-Site: cross-site\r\n" END, 403,
        "another site");
    raw(f, "PATCH " JOB "?mode=cancel HTTP/1.1\r\n" HOST "Origin: https://evil\r\n" END, 403,
        "another site");
    raw(f,
        "OPTIONS " JOB "/stop HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n"
        "Access-Control-Request-Method: POST\r\n" END,
        405, "Allow: POST\r\n");
    assert_int_equal(f->world->command, 0);
}

static void test_changes_need_the_token(void **state) {
    struct fixture *f = *state;
    f->world->cfg.token = "secret";
    restart(f, "127.0.0.1");
    raw(f, "POST " JOB "/stop HTTP/1.1\r\n" HOST END, 401, "WWW-Authenticate: Bearer\r\n");
    raw(f, "POST " JOB "/stop HTTP/1.1\r\n" HOST "Authorization: Bearer secre\r\n" END, 401,
        "TOKEN");
    raw(f, "POST " JOB "/stop HTTP/1.1\r\n" HOST "Authorization: Basic secret\r\n" END, 401,
        "TOKEN");
    raw(f, "POST " JOB "/stop?token=secret HTTP/1.1\r\n" HOST END, 401, "TOKEN");
    raw(f, "GET /tidemark/samples HTTP/1.1\r\n" HOST END, 401, "TOKEN");
    assert_int_equal(f->world->command, 0);
    raw(f, "GET /metrics HTTP/1.1\r\n" HOST END, 200, "tidemark_up");
}

/* As with 0.0.0.0, on which others can connect. */
static void test_other_addresses_change_nothing_without_a_token(void **state) {
    struct fixture *f = *state;
    restart(f, "0.0.0.0");
    raw(f, "POST " JOB "/stop HTTP/1.1\r\n" HOST END, 403, "set http.token");
    raw(f, "PATCH " JOB "?mode=cancel HTTP/1.1\r\n" HOST END, 403, "set http.token");
    raw(f, "GET /tidemark/samples HTTP/1.1\r\n" HOST END, 403, "set http.token");
    raw(f, "GET /metrics HTTP/1.1\r\nHost: 192.0.2.7:8081\r\n" END, 200, "tidemark_up");
    raw(f, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n" END, 403, "another server");
    assert_int_equal(f->world->command, 0);
}

static void test_paths_mean_one_thing(void **state) {
    struct fixture *f = *state;
    raw(f, "GET /v1/metrics HTTP/1.1\r\n" HOST END, 200, "tidemark_up");
    raw(f, "GET /%6Detrics HTTP/1.1\r\n" HOST END, 200, "tidemark_up");
    raw(f, "GET /v1/v1/metrics HTTP/1.1\r\n" HOST END, 404, "nothing at this path");
    raw(f, "GET //metrics HTTP/1.1\r\n" HOST END, 404, "nothing");
    raw(f, "GET /metrics/ HTTP/1.1\r\n" HOST END, 404, "nothing");
    raw(f, "GET /../../etc/passwd HTTP/1.1\r\n" HOST END, 404, "nothing");
    raw(f, "GET /%2e%2e/etc/passwd HTTP/1.1\r\n" HOST END, 404, "nothing");
    raw(f, "GET /metrics%00x HTTP/1.1\r\n" HOST END, 400, "bad %-sequence");
    raw(f, "GET /%2fmetrics HTTP/1.1\r\n" HOST END, 400, "encoded slash");
    raw(f, "GET /metrics%zz HTTP/1.1\r\n" HOST END, 400, "bad %-sequence");
    raw(f, "GET http://127.0.0.1/metrics HTTP/1.1\r\n" HOST END, 400, "begin with a slash");
}

/* A request of n times the letter x, between two texts. */
static char *stuffed(const char *before, size_t n, const char *after) {
    char *x = xmalloc(n + 1);
    memset(x, 'x', n);
    x[n] = '\0';
    char *request = xasprintf("%s%s%s", before, x, after);
    free(x);
    return request;
}

static void test_large_requests_are_refused(void **state) {
    struct fixture *f = *state;
    struct {
        const char *before;
        size_t n;
        const char *after;
        int status;
    } cases[] = {
        {"GET /", 3000, " HTTP/1.1\r\n" HOST END, 414},
        {"GET /", 30000, " HTTP/1.1\r\n" HOST END, 414},
        {"GET /healthz HTTP/1.1\r\n" HOST "X: ", 30000, "\r\n" END, 431},
        {"POST " JOB "/stop HTTP/1.1\r\n" HOST "Content-Length: 16385\r\n" END, 16385, "", 413},
        {"POST " JOB "/stop HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n" END, 9,
         "", 413},
        {"POST " JOB "/stop HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END "4001\r\n",
         16385, "\r\n0\r\n\r\n", 413},
        {"POST " JOB "/stop HTTP/1.1\r\n" HOST "Content-Length: -1\r\n" END, 9, "", 400},
        {"POST " JOB "/stop HTTP/1.1\r\n" HOST "Content-Length: 0x9\r\n" END, 9, "", 400},
        {"POST " JOB "/stop HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END "zz\r\n", 9, "",
         400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *request = stuffed(cases[i].before, cases[i].n, cases[i].after);
        raw(f, request, cases[i].status, "");
        free(request);
    }
    assert_int_equal(f->world->command, 0);
}

/* Flink's CLI sends "{}" along with GET. */
static void test_bodies_up_to_the_cap_are_read(void **state) {
    struct fixture *f = *state;
    raw(f, "GET /healthz HTTP/1.1\r\n" HOST "Content-Length: 2\r\n" END "{}", 200, "ok\n");
    raw(f,
        "GET /healthz HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END
        "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        200, "ok\n");
    char *request =
        stuffed("GET /healthz HTTP/1.1\r\n" HOST "Content-Length: 16384\r\n" END, 16384, "");
    raw(f, request, 200, "ok\n");
    free(request);
}

static size_t count_of(const char *text, const char *words) {
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, words)); p++)
        n++;
    return n;
}

static void test_pipelined_requests_are_answered_in_turn(void **state) {
    struct fixture *f = *state;
    char answer[ANSWER_BYTES];
    ask(f,
        "GET /healthz HTTP/1.1\r\n" HOST "\r\nGET /readyz HTTP/1.1\r\n" HOST
        "\r\nHEAD /healthz HTTP/1.1\r\n" HOST "\r\nGET /nothing HTTP/1.1\r\n" HOST END,
        answer);
    const char *first = strstr(answer, " 200 OK"), *second = strstr(answer, " 503 Service");
    const char *last = strstr(answer, " 404 Not Found");
    assert_true(first && second && last && first < second && second < last);
    assert_int_equal(count_of(answer, "HTTP/1.1 "), 4);
    assert_int_equal(count_of(answer, "\r\n\r\nok\n"), 1);
}

/* ---- Limits on time and number ------------------------------------------------------------------- */

static int64_t now_ms(void) {
    return clock_monotonic(clock_system());
}

static bool is_open(int fd) {
    char c;
    return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) != 0;
}

/* Silence is not what ends it: each piece comes sooner than any time-out on silence. */
static void drip(struct fixture *f, const char *first) {
    f->world->cfg.request_ms = 300;
    restart(f, "127.0.0.1");
    int fd = connected(f);
    int64_t begin = now_ms();
    send_all(fd, first, strlen(first));
    while (is_open(fd) && now_ms() - begin < 10000) {
        (void)send(fd, "x", 1, MSG_NOSIGNAL);
        (void)usleep(20 * 1000);
    }
    int64_t took = now_ms() - begin;
    (void)close(fd);
    if (took < 250 || took > 5000)
        fail_msg("ended after %d ms", (int)took);
    answers(f, "GET", "/healthz", 200, "ok\n");
}

static void test_slow_headers_run_out_of_time(void **state) {
    drip(*state, "GET /healthz HTTP/1.1\r\n" HOST "X: ");
}

static void test_slow_bodies_run_out_of_time(void **state) {
    drip(*state, "POST " JOB "/stop HTTP/1.1\r\n" HOST "Content-Length: 9999\r\n\r\n");
}

static void test_many_connections_end_each_other_in_time(void **state) {
    struct fixture *f = *state;
    f->world->cfg.request_ms = 300;
    restart(f, "127.0.0.1");
    int fds[100];
    for (size_t i = 0; i < 100; i++)
        fds[i] = connected(f);
    answers(f, "GET", "/healthz", 200, "ok\n"); /* waits until others have had their time */
    for (size_t i = 0; i < 100; i++)
        (void)close(fds[i]);
}

static void test_a_connection_may_ask_for_longer_than_one_request_may_take(void **state) {
    struct fixture *f = *state;
    f->world->cfg.request_ms = 400;
    restart(f, "127.0.0.1");
    int fd = connected(f);
    static const char request[] = "GET /healthz HTTP/1.1\r\n" HOST "\r\n";
    for (int i = 0; i < 6; i++) {
        char answer[1024] = "";
        send_all(fd, request, sizeof request - 1);
        assert_true(recv(fd, answer, sizeof answer - 1, 0) > 0);
        assert_non_null(strstr(answer, "200 OK"));
        (void)usleep(100 * 1000);
    }
    (void)close(fd);
}

/* Metrics of about so many MiB. */
static void publish_large(struct fixture *f, size_t mib) {
    size_t n = 1000;
    for (int round = 0; round < 2; round++) {
        struct partition_metrics *p = xcalloc(n, sizeof *p);
        for (size_t i = 0; i < n; i++)
            p[i] = (struct partition_metrics){.partition = (int32_t)i, .state = "running"};
        metrics_publish(f->metrics,
                        &(struct job_metrics){.running = true, .partitions = p, .n_partitions = n});
        free(p);
        struct buffer b;
        buffer_init(&b, 100 << 20);
        if (round == 0) {
            metrics_render(f->metrics, &b);
            n = n * (mib << 20) / b.len;
        }
        buffer_free(&b);
    }
}

static void test_answers_that_nobody_takes_are_limited(void **state) {
    struct fixture *f = *state;
    static const char request[] = "GET /metrics HTTP/1.1\r\n" HOST END;
    enum { CLIENTS = 6 };
    int fds[CLIENTS];
    bool refused = false;
    publish_large(f, 10);
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = connected(f);
        send_all(fds[i], request, sizeof request - 1);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        char answer[32] = "";
        assert_true(recv(fds[i], answer, sizeof answer - 1, 0) > 0);
        refused |= strstr(answer, " 503 ") != NULL;
    }
    assert_true(refused);
    for (size_t i = 0; i < CLIENTS; i++)
        (void)close(fds[i]);
    publish(f, true);
    answers(f, "GET", "/metrics", 200, "tidemark_up"); /* their bytes count no more */
}

static void test_an_answer_may_not_be_larger_than_its_maximum(void **state) {
    struct fixture *f = *state;
    publish_large(f, 20);
    raw(f, "GET /metrics HTTP/1.1\r\n" HOST END, 500, "would be larger");
}

static void test_the_stop_waits_for_nobody_long(void **state) {
    struct fixture *f = *state;
    static const char request[] = "GET /metrics HTTP/1.1\r\n" HOST END;
    publish_large(f, 10);
    int fd = connected(f), idle = connected(f);
    send_all(fd, request, sizeof request - 1);
    char first[16];
    assert_true(recv(fd, first, sizeof first, 0) > 0);
    int64_t begin = now_ms();
    restart(f, "127.0.0.1");
    assert_true(now_ms() - begin < 5000);
    (void)close(fd);
    (void)close(idle);
}

#define http_test(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        http_test(test_metrics),
        http_test(test_health_follows_the_job),
        http_test(test_head),
        http_test(test_what_is_not_served),
        http_test(test_answers_while_the_worker_publishes),
        http_test(test_taken_port),
        http_test(test_no_address),
        http_test(test_address_of_another_machine),
        http_test(test_localhost),
        http_test(test_port_is_free_after_the_stop),
        http_test(test_every_answer_has_the_security_headers),
        http_test(test_other_hosts_are_refused),
        http_test(test_other_sites_change_nothing),
        http_test(test_changes_need_the_token),
        http_test(test_other_addresses_change_nothing_without_a_token),
        http_test(test_paths_mean_one_thing),
        http_test(test_large_requests_are_refused),
        http_test(test_bodies_up_to_the_cap_are_read),
        http_test(test_pipelined_requests_are_answered_in_turn),
        http_test(test_slow_headers_run_out_of_time),
        http_test(test_slow_bodies_run_out_of_time),
        http_test(test_many_connections_end_each_other_in_time),
        http_test(test_a_connection_may_ask_for_longer_than_one_request_may_take),
        http_test(test_answers_that_nobody_takes_are_limited),
        http_test(test_an_answer_may_not_be_larger_than_its_maximum),
        http_test(test_the_stop_waits_for_nobody_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
