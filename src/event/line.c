/* The event's line: the minified object with the three members behind its timestamp. */
#include "event/event_parser.h"

static char *put(char *dst, const void *src, size_t n) {
    memcpy(dst, src, n);
    return dst + n;
}

/* A member whose name is a string literal: its length is known when this is compiled. */
#define PUT_MEMBER(dst, name, day, ms) \
    put_instant(put((dst), ",\"" name "\":\"", sizeof ",\"" name "\":\"" - 1), (day), (ms))

static char *put_instant(char *dst, struct instant_day *day, int64_t ms) {
    dst += instant_format_in(day, ms, dst);
    *dst++ = '"';
    return dst;
}

_Static_assert(sizeof ADDED_START + sizeof ADDED_END + 2 * (INSTANT_MAX + 5) <= BOUNDS_MAX,
               "room for both members");
_Static_assert(BOUNDS_MAX <= JSON_PACK_SLACK + 60, "what is copied too much stays in line_max");

static void write_bounds(struct bounds_text *b, int64_t start, int64_t end) {
    struct instant_day day = {0};
    char *p = PUT_MEMBER(b->text, ADDED_START, &day, start);
    p = PUT_MEMBER(p, ADDED_END, &day, end);
    b->start = start;
    b->end = end;
    b->len = (size_t)(p - b->text);
}

static struct bounds_text *bounds_of(struct event_parser *p, int64_t start) {
    return &p->bounds[(uint64_t)start * UINT64_C(0x9e3779b97f4a7c15) >> (64 - BOUNDS_BITS)];
}

size_t event_write_line(struct event_parser *p, int64_t window_start, int64_t window_end,
                        char *dst) {
    struct bounds_text *b = bounds_of(p, window_start);
    if (b->len == 0 || b->start != window_start || b->end != window_end)
        write_bounds(b, window_start, window_end);
    const struct json_scanner *json = &p->json;
    size_t split = json->found[WATCH_TIMESTAMP].end;
    char *d = json_minify(json, 0, split, dst);
    d = PUT_MEMBER(d, ADDED_TIMESTAMP, &p->day, p->timestamp);
    (void)put(d, b->text, sizeof b->text);
    d += b->len;
    d = json_minify(json, split, json->len, d);
    *d++ = '\n';
    return (size_t)(d - dst);
}
