#include "cli/cli.h"

/* In the order in which --help lists them. */
static const struct cli_command commands[] = {
    {"run", cli_run, "run the job in the foreground"},
    {"check", cli_check, "print the settings, see that Kafka and the stores answer"},
    {"generate", cli_generate, "write click events into the topic"},
};

int main(int argc, char **argv) {
    return cli_main(commands, sizeof commands / sizeof *commands, argc, argv);
}
