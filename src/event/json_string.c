#include "event/json_string.h"

#include <limits.h>
#include <string.h>

#include "base/utf8.h"

static unsigned hex_value(char c) {
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static unsigned hex4(const char *p) {
    return hex_value(p[0]) << 12 | hex_value(p[1]) << 8 | hex_value(p[2]) << 4 | hex_value(p[3]);
}

/* The \uXXXX at text + *at, together with a second one where both are a surrogate pair. */
static unsigned unicode_escape(const char *text, size_t len, size_t *at) {
    unsigned code = hex4(text + *at + 2);
    *at += 6;
    if (code < 0xd800 || code > 0xdbff || len - *at < 6 || text[*at] != '\\' ||
        text[*at + 1] != 'u')
        return code;
    unsigned low = hex4(text + *at + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return code;
    *at += 6;
    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

size_t json_unescape_next(const char *text, size_t len, size_t *at, char *dst) {
    if (text[*at] != '\\') {
        dst[0] = text[(*at)++];
        return 1;
    }
    char c = text[*at + 1];
    if (c == 'u')
        return utf8_encode(unicode_escape(text, len, at), dst);
    static const char from[] = "bfnrt";
    static const char to[] = "\b\f\n\r\t";
    const char *p = strchr(from, c);
    dst[0] = p ? to[p - from] : c; /* '"', '\\' and '/' mean themselves */
    *at += 2;
    return 1;
}

bool json_string_equals(const char *text, size_t len, const char *want, size_t want_len) {
    size_t done = 0;
    for (size_t at = 0; at < len;) {
        char bytes[4];
        size_t n = json_unescape_next(text, len, &at, bytes);
        if (n > want_len - done || memcmp(bytes, want + done, n) != 0)
            return false;
        done += n;
    }
    return done == want_len;
}

size_t json_unescape(const char *text, size_t len, char *dst, size_t max) {
    size_t done = 0;
    for (size_t at = 0; at < len;) {
        char bytes[4];
        size_t n = json_unescape_next(text, len, &at, bytes);
        if (n <= max && done <= max - n)
            memcpy(dst + done, bytes, n);
        done += n;
    }
    return done;
}

/* What stands behind the backslash: 'u' and four digits, another letter, or 0 where none is needed. */
static const char escapes[UCHAR_MAX + 1] = {
    'u',         'u',           'u', 'u', 'u', 'u', 'u', 'u',
    'b',         't',           'n', 'u', 'f', 'r', 'u', 'u', /* to 0x0f */
    'u',         'u',           'u', 'u', 'u', 'u', 'u', 'u',
    'u',         'u',           'u', 'u', 'u', 'u', 'u', 'u', /* to 0x1f */
    ['"'] = '"', ['\\'] = '\\',
};

static size_t quoted_length(const char *raw, size_t len) {
    size_t n = 2;
    for (size_t i = 0; i < len; i++) {
        char escape = escapes[(unsigned char)raw[i]];
        n += escape == 0 ? 1 : escape == 'u' ? 6 : 2;
    }
    return n;
}

int json_append_string(struct buffer *out, const char *raw, size_t len) {
    static const char hex[] = "0123456789abcdef";
    char *p = buffer_reserve(out, quoted_length(raw, len));
    if (!p)
        return -1;
    *p++ = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)raw[i];
        char escape = escapes[c];
        if (escape == 0) {
            *p++ = (char)c;
            continue;
        }
        *p++ = '\\';
        *p++ = escape;
        if (escape == 'u')
            p = (char *)memcpy(p, (char[]){'0', '0', hex[c >> 4], hex[c & 15]}, 4) + 4;
    }
    *p++ = '"';
    *p = '\0';
    out->len = (size_t)(p - out->data);
    return 0;
}
