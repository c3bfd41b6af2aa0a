#include "job/ledger.h"

#include <stdlib.h>

#include "base/memory.h"

void ledger_free(struct ledger *l) {
    for (size_t i = 0; i < l->n; i++)
        free(l->partitions[i]);
    free(l->partitions);
    free(l->begin);
    *l = (struct ledger){0};
}

static void grow(struct ledger *l, size_t n) {
    if (n <= l->n)
        return;
    l->partitions = xrealloc(l->partitions, n * sizeof(struct partition_counters *));
    l->begin = xrealloc(l->begin, n * sizeof *l->begin);
    for (; l->n < n; l->n++) {
        l->partitions[l->n] = NULL;
        l->begin[l->n] = -1;
    }
}

struct partition_counters *ledger_partition(struct ledger *l, int32_t id) {
    grow(l, (size_t)id + 1);
    if (!l->partitions[id])
        l->partitions[id] = xcalloc(1, sizeof **l->partitions);
    return l->partitions[id];
}

void ledger_begin(struct ledger *l, int32_t id, int64_t position) {
    grow(l, (size_t)id + 1);
    if (l->begin[id] < 0)
        l->begin[id] = position;
}

int64_t ledger_begun_at(const struct ledger *l, int32_t id) {
    return (size_t)id < l->n ? l->begin[id] : -1;
}
