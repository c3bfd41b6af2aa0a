/* The world of a worker: a topic, a store, a clock that moves in poll(), and processes that share
 * them. Each process has its own handles, source and restart strategy; a test runs one inside
 * another's on_poll to have two at a time. */
#ifndef TIDEMARK_SUPPORT_WORKER_WORLD_H
#define TIDEMARK_SUPPORT_WORKER_WORLD_H

#include <stdarg.h>
#include <stddef.h>

#include "job/worker_internal.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/fake_source.h"
#include "support/memory_store.h"

#define T0 INT64_C(1729630800000) /* 2024-10-22T21:00:00Z, a window's start */

struct worker_world {
    struct clock clock; /* reads `fake`, and moves it by creep_ms each time it is asked */
    struct fake_clock fake;
    int64_t creep_ms;
    struct memory_world *store;
    struct fake_topic *topic;
    uint64_t seed; /* of the next process */
};

void worker_world_init(struct worker_world *w, const struct memory_traits *traits,
                       int32_t partitions);
void worker_world_free(struct worker_world *w);

/* An event of a partition, whose value tells its partition and offset. Returns the offset. */
int64_t worker_world_add(struct worker_world *w, int32_t partition, int64_t timestamp);
/* n events from first_ts on, step_ms apart. */
void worker_world_add_many(struct worker_world *w, int32_t partition, int n, int64_t first_ts,
                           int64_t step_ms);
/* How often the event at this offset stands in visible files. */
int worker_world_count(const struct worker_world *w, int32_t partition, int64_t offset);
/* The most often that any event of the partition does. */
int worker_world_most(const struct worker_world *w, int32_t partition);
/* Lines in visible files below this prefix ("dt=", "_late/", "_rejected/"). */
int worker_world_lines(const struct worker_world *w, const char *prefix);
/* Fails the test unless each event of the partition stands in exactly one visible line. */
void worker_world_check_all(const struct worker_world *w, int32_t partition);
/* The newest checkpoint; the caller clears it. Fails the test where there is none. */
struct checkpoint worker_world_newest(const struct worker_world *w, int32_t partition);
/* "<name>/<topic>/p<partition>/chk-<number>.json"; the caller frees it. */
char *worker_world_chain_key(int32_t partition, uint64_t number);

enum { PROCESS_SETS_MAX = 8 };

struct process_options {
    const char *sets[PROCESS_SETS_MAX]; /* KEY=VALUE */
    bool bounded, accept_changes, allow_data_loss;
    enum lost_policy lost;
    int32_t partitions; /* given at the first poll; 0: all */
    struct metrics *metrics;
    struct journal *journal;
    struct requests *requests;
};

struct process {
    struct worker_world *world;
    struct process_options options;
    struct settings settings;
    struct store *output, *checkpoints;
    struct fake_random random;
    struct restart restart;
    struct bounds bounds;
    struct ledger ledger;
    _Atomic int command;
    _Atomic uint64_t consumed;
    struct worker *worker;
    struct fake_source *source;
    bool ran;
    struct error error;
    struct job_metrics last; /* as published; partitions are valid until the worker is freed */
    void *test;              /* the test's own, for on_poll */
};

struct process *process_new(struct worker_world *w, const struct process_options *o);
/* It calls fn(process, n) at the beginning of the nth poll. */
void process_on_poll(struct process *p, void (*fn)(void *process, int n));
enum worker_end process_run(struct process *p);
/* After a run that has failed: the job's next try, with a worker, stores and a source of its own. */
void process_restart(struct process *p);
/* Dies: what is under way never happens. */
void process_free(struct process *p);

/* Each runs a process from birth to death, and fails the test where the end is another. */
void process_must_end(struct worker_world *w, const struct process_options *o, enum worker_end end);
/* WORKER_FAILED with this code and all these words (up to a NULL) in the text. */
void process_must_fail(struct worker_world *w, const struct process_options *o,
                       enum error_code code, ...);

/* For process_on_poll: somebody else writes each next number of partition 0 just before this process
 * does; where p->test is set, from the second on. */
void process_always_outrun(void *process, int n);

#endif
