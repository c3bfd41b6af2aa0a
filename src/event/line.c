/* The event's line: the minified object with the three members behind its timestamp. */
#include "event/event_parser.h"

static char *put(char *dst, const void *src, size_t n) {
    memcpy(dst, src, n);
    return dst + n;
}

/* A member whose name is a string literal: its length is known when this is compiled. */
#define PUT_MEMBER(dst, name, ms) \
    put_instant(put((dst), ",\"" name "\":\"", sizeof ",\"" name "\":\"" - 1), (ms))

static char *put_instant(char *dst, int64_t ms) {
    dst += instant_format(ms, dst);
    *dst++ = '"';
    return dst;
}

static void write_bounds(struct bounds_text *b, int64_t start, int64_t end) {
    char *p = PUT_MEMBER(b->text, ADDED_START, start);
    p = PUT_MEMBER(p, ADDED_END, end);
    b->start = start;
    b->end = end;
    b->len = (size_t)(p - b->text);
}

size_t event_write_line(struct event_parser *p, int64_t window_start, int64_t window_end,
                        char *dst) {
    struct bounds_text *b = &p->bounds;
    if (b->len == 0 || b->start != window_start || b->end != window_end)
        write_bounds(b, window_start, window_end);
    size_t split = p->json.found[WATCH_TIMESTAMP].out_end;
    char *d = put(dst, p->json.out, split);
    d = PUT_MEMBER(d, ADDED_TIMESTAMP, p->timestamp);
    d = put(d, b->text, b->len);
    d = put(d, p->json.out + split, p->json.out_len - split);
    *d++ = '\n';
    return (size_t)(d - dst);
}
