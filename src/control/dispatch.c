#include "control/dispatch.h"

#include <string.h>

static const char *query(const struct http_request *r, const char *name) {
    return uri_arg(r->impl, name);
}

void dispatch_init(struct dispatch *d, const struct http_config *cfg, const struct guard *g) {
    d->cfg = cfg;
    d->guard = g;
    d->uri.path[0] = '\0';
    d->request = (struct http_request){
        .cfg = cfg, .path = d->uri.path, .body = "", .query = query, .impl = &d->uri};
    d->route = NULL;
    d->answer = (struct http_answer){.status = 200, .type = "application/json"};
    buffer_init(&d->answer.body, ANSWER_MAX);
    d->allow = NULL;
    d->asks_for_token = false;
}

void dispatch_free(struct dispatch *d) {
    buffer_free(&d->answer.body);
}

static bool passes(struct dispatch *d, struct guard_verdict v) {
    if (v.status == 200)
        return true;
    d->asks_for_token = v.status == 401;
    answer_error(&d->answer, v.status, "%s", v.text);
    return false;
}

bool dispatch_begin(struct dispatch *d, const char *method, const char *raw_uri,
                    const struct guard_headers *h) {
    if (!passes(d, guard_request(d->guard, h)))
        return false;
    const char *why = uri_parse(&d->uri, raw_uri);
    if (why) {
        answer_error(&d->answer, strlen(raw_uri) < URI_MAX ? 400 : 414, "%s", why);
        return false;
    }
    d->request.method = method;
    d->route = route_find(&d->request, &d->allow);
    if (d->route)
        return passes(d, guard_route(d->guard, h, d->route->flags & ROUTE_CHANGES,
                                     d->route->flags & ROUTE_DATA));
    if (d->allow)
        answer_error(&d->answer, 405, "this path serves %s", d->allow);
    else
        answer_error(&d->answer, 404, "there is nothing at this path; docs/rest.md lists what is");
    return false;
}

void dispatch_run(struct dispatch *d, const char *body, size_t len) {
    d->request.body = body;
    d->request.body_len = len;
    d->route->handler(&d->request, &d->answer);
    if (d->answer.body.overflow) {
        buffer_reset(&d->answer.body);
        answer_error(&d->answer, 500, "the answer would be larger than %d bytes", ANSWER_MAX);
    }
}

void dispatch_too_large(struct dispatch *d) {
    answer_error(&d->answer, 413, "the body is larger than %d bytes", REQUEST_BODY_MAX);
}
