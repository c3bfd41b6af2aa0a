/* The table for people: --help=settings and docs/settings.md. */
#include "job/settings_table.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 80, TEXT_MAX = 4096 };

/* Words of text, wrapped, each line behind `indent` spaces. */
static void print_wrapped(FILE *f, int indent, const char *text) {
    int column = 0;
    while (*text) {
        text += strspn(text, " ");
        int n = (int)strcspn(text, " ");
        if (column > 0 && column + 1 + n > COLUMNS) {
            (void)fputc('\n', f);
            column = 0;
        }
        if (column == 0)
            column = fprintf(f, "%*s%.*s", indent, "", n, text);
        else
            column += fprintf(f, " %.*s", n, text);
        text += n;
    }
    (void)fputc('\n', f);
}

/* "30s", or in words where it is derived, or both. */
static void describe_default(const struct setting *row, struct buffer *out) {
    if (row->initial)
        (void)buffer_puts(out, row->initial);
    if (row->derived)
        (void)buffer_printf(out, "%s%s", row->initial ? "; " : "", row->derived);
}

static void describe_environment(const struct setting *row, const char *quote, struct buffer *out) {
    for (size_t i = 0; i < SETTING_ENVIRONMENT_MAX && row->environment[i]; i++)
        (void)buffer_printf(out, "%s%s%s%s", i ? ", " : "", quote, row->environment[i], quote);
}

/* A line "label: text"; nothing for an empty text. */
static void print_labelled(FILE *f, const char *label, const struct buffer *text) {
    if (text->len == 0)
        return;
    struct buffer line;
    buffer_init(&line, TEXT_MAX);
    (void)buffer_printf(&line, "%s: %s", label, buffer_text(text));
    print_wrapped(f, 4, buffer_text(&line));
    buffer_free(&line);
}

static void print_row(FILE *f, const struct setting *row) {
    struct buffer text;
    buffer_init(&text, TEXT_MAX);
    (void)fprintf(f, "\n%s  (%s)\n", row->key, row->unit);
    print_wrapped(f, 4, row->meaning);
    describe_default(row, &text);
    print_labelled(f, "default", &text);
    buffer_reset(&text);
    (void)buffer_puts(&text, row->reason);
    print_labelled(f, "why", &text);
    buffer_reset(&text);
    setting_range(row, &text);
    print_labelled(f, "range", &text);
    buffer_reset(&text);
    describe_environment(row, "", &text);
    print_labelled(f, "environment", &text);
    buffer_free(&text);
}

static const char properties_meaning[] =
    "Any property of librdkafka, such as security.protocol or sasl.password: TLS, SASL and all "
    "else that the connection needs. Nested maps of YAML join with dots; in the environment, "
    "KAFKA_PROPERTIES_SASL_PASSWORD is kafka.properties.sasl.password. Refused are the "
    "properties that exactly-once output rests on, and those that have a setting of their own.";

static const char sources[] =
    "A setting comes from --set KEY=VALUE, else from the environment, else from the YAML file, "
    "else it has its default. --set KEY=@FILE reads the value from a file, for secrets. An empty "
    "value counts as not set. Of several environment variables the first that is set counts.";

static const char forms[] =
    "Durations: 500ms, 30s, 5m, 1h, 1d, and sums such as 1h30m. Sizes: B, KiB, MiB, GiB, TiB, "
    "and decimal KB, MB, GB, TB.";

void settings_print_text(FILE *f) {
    (void)fputs("Settings of tidemark\n\n", f);
    print_wrapped(f, 0, sources);
    (void)fputc('\n', f);
    print_wrapped(f, 0, forms);
    for (size_t i = 0; i < settings_rows; i++) {
        print_row(f, &settings_table[i]);
        if (strcmp(settings_table[i].key, "kafka.assignment") == 0) {
            (void)fputs("\nkafka.properties.*  (librdkafka's)\n", f);
            print_wrapped(f, 4, properties_meaning);
        }
    }
}

/* ---- docs/settings.md ---------------------------------------------------------------------- */

static void print_heading(FILE *f, const struct setting *row, const char *before) {
    size_t n = strcspn(row->key, ".");
    if (before && strncmp(before, row->key, n) == 0 && (before[n] == '.' || before[n] == '\0'))
        return;
    (void)fprintf(f, "\n## %.*s\n", (int)n, row->key);
}

/* One item of a list; code is put between backquotes. */
static void print_item(FILE *f, const char *label, bool code, const struct buffer *text) {
    if (text->len > 0)
        (void)fprintf(f, "- %s: %s%s%s\n", label, code ? "`" : "", buffer_text(text),
                      code ? "`" : "");
}

/* A '<' would begin HTML, a '*' or '_' emphasis. */
static void print_escaped(FILE *f, const char *text) {
    for (; *text; text++) {
        if (strchr("<>*_", *text))
            (void)fputc('\\', f);
        (void)fputc(*text, f);
    }
}

static void print_markdown_row(FILE *f, const struct setting *row) {
    struct buffer text;
    buffer_init(&text, TEXT_MAX);
    (void)fprintf(f, "\n### `%s`\n\n", row->key);
    print_escaped(f, row->meaning);
    (void)fputs("\n\n- default: ", f);
    if (row->initial)
        (void)fprintf(f, "`%s`%s", row->initial, row->derived ? "; " : "");
    if (row->derived)
        print_escaped(f, row->derived);
    (void)fputs(". ", f);
    print_escaped(f, row->reason);
    (void)fprintf(f, "\n- unit: %s\n", row->unit);
    setting_range(row, &text);
    print_item(f, "range", true, &text);
    buffer_reset(&text);
    describe_environment(row, "`", &text);
    print_item(f, "environment", false, &text);
    buffer_free(&text);
}

static void print_overview(FILE *f) {
    (void)fputs("| setting | default | environment |\n|---|---|---|\n", f);
    for (size_t i = 0; i < settings_rows; i++) {
        const struct setting *row = &settings_table[i];
        struct buffer text;
        buffer_init(&text, TEXT_MAX);
        describe_environment(row, "`", &text);
        (void)fprintf(f, "| `%s` | ", row->key);
        if (row->initial)
            (void)fprintf(f, "`%s`%s", row->initial, row->derived ? "; " : "");
        if (row->derived)
            print_escaped(f, row->derived);
        (void)fprintf(f, " | %s |\n", buffer_text(&text));
        if (strcmp(row->key, "kafka.assignment") == 0)
            (void)fputs("| `kafka.properties.*` | librdkafka's own | `KAFKA_PROPERTIES_*` |\n", f);
        buffer_free(&text);
    }
}

void settings_print_markdown(FILE *f) {
    (void)fputs("# Settings\n\n<!-- Written by `make docs` from src/job/settings_table.c. -->\n\n",
                f);
    print_escaped(f, sources);
    (void)fputs("\n\n", f);
    print_escaped(f, forms);
    (void)fputs("\n\n`tidemark check` prints every setting with where it comes from. In YAML, "
                "`window: {size: 5m}` and `window.size: 5m` are the same.\n\n",
                f);
    print_overview(f);
    const char *before = NULL;
    for (size_t i = 0; i < settings_rows; i++) {
        print_heading(f, &settings_table[i], before);
        before = settings_table[i].key;
        print_markdown_row(f, &settings_table[i]);
        if (strcmp(before, "kafka.assignment") == 0) {
            (void)fputs("\n### `kafka.properties.*`\n\n", f);
            print_escaped(f, properties_meaning);
            (void)fputc('\n', f);
        }
    }
}
