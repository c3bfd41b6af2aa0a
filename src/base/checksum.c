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

#define POLYNOMIAL 0x82f63b78u /* reflected: the highest bit is the coefficient of x^0 */

/* a(x) * b(x) modulo the polynomial. */
static uint32_t multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (; a; a <<= 1) {
        product ^= b & (0 - (a >> 31));
        b = b >> 1 ^ (POLYNOMIAL & (0 - (b & 1)));
    }
    return product;
}

/* Appending a zero byte multiplies a CRC by x^8, len_b of them by a power of that, which is found by
 * squaring (the method of zlib's crc32_combine). */
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b) {
    uint32_t power = UINT32_C(1) << (31 - 8);
    for (; len_b > 0; len_b >>= 1) {
        if (len_b & 1)
            crc_a = multiply(power, crc_a);
        power = multiply(power, power);
    }
    return crc_a ^ crc_b;
}
