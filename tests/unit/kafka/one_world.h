/* For test programs whose cases each have a world with one broker. */
#ifndef TIDEMARK_TESTS_ONE_WORLD_H
#define TIDEMARK_TESTS_ONE_WORLD_H

#include "fetcher_fixture.h"

static struct world *w;

static int up(void **state) {
    (void)state;
    w = world_up(1);
    return 0;
}

static int down(void **state) {
    (void)state;
    world_down(w);
    return 0;
}

/* Another one, in the middle of a case. */
static void again(void) {
    world_down(w);
    w = world_up(1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)

#endif
