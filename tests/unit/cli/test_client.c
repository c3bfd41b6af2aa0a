/* What commands say of a job that answers badly or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/client.h"
#include "support/fake_http.h"

#define JOB "0123456789abcdef0123456789abcdef"

static struct fake_http *server;
static struct client *client;
static struct error e;

static struct client *open_client(const char *url) {
    static const struct cli_option options[] = {CLIENT_OPTION_URL, {0}};
    static const struct cli_spec spec = {.name = "test", .summary = "Tests.", .options = options};
    struct cli_args args = {.spec = &spec, .values = {url}};
    e = (struct error){0};
    return client_new(&args, &e);
}

static int set_up(void **state) {
    (void)state;
    (void)setenv("no_proxy", "*", 1);
    server = fake_http_start();
    client = open_client(fake_http_endpoint(server));
    assert_non_null(client);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    client_free(client);
    fake_http_stop(server);
    return 0;
}

static void fails(enum error_code code, const char *text) {
    e = (struct error){0};
    assert_null(client_get(client, &e, "/jobs/%s", "overview"));
    if (e.code != code || !strstr(e.text, text))
        fail_msg("%s: %s", error_name(e.code), e.text);
    assert_non_null(strstr(e.text, fake_http_endpoint(server)));
    assert_null(strchr(e.text, '\n'));
}

static void statuses(void **state) {
    (void)state;
    static const char errors[] = "{\"errors\":[\"because\"]}";
    static const struct {
        int status;
        enum error_code code;
        const char *body, *text;
    } cases[] = {
        {401, ERR_DENIED, errors, "answers 401: because (set TIDEMARK_HTTP_TOKEN"},
        {403, ERR_DENIED, errors, "answers 403: because"},
        {404, ERR_NOT_FOUND, errors, "answers 404: because"},
        {500, ERR_INTERNAL, errors, "answers 500: because"},
        {503, ERR_INTERNAL, "", "answers 503: no reason is given"},
        {302, ERR_INTERNAL, "<html>", "answers 302: no reason is given"},
        {200, ERR_CORRUPT, "<html>", "is it tidemark that listens there?"},
        {200, ERR_CORRUPT, "", "is it tidemark that listens there?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_answer(server, cases[i].status, "", cases[i].body);
        fails(cases[i].code, cases[i].text);
    }
}

static void answers_that_do_not_come_whole(void **state) {
    (void)state;
    fake_http_reply(server, THEN_RESET, "");
    fails(ERR_UNAVAILABLE, "nothing answers at");
    fake_http_reply(server, THEN_CLOSE, "");
    fails(ERR_UNAVAILABLE, "nothing answers at");
    fake_http_reply(server, THEN_RESET, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{");
    fails(ERR_UNAVAILABLE, "nothing answers at");
    fake_http_reply(server, THEN_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}");
    fails(ERR_UNAVAILABLE, "nothing answers at");
    fake_http_reply(server, THEN_CLOSE, "SSH-2.0-OpenSSH_9.2\r\n");
    fails(ERR_UNAVAILABLE, "nothing answers at");
}

static void no_server(void **state) {
    (void)state;
    static const char *const urls[] = {"http://127.0.0.1:1", "http://tidemark.invalid/",
                                       "https://127.0.0.1:1", "http://"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct client *c = open_client(urls[i]);
        assert_non_null(c);
        assert_null(client_get(c, &e, "/jobs/overview"));
        assert_int_equal(e.code, ERR_UNAVAILABLE);
        assert_non_null(strstr(e.text, "--url names another place"));
        client_free(c);
    }
    assert_null(open_client("ftp://127.0.0.1"));
    assert_int_equal(e.code, ERR_USAGE);
}

static void the_job(void **state) {
    (void)state;
    char id[33];
    fake_http_answer(server, 200, "", "{\"jobs\":[{\"jid\":\"" JOB "\"}]}");
    assert_int_equal(client_job_id(client, id, &e), 0);
    assert_string_equal(id, JOB);
    fake_http_answer(server, 200, "", "{\"jobs\":[]}");
    assert_int_equal(client_job_id(client, id, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    fake_http_answer(server, 200, "", "[1]");
    assert_int_equal(client_job_id(client, id, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    fake_http_answer(server, 200, "", "{\"jobs\":[{\"jid\":\"short\"}]}");
    assert_int_equal(client_job_id(client, id, &e), -1);
    assert_int_equal(e.code, ERR_CORRUPT);
    fake_http_answer(server, 500, "", "");
    assert_int_equal(client_job_id(client, id, &e), -1);
    assert_int_equal(e.code, ERR_INTERNAL);
}

static void waiting(void **state) {
    (void)state;
    char *location = NULL;
    fake_http_answer(server, 200, "", "{\"status\":{\"id\":\"IN_PROGRESS\"}}");
    fake_http_answer(
        server, 200, "",
        "{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{\"location\":\"s3://a/\"}}");
    assert_int_equal(client_wait(client, JOB, "7", -1, &location, &e), 0);
    assert_string_equal(location, "s3://a/");
    free(location);
    assert_non_null(
        strstr(fake_http_request(server, 1), "GET /jobs/" JOB "/savepoints/7 HTTP/1.1\r\n"));
    fake_http_answer(server, 200, "",
                     "{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{\"failure-cause\":"
                     "{\"stack-trace\":\"no space\"}}}");
    assert_int_equal(client_wait(client, JOB, "7", -1, &location, &e), -1);
    assert_string_equal(e.text, "it failed: no space");
    fake_http_reply(server, THEN_RESET, "HTTP/1.1 200 OK\r\n");
    assert_int_equal(client_wait(client, JOB, "7", -1, &location, &e), -1);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    fake_http_reply_always(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    assert_int_equal(client_wait(client, JOB, "7", 50, &location, &e), -1);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "tidemark status tells"));
}

#define client_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        client_test(statuses),  client_test(answers_that_do_not_come_whole),
        client_test(no_server), client_test(the_job),
        client_test(waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
