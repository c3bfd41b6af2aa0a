#include "job/settings_table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "event/instant.h"
#include "job/settings_values.h"

enum {
    PARTITION_MAX = 99999, /* five digits in a file's name */
    PARTITIONS_MAX = 10000,
    RANGE_MAX = 1024,
};

static void *field_of(const struct setting *row, const struct settings *s) {
    return (char *)(uintptr_t)s + row->field;
}

static int wrong(char why[SETTING_WHY_MAX], const char *text) {
    (void)snprintf(why, SETTING_WHY_MAX, "%s", text);
    return -1;
}

static int out_of_range(const struct setting *row, char why[SETTING_WHY_MAX]) {
    struct buffer range;
    buffer_init(&range, RANGE_MAX);
    setting_range(row, &range);
    (void)snprintf(why, SETTING_WHY_MAX, "is out of range (%s)", buffer_text(&range));
    buffer_free(&range);
    return -1;
}

/* ---- Parsing ------------------------------------------------------------------------------- */

static int parse_text(const struct setting *row, const char *text, char **field,
                      char why[SETTING_WHY_MAX]) {
    const char *refused = row->accept(text);
    if (refused)
        return wrong(why, refused);
    free(*field);
    *field = xstrdup(text);
    return 0;
}

static int parse_number(const struct setting *row, const char *text, int64_t *n,
                        char why[SETTING_WHY_MAX]) {
    uint64_t size = 0;
    if (row->kind == SETTING_DURATION && parse_duration(text, n) != 0)
        return wrong(why, "is not a duration (write 500ms, 30s, 5m, 1h or 1d)");
    if (row->kind == SETTING_SIZE && parse_size(text, &size) != 0)
        return wrong(why, "is not a size (write 64KiB, 8MiB, 1GiB, or 8MB for 8,000,000 bytes)");
    if (row->kind == SETTING_SIZE)
        *n = (int64_t)size; /* parse_size stays below 2^63 */
    if (row->kind == SETTING_COUNT && parse_count(text, n) != 0)
        return wrong(why, "is not a whole number");
    if (*n > row->max && row->beyond)
        return wrong(why, row->beyond);
    return *n < row->min || *n > row->max ? out_of_range(row, why) : 0;
}

static int parse_choice(const struct setting *row, const char *text, int *field,
                        char why[SETTING_WHY_MAX]) {
    for (int i = 0; row->choices[i]; i++)
        if (strcmp(row->choices[i], text) == 0) {
            *field = i;
            return 0;
        }
    struct buffer range;
    buffer_init(&range, RANGE_MAX);
    setting_range(row, &range);
    (void)snprintf(why, SETTING_WHY_MAX, "is none of its values (write %s)", buffer_text(&range));
    buffer_free(&range);
    return -1;
}

static int parse_start(const char *text, struct settings_start *start, char why[SETTING_WHY_MAX]) {
    *start = (struct settings_start){.kind = START_EARLIEST};
    if (strcmp(text, "earliest") == 0)
        return 0;
    start->kind = START_LATEST;
    if (strcmp(text, "latest") == 0)
        return 0;
    start->kind = START_TIME;
    if (instant_parse(text, strlen(text), &start->time_ms) != 0)
        return wrong(why, "is no start (write earliest, latest or a time such as "
                          "2024-10-22T21:00:00Z)");
    return start->time_ms >= 0 ? 0 : wrong(why, "lies before 1970, where Kafka has no records");
}

static int compare_partitions(const void *a, const void *b) {
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Reads "0,2" into *list; NULL, or what is wrong. */
static const char *read_partitions(const char *text, struct settings_assignment *list) {
    size_t cap = 0;
    for (const char *p = text;; p++) {
        size_t digits = strspn(p, "0123456789");
        long n = digits > 0 && digits <= 9 ? strtol(p, NULL, 10) : PARTITION_MAX + 1;
        p += digits;
        if (digits == 0 || (*p && *p != ','))
            return "is no assignment (write group, all or a list such as 0,2)";
        if (n > PARTITION_MAX)
            return "names a partition above 99999";
        if (list->n_partitions == PARTITIONS_MAX)
            return "names more than 10000 partitions";
        array_reserve(&list->partitions, &cap, list->n_partitions + 1, sizeof *list->partitions);
        list->partitions[list->n_partitions++] = (int32_t)n;
        if (!*p)
            break;
    }
    qsort(list->partitions, list->n_partitions, sizeof *list->partitions, compare_partitions);
    for (size_t i = 1; i < list->n_partitions; i++)
        if (list->partitions[i] == list->partitions[i - 1])
            return "names a partition twice";
    return NULL;
}

static int parse_assignment(const char *text, struct settings_assignment *field,
                            char why[SETTING_WHY_MAX]) {
    struct settings_assignment a = {.kind = ASSIGNMENT_GROUP};
    if (strcmp(text, "all") == 0)
        a.kind = ASSIGNMENT_ALL;
    else if (strcmp(text, "group") != 0) {
        a.kind = ASSIGNMENT_LIST;
        const char *refused = read_partitions(text, &a);
        if (refused) {
            free(a.partitions);
            return wrong(why, refused);
        }
    }
    free(field->partitions);
    *field = a;
    return 0;
}

int setting_parse(const struct setting *row, const char *text, struct settings *s,
                  char why[SETTING_WHY_MAX]) {
    void *field = field_of(row, s);
    int64_t n = 0;
    switch (row->kind) {
    case SETTING_TEXT:
        return parse_text(row, text, field, why);
    case SETTING_DURATION:
    case SETTING_COUNT:
        if (parse_number(row, text, &n, why) != 0)
            return -1;
        *(int64_t *)field = n;
        return 0;
    case SETTING_SIZE:
        if (parse_number(row, text, &n, why) != 0)
            return -1;
        *(uint64_t *)field = (uint64_t)n;
        return 0;
    case SETTING_BOOL:
        return parse_bool(text, field) == 0 ? 0 : wrong(why, "is neither true nor false");
    case SETTING_CHOICE:
        return parse_choice(row, text, field, why);
    case SETTING_START:
        return parse_start(text, field, why);
    case SETTING_ASSIGNMENT:
        return parse_assignment(text, field, why);
    }
    assert(!"a kind of setting without a parser");
    return -1;
}

/* ---- Printing ------------------------------------------------------------------------------ */

static void format_assignment(const struct settings_assignment *a, struct buffer *out) {
    if (a->kind != ASSIGNMENT_LIST)
        (void)buffer_puts(out, a->kind == ASSIGNMENT_ALL ? "all" : "group");
    for (size_t i = 0; i < a->n_partitions; i++)
        (void)buffer_printf(out, "%s%" PRId32, i ? "," : "", a->partitions[i]);
}

static void format_start(const struct settings_start *start, struct buffer *out) {
    if (start->kind == START_TIME) {
        char text[INSTANT_MAX];
        (void)buffer_append(out, text, instant_format(start->time_ms, text));
    } else {
        (void)buffer_puts(out, start->kind == START_LATEST ? "latest" : "earliest");
    }
}

void setting_format(const struct setting *row, const struct settings *s, struct buffer *out) {
    const void *field = field_of(row, s);
    const char *text;
    switch (row->kind) {
    case SETTING_TEXT:
        text = *(char *const *)field;
        (void)buffer_puts(out, text ? text : "");
        break;
    case SETTING_DURATION:
        format_duration(*(const int64_t *)field, out);
        break;
    case SETTING_SIZE:
        format_size(*(const uint64_t *)field, out);
        break;
    case SETTING_COUNT:
        (void)buffer_printf(out, "%" PRId64, *(const int64_t *)field);
        break;
    case SETTING_BOOL:
        (void)buffer_puts(out, *(const bool *)field ? "true" : "false");
        break;
    case SETTING_CHOICE:
        (void)buffer_puts(out, row->choices[*(const int *)field]);
        break;
    case SETTING_START:
        format_start(field, out);
        break;
    case SETTING_ASSIGNMENT:
        format_assignment(field, out);
        break;
    }
}

void setting_release(const struct setting *row, struct settings *s) {
    void *field = field_of(row, s);
    if (row->kind == SETTING_TEXT) {
        free(*(char **)field);
        *(char **)field = NULL;
    } else if (row->kind == SETTING_ASSIGNMENT) {
        struct settings_assignment *a = field;
        free(a->partitions);
        *a = (struct settings_assignment){.kind = ASSIGNMENT_GROUP};
    }
}

static void format_bound(const struct setting *row, int64_t n, struct buffer *out) {
    if (row->kind == SETTING_DURATION)
        format_duration(n, out);
    else if (row->kind == SETTING_SIZE)
        format_size((uint64_t)n, out);
    else
        (void)buffer_printf(out, "%" PRId64, n);
}

void setting_range(const struct setting *row, struct buffer *out) {
    switch (row->kind) {
    case SETTING_DURATION:
    case SETTING_SIZE:
    case SETTING_COUNT:
        format_bound(row, row->min, out);
        if (row->max != row->min) {
            (void)buffer_puts(out, " to ");
            format_bound(row, row->max, out);
        }
        break;
    case SETTING_BOOL:
        (void)buffer_puts(out, "true or false");
        break;
    case SETTING_CHOICE:
        for (size_t i = 0; row->choices[i]; i++)
            (void)buffer_printf(out, "%s%s",
                                i == 0                ? ""
                                : row->choices[i + 1] ? ", "
                                                      : " or ",
                                row->choices[i]);
        break;
    case SETTING_TEXT:
    case SETTING_START:
    case SETTING_ASSIGNMENT:
        (void)buffer_puts(out, row->form);
        break;
    }
}
