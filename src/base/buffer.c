#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void buffer_init(struct buffer *b, size_t max) {
    *b = (struct buffer){.max = max};
}

void buffer_free(struct buffer *b) {
    free(b->data);
    *b = (struct buffer){.max = b->max};
}

void buffer_reset(struct buffer *b) {
    b->len = 0;
    b->overflow = false;
    if (b->data)
        b->data[0] = '\0';
}

void buffer_recycle(struct buffer *b, size_t keep) {
    if (b->cap > keep)
        buffer_free(b);
    else
        buffer_reset(b);
}

char *buffer_reserve(struct buffer *b, size_t n) {
    if (n > b->max || b->len > b->max - n) {
        b->overflow = true;
        return NULL;
    }
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 256;
        while (cap < need)
            cap *= 2;
        if (cap > b->max + 1)
            cap = b->max + 1;
        b->data = xrealloc(b->data, cap);
        b->cap = cap;
    }
    return b->data + b->len;
}

int buffer_append(struct buffer *b, const void *data, size_t len) {
    char *p = buffer_reserve(b, len);
    if (!p)
        return -1;
    if (len)
        memcpy(p, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

int buffer_puts(struct buffer *b, const char *s) {
    return buffer_append(b, s, strlen(s));
}

/* Mostly there is room already, so that it need not be formatted twice. */
int buffer_printf(struct buffer *b, const char *fmt, ...) {
    size_t room = b->data ? b->cap - b->len : 0;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(room ? b->data + b->len : NULL, room, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < room) {
        b->len += (size_t)n;
        return 0;
    }
    if (room)
        b->data[b->len] = '\0'; /* what did not fit */
    char *p = n < 0 ? NULL : buffer_reserve(b, (size_t)n);
    if (!p)
        return -1;
    va_start(ap, fmt);
    (void)vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return 0;
}

const char *buffer_text(const struct buffer *b) {
    return b->data ? b->data : "";
}
