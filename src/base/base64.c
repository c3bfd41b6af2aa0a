#include "base/base64.h"

int base64_append(struct buffer *out, const void *data, size_t len) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;
    size_t n = len / 3 * 4 + (len % 3 ? 4 : 0);
    char *d = buffer_reserve(out, n);
    if (!d)
        return -1;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);
        *d++ = digits[v >> 18];
        *d++ = digits[v >> 12 & 63];
        *d++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *d++ = left > 2 ? digits[v & 63] : '=';
    }
    *d = '\0';
    out->len += n;
    return 0;
}
