#include "window/name.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/memory.h"

/* strftime's %Y does not pad years before 1000, so the few conversions are done here. */
static void put_conversion(struct buffer *b, char c, const struct tm *tm) {
    switch (c) {
    case 'Y':
        (void)buffer_printf(b, "%04d", tm->tm_year + 1900);
        break;
    case 'm':
        (void)buffer_printf(b, "%02d", tm->tm_mon + 1);
        break;
    case 'd':
        (void)buffer_printf(b, "%02d", tm->tm_mday);
        break;
    case 'H':
        (void)buffer_printf(b, "%02d", tm->tm_hour);
        break;
    case 'M':
        (void)buffer_printf(b, "%02d", tm->tm_min);
        break;
    case 'S':
        (void)buffer_printf(b, "%02d", tm->tm_sec);
        break;
    case 'j':
        (void)buffer_printf(b, "%03d", tm->tm_yday + 1);
        break;
    case '%':
        (void)buffer_puts(b, "%");
        break;
    default:
        assert(!"the settings table lets no other conversion through");
    }
}

static void put_window(struct buffer *b, const char *partition_by, int64_t window) {
    int64_t ms = window % 1000 < 0 ? window % 1000 + 1000 : window % 1000;
    time_t seconds = (time_t)((window - ms) / 1000);
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    for (const char *p = partition_by; *p; p++) {
        if (*p == '%' && p[1])
            put_conversion(b, *++p, &tm);
        else
            (void)buffer_append(b, p, 1);
    }
    if (b->len && b->data[b->len - 1] != '/')
        (void)buffer_puts(b, "/");
    (void)buffer_printf(b, "%04d%02d%02dT%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (ms)
        (void)buffer_printf(b, ".%03d", (int)ms);
    (void)buffer_puts(b, "Z-");
}

char *file_key(enum event_class class, const char *partition_by, int64_t window, int32_t partition,
               int64_t first_offset, const char hex[17], const char *suffix) {
    struct buffer b;
    buffer_init(&b, 1024);
    if (class == CLASS_EVENT)
        put_window(&b, partition_by, window);
    else
        (void)buffer_printf(&b, "_%s/", event_class_name(class));
    (void)buffer_printf(&b, "p%05" PRId32 "-o%020" PRId64 "-%s.jsonl%s", partition, first_offset,
                        hex, suffix);
    assert(!b.overflow);
    char *key = xstrdup(buffer_text(&b));
    buffer_free(&b);
    return key;
}
