/* Random bytes that follow from a seed (splitmix64). */
#ifndef TIDEMARK_SUPPORT_FAKE_RANDOM_H
#define TIDEMARK_SUPPORT_FAKE_RANDOM_H

#include "base/random.h"

struct fake_random {
    struct random random; /* first: give &fake.random to the code under test */
    uint64_t state;
};

void fake_random_init(struct fake_random *r, uint64_t seed);

#endif
