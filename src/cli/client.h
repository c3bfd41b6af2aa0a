/* Talks to a running job's HTTP interface, for list, status, cancel, stop and savepoint. */
#ifndef TIDEMARK_CLI_CLIENT_H
#define TIDEMARK_CLI_CLIENT_H

#include <jansson.h>

#include "cli/cli.h"

#define CLIENT_URL_DEFAULT "http://127.0.0.1:8081"

/* A row for --url, that each of these commands has. */
#define CLIENT_OPTION_URL \
    { "url", "URL", "where the job's http.listen is; default " CLIENT_URL_DEFAULT }

struct client;

/* --url, and the token from TIDEMARK_HTTP_TOKEN. NULL with ERR_USAGE where the URL is none. */
struct client *client_new(const struct cli_args *args, struct error *e);
void client_free(struct client *c);
const char *client_url(const struct client *c);

/* The answer's JSON, owned by the caller; NULL with *e: ERR_UNAVAILABLE where nobody listens,
 * ERR_DENIED for 401 and 403, ERR_NOT_FOUND for 404, ERR_CORRUPT where it is no JSON. body may be
 * NULL. */
json_t *client_call(struct client *c, const char *method, const char *path, const char *body,
                    struct error *e);
/* The same with a path made by printf. */
json_t *client_get(struct client *c, struct error *e, const char *path, ...)
    __attribute__((format(printf, 3, 4)));

/* Id of the job (there is one a process); id has room for 33. */
int client_job_id(struct client *c, char id[33], struct error *e);
/* Polls a savepoint's or stop's trigger until it is answered; location is the caller's to free.
 * patience_ms < 0: for ever. */
int client_wait(struct client *c, const char *id, const char *trigger, int64_t patience_ms,
                char **location, struct error *e);

/* Parses, makes a client, calls fn, reports: the frame of all five. */
int client_command(const struct cli_spec *spec, int argc, char **argv,
                   int (*fn)(struct client *c, const struct cli_args *args, struct error *e));

/* Fields of answers; where they are missing or null: "", -1, and NULL. */
const char *client_text(const json_t *object, const char *name);
int64_t client_number(const json_t *object, const char *name);

#endif
