/* docs/metrics.md, out of the table. */
#include <string.h>

#include "control/metrics_table.h"

static const char introduction[] =
    "# Metrics\n\n"
    "<!-- Written by `make docs` from src/control/metrics_table.c. -->\n\n"
    "`GET /metrics` on `http.listen`, in Prometheus' text format. A scrape configuration, alert "
    "rules "
    "and a\nGrafana dashboard lie in [deploy/](../deploy/); what to do about each alert is in\n"
    "[operations.md](operations.md).\n\n"
    "- A name that ends in `_total` counts since the process began, and never falls while it "
    "lives: "
    "not at a\n  restart of the job, and not when Kafka takes a partition away and gives it back. "
    "Meanwhile the\n  partition's series are missing.\n"
    "- What lasts longer than a process is a gauge (`tidemark_durable_...`): a restart that reads "
    "again takes\n  it back.\n"
    "- What is not known has no series: a partition without a watermark, a checkpoint that does "
    "not "
    "exist.\n"
    "- Durations are seconds, instants seconds of Unix time, sizes bytes.\n"
    "- A process tells of the partitions that are its own. Sum over processes.\n";

static const char *type_name(enum family_type t) {
    static const char *const names[] = {"counter", "gauge", "histogram"};
    return names[t];
}

/* A '<' would begin HTML, a '*' or '_' emphasis. */
static void print_escaped(FILE *f, const char *text) {
    for (; *text; text++) {
        if (strchr("<>*_", *text))
            (void)fputc('\\', f);
        (void)fputc(*text, f);
    }
}

/* "a, b" with each word between backquotes. */
static void print_words(FILE *f, const char *words) {
    while (*words) {
        size_t n = strcspn(words, ",");
        (void)fprintf(f, "`%.*s`", (int)n, words);
        words += n;
        if (*words == ',')
            (void)fputs(", ", f);
        words += strspn(words, ", ");
    }
}

static void print_overview(FILE *f) {
    (void)fputs("\n| metric | type | unit | labels |\n|---|---|---|---|\n", f);
    for (size_t i = 0; i < metrics_families; i++) {
        const struct family *m = &metrics_table[i];
        (void)fprintf(f, "| `%s` | %s | %s | ", m->name, type_name(m->type), m->unit);
        print_words(f, m->labels);
        (void)fputs(" |\n", f);
    }
}

static void print_family(FILE *f, const struct family *m) {
    (void)fprintf(f, "\n### `%s`\n\n", m->name);
    print_escaped(f, m->help);
    (void)fprintf(f, "\n\n- %s, %s", type_name(m->type), m->unit);
    if (m->labels[0]) {
        (void)fputs(", by ", f);
        print_words(f, m->labels);
    }
    (void)fputc('\n', f);
    if (m->alert[0]) {
        (void)fputs("- alert: ", f);
        print_words(f, m->alert);
        (void)fputc('\n', f);
    }
    if (m->action[0]) {
        (void)fputs("- ", f);
        print_escaped(f, m->action);
        (void)fputc('\n', f);
    }
}

void metrics_print_markdown(FILE *f) {
    (void)fputs(introduction, f);
    print_overview(f);
    for (size_t i = 0; i < metrics_families; i++)
        print_family(f, &metrics_table[i]);
}
