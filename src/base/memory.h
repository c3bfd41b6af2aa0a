/* Allocation off the hot path. A process that cannot get a few kilobytes cannot do anything useful
 * and nothing is lost by ending it (Kafka is the write-ahead log), so these say so and end it with 1.
 * Buffers of events do not come from here: they are counted against memory.limit (base/chunk.h). */
#ifndef TIDEMARK_BASE_MEMORY_H
#define TIDEMARK_BASE_MEMORY_H

#include <stddef.h>

/* What they do then. For libraries' allocations too: jansson, OpenSSL, expat and libcurl allocate by
 * these functions, the others' failures are looked for where they are called. */
void out_of_memory(void) __attribute__((noreturn));

/* curl_global_init, once, before anything else is asked of libcurl. By itself it would leave out options
 * whose copies got no memory, and send a request without its body, its method or its time-outs. */
void memory_init_curl(void);

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/* Grows *array (elements of `size` bytes) so that it holds at least `want` elements. */
void array_reserve(void *array_ptr, size_t *cap, size_t want, size_t size);

#endif
