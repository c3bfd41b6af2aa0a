#include "event/instant.h"

#include <stdbool.h>
#include <string.h>

#include "window/window.h"

enum { DAY_MS = 86400000 };

/* Years begin in March here, so that a leap day is a year's last day, and eras of 400 years, which
 * all have the same number of days, begin on 0000-03-01, so that nothing is negative. (Howard
 * Hinnant, chrono-compatible low-level date algorithms.) */
enum { ERA_DAYS = 146097, EPOCH_DAYS = 719468 /* from 0000-03-01 to 1970-01-01 */ };

struct date {
    unsigned year, month, day;
};

/* days: since 0000-03-01. */
static struct date date_from_days(uint32_t days) {
    uint32_t era = days / ERA_DAYS;
    uint32_t doe = days % ERA_DAYS;
    uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint32_t mp = (5 * doy + 2) / 153;
    struct date d;
    d.day = doy - (153 * mp + 2) / 5 + 1;
    d.month = mp < 10 ? mp + 3 : mp - 9;
    d.year = yoe + era * 400 + (d.month <= 2);
    return d;
}

/* Since 1970-01-01. */
static int64_t days_from_date(struct date d) {
    int64_t y = (int64_t)d.year - (d.month <= 2) + 400; /* one era later, for the year 0 */
    int64_t era = y / 400, yoe = y % 400;
    int64_t doy = (153 * (d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + d.day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * ERA_DAYS + doe - ERA_DAYS - EPOCH_DAYS;
}

static void put2(char *dst, unsigned v) {
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    memcpy(dst, pairs + (size_t)2 * v, 2);
}

static void find_day(struct instant_day *day, int64_t ms) {
    /* Not negative within the range of years. */
    uint64_t days = (uint64_t)(ms + (int64_t)EPOCH_DAYS * DAY_MS) / DAY_MS;
    struct date d = date_from_days((uint32_t)days);
    day->begin = ((int64_t)days - EPOCH_DAYS) * DAY_MS;
    day->end = day->begin + DAY_MS;
    put2(day->text, d.year / 100);
    put2(day->text + 2, d.year % 100);
    day->text[4] = '-';
    put2(day->text + 5, d.month);
    day->text[7] = '-';
    put2(day->text + 8, d.day);
    day->text[10] = 'T';
}

size_t instant_format_in(struct instant_day *day, int64_t ms, char *dst) {
    if (ms < day->begin || ms >= day->end)
        find_day(day, ms);
    memcpy(dst, day->text, INSTANT_DATE);
    unsigned in_day = (unsigned)(ms - day->begin);
    unsigned second = in_day / 1000, fraction = in_day % 1000;
    put2(dst + 11, second / 3600);
    dst[13] = ':';
    put2(dst + 14, second / 60 % 60);
    dst[16] = ':';
    put2(dst + 17, second % 60);
    size_t n = 19;
    if (fraction) {
        dst[19] = '.';
        dst[20] = (char)('0' + fraction / 100);
        put2(dst + 21, fraction % 100);
        n = 23;
    }
    dst[n] = 'Z';
    return n + 1;
}

size_t instant_format(int64_t ms, char *dst) {
    struct instant_day day = {0};
    return instant_format_in(&day, ms, dst);
}

/* Reading: a position that moves on while what is read fits. */
struct reader {
    const char *p, *end;
    bool bad;
};

static unsigned read_digits(struct reader *r, int count, unsigned min, unsigned max) {
    unsigned v = 0;
    for (int i = 0; i < count; i++) {
        if (r->p == r->end || *r->p < '0' || *r->p > '9') {
            r->bad = true;
            return min;
        }
        v = v * 10 + (unsigned)(*r->p++ - '0');
    }
    if (v < min || v > max) {
        r->bad = true;
        return min;
    }
    return v;
}

/* One of the characters in `any`; returns which, or 0. */
static char read_one(struct reader *r, const char *any) {
    if (r->p < r->end)
        for (; *any; any++)
            if (*r->p == *any)
                return *r->p++;
    r->bad = true;
    return 0;
}

static unsigned month_days(unsigned year, unsigned month) {
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

static int64_t read_date(struct reader *r) {
    struct date d;
    d.year = read_digits(r, 4, 0, 9999);
    read_one(r, "-");
    d.month = read_digits(r, 2, 1, 12);
    read_one(r, "-");
    d.day = read_digits(r, 2, 1, month_days(d.year, d.month));
    return days_from_date(d) * DAY_MS;
}

static int64_t read_time(struct reader *r) {
    int64_t ms = read_digits(r, 2, 0, 23) * (int64_t)3600000;
    read_one(r, ":");
    ms += read_digits(r, 2, 0, 59) * (int64_t)60000;
    read_one(r, ":");
    ms += read_digits(r, 2, 0, 59) * (int64_t)1000;
    if (r->p == r->end || *r->p != '.')
        return ms;
    r->p++;
    unsigned scale = 100;
    ms += read_digits(r, 1, 0, 9) * scale;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        scale /= 10;
        if (scale == 0)
            r->bad = true;
        ms += (unsigned)(*r->p++ - '0') * scale;
    }
    return ms;
}

/* What has to be taken away from a local time. */
static int64_t read_zone(struct reader *r) {
    char sign = read_one(r, "Zz+-");
    if (sign != '+' && sign != '-')
        return 0;
    int64_t minutes = read_digits(r, 2, 0, 23) * (int64_t)60;
    read_one(r, ":");
    minutes += read_digits(r, 2, 0, 59);
    return (sign == '+' ? minutes : -minutes) * 60000;
}

int instant_parse(const char *text, size_t len, int64_t *ms) {
    struct reader r = {.p = text, .end = text + len};
    int64_t v = read_date(&r);
    read_one(&r, "Tt ");
    v += read_time(&r);
    v -= read_zone(&r);
    if (r.bad || r.p != r.end || v < TIME_MIN_MS || v >= TIME_END_MS)
        return -1;
    *ms = v;
    return 0;
}
