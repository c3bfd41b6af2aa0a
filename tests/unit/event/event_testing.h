/* One record through the parser, from memory that is exactly as long as it has to be. */
#ifndef TIDEMARK_TESTS_EVENT_TESTING_H
#define TIDEMARK_TESTS_EVENT_TESTING_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "event/event.h"
#include "base/utf8.h"

/* The defaults, with windows of five minutes. */
#define DEFAULT_RULES                                                                 \
    {                                                                                 \
        .key_field = "user_id", .timestamp_field = "timestamp",                       \
        .timestamp_format = TIMESTAMP_EPOCH_MS, .max_future_ms = 3600000, .window = { \
            .size = 300000,                                                           \
            .out_of_orderness = 600000                                                \
        }                                                                             \
    }

struct result {
    struct event ev;
    char line[4096];
};

static inline void write_exactly(struct event_parser *p, const struct event_rules *rules,
                                 struct result *result) {
    char *dst = xmalloc(result->ev.line_max);
    int64_t start = window_start(&rules->window, result->ev.timestamp);
    size_t n = event_write_line(p, start, start + rules->window.size, dst);
    assert_true(n <= result->ev.line_max);
    assert_true(n < sizeof result->line);
    memcpy(result->line, dst, n);
    result->line[n] = '\0';
    free(dst);
}

/* The record's value is what r says, everything else too. */
static inline struct result run_record(const struct event_rules *rules, const struct record *r) {
    struct result result;
    memset(&result, 0, sizeof result);
    struct record exact = *r;
    char *value = xmalloc(r->value_len);
    if (r->value_len)
        memcpy(value, r->value, r->value_len);
    if (r->value)
        exact.value = value;
    struct event_parser *p = event_parser_new(rules, NULL);
    assert_non_null(p);
    event_parse(p, &exact, &result.ev);
    assert_true(utf8_valid(result.ev.detail, strlen(result.ev.detail)));
    bool rejected = result.ev.reason != REJECT_NONE;
    assert_int_equal(result.ev.detail[0] != '\0', rejected);
    if (!result.ev.null && !rejected)
        write_exactly(p, rules, &result);
    event_parser_free(p);
    free(value);
    return result;
}

static inline struct result run_value(const struct event_rules *rules, const char *value,
                                      size_t len) {
    struct record r = {.timestamp = RECORD_NO_TIMESTAMP, .value = value, .value_len = len};
    return run_record(rules, &r);
}

static inline void check_reason(const struct event_rules *rules, const char *value, size_t len,
                                enum reject_reason want) {
    struct result result = run_value(rules, value, len);
    if (result.ev.null || result.ev.reason != want)
        fail_msg("%s (%s), not %s: %.*s", reject_reason_name(result.ev.reason), result.ev.detail,
                 reject_reason_name(want), (int)len, value);
}

static inline void check_line(const struct event_rules *rules, const char *value,
                              const char *want) {
    struct result result = run_value(rules, value, strlen(value));
    if (result.ev.reason != REJECT_NONE)
        fail_msg("%s: %s: %s", reject_reason_name(result.ev.reason), result.ev.detail, value);
    size_t n = strlen(want);
    if (strlen(result.line) != n + 1 || memcmp(result.line, want, n) != 0 || result.line[n] != '\n')
        fail_msg("%s is written as %s, not %s", value, result.line, want);
}

#endif
