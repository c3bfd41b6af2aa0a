#include "support/fake_log.h"

#include <stdlib.h>

#include "base/memory.h"
#include "support/batch_maker.h"

enum { MARKER_TYPE = BATCH_RECORDS + 7 }; /* in a record whose numbers have a byte each */

void fake_log_init(struct fake_log *l) {
    *l = (struct fake_log){.high = INT64_MAX};
}

void fake_log_free(struct fake_log *l) {
    while (l->n)
        free(l->batches[--l->n].bytes);
    free(l->batches);
    free(l->aborted);
}

/* ---- What it knows ---- */

int64_t fake_log_end(const struct fake_log *l) {
    return l->n ? l->batches[l->n - 1].last + 1 : 0;
}

int64_t fake_log_high(const struct fake_log *l) {
    return l->high < fake_log_end(l) ? l->high : fake_log_end(l);
}

int64_t fake_log_stable(const struct fake_log *l) {
    int64_t stable = fake_log_high(l);
    for (size_t i = 0; i < l->n_open; i++)
        if (l->open[i].first < stable)
            stable = l->open[i].first;
    return stable;
}

int64_t fake_log_before(const struct fake_log *l, int64_t offset) {
    for (size_t i = 1; i < l->n; i++)
        if (l->batches[i].last >= offset)
            return l->batches[i - 1].base;
    return offset;
}

static struct fake_transaction *open_of(struct fake_log *l, int64_t producer_id) {
    for (size_t i = 0; i < l->n_open; i++)
        if (l->open[i].producer_id == producer_id)
            return &l->open[i];
    return NULL;
}

void fake_log_add_aborted(struct fake_log *l, int64_t producer_id, int64_t first, int64_t marker) {
    array_reserve(&l->aborted, &l->cap_aborted, l->n_aborted + 1, sizeof *l->aborted);
    l->aborted[l->n_aborted++] = (struct fake_transaction){producer_id, first, marker};
}

static void begin_transaction(struct fake_log *l, int64_t producer_id, int64_t first) {
    if (l->n_open == FAKE_LOG_OPEN_MAX)
        abort();
    l->open[l->n_open++] = (struct fake_transaction){.producer_id = producer_id, .first = first};
}

static void end_transaction(struct fake_log *l, struct fake_transaction *t,
                            const struct fake_log_batch *b) {
    if (fake_log_get(b->bytes + MARKER_TYPE, 2) == 0)
        fake_log_add_aborted(l, t->producer_id, t->first, b->base);
    *t = l->open[--l->n_open];
}

static void follow_transactions(struct fake_log *l, const struct fake_log_batch *b) {
    int64_t attributes = fake_log_get(b->bytes + BATCH_ATTRIBUTES, 2);
    int64_t producer_id = fake_log_get(b->bytes + BATCH_PRODUCER_ID, 8);
    struct fake_transaction *t = open_of(l, producer_id);
    if (!(attributes & BATCH_TRANSACTIONAL))
        return;
    if (!(attributes & BATCH_CONTROL) && !t)
        begin_transaction(l, producer_id, b->base);
    else if (attributes & BATCH_CONTROL && t)
        end_transaction(l, t, b);
}

void fake_log_append(struct fake_log *l, char *batch, size_t n) {
    int64_t base = fake_log_get(batch + BATCH_BASE_OFFSET, 8);
    int64_t last = base + fake_log_get(batch + BATCH_LAST_OFFSET_DELTA, 4);
    if (base < fake_log_end(l))
        abort();
    array_reserve(&l->batches, &l->cap, l->n + 1, sizeof *l->batches);
    l->batches[l->n] = (struct fake_log_batch){batch, n, base, last};
    follow_transactions(l, &l->batches[l->n++]);
}

/* ---- What it says ---- */

int64_t fake_log_get(const char *p, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | (unsigned char)p[i];
    int unused = 64 - 8 * bytes;
    return (int64_t)(v << unused) >> unused;
}

void fake_log_put(struct buffer *out, int bytes, int64_t v) {
    char be[8];
    batch_put(be, bytes, v);
    if (buffer_append(out, be, (size_t)bytes) != 0)
        abort();
}

void fake_log_put_aborted(const struct fake_log *l, struct buffer *out, int64_t from) {
    size_t count_at = out->len;
    int32_t count = 0;
    fake_log_put(out, 4, 0);
    for (size_t i = 0; i < l->n_aborted; i++) {
        const struct fake_transaction *t = &l->aborted[i];
        if (t->marker < from || t->first >= fake_log_stable(l))
            continue;
        fake_log_put(out, 8, t->producer_id);
        fake_log_put(out, 8, t->first);
        count++;
    }
    batch_put(out->data + count_at, 4, count);
}

int64_t fake_log_put_records(const struct fake_log *l, struct buffer *out, int64_t offset,
                             int64_t limit, bool at_least_one) {
    size_t len_at = out->len, i = 0;
    int64_t len = 0, stable = fake_log_stable(l);
    fake_log_put(out, 4, 0);
    while (i < l->n && l->batches[i].last < offset)
        i++;
    if (i < l->n && (int64_t)l->batches[i].n > limit)
        limit = at_least_one ? (int64_t)l->batches[i].n : 0;
    for (; i < l->n && l->batches[i].base < stable && len < limit; i++) {
        const struct fake_log_batch *b = &l->batches[i];
        int64_t n = (int64_t)b->n < limit - len ? (int64_t)b->n : limit - len;
        if (buffer_append(out, b->bytes, (size_t)n) != 0)
            abort();
        len += n;
    }
    batch_put(out->data + len_at, 4, len);
    return len;
}
