/* Output bytes on their way to the store: chains of chunks, counted against one budget
 * (memory.limit). A chunk ends at a line's end, and compressed at a frame's, so a part made of whole
 * chunks does too (docs/exactly-once.md, rule 7). */
#ifndef TIDEMARK_BASE_CHUNK_H
#define TIDEMARK_BASE_CHUNK_H

#include <stdatomic.h>
#include <stdint.h>
#include <stddef.h>

/* Bytes of event buffers held by one worker; freed by its thread only, read by others. */
struct budget {
    _Atomic size_t used;
    _Atomic size_t peak;
    size_t limit;
};

void budget_init(struct budget *b, size_t limit);

struct chunk {
    struct chunk *next;
    struct budget *budget;
    uint32_t len, cap;
    char data[];
};

enum { CHUNK_MIN = 16 * 1024, CHUNK_MAX = 256 * 1024 };

/* A chunk of at least `cap` bytes, charged to `b`. Whether the budget has room is the caller's
 * question beforehand; this never refuses for it (it exits only where the system has no memory). */
struct chunk *chunk_new(struct budget *b, size_t cap);
void chunk_free(struct chunk *c);
void chunk_free_chain(struct chunk *c);

#endif
