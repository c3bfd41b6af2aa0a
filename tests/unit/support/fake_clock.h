/* A clock that stands still until the test moves it. */
#ifndef TIDEMARK_SUPPORT_FAKE_CLOCK_H
#define TIDEMARK_SUPPORT_FAKE_CLOCK_H

#include "base/clock.h"

struct fake_clock {
    struct clock clock; /* first: give &fake.clock to the code under test */
    int64_t monotonic, wall;
};

/* Monotonic 1,000,000 ms; wall 2024-10-22T21:00:00Z. */
void fake_clock_init(struct fake_clock *c);
/* Moves both. */
void fake_clock_advance(struct fake_clock *c, int64_t ms);

#endif
