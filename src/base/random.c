#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static void system_bytes(struct random *r, void *dst, size_t n) {
    (void)r;
    for (size_t done = 0; done < n;) {
        ssize_t k = getrandom((char *)dst + done, n - done, 0);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0) { /* a kernel without getrandom: names could collide, so do not go on */
            perror("tidemark: getrandom");
            abort();
        }
        done += (size_t)k;
    }
}

struct random *random_system(void) {
    static struct random system = {system_bytes};
    return &system;
}

uint64_t random_u64(struct random *r) {
    uint64_t x;
    r->bytes(r, &x, sizeof x);
    return x;
}

uint64_t random_below(struct random *r, uint64_t n) {
    return n ? random_u64(r) % n : 0;
}

void random_hex(struct random *r, size_t n, char *dst) {
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[32];
    assert(n <= sizeof raw);
    r->bytes(r, raw, n);
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = digits[raw[i] >> 4];
        dst[2 * i + 1] = digits[raw[i] & 15];
    }
    dst[2 * n] = '\0';
}
