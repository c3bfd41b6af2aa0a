/* The clock behind a vtable, so that tests and the simulation decide what time it is. Intervals are
 * measured by the monotonic clock only; the wall clock is for people and for S3's signatures. */
#ifndef TIDEMARK_BASE_CLOCK_H
#define TIDEMARK_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*monotonic_ms)(struct clock *c); /* milliseconds since some fixed point, never back */
    int64_t (*wall_ms)(struct clock *c);      /* milliseconds since 1970-01-01T00:00:00Z */
    int64_t (*monotonic_us)(struct clock *c); /* as monotonic_ms, finer */
};

/* The system's clock; static, thread-safe. */
struct clock *clock_system(void);
/* Sleeps by it; a signal may end it early. */
void clock_sleep(int64_t ms);

static inline int64_t clock_monotonic(struct clock *c) {
    return c->monotonic_ms(c);
}
static inline int64_t clock_monotonic_us(struct clock *c) {
    return c->monotonic_us(c);
}
static inline int64_t clock_wall(struct clock *c) {
    return c->wall_ms(c);
}

#endif
