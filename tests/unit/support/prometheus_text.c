#include "support/prometheus_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

static void read_help(struct prometheus_text *r, const char *line) {
    char name[PROMETHEUS_NAME_MAX];
    int text = 0;
    assert_int_equal(sscanf(line, "# HELP %63s %n", name, &text), 1);
    assert_true(text > 0 && line[text] != '\0');
    assert_null(strchr(line, '\\'));
    for (int i = 0; i < r->n_families; i++)
        assert_string_not_equal(r->family[i], name); /* once only, samples in one group */
    assert_true(r->n_families < PROMETHEUS_FAMILIES_MAX);
    (void)snprintf(r->family[r->n_families++], sizeof r->family[0], "%s", name);
    r->typed = false;
}

static bool ends_in(const char *name, const char *end) {
    size_t n = strlen(name), k = strlen(end);
    return n > k && strcmp(name + n - k, end) == 0;
}

static void read_type(struct prometheus_text *r, const char *line) {
    char name[PROMETHEUS_NAME_MAX];
    assert_int_equal(sscanf(line, "# TYPE %63s %15s", name, r->type), 2);
    assert_true(r->n_families > 0);
    assert_false(r->typed);
    assert_string_equal(name, r->family[r->n_families - 1]);
    assert_true(ends_in(name, "_total") == (strcmp(r->type, "counter") == 0));
    assert_true(strcmp(r->type, "counter") == 0 || strcmp(r->type, "gauge") == 0 ||
                strcmp(r->type, "histogram") == 0);
    r->typed = true;
    r->infinite = true;
}

/* {name="value",...}: no quote or backslash within a value, as none is escaped. */
static const char *read_labels(const char *p) {
    do {
        p++;
        size_t name = strspn(p, "abcdefghijklmnopqrstuvwxyz_");
        assert_true(name > 0);
        assert_memory_equal(p + name, "=\"", 2);
        p += name + 2;
        p += strcspn(p, "\"\\\n");
        assert_int_equal(*p, '"');
        p++;
    } while (*p == ',');
    assert_int_equal(*p, '}');
    return p + 1;
}

static void remember(struct prometheus_text *r, const char *line, size_t len) {
    assert_true(r->n_series < PROMETHEUS_SERIES_MAX);
    char *series = xasprintf("%.*s", (int)len, line);
    for (int i = 0; i < r->n_series; i++)
        assert_string_not_equal(r->series[i], series);
    r->series[r->n_series++] = series;
}

/* Buckets grow, the last is +Inf, and then come the sum and the count, which is the last bucket. */
static void read_histogram(struct prometheus_text *r, const char *suffix, const char *line,
                           double value) {
    if (strcmp(suffix, "_sum") == 0) {
        assert_true(r->infinite);
    } else if (strcmp(suffix, "_count") == 0) {
        assert_true(r->infinite);
        assert_true(value == r->cumulative);
    } else {
        assert_string_equal(suffix, "_bucket");
        const char *le = strstr(line, "le=\"");
        assert_non_null(le);
        bool first = r->infinite;
        double bound = strtod(le + 4, NULL); /* reads +Inf, too */
        assert_true(first || bound > r->bound);
        assert_true(first || value >= r->cumulative);
        r->bound = bound;
        r->cumulative = value;
        r->infinite = strncmp(le, "le=\"+Inf\"", 9) == 0;
    }
}

static void read_sample(struct prometheus_text *r, const char *line) {
    char name[2 * PROMETHEUS_NAME_MAX], *end;
    size_t len = strcspn(line, "{ ");
    const char *family = r->family[r->n_families - 1], *at = line + len;
    assert_true(r->typed);
    assert_true(len < sizeof name);
    (void)snprintf(name, len + 1, "%s", line);
    if (*at == '{')
        at = read_labels(at);
    remember(r, line, (size_t)(at - line));
    assert_int_equal(*at, ' ');
    double value = strtod(at + 1, &end);
    assert_true(end > at + 1);
    assert_int_equal(*end, '\0');
    assert_int_equal(strncmp(name, family, strlen(family)), 0);
    if (strcmp(r->type, "histogram") == 0)
        read_histogram(r, name + strlen(family), line, value);
    else
        assert_string_equal(name, family);
    if (strcmp(r->type, "gauge") != 0)
        assert_true(value >= 0);
}

void prometheus_read(struct prometheus_text *r, char *text) {
    char *save = NULL;
    *r = (struct prometheus_text){.infinite = true};
    assert_int_equal(text[strlen(text) - 1], '\n');
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# HELP ", 7) == 0)
            read_help(r, line);
        else if (strncmp(line, "# TYPE ", 7) == 0)
            read_type(r, line);
        else
            read_sample(r, line);
    }
    assert_true(r->infinite);
}

void prometheus_forget(struct prometheus_text *r) {
    for (int i = 0; i < r->n_series; i++)
        free(r->series[i]);
}
