/* Between memory_store.c (a process's handle) and memory_world.c (what all of them see). */
#ifndef TIDEMARK_SUPPORT_MEMORY_WORLD_H
#define TIDEMARK_SUPPORT_MEMORY_WORLD_H

#include "support/memory_store.h"

const struct memory_traits *memory_world_traits(const struct memory_world *w);
/* Carries the request out and fills its answer. */
void memory_world_run(struct memory_world *w, struct store_op *op);

#endif
