#include "support/fake_clock.h"

static int64_t monotonic(struct clock *c) {
    return ((struct fake_clock *)c)->monotonic;
}

static int64_t monotonic_us(struct clock *c) {
    return monotonic(c) * 1000;
}

static int64_t wall(struct clock *c) {
    return ((struct fake_clock *)c)->wall;
}

void fake_clock_init(struct fake_clock *c) {
    *c = (struct fake_clock){{monotonic, wall, monotonic_us}, 1000000, 1729630800000};
}

void fake_clock_advance(struct fake_clock *c, int64_t ms) {
    c->monotonic += ms;
    c->wall += ms;
}
