/* A store on top of a store: repeats requests that are harmless to repeat (GET, HEAD, LIST, DELETE,
 * CREATE, PART, SYNC, LIST_UPLOADS, ABORT) after a retriable error, with jittered exponential
 * back-off (100 ms doubling to 10 s), within op->retry_ms. PUT_IF_ABSENT and COMPLETE pass through
 * with one attempt: what their failures mean is rule 1's and rule 8's business.
 *
 * Repeats are sent by poll(), which waits no longer than until the next is due; nothing wakes the
 * owner for them, so an owner that sleeps elsewhere polls every 100 ms or so while it has requests
 * under way. done and ctx of an op are the store's while it is under way. What it does is counted: stats.h. */
#ifndef TIDEMARK_STORE_RETRY_H
#define TIDEMARK_STORE_RETRY_H

#include "base/clock.h"
#include "base/random.h"
#include "store/store.h"

/* Takes inner; copies its traits. */
struct store *store_retry_new(struct store *inner, struct clock *clock, struct random *random);

#endif
