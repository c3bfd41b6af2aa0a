/* The gaps that a claim inherited: which events below the inherited `next` are written again while
 * Kafka is read a second time (rule 6). */
#ifndef TIDEMARK_WINDOW_REPLAY_H
#define TIDEMARK_WINDOW_REPLAY_H

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "window/file.h"

struct replay_gap {
    struct gap gap;
    uint64_t written;  /* events of it written again so far */
    struct file *file; /* that takes them now, or NULL */
};

struct replay {
    struct replay_gap *gaps; /* sorted by class, window, from; those passed are removed */
    size_t n;
    int64_t first_end; /* smallest gap.to, INT64_MAX where there is none */
};

/* Copies the gaps. */
void replay_init(struct replay *r, const struct gap *gaps, size_t n);
void replay_free(struct replay *r);

/* The gap that holds this event, or NULL: it is in a listed part already. */
struct replay_gap *replay_find(struct replay *r, enum event_class class, int64_t window,
                               int64_t offset);

/* Removes the gaps that end before position, calling ended(ctx, gap) for each. A gap that yielded
 * fewer events than it states is an error (ERR_DATA_LOSS), unless loss is accepted. */
int replay_advance(struct replay *r, int64_t position,
                   void (*ended)(void *ctx, struct replay_gap *gap), void *ctx, bool accept_loss,
                   struct error *e);

#endif
