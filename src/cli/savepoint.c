/* tidemark savepoint: a checkpoint of every partition, now. */
#include <inttypes.h>
#include <stdlib.h>

#include "cli/client.h"

static const struct cli_option options[] = {CLIENT_OPTION_URL, {0}};

static const struct cli_spec spec = {
    .name = "savepoint",
    .summary =
        "Makes every partition put a checkpoint now, waits until all are durable, and prints "
        "where they lie. It is a checkpoint like any other: the job goes on from its newest, "
        "and none but the newest can be restored.",
    .options = options};

static void print_numbers(struct client *c) {
    json_t *status = client_get(c, NULL, "/tidemark/status"), *partition;
    size_t i;
    json_array_foreach(json_object_get(status, "partitions"), i, partition) {
        const json_t *k = json_object_get(partition, "checkpoint");
        (void)printf("partition %" PRId64 ": checkpoint %" PRId64 "\n",
                     client_number(partition, "partition"), client_number(k, "number"));
    }
    json_decref(status);
}

static int savepoint(struct client *c, const struct cli_args *args, struct error *e) {
    char id[33], *location = NULL;
    (void)args;
    if (client_job_id(c, id, e) != 0)
        return -1;
    char path[64];
    (void)snprintf(path, sizeof path, "/jobs/%s/savepoints", id);
    json_t *answer = client_call(c, "POST", path, "{\"cancel-job\":false}", e);
    if (!answer)
        return -1;
    int rc = client_wait(c, id, client_text(answer, "request-id"), -1, &location, e);
    json_decref(answer);
    if (rc != 0)
        return -1;
    (void)printf("%s\n", location);
    print_numbers(c);
    free(location);
    return 0;
}

int cli_savepoint(int argc, char **argv) {
    return client_command(&spec, argc, argv, savepoint);
}
