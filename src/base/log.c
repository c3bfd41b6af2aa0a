#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_format log_format_now = LOG_TEXT;
static enum log_level log_level_now = LOG_INFO;
static void (*before_line)(void);
static const char *job_name;

enum { MESSAGE_MAX = 2048 };

void log_init(enum log_format format, enum log_level level) {
    log_format_now = format;
    log_level_now = level;
}

void log_set_job(const char *name) {
    (void)pthread_mutex_lock(&lock);
    job_name = name;
    (void)pthread_mutex_unlock(&lock);
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

/* ---- Repeats ------------------------------------------------------------------------------------- */

enum { EVENTS_MAX = 128 };

struct repeats {
    const char *event; /* a literal of the caller's; compared as text */
    enum log_level level;
    int64_t since_ms; /* monotonic: when the burst began */
    unsigned lines, held;
};

static struct repeats repeats[EVENTS_MAX];
static size_t n_repeats;

static int64_t now_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct repeats *repeats_of(const char *event) {
    for (size_t i = 0; i < n_repeats; i++)
        if (strcmp(repeats[i].event, event) == 0)
            return &repeats[i];
    if (n_repeats == EVENTS_MAX)
        return NULL; /* there are fewer events than that */
    repeats[n_repeats] = (struct repeats){.event = event};
    return &repeats[n_repeats++];
}

/* ---- Lines --------------------------------------------------------------------------------------- */

static void put_json(FILE *f, enum log_level level, const char *event, int partition,
                     const char *message) {
    if (job_name) {
        (void)fputs(",\"job\":", f);
        put_json_string(f, job_name);
    }
    (void)fprintf(f, ",\"level\":\"%s\",\"event\":\"%s\"", level_name(level), event);
    if (partition >= 0)
        (void)fprintf(f, ",\"partition\":%d", partition);
    (void)fputs(",\"message\":", f);
    put_json_string(f, message);
    (void)fputs("}\n", f);
}

static void put_form(FILE *f, enum log_level level, const char *event, int partition,
                     const char *message) {
    struct timespec now;
    struct tm tm;
    char stamp[32];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    if (log_format_now == LOG_JSON) {
        (void)fprintf(f, "{\"time\":\"%s.%03ldZ\"", stamp, now.tv_nsec / 1000000);
        put_json(f, level, event, partition, message);
    } else {
        (void)fprintf(f, "%s.%03ldZ %-5s %s: ", stamp, now.tv_nsec / 1000000, level_name(level),
                      event);
        for (const char *p = message; *p; p++)
            (void)fputc(*p == '\n' || *p == '\r' ? ' ' : *p, f);
        (void)fputc('\n', f);
    }
}

/* stderr has no buffer: what is put there piecemeal costs a system call a character, and may be torn by
 * another process that writes to the same terminal or pipe. */
static void put_line(enum log_level level, const char *event, int partition, const char *message) {
    static char line[8 * MESSAGE_MAX]; /* each byte may become six */
    FILE *f = fmemopen(line, sizeof line, "w");
    long n = 0;
    if (f) {
        put_form(f, level, event, partition, message);
        n = ftell(f);
        (void)fclose(f);
    }
    flockfile(stderr);
    if (before_line)
        before_line();
    if (n > 0)
        (void)fwrite(line, 1, (size_t)n, stderr);
    else /* there is no memory */
        put_form(stderr, level, event, partition, message);
    (void)fflush(stderr);
    funlockfile(stderr);
}

static void tell_held(struct repeats *r, int64_t now) {
    char message[128];
    if (r->held == 0)
        return;
    (void)snprintf(message, sizeof message, "%u more lines of this event in %lld s were held back",
                   r->held, (long long)(now - r->since_ms + 999) / 1000);
    r->held = 0;
    put_line(r->level, r->event, -1, message);
}

/* Under the lock. False where the line is held back. */
static bool may_pass(enum log_level level, const char *event) {
    struct repeats *r = level == LOG_ERROR || level == LOG_DEBUG ? NULL : repeats_of(event);
    if (!r)
        return true;
    int64_t now = now_ms();
    if (r->lines == 0 || now - r->since_ms >= LOG_BURST_MS) {
        tell_held(r, now);
        r->since_ms = now;
        r->lines = 0;
    }
    r->level = level;
    if (r->lines < LOG_BURST) {
        r->lines++;
        return true;
    }
    r->held++;
    return false;
}

void log_flush(bool all) {
    (void)pthread_mutex_lock(&lock);
    int64_t now = now_ms();
    for (size_t i = 0; i < n_repeats; i++)
        if (all || now - repeats[i].since_ms >= LOG_BURST_MS)
            tell_held(&repeats[i], now);
    (void)pthread_mutex_unlock(&lock);
}

void log_write(enum log_level level, const char *event, int partition, const char *fmt, ...) {
    if (!log_enabled(level))
        return;
    char message[MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(message, sizeof message, fmt, ap) < 0)
        message[0] = '\0';
    va_end(ap);
    (void)pthread_mutex_lock(&lock);
    if (may_pass(level, event))
        put_line(level, event, partition, message);
    (void)pthread_mutex_unlock(&lock);
}
