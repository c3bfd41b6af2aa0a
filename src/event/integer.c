#include "event/integer.h"

#include <stdbool.h>
#include <string.h>

#include "event/digits.h"

/* An exponent beyond this is as good as any other: no text has so many digits. */
#define EXPONENT_MAX (INT64_MAX / 32)

/* A number taken apart: its digits, without the point and the zeros at both ends, times ten to the
 * power of exponent. */
struct decimal {
    bool negative;
    const char *first, *last; /* significant digits; a point may lie between; first > last: zero */
    int64_t digits;           /* how many */
    int64_t exponent;
};

static int64_t parse_exponent(const char *p, const char *end) {
    bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    int64_t e = 0;
    for (; p < end; p++)
        if (e < EXPONENT_MAX)
            e = e * 10 + (*p - '0');
    return negative ? -e : e;
}

static struct decimal take_apart(const char *p, const char *end) {
    struct decimal d = {.negative = *p == '-'};
    p += d.negative;
    const char *point = NULL;
    const char *mantissa_end = end;
    for (const char *q = p; q < end; q++) {
        if (*q == '.')
            point = q;
        if (*q == 'e' || *q == 'E') {
            mantissa_end = q;
            d.exponent = parse_exponent(q + 1, end);
            break;
        }
    }
    if (!point)
        point = mantissa_end;
    d.first = p;
    while (d.first < mantissa_end && (*d.first == '0' || *d.first == '.'))
        d.first++;
    d.last = mantissa_end - 1;
    while (d.last > d.first && (*d.last == '0' || *d.last == '.'))
        d.last--;
    if (d.first == mantissa_end)
        return (struct decimal){.first = p, .last = p - 1};
    d.digits = d.last - d.first + 1 - (d.first < point && point < d.last);
    /* Digits behind the point lower the exponent, zeros taken away before it raise it. */
    d.exponent += d.last < point ? point - d.last - 1 : point - d.last;
    return d;
}

static bool times_ten_plus(int64_t *v, int digit) {
    return !__builtin_mul_overflow(*v, 10, v) && !__builtin_add_overflow(*v, digit, v);
}

static bool parse_short(const char *p, size_t len, int64_t *value) {
    int64_t v = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(p[i] - '0');
        if (digit > 9)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    return len > 0;
}

/* The common case, milliseconds among others: 8 to 16 digits, the first eight and the rest. */
static bool parse_plain(const char *p, size_t len, int64_t *value) {
    static const uint32_t power[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    if (len < 8)
        return parse_short(p, len, value);
    size_t rest = len - 8;
    if (rest > 8 || leading_digits(p) != 8 || leading_digits(p + rest) != 8)
        return false;
    *value = (int64_t)eight_digits(p) * power[rest] + last_digits(p + rest, rest);
    return true;
}

enum integer_result integer_parse(const char *text, size_t len, int64_t *value) {
    if (parse_plain(text, len, value))
        return INTEGER_OK;
    struct decimal d = take_apart(text, text + len);
    *value = 0;
    if (d.first > d.last)
        return INTEGER_OK;
    if (d.exponent < 0)
        return INTEGER_FRACTION;
    if (d.exponent > 19 || d.digits > 19)
        return INTEGER_OUT_OF_RANGE;
    int64_t v = 0;
    /* Counted downwards, because INT64_MIN has no positive counterpart. */
    for (const char *p = d.first; p <= d.last; p++)
        if (*p != '.' && !times_ten_plus(&v, -(*p - '0')))
            return INTEGER_OUT_OF_RANGE;
    for (int64_t e = d.exponent; e > 0; e--)
        if (!times_ten_plus(&v, 0))
            return INTEGER_OUT_OF_RANGE;
    if (!d.negative && v == INT64_MIN)
        return INTEGER_OUT_OF_RANGE;
    *value = d.negative ? v : -v;
    return INTEGER_OK;
}
