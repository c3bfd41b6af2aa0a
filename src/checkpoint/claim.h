/* The state that a claim starts from: a pure function of what stands in the chain (rules 2, 4, 5). */
#ifndef TIDEMARK_CHECKPOINT_CLAIM_H
#define TIDEMARK_CHECKPOINT_CLAIM_H

#include "base/error.h"
#include "checkpoint/checkpoint.h"

/* No checkpoint exists: everything from start_offset on is to be read. number, claim id and writer
 * are the chain's to fill in; so below. */
void claim_first(struct checkpoint *c, const struct identity *identity, int64_t start_offset);

/* Rule 5: inherits newest. A file with acknowledged parts becomes a commit of exactly those (no claim
 * adds a part to another's upload), a file without is forgotten, all else is copied. */
void claim_inherit(struct checkpoint *c, const struct checkpoint *newest);

/* Rule 2: 0, or -1 with ERR_MISMATCH: newest belongs to another cluster, topic, partition, output or
 * settings. accept_changes takes another output or other settings where newest is clean. */
int claim_check_identity(const struct checkpoint *newest, const struct identity *mine,
                         bool accept_changes, struct error *e);

#endif
