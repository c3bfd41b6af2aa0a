/* The timestamp field's value in each of the formats, as epoch milliseconds. */
#include "event/event_parser.h"

#include "event/integer.h"
#include "event/json_string.h"

/* The longest text that instant_parse takes: 2024-10-22T21:00:00.000+00:00. */
enum { ISO8601_MAX = 29 };

static void bad(const struct event_rules *rules, struct event *ev, const char *text, size_t len,
                const char *why) {
    reject(ev, REJECT_BAD_TIMESTAMP, "field \"%s\" is %s: %s",
           excerpt(rules->timestamp_field, strlen(rules->timestamp_field)).text,
           excerpt(text, len).text, why);
}

static void wrong_type(const struct event_rules *rules, const struct json_found *f,
                       struct event *ev) {
    bool iso = rules->timestamp_format == TIMESTAMP_ISO8601;
    reject(ev, REJECT_BAD_TIMESTAMP, "field \"%s\" is %s; %s wants a %s",
           excerpt(rules->timestamp_field, strlen(rules->timestamp_field)).text,
           json_type_name(f->type), timestamp_format_name(rules->timestamp_format),
           iso ? "string" : "number");
}

static bool read_number(const struct event_rules *rules, const struct json_found *f,
                        struct event *ev, int64_t *ms) {
    switch (integer_parse(f->text, f->len, ms)) {
    case INTEGER_OK:
        if (rules->timestamp_format == TIMESTAMP_EPOCH_S && __builtin_mul_overflow(*ms, 1000, ms))
            break;
        return true;
    case INTEGER_FRACTION:
        bad(rules, ev, f->text, f->len, "not an integer");
        return false;
    case INTEGER_OUT_OF_RANGE:
        break;
    }
    bad(rules, ev, f->text, f->len, "far outside the years 0001 to 9999");
    return false;
}

static bool read_iso8601(const struct event_rules *rules, const struct json_found *f,
                         struct event *ev, int64_t *ms) {
    char plain[ISO8601_MAX];
    const char *text = f->text;
    size_t len = f->len;
    if (f->escaped) {
        len = json_unescape(f->text, f->len, plain, sizeof plain);
        text = plain;
    }
    if (len <= ISO8601_MAX && instant_parse(text, len, ms) == 0)
        return true;
    bad(rules, ev, f->text, f->len,
        "not RFC 3339 with a zone, at most milliseconds, in the years 0001 to 9999");
    return false;
}

void timestamp_read(const struct event_rules *rules, const struct json_found *f, struct event *ev) {
    bool iso = rules->timestamp_format == TIMESTAMP_ISO8601;
    int64_t ms = 0;
    if (f->type != (iso ? JSON_TYPE_STRING : JSON_TYPE_NUMBER))
        wrong_type(rules, f, ev);
    else if (!(iso ? read_iso8601(rules, f, ev, &ms) : read_number(rules, f, ev, &ms)))
        return;
    else if (!window_in_range(&rules->window, ms))
        bad(rules, ev, f->text, f->len, "its window is not within the years 0001 to 9999");
    ev->timestamp = ms;
}
