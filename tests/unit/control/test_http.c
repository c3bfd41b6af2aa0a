/* The HTTP thread, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/http.h"

struct fixture {
    struct metrics *metrics;
    struct http_server *server;
};

static struct http_server *listen_at(const char *host, uint16_t port, struct metrics *m,
                                     struct error *e) {
    return http_server_start(&(struct http_config){.host = host, .port = port, .metrics = m}, e);
}

static int set_up(void **state) {
    static struct fixture f;
    struct error e;
    f.metrics = metrics_new(clock_system());
    f.server = listen_at("127.0.0.1", 0, f.metrics, &e);
    if (!f.server)
        fail_msg("%s", e.text);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    http_server_stop(f->server);
    metrics_free(f->metrics);
    return 0;
}

static void publish(struct fixture *f, bool running) {
    struct partition_metrics p = {.partition = 3, .position = 42, .state = "running"};
    metrics_publish(f->metrics,
                    &(struct job_metrics){.running = running, .partitions = &p, .n_partitions = 1});
}

enum { ANSWER_BYTES = 65536 };

/* Sends a request and reads until the server closes. */
static void ask(const struct fixture *f, const char *request, char answer[ANSWER_BYTES]) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(http_server_port(f->server))};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    size_t n = 0;
    for (ssize_t k;
         n + 1 < ANSWER_BYTES && (k = recv(fd, answer + n, ANSWER_BYTES - 1 - n, 0)) > 0;)
        n += (size_t)k;
    answer[n] = '\0';
    (void)close(fd);
}

/* The status line begins with this status, and all words stand in the answer. */
static void answers(const struct fixture *f, const char *method, const char *path, int status,
                    const char *words) {
    char request[256], answer[ANSWER_BYTES], line[32];
    (void)snprintf(request, sizeof request,
                   "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
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
    ask(f, "HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer);
    assert_non_null(strstr(answer, "Content-Length: 3\r\n"));
    assert_null(strstr(answer, "ok\n"));
}

static void test_what_is_not_served(void **state) {
    struct fixture *f = *state;
    answers(f, "GET", "/metricsx", 404, "/metrics, /healthz and /readyz\n");
    answers(f, "POST", "/metrics", 405, "only GET");
    answers(f, "POST", "/metrics", 405, "Allow: GET, HEAD\r\n");
    answers(f, "DELETE", "/metrics", 405, "only GET");
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
    assert_null(listen_at("127.0.0.1", port, f->metrics, &e));
    assert_int_equal(e.code, ERR_IO);
    (void)snprintf(where, sizeof where, "http.listen: 127.0.0.1:%u is taken", port);
    assert_non_null(strstr(e.text, where));
    assert_non_null(strstr(e.text, "set http.listen to a free port"));
}

static void test_no_address(void **state) {
    struct fixture *f = *state;
    struct error e;
    assert_null(listen_at("256.1.1.1.invalid", 0, f->metrics, &e));
    assert_non_null(strstr(e.text, "http.listen: 256.1.1.1.invalid is no address"));
}

/* An address of another machine (TEST-NET-1). */
static void test_address_of_another_machine(void **state) {
    struct fixture *f = *state;
    struct error e;
    assert_null(listen_at("192.0.2.1", 0, f->metrics, &e));
    assert_int_equal(e.code, ERR_IO);
    assert_non_null(strstr(e.text, "cannot listen on 192.0.2.1:0"));
}

static void test_localhost(void **state) {
    struct fixture *f = *state;
    struct error e;
    struct http_server *s = listen_at("localhost", 0, f->metrics, &e);
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
    f->server = listen_at("127.0.0.1", port, f->metrics, &e);
    if (!f->server)
        fail_msg("%s", e.text);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
