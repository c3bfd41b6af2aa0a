/* Eight decimal digits at once, in a common register. */
#ifndef TIDEMARK_EVENT_DIGITS_H
#define TIDEMARK_EVENT_DIGITS_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Each byte minus '0', the first character in the lowest one. */
static inline uint64_t digits_load(const char *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return le64toh(x) ^ UINT64_C(0x3030303030303030);
}

/* How many of the eight characters at p are digits before one that is none. */
static inline size_t leading_digits(const char *p) {
    uint64_t x = digits_load(p);
    /* Where a byte is 10 or more, its high bit; what a sum carries spoils only later bytes. */
    uint64_t others = ((x + UINT64_C(0x7676767676767676)) | x) & UINT64_C(0x8080808080808080);
    return others ? (size_t)__builtin_ctzll(others) / 8 : 8;
}

/* Pairs of digits, then of pairs, then of fours. */
static inline uint32_t digits_value(uint64_t x) {
    x = (x * 10 + (x >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x * 100 + (x >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(x * 10000 + (x >> 32));
}

/* The value of the eight digits at p. */
static inline uint32_t eight_digits(const char *p) {
    return digits_value(digits_load(p));
}

/* The value of the last n, at most eight, of the eight digits at p. */
static inline uint32_t last_digits(const char *p, size_t n) {
    return n == 0 ? 0 : digits_value(digits_load(p) & ~UINT64_C(0) << (64 - 8 * n));
}

#endif
