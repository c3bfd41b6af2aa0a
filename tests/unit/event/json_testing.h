/* Scans a text with every variant that this processor can run and checks that all agree. */
#ifndef TIDEMARK_TESTS_JSON_TESTING_H
#define TIDEMARK_TESTS_JSON_TESTING_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "event/json.h"

struct outcome {
    bool ok;
    enum json_error error;
    size_t error_at;
    enum json_type type;
    char *out; /* freed by outcome_free */
    size_t out_len;
};

static inline void outcome_free(struct outcome *o) {
    free(o->out);
}

/* Where `exact` is a buffer of exactly len bytes, so that a sanitizer sees every byte too many. */
static inline struct outcome scan_once(const char *exact, size_t len, enum json_simd simd) {
    struct json_scanner s;
    json_scanner_init(&s, simd);
    bool ok = json_scan(&s, exact, len);
    struct outcome o = {.ok = ok, .error = s.error, .error_at = s.error_at, .type = s.type};
    o.out = xmalloc(len + JSON_PACK_SLACK);
    o.out_len = ok ? (size_t)(json_minify(&s, 0, len, o.out) - o.out) : 0;
    o.out[o.out_len] = '\0';
    json_scanner_free(&s);
    return o;
}

static inline struct outcome scan_all(const char *text, size_t len) {
    char *exact = xmalloc(len);
    memcpy(exact, text, len);
    struct outcome first = scan_once(exact, len, JSON_PLAIN);
    for (int simd = JSON_PLAIN + 1; simd < JSON_SIMD_COUNT; simd++) {
        if (!json_vectors_for((enum json_simd)simd))
            continue;
        struct outcome o = scan_once(exact, len, (enum json_simd)simd);
        assert_int_equal(o.ok, first.ok);
        assert_int_equal(o.error, first.error);
        assert_int_equal(o.error_at, first.error_at);
        assert_int_equal(o.out_len, first.out_len);
        assert_memory_equal(o.out, first.out, first.out_len);
        outcome_free(&o);
    }
    free(exact);
    return first;
}

static inline bool parses(const char *text, size_t len) {
    struct outcome o = scan_all(text, len);
    outcome_free(&o);
    return o.ok;
}

/* For string literals, which may hold zero bytes. */
#define must_parse(text) assert_true(parses("" text, sizeof(text) - 1))
#define must_not_parse(text) assert_false(parses("" text, sizeof(text) - 1))

#endif
