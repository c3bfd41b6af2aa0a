#include "window/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static int order(const struct gap *a, enum event_class class, int64_t window) {
    if (a->class != class)
        return a->class < class ? -1 : 1;
    if (a->window != window)
        return a->window < window ? -1 : 1;
    return 0;
}

static int compare(const void *pa, const void *pb) {
    const struct replay_gap *a = pa, *b = pb;
    int o = order(&a->gap, b->gap.class, b->gap.window);
    if (o != 0)
        return o;
    return a->gap.from < b->gap.from ? -1 : a->gap.from > b->gap.from;
}

static void find_first_end(struct replay *r) {
    r->first_end = INT64_MAX;
    for (size_t i = 0; i < r->n; i++)
        if (r->gaps[i].gap.to < r->first_end)
            r->first_end = r->gaps[i].gap.to;
}

void replay_init(struct replay *r, const struct gap *gaps, size_t n) {
    r->gaps = xcalloc(n, sizeof *r->gaps);
    r->n = n;
    for (size_t i = 0; i < n; i++)
        r->gaps[i].gap = gaps[i];
    qsort(r->gaps, n, sizeof *r->gaps, compare);
    find_first_end(r);
}

void replay_free(struct replay *r) {
    free(r->gaps);
    *r = (struct replay){.first_end = INT64_MAX};
}

struct replay_gap *replay_find(struct replay *r, enum event_class class, int64_t window,
                               int64_t offset) {
    size_t low = 0, high = r->n; /* the first gap behind (class, window, offset) */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct gap *g = &r->gaps[middle].gap;
        int o = order(g, class, window);
        if (o < 0 || (o == 0 && g->from <= offset))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    struct replay_gap *g = &r->gaps[low - 1];
    bool inside = order(&g->gap, class, window) == 0 && offset <= g->gap.to;
    return inside ? g : NULL;
}

int replay_advance(struct replay *r, int64_t position,
                   void (*ended)(void *ctx, struct replay_gap *gap), void *ctx, bool accept_loss,
                   struct error *e) {
    if (position <= r->first_end)
        return 0;
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct replay_gap *g = &r->gaps[i];
        if (position <= g->gap.to) {
            r->gaps[kept++] = *g;
            continue;
        }
        if (g->written < g->gap.events && !accept_loss)
            return error_set(e, ERR_DATA_LOSS,
                             "offsets %" PRId64 " to %" PRId64 " must hold %" PRIu64
                             " events of class %s that are not stored yet, but Kafka gave %" PRIu64
                             ": the topic has changed under the job (truncated, recreated or "
                             "compacted?)",
                             g->gap.from, g->gap.to, g->gap.events, event_class_name(g->gap.class),
                             g->written);
        ended(ctx, g);
    }
    r->n = kept;
    find_first_end(r);
    return 0;
}
