#include "cli/cli.h"

/* In the order in which --help lists them. */
static const struct cli_command commands[] = {
    {"run", cli_run, "run the job in the foreground"},
    {"check", cli_check, "print the settings, see that Kafka and the stores answer"},
    {"status", cli_status, "say whether a running job is healthy, and where it hangs"},
    {"list", cli_list, "show the running job's id and state"},
    {"savepoint", cli_savepoint, "make it put a checkpoint now"},
    {"stop", cli_stop, "end it with a last checkpoint; --drain publishes all first"},
    {"cancel", cli_cancel, "end it, as flink cancel does"},
    {"verify", cli_verify, "see that the output is complete and without duplicates"},
    {"inspect", cli_inspect, "show checkpoints and manifests readably"},
    {"gc", cli_gc, "remove uploads that crashes have left behind"},
    {"generate", cli_generate, "write click events into the topic"},
};

int main(int argc, char **argv) {
    return cli_main(commands, sizeof commands / sizeof *commands, argc, argv);
}
