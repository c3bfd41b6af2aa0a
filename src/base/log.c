#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_format log_format_now = LOG_TEXT;
static enum log_level log_level_now = LOG_INFO;
static void (*before_line)(void);

void log_init(enum log_format format, enum log_level level) {
    log_format_now = format;
    log_level_now = level;
}

bool log_enabled(enum log_level level) {
    return level >= log_level_now;
}

void log_set_before_line(void (*fn)(void)) {
    (void)pthread_mutex_lock(&lock);
    before_line = fn;
    (void)pthread_mutex_unlock(&lock);
}

static const char *level_name(enum log_level level) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return names[level];
}

static void put_json_string(FILE *f, const char *s) {
    (void)fputc('"', f);
    for (size_t n; *s; s += n) {
        unsigned char c = (unsigned char)*s;
        n = utf8_sequence(s, strlen(s));
        if (c == '"' || c == '\\')
            (void)fprintf(f, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            (void)fprintf(f, "\\u%04x", c);
        else if (n > 0)
            (void)fwrite(s, 1, n, f);
        else { /* a server's text need not be UTF-8, a line of JSON must be */
            (void)fputs("\\ufffd", f);
            n = 1;
        }
    }
    (void)fputc('"', f);
}

void log_write(enum log_level level, const char *event, const char *fmt, ...) {
    if (!log_enabled(level))
        return;
    char message[2048];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(message, sizeof message, fmt, ap) < 0)
        message[0] = '\0';
    va_end(ap);

    struct timespec now;
    struct tm tm;
    char stamp[32];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);

    (void)pthread_mutex_lock(&lock);
    flockfile(stderr);
    if (before_line)
        before_line();
    if (log_format_now == LOG_JSON) {
        (void)fprintf(
            stderr, "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"event\":\"%s\",\"message\":", stamp,
            now.tv_nsec / 1000000, level_name(level), event);
        put_json_string(stderr, message);
        (void)fputs("}\n", stderr);
    } else {
        for (char *p = message; *p; p++)
            if (*p == '\n' || *p == '\r')
                *p = ' ';
        (void)fprintf(stderr, "%s.%03ldZ %-5s %s: %s\n", stamp, now.tv_nsec / 1000000,
                      level_name(level), event, message);
    }
    (void)fflush(stderr);
    funlockfile(stderr);
    (void)pthread_mutex_unlock(&lock);
}
