#include "base/checksum.h"

#include <isa-l/crc.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t n) {
    /* isa-l leaves the initial and final inversion to its caller and takes an int length. */
    const unsigned char *p = data;
    crc = ~crc;
    while (n > 0) {
        int step = n > 1 << 30 ? 1 << 30 : (int)n;
        crc = crc32_iscsi((unsigned char *)(uintptr_t)p, step, crc);
        p += step;
        n -= (size_t)step;
    }
    return ~crc;
}

/* A CRC is linear over GF(2): appending a zero bit is a 32 x 32 bit matrix, appending len_b zero
 * bytes a power of it, found by squaring (the method of zlib's crc32_combine). */
static uint32_t apply(const uint32_t matrix[32], uint32_t vector) {
    uint32_t sum = 0;
    for (int i = 0; vector; vector >>= 1, i++)
        if (vector & 1)
            sum ^= matrix[i];
    return sum;
}

static void square(uint32_t out[32], const uint32_t in[32]) {
    for (int i = 0; i < 32; i++)
        out[i] = apply(in, in[i]);
}

uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b) {
    uint32_t odd[32], even[32];
    odd[0] = 0x82f63b78u; /* the polynomial, reflected */
    for (int i = 1; i < 32; i++)
        odd[i] = 1u << (i - 1);
    square(even, odd); /* two zero bits */
    square(odd, even); /* four */
    while (len_b > 0) {
        square(even, odd);
        if (len_b & 1)
            crc_a = apply(even, crc_a);
        len_b >>= 1;
        if (len_b == 0)
            break;
        square(odd, even);
        if (len_b & 1)
            crc_a = apply(odd, crc_a);
        len_b >>= 1;
    }
    return crc_a ^ crc_b;
}
