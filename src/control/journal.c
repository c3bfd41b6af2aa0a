#include "control/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* The newest `cap` of `size` bytes each; entry number n (from 0) stands at n % cap. */
struct ring {
    char *entries;
    size_t cap, size;
    uint64_t ever;
};

enum ring_name { CHECKPOINTS, FILES, ERRORS, LATE, REJECTED, RINGS };

struct journal {
    struct clock *clock;
    pthread_mutex_t lock;
    struct ring rings[RINGS];
};

static void make_ring(struct ring *r, size_t cap, size_t size) {
    *r = (struct ring){.entries = xcalloc(cap, size), .cap = cap, .size = size};
}

struct journal *journal_new(struct clock *clock) {
    struct journal *j = xcalloc(1, sizeof *j);
    j->clock = clock;
    (void)pthread_mutex_init(&j->lock, NULL);
    make_ring(&j->rings[CHECKPOINTS], JOURNAL_CHECKPOINTS, sizeof(struct journal_checkpoint));
    make_ring(&j->rings[FILES], JOURNAL_FILES, sizeof(struct journal_file));
    make_ring(&j->rings[ERRORS], JOURNAL_ERRORS, sizeof(struct journal_error));
    make_ring(&j->rings[LATE], JOURNAL_SAMPLES, sizeof(struct journal_sample));
    make_ring(&j->rings[REJECTED], JOURNAL_SAMPLES, sizeof(struct journal_sample));
    return j;
}

void journal_free(struct journal *j) {
    if (!j)
        return;
    for (int i = 0; i < RINGS; i++)
        free(j->rings[i].entries);
    (void)pthread_mutex_destroy(&j->lock);
    free(j);
}

/* The place of the next entry, under the lock until end(). */
static void *begin(struct journal *j, enum ring_name name, uint64_t *id) {
    (void)pthread_mutex_lock(&j->lock);
    struct ring *r = &j->rings[name];
    *id = r->ever + 1;
    return r->entries + r->ever++ % r->cap * r->size;
}

static void end(struct journal *j) {
    (void)pthread_mutex_unlock(&j->lock);
}

void journal_add_checkpoint(struct journal *j, const struct journal_checkpoint *c) {
    uint64_t id;
    if (!j)
        return;
    struct journal_checkpoint *to = begin(j, CHECKPOINTS, &id);
    *to = *c;
    to->id = id;
    to->at_ms = clock_wall(j->clock);
    end(j);
}

void journal_add_file(struct journal *j, const struct journal_file *f) {
    uint64_t id;
    if (!j)
        return;
    struct journal_file *to = begin(j, FILES, &id);
    *to = *f;
    to->id = id;
    to->at_ms = clock_wall(j->clock);
    end(j);
}

void journal_add_error(struct journal *j, int32_t partition, const char *kind, const char *text) {
    uint64_t id;
    if (!j)
        return;
    struct journal_error *to = begin(j, ERRORS, &id);
    *to = (struct journal_error){.at_ms = clock_wall(j->clock), .id = id, .partition = partition};
    (void)snprintf(to->kind, sizeof to->kind, "%s", kind);
    (void)snprintf(to->text, sizeof to->text, "%s", text);
    end(j);
}

void journal_add_sample(struct journal *j, bool late, const struct journal_sample *s) {
    uint64_t id;
    if (!j)
        return;
    struct journal_sample *to = begin(j, late ? LATE : REJECTED, &id);
    *to = *s;
    to->id = id;
    to->at_ms = clock_wall(j->clock);
    end(j);
}

static size_t newest(struct journal *j, enum ring_name name, void *dst, size_t cap,
                     uint64_t *ever) {
    (void)pthread_mutex_lock(&j->lock);
    const struct ring *r = &j->rings[name];
    size_t n = r->ever < r->cap ? (size_t)r->ever : r->cap;
    if (n > cap)
        n = cap;
    for (size_t i = 0; i < n; i++)
        memcpy((char *)dst + i * r->size, r->entries + (r->ever - 1 - i) % r->cap * r->size,
               r->size);
    if (ever)
        *ever = r->ever;
    (void)pthread_mutex_unlock(&j->lock);
    return n;
}

size_t journal_checkpoints(struct journal *j, struct journal_checkpoint *dst, size_t cap,
                           uint64_t *ever) {
    return newest(j, CHECKPOINTS, dst, cap, ever);
}

size_t journal_files(struct journal *j, struct journal_file *dst, size_t cap, uint64_t *ever) {
    return newest(j, FILES, dst, cap, ever);
}

size_t journal_errors(struct journal *j, struct journal_error *dst, size_t cap, uint64_t *ever) {
    return newest(j, ERRORS, dst, cap, ever);
}

size_t journal_samples(struct journal *j, bool late, struct journal_sample *dst, size_t cap,
                       uint64_t *ever) {
    return newest(j, late ? LATE : REJECTED, dst, cap, ever);
}
