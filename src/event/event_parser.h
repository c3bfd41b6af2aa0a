/* What the files of this folder share: a worker's parser, and how a reason is put into words. */
#ifndef TIDEMARK_EVENT_EVENT_PARSER_H
#define TIDEMARK_EVENT_EVENT_PARSER_H

#include <string.h>

#include "event/event.h"
#include "event/instant.h"
#include "event/json.h"

/* The order in which names are watched for. */
enum {
    WATCH_KEY,
    WATCH_TIMESTAMP,
    WATCH_ADDED /* and two more */
};

/* The members that every line gets. */
#define ADDED_TIMESTAMP "event_timestamp"
#define ADDED_START "event_timestamp_start"
#define ADDED_END "event_timestamp_end"
enum { ADDED_FIELDS = 3 };

/* The text of a window's two bounds as members. Most events are of a few windows, so that many are
 * written with the same. */
enum { BOUNDS_BITS = 3, BOUNDS_MAX = 112 };
struct bounds_text {
    int64_t start, end;
    size_t len;            /* 0: not written yet */
    char text[BOUNDS_MAX]; /* copied as a whole: one length, which the compiler knows */
};

struct event_parser {
    struct event_rules rules; /* its strings belong to the parser */
    struct json_scanner json;
    int64_t timestamp; /* of the event parsed last */
    struct instant_day day;
    struct bounds_text bounds[1 << BOUNDS_BITS]; /* by a hash of the start */
};

/* Sets reason and detail. */
void reject(struct event *ev, enum reject_reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A piece of input to be shown in a detail: cut, valid UTF-8, no control characters. */
struct excerpt {
    char text[56];
};
struct excerpt excerpt(const char *text, size_t len);

/* Which of the three formats' values is wanted, and what stands there, in words. */
const char *timestamp_format_name(enum timestamp_format format);
const char *json_type_name(enum json_type type);

/* detail for text that is not JSON. */
void reject_invalid_json(struct event *ev, const struct json_scanner *s, const struct record *r);

/* The timestamp field's value as epoch milliseconds, in ev->timestamp; else ev is rejected. */
void timestamp_read(const struct event_rules *rules, const struct json_found *f, struct event *ev);

#endif
