/* Any text as an instant: what is read lies in range, is printed in the normal form, and that form
 * reads as the same time. The same bytes as a JSON number: its integer is read again from its digits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/instant.h"
#include "event/integer.h"
#include "event/json.h"
#include "window/window.h"

#define CHECK(what)  \
    do {             \
        if (!(what)) \
            abort(); \
    } while (0)

static void instant(const char *text, size_t len) {
    int64_t ms, again;
    char normal[INSTANT_MAX];
    if (instant_parse(text, len, &ms) != 0)
        return;
    CHECK(ms >= TIME_MIN_MS && ms < TIME_END_MS);
    size_t n = instant_format(ms, normal);
    CHECK(instant_parse(normal, n, &again) == 0 && again == ms);
}

static void number(const char *text, size_t len) {
    static struct json_scanner s;
    int64_t v, again;
    char digits[32];
    if (!s.find_stops)
        json_scanner_init(&s, json_simd_best());
    if (!json_scan(&s, text, len) || s.type != JSON_TYPE_NUMBER)
        return;
    if (integer_parse(s.out, s.out_len, &v) != INTEGER_OK)
        return;
    int n = snprintf(digits, sizeof digits, "%lld", (long long)v);
    CHECK(integer_parse(digits, (size_t)n, &again) == INTEGER_OK && again == v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char none[1];
    const char *text = size ? (const char *)data : none;
    instant(text, size);
    number(text, size);
    return 0;
}
