/* A look at late and rejected records for people: at most one of each kind a partition and quarter of
 * a second, so that a topic full of them costs nothing. */
#ifndef TIDEMARK_JOB_SAMPLER_H
#define TIDEMARK_JOB_SAMPLER_H

#include "base/record.h"
#include "control/journal.h"
#include "event/event.h"
#include "window/partition.h"

struct sampler {
    struct journal *journal; /* NULL: none are taken */
    const int64_t *now_ms;   /* the worker's */
    int64_t late_due_ms, rejected_due_ms;
};

void sampler_late(struct sampler *s, const struct partition *p, const struct record *r,
                  const struct event *ev, const struct placement *at);
void sampler_rejected(struct sampler *s, const struct partition *p, const struct record *r,
                      const struct event *ev);

#endif
