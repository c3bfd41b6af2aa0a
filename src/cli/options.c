/* Words of a command line: options anywhere, then CONFIG and what else a command takes. */
#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "control/metrics_table.h"
#include "job/settings_table.h"

extern char **environ;

enum { NAMES_MAX = 32 };

/* ---- One command --------------------------------------------------------------------------- */

static size_t count_options(const struct cli_spec *spec) {
    size_t n = 0;
    while (spec->options && spec->options[n].name)
        n++;
    assert(n <= CLI_OPTIONS_MAX);
    return n;
}

/* The option of this name, whose end is at name + len; its position in *at. */
static const struct cli_option *find_option(const struct cli_spec *spec, const char *name,
                                            size_t len, size_t *at) {
    for (*at = 0; *at < count_options(spec); ++*at)
        if (strlen(spec->options[*at].name) == len &&
            strncmp(spec->options[*at].name, name, len) == 0)
            return &spec->options[*at];
    return NULL;
}

const char *cli_nearest_option(const struct cli_spec *spec, const char *name) {
    const char *names[CLI_OPTIONS_MAX + 2];
    size_t n = 0;
    for (; n < count_options(spec); n++)
        names[n] = spec->options[n].name;
    names[n++] = "help";
    if (spec->config)
        names[n++] = "set";
    return nearest_word(name, names, n);
}

static int usage(const struct cli_spec *spec, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int usage(const struct cli_spec *spec, const char *fmt, ...) {
    va_list ap;
    (void)fprintf(stderr, "tidemark %s: ", spec->name);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, "\nTry: tidemark %s --help\n", spec->name);
    return EXIT_USAGE;
}

/* One word "--name", "--name=value" or "-h", at argv[*i]; takes the next where that is the value.
 * 0 to go on. */
static int take_option(struct cli_args *args, int argc, char **argv, int *i) {
    const struct cli_spec *spec = args->spec;
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t at, len = equals ? (size_t)(equals - name) : strlen(name);
    bool set = spec->config && len == 3 && strncmp(name, "set", len) == 0;
    const struct cli_option *option = set ? NULL : find_option(spec, name, len, &at);
    if (!set && !option) {
        char *given = xstrndup(name, len);
        int code = usage(spec, "unknown option --%s; the nearest is --%s", given,
                         cli_nearest_option(spec, given));
        free(given);
        return code;
    }
    if (option && !option->argument) {
        if (equals)
            return usage(spec, "--%s takes no value", option->name);
        args->values[at] = "";
        return 0;
    }
    const char *argument = set ? "KEY=VALUE" : option->argument;
    const char *value = equals ? equals + 1 : ++*i < argc ? argv[*i] : NULL;
    if (!value)
        return usage(spec, "--%.*s needs a value (%s)", (int)len, name, argument);
    if (set)
        args->sets[args->n_sets++] = value;
    else if (args->values[at])
        return usage(spec, "--%s is given twice", option->name);
    else
        args->values[at] = value;
    return 0;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static int take_operand(struct cli_args *args, const char *word) {
    const struct cli_spec *spec = args->spec;
    bool yaml = ends_with(word, ".yaml") || ends_with(word, ".yml");
    if (spec->config && !args->config && (yaml || !spec->operand)) {
        args->config = word;
        return 0;
    }
    if (spec->operand && !args->operand) {
        args->operand = word;
        return 0;
    }
    return usage(spec, "does not know what to do with \"%s\"", word);
}

static int take_words(struct cli_args *args, int argc, char **argv, bool *help) {
    bool only_operands = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        int code = 0;
        if (only_operands || word[0] != '-' || word[1] == '\0')
            code = take_operand(args, word);
        else if (strcmp(word, "--") == 0)
            only_operands = true;
        else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            *help = true;
        else if (word[1] != '-')
            code = usage(args->spec, "unknown option %s; options begin with two dashes", word);
        else
            code = take_option(args, argc, argv, &i);
        if (code != 0 || *help)
            return code;
    }
    return 0;
}

bool cli_parse(const struct cli_spec *spec, int argc, char **argv, struct cli_args *args,
               int *code) {
    bool help = false;
    *args = (struct cli_args){.spec = spec};
    args->sets = xcalloc((size_t)argc + 1, sizeof *args->sets);
    *code = take_words(args, argc, argv, &help);
    if (*code == 0 && !help)
        return true;
    if (help)
        cli_command_help(stdout, spec);
    cli_args_free(args);
    return false;
}

void cli_args_free(struct cli_args *args) {
    free(args->sets);
    *args = (struct cli_args){0};
}

const char *cli_value(const struct cli_args *args, const char *option) {
    size_t at;
    const struct cli_option *found = find_option(args->spec, option, strlen(option), &at);
    assert(found);
    return found ? args->values[at] : NULL;
}

/* ---- What all commands do ------------------------------------------------------------------ */

int cli_fail(const char *command, const struct error *e) {
    (void)fflush(stdout); /* what was printed before comes before; cli_main looks whether it did */
    (void)fprintf(stderr, "tidemark %s: %s\n", command, e->text);
    return e->code == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

bool cli_settings(const struct cli_args *args, struct settings *s, int *code) {
    struct settings_source source = {
        .yaml = args->config,
        .sets = args->sets,
        .n_sets = args->n_sets,
        .environment = environ,
        .terminal = isatty(STDERR_FILENO) == 1,
    };
    struct error e = {0};
    if (settings_load(s, &source, &e) != 0) {
        *code = cli_fail(args->spec->name, &e);
        return false;
    }
    log_init(s->log.format, s->log.level);
    return true;
}

static int unknown_command(const struct cli_command *commands, size_t n, const char *word) {
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (; count < n && count < NAMES_MAX; count++)
        names[count] = commands[count].name;
    bool option = *word == '-';
    (void)fprintf(stderr, "tidemark: unknown %s \"%s\"", option ? "option" : "command", word);
    if (option)
        (void)fputs("; before a command only --help and --version may stand\n", stderr);
    else
        (void)fprintf(stderr, "; the nearest is %s\n", nearest_word(word, names, count));
    (void)fputs("Try: tidemark --help\n", stderr);
    return EXIT_USAGE;
}

/* Where 0, 1 or 2 is closed, the next file or socket would get that number, and whatever is printed
 * would go into it. Opened for the other direction, so that printing remains an error. */
static void occupy_standard_files(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Whatever was printed must have arrived, or the command has failed. */
static int output_ended(const char *command, int code) {
    errno = 0;
    bool lost = fflush(stdout) != 0;
    int why = errno;
    if (!lost && !ferror(stdout))
        return code;
    (void)fprintf(stderr, "tidemark%s%s: cannot write to standard output%s%s\n",
                  *command == '-' ? "" : " ", *command == '-' ? "" : command, why ? ": " : "",
                  why ? strerror(why) : "");
    return code == EXIT_DONE ? EXIT_FAILED : code;
}

static int run_command(const struct cli_command *commands, size_t n, int argc, char **argv) {
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        cli_help(stdout, commands, n);
    else if (strcmp(word, "--version") == 0)
        cli_version(stdout);
    else if (strcmp(word, "--help=settings") == 0)
        settings_print_text(stdout);
    else if (strcmp(word, "--help=settings-markdown") == 0)
        settings_print_markdown(stdout);
    else if (strcmp(word, "--help=metrics-markdown") == 0)
        metrics_print_markdown(stdout);
    else {
        for (size_t i = 0; i < n; i++)
            if (strcmp(commands[i].name, word) == 0)
                return commands[i].run(argc - 2, argv + 2);
        return unknown_command(commands, n, word);
    }
    return EXIT_DONE;
}

int cli_main(const struct cli_command *commands, size_t n, int argc, char **argv) {
    occupy_standard_files();
    (void)signal(SIGPIPE, SIG_IGN); /* a reader of the output that has gone is told as an error */
    if (argc < 2) {
        cli_usage(stderr, commands, n);
        return EXIT_USAGE;
    }
    return output_ended(argv[1], run_command(commands, n, argc, argv));
}
