/* The log: one line per meaningful change, on stderr. Text on a terminal, else JSON. Each line has a
 * stable event name (snake_case) for searching and alerting, and a message that says what, where
 * and, for warnings and errors, what to do. Thread-safe. Never a secret, never one line per record. */
#ifndef TIDEMARK_BASE_LOG_H
#define TIDEMARK_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_init(enum log_format format, enum log_level level);
bool log_enabled(enum log_level level);
/* Lines of one event that repeat are held back: of more than LOG_BURST within LOG_BURST_MS the rest is
 * only counted, and the count is told with the event's next line or by log_flush. Errors and debug
 * lines never are. */
enum { LOG_BURST = 20, LOG_BURST_MS = 10 * 1000 };
/* Tells what has been held back long enough; with `all`, whatever has. Call it now and then. */
void log_flush(bool all);
/* While a progress line stands on the terminal, the log clears it before it writes. */
void log_set_before_line(void (*fn)(void));
/* From here on each line of JSON says "job":name; the text must outlive the log. */
void log_set_job(const char *name);
/* partition < 0: the line is of none; else a line of JSON says "partition":N. */
void log_write(enum log_level level, const char *event, int partition, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define log_debug(event, ...)                             \
    do {                                                  \
        if (log_enabled(LOG_DEBUG))                       \
            log_write(LOG_DEBUG, event, -1, __VA_ARGS__); \
    } while (0)
#define log_info(event, ...) log_write(LOG_INFO, event, -1, __VA_ARGS__)
#define log_warn(event, ...) log_write(LOG_WARN, event, -1, __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_ERROR, event, -1, __VA_ARGS__)
/* Of one partition, which the message names as well. */
#define log_info_of(partition, event, ...) log_write(LOG_INFO, event, partition, __VA_ARGS__)
#define log_warn_of(partition, event, ...) log_write(LOG_WARN, event, partition, __VA_ARGS__)

#endif
