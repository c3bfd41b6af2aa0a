/* tidemark stop and tidemark cancel: an orderly end, with a last checkpoint. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/client.h"

enum { END_PATIENCE_MS = 60000, POLL_MS = 100 };

static const struct cli_option stop_options[] = {
    CLIENT_OPTION_URL,
    {"drain", NULL,
     "publish all open files first; events of their windows that come later go to further files"},
    {0}};

static const struct cli_spec stop_spec = {
    .name = "stop",
    .summary = "Ends the job with a last checkpoint, waits for it and prints where it lies. Open "
               "files stay open for the next run, unless --drain publishes them.",
    .options = stop_options};

static const struct cli_option cancel_options[] = {CLIENT_OPTION_URL, {0}};

static const struct cli_spec cancel_spec = {
    .name = "cancel",
    .summary = "Ends the job and waits until it has ended. As stop: nothing is lost, a last "
               "checkpoint is put, and open files stay open for the next run.",
    .options = cancel_options};

static int stop(struct client *c, const struct cli_args *args, struct error *e) {
    bool drain = cli_given(args, "drain");
    char id[33], path[64], *location = NULL;
    if (client_job_id(c, id, e) != 0)
        return -1;
    (void)snprintf(path, sizeof path, "/jobs/%s/stop", id);
    json_t *answer =
        client_call(c, "POST", path, drain ? "{\"drain\":true}" : "{\"drain\":false}", e);
    if (!answer)
        return -1;
    int rc = client_wait(c, id, client_text(answer, "request-id"), -1, &location, e);
    json_decref(answer);
    if (rc == 0)
        (void)printf("stopped%s; the last checkpoints lie at %s\n",
                     drain ? ", everything is published" : "", location);
    free(location);
    return rc;
}

/* The server goes with the process, so no answer means that it has ended. -1: it goes on failing. */
static int wait_for_end(struct client *c, const char *id, struct error *e) {
    int64_t until = clock_monotonic(clock_system()) + END_PATIENCE_MS;
    while (clock_monotonic(clock_system()) < until) {
        json_t *answer = client_get(c, e, "/jobs/%s", id);
        if (!answer && e->code == ERR_UNAVAILABLE)
            return 0;
        const char *state = client_text(answer, "state");
        bool ended = strcmp(state, "CANCELED") == 0 || strcmp(state, "FINISHED") == 0;
        bool failed = strcmp(state, "FAILED") == 0;
        json_decref(answer);
        if (failed)
            return error_set(e, ERR_INTERNAL, "the job failed while it was stopping: see its log");
        if (ended)
            return 0;
        clock_sleep(POLL_MS);
    }
    return error_set(e, ERR_UNAVAILABLE, "the job has not ended within %d s; its log says why",
                     END_PATIENCE_MS / 1000);
}

static int cancel(struct client *c, const struct cli_args *args, struct error *e) {
    char id[33], path[80];
    (void)args;
    if (client_job_id(c, id, e) != 0)
        return -1;
    (void)snprintf(path, sizeof path, "/jobs/%s?mode=cancel", id);
    json_t *answer = client_call(c, "PATCH", path, NULL, e);
    if (!answer)
        return -1;
    json_decref(answer);
    if (wait_for_end(c, id, e) != 0)
        return -1;
    (void)printf("cancelled job %s; the next run goes on from its last checkpoint\n", id);
    return 0;
}

int cli_stop(int argc, char **argv) {
    return client_command(&stop_spec, argc, argv, stop);
}

int cli_cancel(int argc, char **argv) {
    return client_command(&cancel_spec, argc, argv, cancel);
}
