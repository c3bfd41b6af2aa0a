#include "job/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/instant.h"

enum { TERMINAL_EVERY_MS = 500, LOG_EVERY_MS = 10000 };

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

static void put_text(const struct job_sums *s, double rate, char *dst, size_t cap) {
    char watermark[INSTANT_MAX + 1] = "none yet";
    if (s->watermark != TS_NONE)
        watermark[instant_format(s->watermark - s->watermark % 1000, watermark)] = '\0';
    (void)snprintf(dst, cap,
                   "%.0f events/s, watermark %s, %" PRIu64 " open windows, %" PRIu64
                   " files published, late %" PRIu64 ", rejected %" PRIu64 ", checkpoint %" PRIu64,
                   rate, watermark, s->open_windows, s->files_published, s->late, s->rejected,
                   s->checkpoint_number);
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
        return;
    }
    if (ms - p->last_ms < p->every_ms)
        return;
    double rate = (double)(sums.records - p->last_records) * 1000 / (double)(ms - p->last_ms);
    char text[256];
    put_text(&sums, rate, text, sizeof text);
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
