/* One partition: everything that must be consistent (watermark, open windows, checkpoint chain,
 * output files) belongs to it (docs/architecture.md). It does no I/O, reads no clock and draws no
 * random number but through the vtables it is given; the worker feeds it records and time.
 *
 *   partition.c   the road of a record: class, window, file
 *   snapshot.c    state to checkpoint, claim to state (rules 5 and 6)
 *   cadence.c     when a checkpoint is put, what its outcome means, how the end is reached (13, 8)
 */
#ifndef TIDEMARK_WINDOW_PARTITION_H
#define TIDEMARK_WINDOW_PARTITION_H

#include "base/clock.h"
#include "base/random.h"
#include "checkpoint/chain.h"
#include "checkpoint/commit.h"
#include "window/file.h"
#include "window/replay.h"
#include "window/window.h"

struct partition_stats;

/* Told what happens to a partition, for metrics. Functions may be NULL. */
struct partition_observer {
    void *ctx;
    /* visibility_ms: since its window had closed, or -1 where that is not so or not known. */
    void (*published)(void *ctx, const struct file_entry *f, int64_t visibility_ms);
    /* A checkpoint (no claim) is durable; *s tells how long it took. */
    void (*checkpoint)(void *ctx, const struct checkpoint *k, const struct partition_stats *s,
                       bool savepoint);
    /* A put is not durable after checkpoint.timeout (rule 13). */
    void (*checkpoint_failed)(void *ctx, int64_t pending_ms);
};

struct partition_config {
    int32_t id;
    struct window_rules rules;
    const char *partition_by; /* strftime text for keys; must outlive the partition */
    const char *suffix;       /* "", ".gz", ".zst" */
    int64_t idle_flush_ms, max_file_age_ms;
    uint64_t max_file_size, max_replay;
    bool emit_checkpoint; /* publish at every checkpoint */
    int64_t interval_ms, min_pause_ms, timeout_ms;
    int32_t tolerable_failures;
    /* How many checkpoints of all partitions may still begin before the next tick, counted down: many
     * that are due at once would hold processing up. Those at a partition's end do not count. NULL: any
     * number. */
    size_t *may_begin;
    bool allow_data_loss;
    struct store *output;
    struct budget *budget;
    struct compressor *compressor; /* NULL: none */
    uint64_t part_size;
    struct clock *clock;
    struct random *random;
    const char *manifest_prefix;
    enum lost_policy lost;
    struct chain_config chain; /* output, manifest_prefix, done and ctx are the partition's own */
    struct partition_observer observer;
};

enum partition_status {
    PARTITION_CLAIMING, /* partition_claim was called */
    PARTITION_CLAIMED,  /* read from partition_position() on */
    PARTITION_RUNNING,  /* partition_start was called */
    PARTITION_STOPPED,  /* the end that partition_stop asked for is reached */
    PARTITION_LOST,     /* another process owns it: drop it (rule 1) */
    PARTITION_RECLAIM,  /* claim again: a lost upload is to be rebuilt (rule 9) */
    PARTITION_FAILED    /* error says why */
};

enum partition_stop {
    STOP_NOT,
    STOP_KEEP /* open files stay open */,
    STOP_DRAIN /* publish all */
};

/* For metrics and logs; counted since this object exists, by the worker's thread. */
struct partition_stats {
    uint64_t events[CLASS_COUNT];
    uint64_t files_published, events_published, bytes_published;
    uint64_t checkpoints, checkpoint_failures;
    int64_t checkpoint_duration_ms, checkpoint_bytes; /* of the last durable one */
    int64_t checkpoint_at_ms;                         /* monotonic, when it became durable */
};

struct partition {
    struct partition_config cfg;
    enum partition_status status;
    struct error error; /* FAILED, LOST, RECLAIM: why */
    int64_t now_ms;     /* monotonic, as of the last tick */

    /* The road of records. */
    int64_t position;    /* offset expected next */
    int64_t base_next;   /* the claim's next: records below it are being read again */
    int64_t max_ts;      /* greatest timestamp of accepted and late events, or TS_NONE */
    int64_t last_window; /* start of the window that the last event fell into; 0's before any */
    bool has_last;
    int64_t last_offset;
    uint32_t last_crc32c;
    struct totals read[CLASS_COUNT], listed[CLASS_COUNT];
    struct replay replay;
    int64_t log_start; /* where Kafka's log began when reading did, if that was too late */
    struct loss *losses;
    size_t n_losses;
    int64_t last_record_ms;

    /* Files. `windows` (sorted by window), `late` and `rejected` take events; `files` holds these and
     * the sealed ones that are not acknowledged, in order of creation. */
    struct file_shared shared;
    struct file **windows;
    size_t n_windows, cap_windows, hint;
    int64_t flushed; /* windows that begin before it were flushed when they had come to rest */
    struct file *late, *rejected;
    struct file **files;
    size_t n_files, cap_files;
    size_t inflight; /* requests of files under way */

    /* Checkpoints. */
    struct chain *chain;
    struct commits *commits;
    uint64_t changes, put_changes; /* what has changed, and how much of it the last put covered */
    int64_t put_position;          /* position at the last put, or the start */
    size_t seen_commits;           /* entries of commits at the last tick */
    bool barrier;                  /* waiting for tails to be durable before the snapshot */
    int64_t barrier_ms, due_ms /* of the last interval's tick */, started_ms, durable_ms, stop_ms;
    int32_t failures;
    bool savepoint /* wanted */, putting_savepoint, rebuild, final_put;
    int64_t rebuild_ms;
    int64_t reclaim_offset; /* RECLAIM: of the first event that made it necessary */
    enum partition_stop stop;

    struct partition_stats stats;
};

/* cfg is copied; what it points to must outlive the partition, but for chain.prefix and
 * manifest_prefix and the identity. */
struct partition *partition_new(const struct partition_config *cfg);
/* partition_idle() must hold, or the stores must have been freed before. */
void partition_free(struct partition *p);
/* No request is under way. */
bool partition_idle(const struct partition *p);

/* Rule 2. start_offset counts where no checkpoint exists. Ends in CLAIMED, LOST or FAILED. */
void partition_claim(struct partition *p, int64_t start_offset, int64_t now_ms);
/* Where reading begins, after CLAIMED. */
int64_t partition_position(const struct partition *p);
/* Kafka's log begins at log_start, behind what must be read. ERR_DATA_LOSS, or with
 * allow_data_loss the loss is recorded and reading begins there. */
int partition_check_log_start(struct partition *p, int64_t log_start, struct error *e);
void partition_start(struct partition *p, int64_t now_ms);

/* What a record is, before its lateness is judged. */
enum record_kind { RECORD_NULL, RECORD_REJECTED, RECORD_EVENT };

struct placement {
    enum event_class class;
    struct file *file; /* NULL: nothing is to be written */
    int64_t window_start, window_end;
    int64_t max_ts_before;
};

/* Decides where the record at `offset` (>= position) goes; timestamp counts for RECORD_EVENT. -1:
 * the job must stop (*e). */
int partition_place(struct partition *p, int64_t offset, enum record_kind kind, int64_t timestamp,
                    struct placement *out, struct error *e);
/* The record is dealt with: its line, if any, was appended. */
int partition_advance(struct partition *p, int64_t offset, struct error *e);
/* Before the next partition_tick(): the CRC (record_crc32c) of the record dealt with last, which a
 * checkpoint names. Once for each batch, because it costs as much as a record's parsing. */
void partition_last_record(struct partition *p, int64_t offset, uint32_t crc32c);
/* The log ends at `offset`: control records before it are passed. */
int partition_eof(struct partition *p, int64_t offset, struct error *e);

/* TS_NONE where no event has been seen. */
int64_t partition_watermark(const struct partition *p);
bool partition_replaying(const struct partition *p);

/* Time passes: rolls files, puts checkpoints, sends what is due. Call it some ten times a second. */
void partition_tick(struct partition *p, int64_t now_ms);
/* Ends the job for this partition; STOPPED follows. Feed it no more records. */
void partition_stop(struct partition *p, enum partition_stop how);
/* Forces a checkpoint soon. */
void partition_savepoint(struct partition *p);
/* One that was asked for is not durable yet. */
bool partition_savepoint_pending(const struct partition *p);

/* Memory pressure: the file that holds most bytes in memory, and what to do about it. */
struct file *partition_largest(struct partition *p);
void partition_relieve(struct partition *p, struct file *f);

/* Shared by the three files. */
void partition_fail(struct partition *p, const struct error *e);
void partition_seal_file(struct partition *p, struct file *f);
void partition_seal_all(struct partition *p);
void partition_collect(struct partition *p);
/* Rolls files by age, by idleness, and where too much would have to be read again. */
void partition_roll(struct partition *p);
void partition_snapshot(struct partition *p, struct checkpoint *k);
void partition_restore(struct partition *p, const struct checkpoint *claim);
void partition_on_chain(void *ctx, enum chain_result result, const struct error *error);

#endif
