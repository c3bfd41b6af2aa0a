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
void log_write(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(event, ...)                         \
    do {                                              \
        if (log_enabled(LOG_DEBUG))                   \
            log_write(LOG_DEBUG, event, __VA_ARGS__); \
    } while (0)
#define log_info(event, ...) log_write(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_write(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_ERROR, event, __VA_ARGS__)

#endif
