#include "control/route.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

/* ---- The table ----------------------------------------------------------------------------------- */

/* docs/rest.md says what each answers; a test keeps the two together. */
static const struct route routes[] = {
    {"GET", "/", 0, get_page},
    {"GET", "/page.css", 0, get_page_css},
    {"GET", "/page.js", 0, get_page_js},
    {"GET", "/metrics", 0, get_metrics},
    {"GET", "/healthz", 0, get_healthz},
    {"GET", "/readyz", 0, get_readyz},

    {"GET", "/tidemark/status", 0, tidemark_status},
    {"GET", "/tidemark/files", 0, tidemark_files},
    {"GET", "/tidemark/checkpoints", 0, tidemark_checkpoints},
    {"GET", "/tidemark/errors", 0, tidemark_errors},
    {"GET", "/tidemark/samples", ROUTE_DATA, tidemark_samples},
    {"GET", "/tidemark/settings", 0, tidemark_settings},

    {"GET", "/overview", 0, flink_overview},
    {"GET", "/config", 0, flink_config},
    {"GET", "/jobs", 0, flink_jobs},
    {"GET", "/jobs/overview", 0, flink_jobs_overview},
    {"GET", "/jobs/:id", 0, flink_job},
    {"PATCH", "/jobs/:id", ROUTE_CHANGES, flink_cancel},
    {"GET", "/jobs/:id/plan", 0, flink_plan},
    {"GET", "/jobs/:id/config", 0, flink_job_config},
    {"GET", "/jobs/:id/metrics", 0, flink_job_metrics},
    {"GET", "/jobs/:id/exceptions", 0, flink_exceptions},
    {"GET", "/jobs/:id/checkpoints", 0, flink_checkpoints},
    {"GET", "/jobs/:id/checkpoints/config", 0, flink_checkpoint_config},
    {"GET", "/jobs/:id/checkpoints/details/:checkpoint", 0, flink_checkpoint_details},
    {"POST", "/jobs/:id/savepoints", ROUTE_CHANGES, flink_savepoint},
    {"GET", "/jobs/:id/savepoints/:trigger", 0, flink_savepoint_status},
    {"POST", "/jobs/:id/stop", ROUTE_CHANGES, flink_stop},
    {"GET", "/jobs/:id/vertices/:vertex", 0, flink_vertex},
    {"GET", "/jobs/:id/vertices/:vertex/metrics", 0, flink_vertex_metrics},
    {"GET", "/jobs/:id/vertices/:vertex/watermarks", 0, flink_watermarks},
    {"GET", "/jobs/:id/vertices/:vertex/backpressure", 0, flink_backpressure},
};
enum { N_ROUTES = sizeof routes / sizeof *routes };

const struct route *route_table(size_t *n) {
    *n = N_ROUTES;
    return routes;
}

/* ---- Finding one --------------------------------------------------------------------------------- */

/* Compares segment by segment; ":name" takes any that is not empty and not too long. */
static bool matches(const char *pattern, const char *path, struct http_request *r) {
    size_t n = 0;
    for (;;) {
        size_t in_pattern = strcspn(pattern, "/"), in_path = strcspn(path, "/");
        if (*pattern == ':') {
            if (in_path == 0 || in_path >= ROUTE_PARAM_MAX || n == ROUTE_PARAMS_MAX)
                return false;
            memcpy(r->params[n], path, in_path);
            r->params[n++][in_path] = '\0';
        } else if (in_pattern != in_path || memcmp(pattern, path, in_path) != 0) {
            return false;
        }
        pattern += in_pattern;
        path += in_path;
        if (*pattern != *path)
            return false;
        if (*pattern == '\0')
            return true;
        pattern++;
        path++;
    }
}

enum { GET = 1, POST = 2, PATCH = 4 };

static unsigned method_bit(const char *method) {
    return strcmp(method, "POST") == 0 ? POST : strcmp(method, "PATCH") == 0 ? PATCH : GET;
}

static bool serves(const struct route *route, const char *method) {
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* "/jobs/overview" stands before "/jobs/:id" in the table: the first that fits is taken. */
const struct route *route_find(struct http_request *r, const char **allow) {
    static const char *const lists[] = {
        NULL,    "GET, HEAD",        "POST",        "GET, HEAD, POST",
        "PATCH", "GET, HEAD, PATCH", "POST, PATCH", "GET, HEAD, POST, PATCH"};
    unsigned methods = 0;
    *allow = NULL;
    for (size_t i = 0; i < N_ROUTES; i++) {
        if (!matches(routes[i].pattern, r->path, r))
            continue;
        if (serves(&routes[i], r->method))
            return &routes[i];
        methods |= method_bit(routes[i].method);
    }
    *allow = lists[methods];
    return NULL;
}

/* ---- Answers ------------------------------------------------------------------------------------- */

static int append(const char *text, size_t len, void *ctx) {
    (void)buffer_append(ctx, text, len); /* overflow is looked at by whoever sends it */
    return 0;
}

/* Memory is not what can be wrong (base/memory.h): a tree has a hole where some text was no UTF-8. */
void answer_json(struct http_answer *a, json_t *json) {
    if (json &&
        json_dump_callback(json, append, &a->body, JSON_COMPACT | JSON_REAL_PRECISION(15)) == 0)
        (void)buffer_append(&a->body, "\n", 1);
    else
        answer_error(a, 500, "the answer cannot be written as JSON");
    json_decref(json);
}

json_t *json_text(const char *text) {
    if (!text)
        return json_null();
    json_t *json = json_string(text);
    if (json)
        return json;
    char *copy = xstrdup(text);
    size_t len = strlen(copy);
    for (size_t i = 0; i < len;) {
        size_t n = utf8_sequence(copy + i, len - i);
        if (n == 0)
            copy[i] = '?';
        i += n ? n : 1;
    }
    json = json_string(copy);
    free(copy);
    return json;
}

void answer_error(struct http_answer *a, unsigned status, const char *fmt, ...) {
    char text[ERROR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(text, sizeof text, fmt, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    a->status = status;
    a->type = "application/json";
    a->fixed = NULL;
    buffer_reset(&a->body);
    answer_json(a, json_pack("{s:[o]}", "errors", json_text(text)));
}

bool answer_for_job(const struct http_request *r, struct http_answer *a) {
    if (strcmp(r->params[0], r->cfg->info->id) == 0)
        return true;
    answer_error(a, 404, "there is no job with this id here; GET /jobs/overview tells the id of %s",
                 r->cfg->info->name);
    return false;
}

static void answer_text(struct http_answer *a, unsigned status, const char *text) {
    a->status = status;
    a->type = "text/plain; charset=utf-8";
    (void)buffer_puts(&a->body, text);
}

/* ---- Handlers ------------------------------------------------------------------------------------ */

void get_metrics(const struct http_request *r, struct http_answer *a) {
    a->type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_render(r->cfg->metrics, &a->body);
}

/* Also while it starts or waits before a restart: a probe must not end the process then. */
void get_healthz(const struct http_request *r, struct http_answer *a) {
    (void)r;
    answer_text(a, 200, "ok\n");
}

void get_readyz(const struct http_request *r, struct http_answer *a) {
    if (metrics_healthy(r->cfg->metrics))
        answer_text(a, 200, "ok\n");
    else
        answer_text(a, 503, "not running\n");
}
