#include "support/fake_random.h"

#include "base/checksum.h"

static void bytes(struct random *random, void *dst, size_t n) {
    struct fake_random *r = (struct fake_random *)random;
    unsigned char *p = dst;
    uint64_t x = 0;
    for (size_t i = 0; i < n; i++) {
        if (i % 8 == 0) {
            x = splitmix64(r->state);
            r->state += 0x9e3779b97f4a7c15u; /* the generator's own step */
        }
        p[i] = (unsigned char)(x >> (8 * (i % 8)));
    }
}

void fake_random_init(struct fake_random *r, uint64_t seed) {
    *r = (struct fake_random){{bytes}, seed};
}
