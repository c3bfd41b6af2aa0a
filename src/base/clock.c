#include "base/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id) {
    struct timespec t;
    (void)clock_gettime(id, &t); /* cannot fail for these two clocks */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t system_monotonic(struct clock *c) {
    (void)c;
    return read_ms(CLOCK_MONOTONIC);
}

static int64_t system_monotonic_us(struct clock *c) {
    (void)c;
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t system_wall(struct clock *c) {
    (void)c;
    return read_ms(CLOCK_REALTIME);
}

void clock_sleep(int64_t ms) {
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

struct clock *clock_system(void) {
    static struct clock system = {system_monotonic, system_wall, system_monotonic_us};
    return &system;
}
