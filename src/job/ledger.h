/* Counts that outlive workers and assignments: what metrics call _total must not fall when the job
 * restarts or a partition goes and comes back. The job's; the worker's thread writes it. */
#ifndef TIDEMARK_JOB_LEDGER_H
#define TIDEMARK_JOB_LEDGER_H

#include "control/metrics.h"

struct ledger {
    struct partition_counters **partitions; /* by id; NULL: never ours */
    size_t n;
    int64_t *begin; /* by id: where this process began to read it, or -1 */
    struct store_counters output, checkpoints; /* of stores that are closed */
    struct time_spent worker;
    struct turn_histogram turns;
    uint64_t savepoints; /* how many of those asked for are done */
};

void ledger_free(struct ledger *l);
/* The partition's, made at need; it stays where it is. */
struct partition_counters *ledger_partition(struct ledger *l, int32_t id);
/* Notes where reading begins, the first time. */
void ledger_begin(struct ledger *l, int32_t id, int64_t position);
int64_t ledger_begun_at(const struct ledger *l, int32_t id);

#endif
