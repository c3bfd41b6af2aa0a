/* Randomness behind a vtable: claim ids, the sixteen hex digits of file names, jitter. */
#ifndef TIDEMARK_BASE_RANDOM_H
#define TIDEMARK_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    void (*bytes)(struct random *r, void *dst, size_t n);
};

/* getrandom(2); static, thread-safe. */
struct random *random_system(void);

uint64_t random_u64(struct random *r);
/* Uniform in [0, n); 0 when n is 0. */
uint64_t random_below(struct random *r, uint64_t n);
/* Writes 2 * n lower-case hex digits and a NUL: n random bytes (at most 32). */
void random_hex(struct random *r, size_t n, char *dst);

#endif
