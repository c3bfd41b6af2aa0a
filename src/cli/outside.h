/* What a running job shows and is told: metrics, journal, requests and the HTTP server around them. */
#ifndef TIDEMARK_CLI_OUTSIDE_H
#define TIDEMARK_CLI_OUTSIDE_H

#include "control/http.h"
#include "job/job.h"

struct outside {
    struct job_info info;
    char host[256]; /* http.listen's; the server asks whether it is meant */
    struct metrics *metrics;
    struct journal *journal;
    struct requests *requests;
    struct http_server *server;
};

/* Serves http.listen; the job's part of it goes into *job. 0, or -1 with *e; close it in either
 * case. */
int outside_open(struct outside *o, const struct settings *s, struct job_config *job,
                 struct error *e);
/* The job has come to its end. Waits some seconds for whoever asked for that end to hear of it. */
void outside_ended(struct outside *o, enum worker_end end, bool drained, const struct error *e);
void outside_close(struct outside *o);

#endif
