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
    bool late_due, rejected_due;
};

/* The next ones are taken; also at first. */
void sampler_arm(struct sampler *s);
void sampler_late(struct sampler *s, const struct partition *p, const struct record *r,
                  const struct event *ev, const struct placement *at);
void sampler_rejected(struct sampler *s, const struct partition *p, const struct record *r,
                      const struct event *ev);

#endif
