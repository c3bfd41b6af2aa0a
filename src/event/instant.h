/* Instants as ISO-8601 text, as Java's Instant.toString prints a millisecond instant. */
#ifndef TIDEMARK_EVENT_INSTANT_H
#define TIDEMARK_EVENT_INSTANT_H

#include <stddef.h>
#include <stdint.h>

enum {
    INSTANT_MAX = 24, /* 2024-10-22T21:00:00.000Z */
    INSTANT_DATE = 11 /* 2024-10-22T */
};

/* Writes ms (in the years 0001 to 9999) without a NUL; returns the length. .SSS only where
 * ms % 1000 != 0. */
size_t instant_format(int64_t ms, char *dst);

/* The day of the instant formatted last: it is that of many in a row. Begins as all zeros. */
struct instant_day {
    int64_t begin, end; /* epoch milliseconds */
    char text[INSTANT_DATE];
};

/* As instant_format, but works out the date only where it is another one than the last. */
size_t instant_format_in(struct instant_day *day, int64_t ms, char *dst);

/* RFC 3339 with a zone (Z, z or +hh:mm), 'T', 't' or a space between date and time, at most three
 * digits of a second's fraction. 0, or -1 where text is anything else or outside years 0001..9999.
 * A leap second (:60) is refused: it has no epoch millisecond of its own. */
int instant_parse(const char *text, size_t len, int64_t *ms);

#endif
