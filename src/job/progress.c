#include "job/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/instant.h"

enum {
    TERMINAL_EVERY_MS = 500,
    LOG_EVERY_MS = 10000,
    BAR_CELLS = 20,
    BACKLOG_SECONDS = 10 /* less than what is read in so long is no backlog */
};

static bool line_stands;

static void clear_line(void) {
    if (line_stands)
        (void)fputs("\r\033[K", stderr);
    line_stands = false;
}

void progress_init(struct progress *p, bool terminal) {
    *p = (struct progress){.terminal = terminal,
                           .every_ms = terminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS};
    if (terminal)
        log_set_before_line(clear_line);
}

/* Offsets a second, smoothed, so that the time left does not jump. */
static void follow_speed(struct progress *p, const struct job_sums *s, int64_t ms) {
    double now = s->done > p->last_done ? (double)(s->done - p->last_done) * 1000 / (double)ms : 0;
    p->speed = p->speed > 0 ? p->speed * 0.7 + now * 0.3 : now;
    p->last_done = s->done;
}

static int put_time(double seconds, char *dst, size_t cap) {
    uint64_t s = (uint64_t)seconds;
    if (s >= 86400)
        return snprintf(dst, cap, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s % 86400 / 3600);
    if (s >= 3600)
        return snprintf(dst, cap, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s % 3600 / 60);
    if (s >= 60)
        return snprintf(dst, cap, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
    return snprintf(dst, cap, "%" PRIu64 "s", s);
}

static void put_bar(double share, char *dst) {
    int full = (int)(share * BAR_CELLS);
    *dst++ = '[';
    for (int i = 0; i < BAR_CELLS; i++)
        *dst++ = i < full ? '#' : '.';
    *dst++ = ']';
    *dst++ = ' ';
    *dst = '\0';
}

/* "[####......] 41.2 % done, 1m20s left, ": in a bounded run, and while there is a backlog. */
static void put_share(const struct progress *p, const struct job_sums *s, bool bounded, char *dst,
                      size_t cap) {
    char bar[BAR_CELLS + 8] = "", left[32] = "unknown time";
    *dst = '\0';
    bool backlog = (double)s->todo > p->speed * BACKLOG_SECONDS;
    if (!s->end_known || s->done + s->todo == 0 || (!bounded && !backlog))
        return;
    double share = (double)s->done / (double)(s->done + s->todo);
    if (p->speed > 0 || s->todo == 0)
        (void)put_time(s->todo ? (double)s->todo / p->speed : 0, left, sizeof left);
    if (p->terminal && bounded)
        put_bar(share, bar);
    (void)snprintf(dst, cap, "%s%.1f %% done, %s left, ", bar, share * 100, left);
}

static void put_text(const char *share, const struct job_sums *s, double rate, char *dst,
                     size_t cap) {
    char watermark[INSTANT_MAX + 1] = "none yet";
    if (s->watermark != TS_NONE)
        watermark[instant_format(s->watermark - s->watermark % 1000, watermark)] = '\0';
    (void)snprintf(dst, cap,
                   "%s%.0f events/s, watermark %s, %" PRIu64 " open windows, %" PRIu64
                   " files published, late %" PRIu64 ", rejected %" PRIu64 ", checkpoint %" PRIu64,
                   share, rate, watermark, s->open_windows, s->files_published, s->late,
                   s->rejected, s->checkpoint_number);
}

/* A line that wraps could not be cleared again. */
static void cut_to_width(char *text) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 &&
        strlen(text) >= size.ws_col)
        text[size.ws_col - 1] = '\0';
}

void progress_show(void *progress, const struct job_metrics *now) {
    struct progress *p = progress;
    int64_t ms = clock_monotonic(clock_system());
    struct job_sums sums;
    metrics_sum(now, &sums);
    if (!p->begun || sums.records < p->last_records) {
        p->begun = true;
        p->last_ms = ms;
        p->last_records = sums.records;
        p->last_done = sums.done;
        return;
    }
    if (ms - p->last_ms < p->every_ms)
        return;
    double rate = (double)(sums.records - p->last_records) * 1000 / (double)(ms - p->last_ms);
    char share[96], text[384];
    follow_speed(p, &sums, ms - p->last_ms);
    put_share(p, &sums, now->bounded, share, sizeof share);
    put_text(share, &sums, rate, text, sizeof text);
    p->last_ms = ms;
    p->last_records = sums.records;
    if (!p->terminal) {
        log_info("progress", "%s", text);
        return;
    }
    cut_to_width(text);
    flockfile(stderr);
    clear_line();
    (void)fputs(text, stderr);
    line_stands = true;
    (void)fflush(stderr);
    funlockfile(stderr);
}

void progress_end(struct progress *p) {
    if (!p->terminal)
        return;
    log_set_before_line(NULL);
    if (line_stands)
        (void)fputc('\n', stderr);
    line_stands = false;
}
