/* Tumbling windows: a pure function of an event's timestamp. All times are epoch milliseconds. */
#ifndef TIDEMARK_WINDOW_WINDOW_H
#define TIDEMARK_WINDOW_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* 0001-01-01T00:00:00Z and 10000-01-01T00:00:00Z. */
#define TIME_MIN_MS INT64_C(-62135596800000)
#define TIME_END_MS INT64_C(253402300800000)

struct window_rules {
    int64_t size;             /* > 0 */
    int64_t offset;           /* shifts every window's start; any sign */
    int64_t out_of_orderness; /* >= 0 */
    int64_t allowed_lateness; /* >= 0 */
};

/* start = ts - floormod(ts - offset, size); the window ends at start + size. */
int64_t window_start(const struct window_rules *w, int64_t ts);

/* True where the event's whole window, its printed bounds included, lies in the years 0001 to 9999:
 * a bound in the year 10000 has five digits, which many readers cannot parse. ts may be any int64. */
bool window_in_range(const struct window_rules *w, int64_t ts);

#endif
