#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

static bool eight_are_ascii(const char *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return (x & UINT64_C(0x8080808080808080)) == 0;
}

bool utf8_valid(const char *text, size_t len) {
    for (size_t i = 0; i < len;) {
        if (len - i >= 8 && eight_are_ascii(text + i)) {
            i += 8;
            continue;
        }
        size_t n = utf8_sequence(text + i, len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

size_t utf8_cut(const char *text, size_t len, size_t max) {
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

size_t utf8_encode(unsigned code, char *dst) {
    if (code < 0x80) {
        dst[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        dst[0] = (char)(0xc0 | code >> 6);
        dst[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        dst[0] = (char)(0xe0 | code >> 12);
        dst[1] = (char)(0x80 | (code >> 6 & 0x3f));
        dst[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    dst[0] = (char)(0xf0 | code >> 18);
    dst[1] = (char)(0x80 | (code >> 12 & 0x3f));
    dst[2] = (char)(0x80 | (code >> 6 & 0x3f));
    dst[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}
