/* The command line: one file a command; options.c parses for all of them, help.c prints for them. */
#ifndef TIDEMARK_CLI_CLI_H
#define TIDEMARK_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "job/settings.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* A row of main.c's table. run gets the words behind the command's name and returns the exit
 * code. */
struct cli_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* one line */
};

/* Each in the file of its name. */
int cli_run(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_list(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_cancel(int argc, char **argv);
int cli_stop(int argc, char **argv);
int cli_savepoint(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_inspect(int argc, char **argv);
int cli_gc(int argc, char **argv);
int cli_generate(int argc, char **argv);

/* Finds the command and runs it; --help, --version; names the nearest of an unknown one. Where not all
 * arrived that was printed on stdout, it says so and returns 1 instead of 0; commands need not look. */
int cli_main(const struct cli_command *commands, size_t n, int argc, char **argv);

/* ---- Options of one command --------------------------------------------------------------- */

struct cli_option {
    const char *name;     /* without the dashes */
    const char *argument; /* what it takes, in capitals ("TIME"); NULL: a switch */
    const char *help;
};

/* What a command takes. --help and, with config, CONFIG and --set come by themselves. */
struct cli_spec {
    const char *name;
    const char *summary; /* a sentence or some, for `tidemark NAME --help` */
    bool config;         /* takes [CONFIG.yaml] and --set KEY=VALUE */
    const char *operand; /* one more operand ("KEY"), or NULL. CONFIG is then told from it by its
                              ending, .yaml or .yml */
    const struct cli_option *options; /* ends with a NULL name; may be NULL */
};

enum { CLI_OPTIONS_MAX = 24 };

struct cli_args {
    const struct cli_spec *spec;
    const char *config;  /* NULL: none given */
    const char *operand; /* NULL: none given */
    const char **sets;
    size_t n_sets;
    const char *values[CLI_OPTIONS_MAX]; /* by position in spec->options; a switch's is "" */
};

/* Options may stand anywhere; "--" ends them; "--name VALUE" and "--name=VALUE" are the same.
 * Returns true to go on. False: all is said (help, or an error on stderr) and *code is the exit
 * code; nothing needs freeing then. */
bool cli_parse(const struct cli_spec *spec, int argc, char **argv, struct cli_args *args,
               int *code);
void cli_args_free(struct cli_args *args);

/* The option's value ("" for a switch), or NULL where it was not given. */
const char *cli_value(const struct cli_args *args, const char *option);
static inline bool cli_given(const struct cli_args *args, const char *option) {
    return cli_value(args, option) != NULL;
}

/* settings_load from args and the environment, then log_init. True, or false with the error
 * printed and *code set. */
bool cli_settings(const struct cli_args *args, struct settings *s, int *code);

/* Prints "tidemark COMMAND: text" on stderr; returns 2 for ERR_USAGE, else 1. */
int cli_fail(const char *command, const struct error *e);

/* "--bounded" for "--bouded": the nearest option of the spec with its dashes, or NULL. */
const char *cli_nearest_option(const struct cli_spec *spec, const char *name);

/* help.c; 80 columns. */
void cli_help(FILE *f, const struct cli_command *commands, size_t n);
void cli_usage(FILE *f, const struct cli_command *commands, size_t n);
void cli_command_help(FILE *f, const struct cli_spec *spec);
void cli_version(FILE *f);

#endif
