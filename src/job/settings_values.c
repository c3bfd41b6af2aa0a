#include "job/settings_values.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
enum { N_DURATIONS = sizeof durations / sizeof *durations };

/* Binary units stand first and descending: format_size takes the first that divides. */
static const struct unit sizes[] = {
    {"TiB", UINT64_C(1) << 40},
    {"GiB", UINT64_C(1) << 30},
    {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10},
    {"B", 1},
    {"KB", UINT64_C(1000)},
    {"MB", UINT64_C(1000000)},
    {"GB", UINT64_C(1000000000)},
    {"TB", UINT64_C(1000000000000)},
};
enum { N_SIZES = sizeof sizes / sizeof *sizes, N_BINARY_SIZES = 5 };

/* Reads digits; NULL where there are none or too many. */
static const char *read_digits(const char *p, uint64_t *n) {
    const char *begin = p;
    uint64_t value = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > ((uint64_t)INT64_MAX - digit) / 10)
            return NULL;
        value = value * 10 + digit;
    }
    *n = value;
    return p == begin ? NULL : p;
}

/* The unit's position, after which *p stands; -1 for none. */
static int read_duration_unit(const char **p) {
    size_t len = strspn(*p, "abcdefghijklmnopqrstuvwxyz");
    for (int i = 0; i < N_DURATIONS; i++)
        if (strlen(durations[i].name) == len && strncmp(*p, durations[i].name, len) == 0) {
            *p += len;
            return i;
        }
    return -1;
}

int parse_duration(const char *text, int64_t *ms) {
    bool negative = *text == '-';
    const char *p = text + negative;
    if (strcmp(p, "0") == 0) {
        *ms = 0;
        return 0;
    }
    uint64_t sum = 0;
    int last = -1;
    do {
        uint64_t n;
        p = read_digits(p, &n);
        if (!p)
            return -1;
        int unit = read_duration_unit(&p);
        if (unit < 0 || unit <= last) /* not a smaller one than before */
            return -1;
        if (n > ((uint64_t)INT64_MAX - sum) / durations[unit].factor)
            return -1;
        sum += n * durations[unit].factor;
        last = unit;
    } while (*p);
    *ms = negative ? -(int64_t)sum : (int64_t)sum;
    return 0;
}

int parse_size(const char *text, uint64_t *bytes) {
    uint64_t n;
    const char *p = read_digits(text, &n);
    if (!p)
        return -1;
    if (strcmp(text, "0") == 0) {
        *bytes = 0;
        return 0;
    }
    for (size_t i = 0; i < N_SIZES; i++)
        if (strcmp(p, sizes[i].name) == 0) {
            if (n > (uint64_t)INT64_MAX / sizes[i].factor)
                return -1;
            *bytes = n * sizes[i].factor;
            return 0;
        }
    return -1;
}

int parse_count(const char *text, int64_t *n) {
    bool negative = *text == '-';
    uint64_t value;
    const char *p = read_digits(text + negative, &value);
    if (!p || *p)
        return -1;
    *n = negative ? -(int64_t)value : (int64_t)value;
    return 0;
}

int parse_bool(const char *text, bool *value) {
    *value = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0;
    return *value || strcmp(text, "false") == 0 || strcmp(text, "no") == 0 ? 0 : -1;
}

int parse_decimal(const char *text, double *value) {
    size_t digits = strspn(text, "0123456789");
    size_t len = digits;
    if (text[len] == '.')
        len += 1 + strspn(text + len + 1, "0123456789");
    if (digits == 0 || len == digits + 1 || text[len] || len > 30)
        return -1;
    *value = strtod(text, NULL);
    return 0;
}

void format_duration(int64_t ms, struct buffer *out) {
    if (ms == 0) {
        (void)buffer_puts(out, "0s");
        return;
    }
    if (ms < 0)
        (void)buffer_puts(out, "-");
    uint64_t rest = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    for (size_t i = 0; i < N_DURATIONS; i++) {
        if (rest >= durations[i].factor)
            (void)buffer_printf(out, "%" PRIu64 "%s", rest / durations[i].factor,
                                durations[i].name);
        rest %= durations[i].factor;
    }
}

void format_size(uint64_t bytes, struct buffer *out) {
    size_t i = bytes == 0 ? N_BINARY_SIZES - 1 : 0;
    while (bytes % sizes[i].factor != 0)
        i++;
    (void)buffer_printf(out, "%" PRIu64 "%s", bytes / sizes[i].factor, sizes[i].name);
}
