#include "cli/cli.h"

#include <curl/curl.h>
#include <librdkafka/rdkafka.h>
#include <string.h>

enum { COLUMNS = 80, NAME_COLUMN = 26 };

/* Words of text from `column` on, the next lines behind `indent` spaces. */
static void print_wrapped(FILE *f, int column, int indent, const char *text) {
    bool first = true;
    while (*text) {
        text += strspn(text, " ");
        int n = (int)strcspn(text, " ");
        if (!first && column + 1 + n > COLUMNS) {
            (void)fprintf(f, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        column += fprintf(f, "%s%.*s", first ? "" : " ", n, text);
        first = false;
        text += n;
    }
    (void)fputc('\n', f);
}

/* "  --name ARGUMENT   help", the help on a line of its own where the name is long. */
static void print_item(FILE *f, const char *dashes, const char *name, const char *argument,
                       const char *help) {
    int n = fprintf(f, "  %s%s%s%s", dashes, name, argument ? " " : "", argument ? argument : "");
    if (n >= NAME_COLUMN) {
        (void)fputc('\n', f);
        n = 0;
    }
    (void)fprintf(f, "%*s", NAME_COLUMN - n, "");
    print_wrapped(f, NAME_COLUMN, NAME_COLUMN, help);
}

void cli_usage(FILE *f, const struct cli_command *commands, size_t n) {
    (void)fputs("Usage: tidemark COMMAND [CONFIG.yaml] [OPTION...]\n\n", f);
    for (size_t i = 0; i < n; i++)
        print_item(f, "", commands[i].name, NULL, commands[i].summary);
    (void)fputs("\nMore: tidemark --help, tidemark COMMAND --help\n", f);
}

void cli_help(FILE *f, const struct cli_command *commands, size_t n) {
    (void)fputs("tidemark reads click events from Kafka, puts each into its event-time window and\n"
                "writes them as JSON Lines to S3 or a directory: each event exactly once, none\n"
                "silently lost.\n\n"
                "Usage: tidemark COMMAND [CONFIG.yaml] [OPTION...]\n\nCommands:\n",
                f);
    for (size_t i = 0; i < n; i++)
        print_item(f, "", commands[i].name, NULL, commands[i].summary);
    (void)fputs("\nOptions:\n", f);
    print_item(f, "--", "help", NULL, "this text; behind a command, its own");
    print_item(f, "--", "help=settings", NULL,
               "all settings: unit, range, default, environment and why");
    print_item(f, "--", "version", NULL, "versions of tidemark and its libraries");
    (void)fputs("\n"
                "Settings come from --set KEY=VALUE, else from the environment, else from\n"
                "CONFIG.yaml, else they have defaults; CONFIG.yaml may be left out.\n\n"
                "Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 and 143 after an\n"
                "orderly stop by SIGINT (Ctrl-C) and SIGTERM.\n",
                f);
}

void cli_command_help(FILE *f, const struct cli_spec *spec) {
    bool options = spec->options && spec->options->name;
    (void)fprintf(f, "Usage: tidemark %s%s", spec->name, spec->config ? " [CONFIG.yaml]" : "");
    if (spec->operand)
        (void)fprintf(f, " [%s]", spec->operand);
    (void)fprintf(f, "%s\n\n", options || spec->config ? " [OPTION...]" : "");
    print_wrapped(f, 0, 0, spec->summary);
    (void)fputs("\nOptions:\n", f);
    for (const struct cli_option *o = spec->options; o && o->name; o++)
        print_item(f, "--", o->name, o->argument, o->help);
    if (spec->config)
        print_item(f, "--", "set", "KEY=VALUE",
                   "one setting, before environment and CONFIG.yaml; KEY=@FILE reads the value "
                   "from a file, for secrets. May be repeated.");
    print_item(f, "--", "help", NULL, "this text");
    if (spec->config)
        (void)fputs("\nAll settings: tidemark --help=settings\n", f);
}

void cli_version(FILE *f) {
    (void)fprintf(f, "tidemark %s (librdkafka %s, libcurl %s)\n", TIDEMARK_VERSION,
                  rd_kafka_version_str(), curl_version_info(CURLVERSION_NOW)->version);
}
