/* From a request's method and path to the function that answers it. Handlers know nothing of HTTP's
 * mechanics: they get a parsed request and fill an answer. They run on the HTTP thread. */
#ifndef TIDEMARK_CONTROL_ROUTE_H
#define TIDEMARK_CONTROL_ROUTE_H

#include <jansson.h>

#include "base/buffer.h"
#include "control/http.h"

enum { ROUTE_PARAMS_MAX = 3, ROUTE_PARAM_MAX = 64, REQUEST_BODY_MAX = 16 * 1024 };

struct http_request {
    const struct http_config *cfg;
    const char *method;
    const char *path;                               /* without query and without a leading /v1 */
    char params[ROUTE_PARAMS_MAX][ROUTE_PARAM_MAX]; /* what stood for ":name" in the pattern */
    const char *body;                               /* NUL-terminated; "" where there is none */
    size_t body_len;
    /* A query argument's value, or NULL; valid during the call. */
    const char *(*query)(const struct http_request *r, const char *name);
    void *impl;
};

struct http_answer {
    unsigned status;  /* 200 at first */
    const char *type; /* static; "application/json" at first */
    struct buffer body;
    /* For bodies that are static (the page): used instead of body where not NULL. */
    const void *fixed;
    size_t fixed_len;
};

typedef void http_handler(const struct http_request *r, struct http_answer *a);

enum route_flags {
    ROUTE_CHANGES = 1, /* changes the job: refused where guard.c says so */
    ROUTE_DATA = 2     /* shows records' content: needs http.token where one is set */
};

struct route {
    const char *method;  /* "GET" serves HEAD, too */
    const char *pattern; /* "/jobs/:id/savepoints/:trigger"; compared segment by segment */
    unsigned flags;
    http_handler *handler;
};

/* All of them. */
const struct route *route_table(size_t *n);

/* The route for a request, with its params filled in; NULL where there is none, and then *allow is a
 * list such as "GET, PATCH" if the path exists with other methods, else NULL. */
const struct route *route_find(struct http_request *r, const char **allow);

/* For handlers. json is taken over. */
void answer_json(struct http_answer *a, json_t *json);
/* {"errors":["..."]}, as Flink's. What is no UTF-8 becomes '?'. */
void answer_error(struct http_answer *a, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Text as JSON whatever its bytes: what is no UTF-8 becomes '?'. json_string() gives NULL then. NULL
 * becomes null. */
json_t *json_text(const char *text);
/* True where the first param is this job's id; else answers 404. */
bool answer_for_job(const struct http_request *r, struct http_answer *a);

/* ---- Handlers, by file ---- */

/* route.c */
http_handler get_metrics, get_healthz, get_readyz;
/* page.c */
http_handler get_page, get_page_css, get_page_js;
/* rest_flink_*.c: docs/rest.md has the table */
http_handler flink_overview, flink_config, flink_jobs, flink_jobs_overview, flink_job, flink_cancel,
    flink_plan, flink_exceptions, flink_checkpoints, flink_checkpoint_config, flink_savepoint,
    flink_savepoint_status, flink_stop, flink_watermarks, flink_backpressure, flink_vertex,
    flink_job_config, flink_job_metrics, flink_vertex_metrics, flink_checkpoint_details;
/* rest_status.c: /tidemark/status; rest_details.c: the others */
http_handler tidemark_status, tidemark_files, tidemark_checkpoints, tidemark_errors,
    tidemark_samples, tidemark_settings;

#endif
