/* Any bytes as a record's value. All vector variants agree with each other, and with jansson on what
 * is JSON; a line is valid JSON in one piece that keeps every field, and an event made of it has the
 * same line again; a rejected record's line is valid JSON too. */
#include "fuzz.h"

#include <jansson.h>

#include "event/event.h"
#include "event/json.h"

enum { FORMATS = TIMESTAMP_ISO8601 + 1 };

static const struct window_rules windows = {.size = 300000};
static struct json_scanner scanners[JSON_SIMD_COUNT];
static struct event_parser *parsers[FORMATS];
static struct buffer out;

static void start(void) {
    struct event_rules rules = {.key_field = "user_id",
                                .timestamp_field = "timestamp",
                                .max_future_ms = 3600000,
                                .window = windows};
    for (int simd = 0; simd < JSON_SIMD_COUNT; simd++)
        if (json_vectors_for((enum json_simd)simd))
            json_scanner_init(&scanners[simd], (enum json_simd)simd);
    for (int format = 0; format < FORMATS; format++) {
        rules.timestamp_format = (enum timestamp_format)format;
        parsers[format] = event_parser_new(&rules, NULL);
    }
    buffer_init(&out, 1 << 24);
}

/* In two parts as well as in one. */
static void check_packed_alike(const struct json_scanner *a, const struct json_scanner *b,
                               size_t len) {
    char *of_a = malloc(len + JSON_PACK_SLACK), *of_b = malloc(len + JSON_PACK_SLACK);
    CHECK(of_a && of_b);
    char *end = json_minify(a, 0, len, of_a);
    CHECK(json_minify(b, len / 3, len, json_minify(b, 0, len / 3, of_b)) - of_b == end - of_a);
    CHECK(memcmp(of_a, of_b, (size_t)(end - of_a)) == 0);
    free(of_a);
    free(of_b);
}

static bool scan(const char *text, size_t len) {
    struct json_scanner *plain = &scanners[JSON_PLAIN];
    bool ok = json_scan(plain, text, len);
    for (int simd = JSON_PLAIN + 1; simd < JSON_SIMD_COUNT; simd++) {
        struct json_scanner *s = &scanners[simd];
        if (!s->vectors)
            continue;
        CHECK(json_scan(s, text, len) == ok);
        CHECK(s->error == plain->error && s->error_at == plain->error_at);
        if (ok)
            check_packed_alike(s, plain, len);
    }
    return ok;
}

/* jansson refuses numbers that do not fit, half a surrogate pair, and \u0000 in names. */
static bool jansson_cannot(const json_error_t *e) {
    switch (json_error_code(e)) {
    case json_error_numeric_overflow:
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return true;
    default:
        return strncmp(e->text, "invalid Unicode", strlen("invalid Unicode")) == 0;
    }
}

/* jansson's tree of the text, or NULL. It overlooks a NUL that stands behind a number or word, and
 * takes twice our depth. */
static json_t *agree(const char *text, size_t len, bool ok) {
    json_error_t e;
    json_t *j = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (j)
        CHECK(ok || memchr(text, '\0', len) || scanners[JSON_PLAIN].error == JSON_TOO_DEEP);
    else
        CHECK(!ok || jansson_cannot(&e));
    return j;
}

static void remove_added(json_t *object) {
    (void)json_object_del(object, "event_timestamp");
    (void)json_object_del(object, "event_timestamp_start");
    (void)json_object_del(object, "event_timestamp_end");
}

/* Every field of the value is in the line, and nothing else but what is added. */
static void keeps_fields(json_t *value, const char *line, size_t len) {
    json_t *written = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
    CHECK(written && json_object_get(written, "event_timestamp"));
    CHECK(json_object_get(written, "event_timestamp_start"));
    CHECK(json_object_get(written, "event_timestamp_end"));
    remove_added(written);
    remove_added(value);
    CHECK(json_equal(written, value));
    json_decref(written);
}

/* The line of an event, or NULL; freed by the caller. */
static char *line_of(struct event_parser *parser, const char *value, size_t len, size_t *line_len) {
    struct record r = {.timestamp = 0,
                       .key = value,
                       .key_len = len < 3 ? len : 3,
                       .value = value,
                       .value_len = len};
    struct event ev;
    event_parse(parser, &r, &ev);
    if (ev.null)
        return NULL;
    if (ev.reason != REJECT_NONE) {
        buffer_reset(&out);
        CHECK(ev.detail[0]);
        CHECK(event_rejected_line(&r, "t", 0, ev.reason, ev.detail, &out) == 0);
        CHECK(out.data[out.len - 1] == '\n');
        CHECK(json_scan(&scanners[JSON_PLAIN], out.data, out.len));
        return NULL;
    }
    char *line = xmalloc(ev.line_max);
    int64_t from = window_start(&windows, ev.timestamp);
    *line_len = event_write_line(parser, from, from + windows.size, line);
    CHECK(*line_len <= ev.line_max);
    return line;
}

static void as_event(struct event_parser *parser, const char *text, size_t size, json_t *value) {
    size_t len, again;
    char *line = line_of(parser, text, size, &len);
    if (!line)
        return;
    CHECK(memchr(line, '\n', len) == line + len - 1);
    CHECK(json_scan(&scanners[JSON_PLAIN], line, len));
    char *minified = xmalloc(len + JSON_PACK_SLACK); /* nothing was left to take away */
    CHECK(json_minify(&scanners[JSON_PLAIN], 0, len, minified) == minified + len - 1);
    free(minified);
    if (value)
        keeps_fields(value, line, len);
    char *second = line_of(parser, line, len, &again);
    CHECK(second && again == len && memcmp(line, second, len) == 0);
    free(line);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char none[1];
    const char *text = size ? (const char *)data : none;
    if (!parsers[0])
        start();
    json_t *value = agree(text, size, scan(text, size));
    for (int format = 0; format < FORMATS; format++)
        as_event(parsers[format], text, size, value);
    json_decref(value);
    return 0;
}
