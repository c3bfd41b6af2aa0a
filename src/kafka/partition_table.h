/* Where what belongs to a partition stands in its owner's array. */
#ifndef TIDEMARK_KAFKA_PARTITION_TABLE_H
#define TIDEMARK_KAFKA_PARTITION_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"

struct partition_table {
    int32_t *index, n; /* by partition, below n; -1: nothing */
};

/* -1: nothing. */
static inline int32_t partition_table_find(const struct partition_table *t, int32_t partition) {
    return partition >= 0 && partition < t->n ? t->index[partition] : -1;
}

static inline void partition_table_put(struct partition_table *t, int32_t partition, size_t index) {
    if (partition >= t->n) {
        t->index = xrealloc(t->index, ((size_t)partition + 1) * sizeof *t->index);
        while (t->n <= partition)
            t->index[t->n++] = -1;
    }
    t->index[partition] = (int32_t)index;
}

static inline void partition_table_free(struct partition_table *t) {
    free(t->index);
    *t = (struct partition_table){0};
}

#endif
