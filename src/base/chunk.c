#include "base/chunk.h"

#include <stdlib.h>

#include "base/memory.h"

void budget_init(struct budget *b, size_t limit) {
    atomic_init(&b->used, 0);
    atomic_init(&b->peak, 0);
    b->limit = limit;
}

struct chunk *chunk_new(struct budget *b, size_t cap) {
    struct chunk *c = xmalloc(sizeof *c + cap);
    c->next = NULL;
    c->budget = b;
    c->len = 0;
    c->cap = (uint32_t)cap;
    size_t used = atomic_fetch_add_explicit(&b->used, sizeof *c + cap, memory_order_relaxed) +
                  sizeof *c + cap;
    if (used > atomic_load_explicit(&b->peak, memory_order_relaxed))
        atomic_store_explicit(&b->peak, used, memory_order_relaxed);
    return c;
}

void chunk_free(struct chunk *c) {
    atomic_fetch_sub_explicit(&c->budget->used, sizeof *c + c->cap, memory_order_relaxed);
    free(c);
}

void chunk_free_chain(struct chunk *c) {
    while (c) {
        struct chunk *next = c->next;
        chunk_free(c);
        c = next;
    }
}
