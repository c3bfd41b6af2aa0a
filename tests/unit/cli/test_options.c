/* Words of a command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"

static const struct cli_option options[] = {
    {"bounded", NULL, "a switch"}, {"since", "TIME", "a value"}, {0}};
static const struct cli_spec with_config = {
    .name = "test", .summary = "Tests.", .config = true, .options = options};
static const struct cli_spec with_key = {
    .name = "test", .summary = "Tests.", .config = true, .operand = "KEY", .options = options};
static const struct cli_spec with_nothing = {.name = "test", .summary = "Tests."};

enum { WORDS_MAX = 12 };
struct words {
    const char *word[WORDS_MAX];
};
#define WORDS(...) ((struct words){{__VA_ARGS__}})

/* What is printed goes to a file that nobody reads. */
static bool parse(const struct cli_spec *spec, struct words w, struct cli_args *args, int *code) {
    int n = 0;
    char *argv[WORDS_MAX]; /* as main gets it: not const */
    for (; n < WORDS_MAX && w.word[n]; n++)
        argv[n] = (char *)(uintptr_t)w.word[n];
    FILE *out = stdout, *err = stderr;
    FILE *sink = fopen("/dev/null", "w");
    assert_non_null(sink);
    stdout = stderr = sink;
    bool go_on = cli_parse(spec, n, argv, args, code);
    stdout = out;
    stderr = err;
    (void)fclose(sink);
    return go_on;
}

static struct cli_args accepts(const struct cli_spec *spec, struct words w) {
    struct cli_args args;
    int code;
    assert_true(parse(spec, w, &args, &code));
    return args;
}

static void ends(const struct cli_spec *spec, struct words w, int expected) {
    struct cli_args args;
    int code = -1;
    assert_false(parse(spec, w, &args, &code));
    assert_int_equal(code, expected);
}

static void options_stand_anywhere(void **state) {
    (void)state;
    struct cli_args a = accepts(&with_config, WORDS("--bounded", "job.yaml", "--set", "name=a",
                                                    "--since=now", "--set=name=b"));
    assert_string_equal(a.config, "job.yaml");
    assert_true(cli_given(&a, "bounded"));
    assert_string_equal(cli_value(&a, "since"), "now");
    assert_int_equal(a.n_sets, 2);
    assert_string_equal(a.sets[0], "name=a");
    assert_string_equal(a.sets[1], "name=b");
    cli_args_free(&a);
    a = accepts(&with_config, WORDS("--since", "--odd"));
    assert_string_equal(cli_value(&a, "since"), "--odd");
    assert_null(a.config);
    assert_false(cli_given(&a, "bounded"));
    cli_args_free(&a);
    a = accepts(&with_config, WORDS("--", "--bounded"));
    assert_string_equal(a.config, "--bounded");
    cli_args_free(&a);
}

static void config_is_told_from_key(void **state) {
    (void)state;
    struct cli_args a = accepts(&with_key, WORDS("chk-1.json", "job.yml"));
    assert_string_equal(a.config, "job.yml");
    assert_string_equal(a.operand, "chk-1.json");
    cli_args_free(&a);
    a = accepts(&with_key, WORDS("chk-1.json"));
    assert_null(a.config);
    assert_string_equal(a.operand, "chk-1.json");
    cli_args_free(&a);
}

static void wrong_words(void **state) {
    (void)state;
    ends(&with_config, WORDS("--bouded"), 2);
    ends(&with_config, WORDS("--bounded=1"), 2);
    ends(&with_config, WORDS("--since"), 2);
    ends(&with_config, WORDS("--set"), 2);
    ends(&with_config, WORDS("--since=a", "--since=b"), 2);
    ends(&with_config, WORDS("a", "b"), 2);
    ends(&with_config, WORDS("-b"), 2);
    ends(&with_nothing, WORDS("a"), 2);
    ends(&with_nothing, WORDS("--set", "name=a"), 2);
    ends(&with_config, WORDS("--help"), 0);
    ends(&with_config, WORDS("a", "-h"), 0);
    assert_string_equal(cli_nearest_option(&with_config, "bouded"), "bounded");
    assert_string_equal(cli_nearest_option(&with_config, "sett"), "set");
}

static void help_fits_80_columns(void **state) {
    (void)state;
    static const struct cli_option long_one[] = {
        {"accept-changes-of-everything", "SOMETHING",
         "a text that goes on and on, over more than one line, so that it must be wrapped, and "
         "then once more, because one line is never enough"},
        {0}};
    static const struct cli_spec spec = {
        .name = "test",
        .summary = "A command with a summary that is longer than one line of eighty columns can "
                   "be, as most of them are.",
        .config = true,
        .options = long_one};
    char text[4096] = "";
    FILE *f = fmemopen(text, sizeof text, "w");
    assert_non_null(f);
    cli_command_help(f, &spec);
    (void)fclose(f);
    assert_non_null(strstr(text, "--accept-changes-of-everything SOMETHING\n"));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 80);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(config_is_told_from_key),
        cmocka_unit_test(wrong_words),
        cmocka_unit_test(help_fits_80_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
