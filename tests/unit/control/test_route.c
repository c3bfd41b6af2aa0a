/* From a method and a path to a handler; and docs/rest.md has the same table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "support/control_world.h"

static const struct route *find(const char *method, const char *path, struct http_request *r,
                                const char **allow) {
    *r = (struct http_request){.method = method, .path = path};
    return route_find(r, allow);
}

static void goes_to(const char *method, const char *path, http_handler *handler) {
    struct http_request r;
    const char *allow;
    const struct route *found = find(method, path, &r, &allow);
    if (!found || found->handler != handler)
        fail_msg("%s %s goes to %s", method, path, found ? found->pattern : "nothing");
}

static void goes_nowhere(const char *method, const char *path, const char *allowed) {
    struct http_request r;
    const char *allow;
    if (find(method, path, &r, &allow))
        fail_msg("%s %s is served", method, path);
    if (allowed)
        assert_string_equal(allow, allowed);
    else
        assert_null(allow);
}

static void test_routes(void **state) {
    (void)state;
    goes_to("GET", "/", get_page);
    goes_to("GET", "/metrics", get_metrics);
    goes_to("HEAD", "/metrics", get_metrics);
    goes_to("GET", "/jobs/overview", flink_jobs_overview);
    goes_to("GET", "/jobs/overvie", flink_job);
    goes_to("PATCH", "/jobs/x", flink_cancel);
    goes_to("POST", "/jobs/x/savepoints", flink_savepoint);
    goes_to("GET", "/jobs/x/savepoints/y", flink_savepoint_status);
    goes_to("GET", "/jobs/x/checkpoints/config", flink_checkpoint_config);
    goes_to("GET", "/jobs/x/vertices/y/watermarks", flink_watermarks);
}

static void test_what_goes_nowhere(void **state) {
    (void)state;
    static const char *const paths[] = {"",           "/metrics/",          "//metrics",
                                        "/metric",    "/Metrics",           "/jobs/",
                                        "/jobs//",    "/jobs//plan",        "/jobs/x/plan/",
                                        "/jobs/x/y",  "/jobs/x/../plan",    "/tidemark",
                                        "/tidemark/", "/tidemark/status/x", "/v1/jobs",
                                        "/.."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        goes_nowhere("GET", paths[i], NULL);
    char longest[ROUTE_PARAM_MAX + 8] = "/jobs/";
    memset(longest + 6, 'x', ROUTE_PARAM_MAX - 1);
    goes_to("GET", longest, flink_job);
    longest[6 + ROUTE_PARAM_MAX - 1] = 'x';
    goes_nowhere("GET", longest, NULL);
}

static void test_other_methods(void **state) {
    (void)state;
    goes_nowhere("POST", "/metrics", "GET, HEAD");
    goes_nowhere("get", "/metrics", "GET, HEAD");
    goes_nowhere("", "/metrics", "GET, HEAD");
    goes_nowhere("DELETE", "/jobs/x", "GET, HEAD, PATCH");
    goes_nowhere("GET", "/jobs/x/stop", "POST");
    goes_nowhere("HEAD", "/jobs/x/stop", "POST");
    goes_nowhere("POST", "/jobs/overview", "GET, HEAD, PATCH"); /* a job may be called so */
}

static void test_params(void **state) {
    (void)state;
    struct http_request r;
    const char *allow;
    assert_non_null(find("GET", "/jobs/abc/vertices/v-1/metrics", &r, &allow));
    assert_string_equal(r.params[0], "abc");
    assert_string_equal(r.params[1], "v-1");
}

/* Nothing that changes the job or shows records may come in unmarked. */
static void test_flags(void **state) {
    (void)state;
    size_t n;
    const struct route *routes = route_table(&n);
    for (size_t i = 0; i < n; i++) {
        bool changes = routes[i].flags & ROUTE_CHANGES, data = routes[i].flags & ROUTE_DATA;
        assert_int_equal(changes, strcmp(routes[i].method, "GET") != 0);
        assert_int_equal(data, strcmp(routes[i].pattern, "/tidemark/samples") == 0);
    }
}

static void test_the_documentation_has_the_same_table(void **state) {
    (void)state;
    char text[65536] = "", row[128];
    FILE *f = fopen("docs/rest.md", "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    size_t n, rows = 0;
    const struct route *routes = route_table(&n);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(row, sizeof row, "\n| %s %s | %s|", routes[i].method, routes[i].pattern,
                       routes[i].flags & ROUTE_CHANGES ? "changes "
                       : routes[i].flags & ROUTE_DATA  ? "data "
                                                       : "");
        if (!strstr(text, row))
            fail_msg("docs/rest.md lacks the row%s", row);
    }
    static const char *const methods[] = {"\n| GET /", "\n| POST /", "\n| PATCH /"};
    for (size_t m = 0; m < 3; m++)
        for (const char *p = text; (p = strstr(p, methods[m])); p++)
            rows++;
    assert_int_equal(rows, n);
}

static void test_errors_are_json_whatever_the_text(void **state) {
    (void)state;
    struct http_answer a = {.status = 200};
    buffer_init(&a.body, ANSWER_MAX);
    (void)buffer_puts(&a.body, "half of something");
    answer_error(&a, 404, "no \"%s\"", "\xff\xc3\n");
    assert_int_equal(a.status, 404);
    assert_string_equal(buffer_text(&a.body), "{\"errors\":[\"no \\\"\?\?\\n\\\"\"]}\n");
    a.status = 200;
    buffer_reset(&a.body);
    answer_json(&a, json_pack("{s:s}", "x", "\xff"));
    assert_int_equal(a.status, 500);
    buffer_free(&a.body);
}

static void test_the_id_of_another_job(void **state) {
    (void)state;
    struct control_world *w = control_world_new();
    struct http_answer a = {.status = 200};
    struct http_request r = {.cfg = &w->cfg};
    buffer_init(&a.body, ANSWER_MAX);
    memcpy(r.params[0], CONTROL_JOB_ID, sizeof CONTROL_JOB_ID);
    assert_true(answer_for_job(&r, &a));
    r.params[0][3] = 'x';
    assert_false(answer_for_job(&r, &a));
    assert_int_equal(a.status, 404);
    assert_non_null(strstr(buffer_text(&a.body), "clicks"));
    buffer_free(&a.body);
    control_world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_what_goes_nowhere),
        cmocka_unit_test(test_other_methods),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_the_documentation_has_the_same_table),
        cmocka_unit_test(test_errors_are_json_whatever_the_text),
        cmocka_unit_test(test_the_id_of_another_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
