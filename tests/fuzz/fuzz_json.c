/* Any bytes as a record's value. All vector variants agree; a line is valid JSON in one piece, and an
 * event made of it has the same line again; a rejected record's line is valid JSON too. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "event/event.h"
#include "event/json.h"

#define CHECK(what)  \
    do {             \
        if (!(what)) \
            abort(); \
    } while (0)

static struct json_scanner scanners[JSON_SIMD_COUNT];
static struct event_parser *parser;
static struct buffer out;

static void start(void) {
    static const struct event_rules rules = {.key_field = "user_id",
                                             .timestamp_field = "timestamp",
                                             .max_future_ms = 3600000,
                                             .window = {.size = 300000}};
    for (int simd = 0; simd < JSON_SIMD_COUNT; simd++)
        if (json_stops_for((enum json_simd)simd))
            json_scanner_init(&scanners[simd], (enum json_simd)simd);
    parser = event_parser_new(&rules, NULL);
    buffer_init(&out, 1 << 24);
}

static void scan(const char *text, size_t len) {
    bool ok = json_scan(&scanners[JSON_PLAIN], text, len);
    for (int simd = JSON_PLAIN + 1; simd < JSON_SIMD_COUNT; simd++) {
        struct json_scanner *s = &scanners[simd], *plain = &scanners[JSON_PLAIN];
        if (!s->find_stops)
            continue;
        CHECK(json_scan(s, text, len) == ok);
        CHECK(s->error == plain->error && s->error_at == plain->error_at);
        CHECK(s->out_len == plain->out_len);
        CHECK(!ok || memcmp(s->out, plain->out, s->out_len) == 0);
    }
}

/* The line of an event, or NULL; freed by the caller. */
static char *line_of(const char *value, size_t len, size_t *line_len) {
    struct record r = {.timestamp = 0, .value = value, .value_len = len};
    struct event ev;
    event_parse(parser, &r, &ev);
    if (ev.null)
        return NULL;
    if (ev.reason != REJECT_NONE) {
        buffer_reset(&out);
        CHECK(event_rejected_line(&r, "t", 0, ev.reason, ev.detail, &out) == 0);
        CHECK(out.data[out.len - 1] == '\n');
        CHECK(json_scan(&scanners[JSON_PLAIN], out.data, out.len));
        return NULL;
    }
    char *line = xmalloc(ev.line_max);
    *line_len = event_write_line(parser, 0, 300000, line);
    CHECK(*line_len <= ev.line_max);
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char none[1];
    const char *text = size ? (const char *)data : none;
    if (!parser)
        start();
    scan(text, size);
    size_t len, again;
    char *line = line_of(text, size, &len);
    if (!line)
        return 0;
    CHECK(memchr(line, '\n', len) == line + len - 1);
    char *second = line_of(line, len, &again);
    CHECK(second && again == len && memcmp(line, second, len) == 0);
    free(line);
    free(second);
    return 0;
}
