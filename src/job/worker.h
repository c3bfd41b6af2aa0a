/* The worker: one thread, one Kafka consumer, its partitions. It feeds records and time to the
 * partitions, moves them through claim, run and end, and keeps within memory.limit. The world comes
 * in as vtables (source, stores, clock, random), so that a test or a simulation can be its world.
 *
 *   worker.c      the loop: poll, fetch, tick; memory
 *   task.c        one assigned partition from claim to end
 *   bounded.c     when a bounded run may end: what others of the group have still to do
 *   report.c      what the outside is told, and what it asks
 *   beginning.c   identity, start offsets, bounds of a bounded run (rules 2, 4 and 12)
 */
#ifndef TIDEMARK_JOB_WORKER_H
#define TIDEMARK_JOB_WORKER_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/random.h"
#include "checkpoint/start.h"
#include "control/journal.h"
#include "control/metrics.h"
#include "control/requests.h"
#include "job/ingest.h"
#include "job/ledger.h"
#include "job/restart.h"
#include "job/settings.h"
#include "kafka/source.h"

enum job_command { JOB_RUN, JOB_DRAIN, JOB_STOP }; /* a later one overrides an earlier one */

struct worker_config {
    const struct settings *settings;
    struct store *output, *checkpoints;
    struct clock *clock;
    struct random *random;
    bool bounded, accept_changes, allow_data_loss;
    enum lost_policy lost;
    const char *host;
    int64_t pid;
    struct restart *restart; /* the job's: outlives the worker */
    struct bounds *bounds;   /* of a bounded run; the job's, filled by the first worker */
    _Atomic int *command;    /* enum job_command, set by signals and HTTP */
    struct ledger *ledger;   /* the job's: outlives the worker */
    struct metrics *metrics; /* may be NULL, as the next two */
    struct journal *journal;
    struct requests *requests;
    _Atomic uint64_t *consumed; /* sum of positions, for the demo's generator; may be NULL */
    void (*progress)(void *ctx,
                     const struct job_metrics *now); /* some times a second; may be NULL */
    void *progress_ctx;
};

/* Ends of a bounded run: the last stable offsets seen at the process's start. */
struct bounds {
    int64_t *end;
    bool *done; /* all below the end is published, by whomever; stays so */
    int32_t n;
    bool known;
};

void bounds_free(struct bounds *b);

enum worker_end { WORKER_DONE, WORKER_STOPPED, WORKER_FAILED };

struct worker;

struct worker *worker_new(const struct worker_config *cfg);
/* For the source's creation. */
struct source_handler worker_handler(struct worker *w);
/* The source stays its owner's, and must outlive worker_run. */
void worker_use_source(struct worker *w, struct source *source);
/* Runs until done, stopped or failed (*e). *ran is set once records could be read: a failure before
 * that is one of settings or reachability, and is not tried again. */
enum worker_end worker_run(struct worker *w, bool *ran, struct error *e);
/* The stores must have been freed before: requests may be under way. */
void worker_free(struct worker *w);

#endif
