#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool code_is_retriable(enum error_code code) {
    return code == ERR_UNKNOWN || code == ERR_UNAVAILABLE || code == ERR_CONFLICT;
}

/* Whatever a server sent. */
static void one_line(char *text) {
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
}

__attribute__((format(printf, 3, 0))) static void set_v(struct error *e, enum error_code code,
                                                        const char *fmt, va_list ap) {
    e->code = code;
    e->retriable = code_is_retriable(code);
    if (vsnprintf(e->text, sizeof e->text, fmt, ap) < 0)
        e->text[0] = '\0';
    one_line(e->text);
}

int error_set(struct error *e, enum error_code code, const char *fmt, ...) {
    if (!e)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    set_v(e, code, fmt, ap);
    va_end(ap);
    return -1;
}

int error_wrap(struct error *e, const char *fmt, ...) {
    if (!e)
        return -1;
    char inner[ERROR_TEXT_MAX];
    memcpy(inner, e->text, sizeof inner);
    char context[ERROR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(context, sizeof context, fmt, ap) < 0)
        context[0] = '\0';
    va_end(ap);
    size_t n = strnlen(context, sizeof context - 1);
    if (n > sizeof e->text - 3)
        n = sizeof e->text - 3;
    memcpy(e->text, context, n);
    memcpy(e->text + n, ": ", 2);
    size_t room = sizeof e->text - n - 3;
    size_t m = strnlen(inner, room);
    memcpy(e->text + n + 2, inner, m);
    e->text[n + 2 + m] = '\0';
    one_line(e->text);
    return -1;
}

static enum error_code errno_code(int errnum) {
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case ENOMEM:
        return ERR_NO_MEMORY;
    default:
        return ERR_IO;
    }
}

int error_errno(struct error *e, int errnum, const char *fmt, ...) {
    if (!e)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    set_v(e, errno_code(errnum), fmt, ap);
    va_end(ap);
    size_t n = strlen(e->text);
    char reason[128] = "";
    const char *s = strerror_r(errnum, reason, sizeof reason); /* GNU's: returns the text */
    (void)snprintf(e->text + n, sizeof e->text - n, ": %s", s);
    return -1;
}

void error_clear(struct error *e) {
    e->code = ERR_NONE;
    e->retriable = false;
    e->text[0] = '\0';
}

const char *error_name(enum error_code code) {
    static const char *const names[] = {
        [ERR_NONE] = "none",
        [ERR_USAGE] = "usage",
        [ERR_NOT_FOUND] = "not_found",
        [ERR_EXISTS] = "exists",
        [ERR_CONFLICT] = "conflict",
        [ERR_UNKNOWN] = "unknown",
        [ERR_UNAVAILABLE] = "unavailable",
        [ERR_DENIED] = "denied",
        [ERR_NO_SUCH_UPLOAD] = "no_such_upload",
        [ERR_INVALID_PART] = "invalid_part",
        [ERR_TOO_SMALL] = "too_small",
        [ERR_NO_SPACE] = "no_space",
        [ERR_IO] = "io",
        [ERR_CORRUPT] = "corrupt",
        [ERR_MISMATCH] = "mismatch",
        [ERR_UNSUPPORTED] = "unsupported",
        [ERR_KAFKA] = "kafka",
        [ERR_DATA_LOSS] = "data_loss",
        [ERR_FENCED] = "fenced",
        [ERR_LIMIT] = "limit",
        [ERR_NO_MEMORY] = "no_memory",
        [ERR_INTERRUPTED] = "interrupted",
        [ERR_INTERNAL] = "internal",
    };
    return names[code];
}
