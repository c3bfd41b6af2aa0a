/* One event: bytes in, one line or a reason out (docs/semantics.md). Pure: no I/O, no clock. */
#ifndef TIDEMARK_EVENT_EVENT_H
#define TIDEMARK_EVENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/record.h"
#include "window/window.h"

enum timestamp_format { TIMESTAMP_EPOCH_MS, TIMESTAMP_EPOCH_S, TIMESTAMP_ISO8601 };

/* In the order in which they are tested. */
enum reject_reason {
    REJECT_NONE,
    REJECT_INVALID_JSON,
    REJECT_NOT_OBJECT,
    REJECT_DUPLICATE_FIELD,
    REJECT_NO_KEY,
    REJECT_NO_TIMESTAMP,
    REJECT_BAD_TIMESTAMP,
    REJECT_FUTURE,
    REJECT_COUNT
};

/* "invalid_json", "not_object", ... */
const char *reject_reason_name(enum reject_reason reason);

struct event_rules {
    const char *key_field;       /* default "user_id" */
    const char *timestamp_field; /* default "timestamp" */
    enum timestamp_format timestamp_format;
    int64_t max_future_ms;
    struct window_rules window;
};

enum { EVENT_DETAIL_MAX = 200 };

/* What event_parse found. */
struct event {
    bool null;                     /* class null: no value, empty, or the literal null */
    enum reject_reason reason;     /* REJECT_NONE: an event (or late: the partition decides) */
    char detail[EVENT_DETAIL_MAX]; /* for rejected: what and where, in words; valid UTF-8 */
    int64_t timestamp;             /* epoch ms, where reason is REJECT_NONE */
    bool key_mismatch; /* the record has a key and it differs from the event's key field */
    size_t line_max;   /* bytes that event_write_line needs at most */
};

/* Owns the scratch memory of one worker; parse one record at a time, then write its line. */
struct event_parser;

/* Copies the strings of rules. NULL with ERR_USAGE where both fields are the same or one of them is
 * one of the three that are added. */
struct event_parser *event_parser_new(const struct event_rules *rules, struct error *e);
void event_parser_free(struct event_parser *p);

/* Never fails: bad input is a result. The record must stay valid until its line is written. */
void event_parse(struct event_parser *p, const struct record *r, struct event *ev);

/* Writes the line of the event parsed last, '\n' included, at dst (room for ev->line_max bytes).
 * Returns its length. */
size_t event_write_line(struct event_parser *p, int64_t window_start, int64_t window_end,
                        char *dst);

/* Appends the rejected line of this record, '\n' included; -1 where out's maximum is too small. */
int event_rejected_line(const struct record *r, const char *topic, int32_t partition,
                        enum reject_reason reason, const char *detail, struct buffer *out);

#endif
