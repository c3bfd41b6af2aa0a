/* Any text as an instant, as S3's time and as a JSON number, each compared with an independent
 * reading: a regular expression and the C library's calendar, and its long double, whose 64 bits of
 * mantissa hold every int64_t. */
#include "fuzz.h"

#include <math.h>
#include <regex.h>
#include <time.h>

#include "event/instant.h"
#include "event/integer.h"
#include "event/json.h"
#include "store/s3_xml.h"
#include "window/window.h"

static regex_t rfc3339, s3_time;
static struct json_scanner scanner;

static void start(void) {
#define DATE "^([0-9]{4})-([0-9]{2})-([0-9]{2})"
#define TIME "([0-9]{2}):([0-9]{2}):([0-9]{2})"
    CHECK(regcomp(&rfc3339,
                  DATE "[Tt ]" TIME "(\\.([0-9]{1,3}))?([Zz]|([+-])([0-9]{2}):([0-9]{2}))$",
                  REG_EXTENDED) == 0);
    CHECK(regcomp(&s3_time, DATE "T" TIME "(\\.([0-9]*))?Z$", REG_EXTENDED) == 0);
    json_scanner_init(&scanner, json_simd_best());
}

/* At most three digits, as many as there are. */
static int group(const char *text, const regmatch_t *m, size_t most) {
    char digits[8] = "";
    if (m->rm_so < 0)
        return 0;
    size_t n = (size_t)(m->rm_eo - m->rm_so);
    memcpy(digits, text + m->rm_so, n < most ? n : most);
    return (int)strtol(digits, NULL, 10);
}

static int fraction(const char *text, const regmatch_t *m) {
    int ms = group(text, m, 3);
    for (regoff_t n = m->rm_so < 0 ? 3 : m->rm_eo - m->rm_so; n < 3; n++)
        ms *= 10;
    return ms;
}

static int64_t epoch_ms(const char *text, const regmatch_t m[], struct tm *tm) {
    *tm = (struct tm){.tm_year = group(text, &m[1], 4) - 1900,
                      .tm_mon = group(text, &m[2], 2) - 1,
                      .tm_mday = group(text, &m[3], 2),
                      .tm_hour = group(text, &m[4], 2),
                      .tm_min = group(text, &m[5], 2),
                      .tm_sec = group(text, &m[6], 2)};
    struct tm same = *tm;
    return (int64_t)timegm(&same) * 1000 + fraction(text, &m[8]);
}

/* What timegm made of it is what was said: no 30th of February. */
static bool exists(const struct tm *tm) {
    struct tm same = *tm;
    (void)timegm(&same);
    return same.tm_mon == tm->tm_mon && same.tm_mday == tm->tm_mday &&
           same.tm_hour == tm->tm_hour && same.tm_min == tm->tm_min && same.tm_sec == tm->tm_sec;
}

static bool reference(const char *text, int64_t *ms) {
    regmatch_t m[13];
    struct tm tm;
    if (regexec(&rfc3339, text, 13, m, 0) != 0)
        return false;
    *ms = epoch_ms(text, m, &tm);
    int hours = group(text, &m[11], 2), minutes = group(text, &m[12], 2);
    int64_t zone = (hours * 60 + minutes) * INT64_C(60000);
    if (m[10].rm_so >= 0)
        *ms -= text[m[10].rm_so] == '+' ? zone : -zone;
    return exists(&tm) && hours <= 23 && minutes <= 59 && *ms >= TIME_MIN_MS && *ms < TIME_END_MS;
}

static void check_format(int64_t ms) {
    char normal[INSTANT_MAX + 1], want[64];
    int64_t again;
    int thousandths = (int)(ms % 1000 < 0 ? ms % 1000 + 1000 : ms % 1000);
    time_t seconds = (time_t)((ms - thousandths) / 1000);
    struct tm tm;
    CHECK(gmtime_r(&seconds, &tm));
    size_t n = instant_format(ms, normal);
    normal[n] = '\0';
    (void)snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (thousandths)
        (void)snprintf(want + strlen(want), 8, ".%03d", thousandths);
    CHECK(strncmp(normal, want, strlen(want)) == 0 && strcmp(normal + strlen(want), "Z") == 0);
    CHECK(instant_parse(normal, n, &again) == 0 && again == ms);
}

static void instant(const char *text, size_t len) {
    int64_t ms, want = 0;
    bool ok = instant_parse(text, len, &ms) == 0;
    CHECK(ok == (strlen(text) == len && reference(text, &want)));
    if (!ok)
        return;
    CHECK(ms == want);
    check_format(ms);
}

/* S3's times are not ours to judge: a 31st of any month passes and means the day after the 30th. */
static void time_of_s3(const char *text) {
    int64_t ms;
    regmatch_t m[9];
    struct tm tm;
    if (!s3_xml_time(text, &ms))
        return;
    CHECK(regexec(&s3_time, text, 9, m, 0) == 0);
    CHECK(epoch_ms(text, m, &tm) == ms);
}

static void number(const char *text, size_t len) {
    int64_t v, again;
    char digits[32];
    if (!json_scan(&scanner, text, len) || scanner.type != JSON_TYPE_NUMBER)
        return;
    char *minified = malloc(len + JSON_PACK_SLACK);
    CHECK(minified);
    size_t n = (size_t)(json_minify(&scanner, 0, len, minified) - minified);
    minified[n] = '\0';
    long double value = strtold(minified, NULL);
    switch (integer_parse(minified, n, &v)) {
    case INTEGER_OK:
        CHECK((long double)v == value);
        (void)snprintf(digits, sizeof digits, "%lld", (long long)v);
        CHECK(integer_parse(digits, strlen(digits), &again) == INTEGER_OK && again == v);
        break;
    case INTEGER_OUT_OF_RANGE:
        CHECK(value >= 0x1p63L || value < -0x1p63L);
        break;
    case INTEGER_FRACTION: /* it may lie too near to an integer, or to 0, for a long double */
        CHECK(value != truncl(value) || strpbrk(minified, ".eE"));
        break;
    }
    free(minified);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = text_of(data, size);
    if (!scanner.vectors)
        start();
    instant(text, size);
    time_of_s3(text);
    number(text, size);
    free(text);
    return 0;
}
