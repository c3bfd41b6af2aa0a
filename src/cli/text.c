#include "cli/text.h"

#include <inttypes.h>
#include <string.h>

#include "event/instant.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

const char *text_duration(int64_t ms, char dst[TEXT_MAX]) {
    if (ms < 0)
        (void)snprintf(dst, TEXT_MAX, "-");
    else if (ms < SECOND)
        (void)snprintf(dst, TEXT_MAX, "%" PRId64 "ms", ms);
    else if (ms < MINUTE)
        (void)snprintf(dst, TEXT_MAX, "%" PRId64 ".%" PRId64 "s", ms / SECOND, ms % SECOND / 100);
    else if (ms < HOUR)
        (void)snprintf(dst, TEXT_MAX, "%" PRId64 "m%02" PRId64 "s", ms / MINUTE,
                       ms % MINUTE / SECOND);
    else if (ms < DAY)
        (void)snprintf(dst, TEXT_MAX, "%" PRId64 "h%02" PRId64 "m", ms / HOUR, ms % HOUR / MINUTE);
    else
        (void)snprintf(dst, TEXT_MAX, "%" PRId64 "d%02" PRId64 "h", ms / DAY, ms % DAY / HOUR);
    return dst;
}

const char *text_count(int64_t n, char dst[TEXT_MAX]) {
    char digits[TEXT_MAX];
    size_t at = 0;
    if (n < 0) {
        (void)snprintf(dst, TEXT_MAX, "-");
        return dst;
    }
    (void)snprintf(digits, sizeof digits, "%" PRId64, n);
    size_t len = strlen(digits);
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            dst[at++] = ',';
        dst[at++] = digits[i];
    }
    dst[at] = '\0';
    return dst;
}

const char *text_bytes(int64_t n, char dst[TEXT_MAX]) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (n < 0) {
        (void)snprintf(dst, TEXT_MAX, "-");
    } else if (n < 1024) {
        (void)snprintf(dst, TEXT_MAX, "%" PRId64 " B", n);
    } else {
        double v = (double)n / 1024;
        size_t unit = 0;
        for (; v >= 1023.95 && unit + 1 < sizeof units / sizeof *units; unit++)
            v /= 1024;
        (void)snprintf(dst, TEXT_MAX, "%.1f %s", v, units[unit]);
    }
    return dst;
}

const char *text_time(int64_t epoch_ms, char dst[TEXT_MAX]) {
    _Static_assert((int)INSTANT_MAX < (int)TEXT_MAX, "an instant fits");
    if (epoch_ms == INT64_MIN) {
        (void)snprintf(dst, TEXT_MAX, "-");
        return dst;
    }
    int64_t rest = epoch_ms % SECOND;
    dst[instant_format(epoch_ms - (rest < 0 ? rest + SECOND : rest), dst)] = '\0';
    return dst;
}

void text_json(FILE *f, const json_t *json) {
    (void)json_dumpf(json, f, JSON_INDENT(2));
    (void)fputc('\n', f);
}
