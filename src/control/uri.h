/* A request's target taken apart: "/v1/jobs/x?mode=cancel". Strict, so that two spellings never mean
 * different things to whoever checks and whoever answers. */
#ifndef TIDEMARK_CONTROL_URI_H
#define TIDEMARK_CONTROL_URI_H

#include <stddef.h>

enum { URI_MAX = 2048, URI_ARGS_MAX = 16 };

struct uri {
    char path[URI_MAX];  /* decoded; without query, without one leading /v1 */
    char query[URI_MAX]; /* decoded; holds what args point to */
    struct uri_arg {
        const char *name, *value; /* "" where there is no '=' */
    } args[URI_ARGS_MAX];
    size_t n_args;
};

/* NULL, or what is wrong with raw (static text). Refused are: what does not begin with '/', bad
 * %-encoding, encoded slashes, control characters and NULs, and what is too long. */
const char *uri_parse(struct uri *u, const char *raw);
/* The first argument of this name, or NULL. */
const char *uri_arg(const struct uri *u, const char *name);

#endif
