/* UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef TIDEMARK_BASE_UTF8_H
#define TIDEMARK_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length of the sequence at p, 1 to 4, or 0 where the `room` bytes there do not begin with a valid
 * one. room > 0. */
static inline size_t utf8_sequence(const char *text, size_t room) {
    const unsigned char *p = (const unsigned char *)text;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || room < 2)
        return 0;
    if (p[0] < 0xe0)
        return (p[1] & 0xc0) == 0x80 ? 2 : 0;
    /* The second byte carries what makes a sequence overlong, a surrogate or too large. */
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high || room < 3 || (p[2] & 0xc0) != 0x80)
        return 0;
    if (p[0] < 0xf0)
        return 3;
    return p[0] <= 0xf4 && room >= 4 && (p[3] & 0xc0) == 0x80 ? 4 : 0;
}

bool utf8_valid(const char *text, size_t len);

/* The greatest n <= max at which text, which is valid UTF-8, can be cut. */
size_t utf8_cut(const char *text, size_t len, size_t max);

/* Writes code (at most U+10FFFF) and returns the length, 1 to 4. A surrogate gets the three bytes
 * that UTF-8 would give it, which equal no valid text. */
size_t utf8_encode(unsigned code, char *dst);

#endif
