/* CRC-32C (Castagnoli, RFC 3720 appendix B.4) for everything stored, and the offset hash of
 * docs/exactly-once.md: splitmix64(offset), summed modulo 2^64. */
#ifndef TIDEMARK_BASE_CHECKSUM_H
#define TIDEMARK_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Continues crc (0 at the start) over n bytes. */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);
/* CRC of A followed by B, from the CRCs of each and B's length. */
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b);

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014). */
static inline uint64_t splitmix64(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t offset_hash(int64_t offset) {
    return splitmix64((uint64_t)offset);
}

#endif
