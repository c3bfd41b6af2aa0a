/* Shared by the worker's files. */
#ifndef TIDEMARK_JOB_WORKER_INTERNAL_H
#define TIDEMARK_JOB_WORKER_INTERNAL_H

#include "job/rates.h"
#include "job/recent.h"
#include "job/worker.h"

enum task_state {
    TASK_WAITING, /* before it claims (again), until due_ms */
    TASK_CLAIMING,
    TASK_CLAIMED, /* to be checked and assigned */
    TASK_RUNNING,
    TASK_ENDING, /* no more records; the partition is on its way to STOPPED */
    TASK_ENDED
};

/* One assigned partition. The partition object is new for every claim. */
struct task {
    struct worker *worker;
    int32_t id;
    enum task_state state;
    struct partition *partition; /* NULL while WAITING */
    struct ingest ingest;
    int64_t due_ms, claimed_ms;
    uint64_t restored;         /* number of the checkpoint that the claim went on from; 0: none */
    int64_t restored_at_ms;    /* epoch */
    int32_t losses;            /* in a row (rule 1) */
    uint64_t committed_number; /* of the checkpoint whose next the group knows */
    int64_t log_end;           /* last known, or -1 */
    int64_t read_on;           /* a bounded run's end of this one, where it is a later one; 0: no */
    bool in_source;            /* in its assignment: fetched, whether wanted or not */
    bool savepoint_wanted;     /* and not durable yet */
    int64_t unsaved_since_ms;  /* something is in no durable checkpoint; -1: nothing */
    uint64_t seen_checkpoints; /* when that was looked at last */
    struct partition_counters *count; /* the ledger's; the partition object's own come on top */
    char *chain_prefix, *manifest_prefix;
    struct identity identity;
};

/* The newest checkpoint of a partition that is another's. */
struct seen_chain {
    uint64_t number;
    int64_t since_ms; /* monotonic, when it was seen first */
    bool drained;     /* it has nothing open */
};

/* What a bounded run looks for in the store when its own partitions are at their ends. */
struct outlook {
    struct store_op op;
    bool busy, told;
    char *prefix, *key;      /* of what is under way */
    int32_t at;              /* the partition that is looked at */
    int64_t due_ms;          /* of the next round, monotonic */
    struct seen_chain *seen; /* by partition */
};

struct worker {
    struct worker_config cfg;
    struct source *source;
    char cluster[128], settings_hash[17];
    struct start_offsets start;
    struct budget budget;
    struct compressor *compressor;
    struct event_parser *parser;
    struct buffer line;
    struct task **tasks;
    size_t n_tasks, cap_tasks;
    struct partition **dying; /* dropped, with requests under way */
    size_t n_dying, cap_dying;
    size_t ticked;       /* of the tasks, in this round */
    size_t may_begin;    /* checkpoints, before more are ticked */
    bool assignment_due; /* the source's assignment must be renewed */
    bool tick_due;       /* of all tasks, without waiting for their turn */
    bool suspended;      /* over memory.limit: nothing is fetched */
    bool failed;
    bool reading;  /* records can be read, or none is ours to read: /readyz */
    bool assigned; /* Kafka has said which partitions are ours, if only none */
    bool warned;   /* of keys that are not the event's */
    bool told;     /* that the first records are read */
    struct error error;
    enum job_command command;
    uint64_t fetched; /* events ever taken from the source */
    int64_t now_ms, round_ms /* the round of ticks began */, published_ms, stop_since_ms,
        assigned_ms;
    struct outlook outlook;
    struct job_metrics metrics;
    size_t cap_metrics, cap_files;
    struct rates rates;
    struct recent_memory recent;
    int64_t turned_us;   /* where the turn began, or those that the store held up */
    int64_t spent_ms;    /* up to where its time is accounted for, monotonic */
    uint64_t savepoints; /* how many of those asked for are begun */
};

/* Whatever Kafka is the cause of may pass, so it is retriable. */
void worker_fail(struct worker *w, const struct error *e);
/* Trying again does not help. */
void worker_fail_for_good(struct worker *w, const struct error *e);
bool worker_all_ended(const struct worker *w);

/* beginning.c: all return 0, or -1 with *e. */
int worker_identify(struct worker *w, struct error *e);
int worker_find_start(struct worker *w, struct error *e);
int worker_find_bounds(struct worker *w, struct error *e);
/* Rule 12, before consuming begins: is this still the log that the checkpoint knows? */
int worker_check_log(struct worker *w, struct task *t, struct error *e);
/* The same of another's checkpoint that says all is published. */
int worker_check_checkpoint(struct worker *w, const struct checkpoint *k, struct error *e);
int64_t worker_start_offset(const struct worker *w, int32_t partition, struct error *e);

/* bounded.c */
void outlook_free(struct outlook *o);
/* All that the run is to publish is published, as far as is known. For a worker whose own partitions
 * have ended. */
bool bounded_met(const struct worker *w);
/* Its last checkpoint is durable. */
void bounded_task_ended(const struct task *t);
/* Finds out what others have done, where that is all that is missing. */
void bounded_look(struct worker *w);

/* task.c */
struct task *task_new(struct worker *w, int32_t id);
void task_free(struct task *t);
/* Lets go of the partition object; requests under way are waited for elsewhere. */
void task_drop(struct task *t);
/* Moves the task on as far as it goes now. */
void task_tick(struct task *t);
void task_run(struct task *t);
void task_end(struct task *t, enum partition_stop how);
/* Something went wrong with this partition: into the journal. */
void task_note(const struct task *t, const char *kind, const char *text);
/* Begins a checkpoint of this partition now, or as soon as it has one to put. */
void task_savepoint(struct task *t);

/* report.c: what the outside is told, and what it asks. */
void task_metrics(const struct task *t, struct partition_metrics *m);
void worker_publish(struct worker *w);
/* Adds the counts of a partition object that goes to its ledger. */
void report_add_stats(struct partition_counters *to, const struct partition_stats *s);
struct partition_observer report_observer(struct task *t);
void worker_savepoints(struct worker *w);
enum spent { SPENT_BUSY, SPENT_BACKPRESSURED, SPENT_IDLE };
/* The time since the last call went by so. */
void worker_spent(struct worker *w, enum spent how);
/* A turn of the loop is over; how it ended. */
void worker_turned(struct worker *w, enum spent how, bool took_records);

#endif
