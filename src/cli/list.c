/* tidemark list: the job of a running process, as `flink list` shows it. */
#include <inttypes.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/text.h"

static const struct cli_option options[] = {
    CLIENT_OPTION_URL, {"json", NULL, "the interface's own answer"}, {0}};

static const struct cli_spec spec = {
    .name = "list",
    .summary = "Lists the job that runs behind --url: its id, state, and since when.",
    .options = options};

static int list(struct client *c, const struct cli_args *args, struct error *e) {
    json_t *answer = client_get(c, e, "/jobs/overview");
    if (!answer)
        return -1;
    if (cli_given(args, "json")) {
        text_json(stdout, answer);
    } else {
        size_t i;
        json_t *job;
        (void)printf("%-32s  %-10s  %-20s  %10s  %s\n", "JOB", "STATE", "STARTED", "RUNS FOR",
                     "NAME");
        json_array_foreach(json_object_get(answer, "jobs"), i, job) {
            char started[TEXT_MAX], duration[TEXT_MAX];
            (void)printf(
                "%-32s  %-10s  %-20s  %10s  %s\n", client_text(job, "jid"),
                client_text(job, "state"), text_time(client_number(job, "start-time"), started),
                text_duration(client_number(job, "duration"), duration), client_text(job, "name"));
        }
    }
    json_decref(answer);
    return 0;
}

int cli_list(int argc, char **argv) {
    return client_command(&spec, argc, argv, list);
}
