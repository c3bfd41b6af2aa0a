/* A growing byte buffer with a declared maximum, for requests, answers, checkpoints, rejected lines.
 * It is always NUL-terminated behind len, so text in it can be used as a C string. */
#ifndef TIDEMARK_BASE_BUFFER_H
#define TIDEMARK_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data; /* NULL until the first append */
    size_t len, cap;
    size_t max; /* bytes; an append that would pass it fails and sets `overflow` */
    bool overflow;
};

void buffer_init(struct buffer *b, size_t max);
void buffer_free(struct buffer *b);
void buffer_reset(struct buffer *b); /* keeps the memory */
/* The same, but gives the memory back where it is more than `keep` bytes. */
void buffer_recycle(struct buffer *b, size_t keep);

/* 0, or -1 when the maximum would be passed (nothing is appended then). */
int buffer_append(struct buffer *b, const void *data, size_t len);
int buffer_puts(struct buffer *b, const char *s);
int buffer_printf(struct buffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for n more bytes at data + len, which the caller then adds to len; NULL past the maximum. */
char *buffer_reserve(struct buffer *b, size_t n);
/* The text so far ("" when empty). */
const char *buffer_text(const struct buffer *b);

#endif
