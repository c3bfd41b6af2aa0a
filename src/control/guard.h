/* Who may ask what. A browser on this machine can be made to send requests here by any page that it
 * shows, so loopback alone is no protection:
 *
 *   Host       must be this server's name. Else a page can read everything, once its own name is made
 *              to resolve to 127.0.0.1 (DNS rebinding).
 *   Origin     of changing calls must be this server. No answer ever has a CORS header.
 *   http.token must come with changing calls and with those that show records; where none is set,
 *              both are served on loopback only. */
#ifndef TIDEMARK_CONTROL_GUARD_H
#define TIDEMARK_CONTROL_GUARD_H

#include <stdbool.h>

struct guard {
    const char *host;    /* http.listen's, without brackets */
    const char *machine; /* this machine's name */
    const char *token;   /* http.token; NULL: none */
    bool loopback;       /* only this machine can connect */
};

/* Of a request; NULL where it has none. */
struct guard_headers {
    const char *host, *origin, *fetch_site, *authorization;
    bool repeated; /* one of these came twice */
};

struct guard_verdict {
    unsigned status;  /* 200: go on; else the answer's */
    const char *text; /* why not; static */
};

/* Judges before anything of the request is looked at: its headers and its host. */
struct guard_verdict guard_request(const struct guard *g, const struct guard_headers *h);
/* Judges a call of a route, which changes the job or shows records' content. */
struct guard_verdict guard_route(const struct guard *g, const struct guard_headers *h, bool changes,
                                 bool data);

#endif
