/* What the outside may know about a running job: a copy that the worker renews some times a second
 * and the HTTP thread renders. Nothing on the hot path touches it. What has happened (checkpoints,
 * files, errors, samples) is in journal.h. */
#ifndef TIDEMARK_CONTROL_METRICS_H
#define TIDEMARK_CONTROL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "checkpoint/checkpoint.h"
#include "store/stats.h"
#include "store/store.h"

enum {
    METRICS_REASONS_MAX = 16,
    DELAY_BUCKETS = 12,                /* and one for all above */
    TURN_BUCKETS = 29,                 /* the same */
    METRICS_OPEN_FILES_MAX = 500,      /* of a partition, in job_metrics.files */
    METRICS_WATCHED_FOR_MS = 10 * 1000 /* open files are listed for so long after a request */
};

/* Seconds from "a window's end is passed by the watermark" to "its file is visible". */
extern const double delay_bounds[DELAY_BUCKETS];

struct delay_histogram {
    uint64_t counts[DELAY_BUCKETS + 1]; /* not cumulative; the last one: above all bounds */
    uint64_t sum_ms;
};
void delay_observe(struct delay_histogram *h, int64_t ms);
void delay_add(struct delay_histogram *to, const struct delay_histogram *more);

/* Seconds of a turn of the worker that took records, those before it included in which the store kept
 * it from taking any. */
extern const double turn_bounds[TURN_BUCKETS];

struct turn_histogram {
    uint64_t counts[TURN_BUCKETS + 1]; /* as above */
    uint64_t sum_us;
};
void turn_observe(struct turn_histogram *h, int64_t us);

/* Counted since the process began, through restarts and rebalances: none of these ever falls. */
struct partition_counters {
    uint64_t events[CLASS_COUNT]; /* first reads only, but those of a lost claim count again */
    uint64_t rejected[METRICS_REASONS_MAX];
    uint64_t records; /* read, first or again */
    uint64_t key_mismatches, bytes_in, bytes_out, lines_out;
    uint64_t files_published, events_published, bytes_published;
    uint64_t checkpoints, checkpoint_failures;
    uint64_t restores; /* claims that went on from a checkpoint */
    struct delay_histogram visibility;
};
void partition_counters_add(struct partition_counters *to, const struct partition_counters *more);

struct partition_metrics {
    int32_t partition;
    const char *state; /* "claiming", "running", ...: static */
    struct partition_counters count;
    int64_t begin, position;   /* where this process began to read it; next offset to read; or -1 */
    int64_t end;               /* one past the newest record where known, else -1; in a bounded run
                                    where the run ends */
    int64_t record_ts;         /* Kafka's timestamp of the record read last, ms, or TS_NONE */
    int64_t max_ts, watermark; /* ms, or TS_NONE */
    bool replaying;
    uint64_t open_windows, open_files;
    uint64_t checkpoint_number;
    int64_t checkpoint_age_ms, checkpoint_duration_ms, checkpoint_bytes; /* age < 0: none yet */
    bool checkpoint_pending;                                             /* one is being made now */
    int64_t unsaved_ms;     /* since when something is in no durable checkpoint; 0: nothing is */
    uint64_t restored;      /* number of the checkpoint that the claim went on from; 0: none */
    int64_t restored_at_ms; /* epoch; 0: none */
    int64_t replay_from;    /* the smallest offset that Kafka must still hold, or -1 */
    struct totals read[CLASS_COUNT], listed[CLASS_COUNT]; /* durable totals of the job */
};

enum file_state {
    FILE_TAKES_EVENTS, /* its window is open (or it is a late or rejected file) */
    FILE_SEALED,       /* takes no more; its last parts are on their way */
    FILE_LISTED        /* finished: waits for a checkpoint, for Complete or for its manifest */
};
const char *file_state_name(enum file_state s); /* "open", "sealed", "publishing" */

/* A file that is not published yet. */
struct open_file_metrics {
    int32_t partition;
    enum event_class class;
    int64_t window_start, window_end; /* ms, or TS_NONE for late and rejected */
    int64_t age_ms;                   /* since it was opened */
    uint64_t events, bytes;           /* so far; bytes as they will stand in the store */
    uint64_t acknowledged_events;     /* durable in the store */
    enum file_state state;
};

/* Flink's names: docs of `/jobs/:id`. */
enum job_state {
    JOB_CREATED,    /* not running yet: settings are read, stores probed, partitions claimed */
    JOB_RUNNING,    /* records can be read */
    JOB_RESTARTING, /* failed, and about to try again */
    JOB_CANCELLING, /* a last checkpoint, then the end */
    JOB_CANCELED,
    JOB_FINISHED, /* a bounded run's end, a drain */
    JOB_FAILED,
    JOB_STATE_COUNT
};
const char *job_state_name(enum job_state s); /* "CREATED", ... */

/* How the worker's time is spent: monotonic milliseconds since the process began. */
struct time_spent {
    uint64_t busy_ms, backpressured_ms /* waiting for the store */, idle_ms /* for records */;
};

/* What has come about lately: within the last minute, or since the worker began where that is less. */
struct recent {
    int64_t ms;                       /* how long it has been; 0: nothing is known yet */
    struct time_spent worker;         /* scaled to 1,000 ms */
    uint64_t records, late, rejected; /* first reads */
    uint64_t output_errors, output_retries, checkpoint_errors, checkpoint_retries;
    double lag_growth; /* of all partitions, records a second; below zero: it shrinks */
};

struct job_metrics {
    bool running;
    bool bounded;
    bool kafka_silent; /* no broker answers */
    uint64_t restarts;
    uint64_t memory_used, memory_peak; /* bytes of buffers */
    uint64_t memory_budget;            /* what these may be: the limit without the fetch queue */
    uint64_t memory_limit;             /* memory.limit */
    struct time_spent worker;
    struct turn_histogram turns;
    struct time_spent worker_rate; /* the same within the last second or so, scaled to 1,000 ms */
    struct store_counters output, checkpoints; /* requests since the process began */
    uint64_t output_busy_rate;                 /* ms per second with requests under way */
    /* Of all partitions since the process began, those that have left included. */
    uint64_t records, bytes_in, bytes_out;
    uint64_t events[CLASS_COUNT]; /* first reads, as a partition's */
    struct delay_histogram visibility;
    /* The settings' paths, where they are directories; else NULL. */
    const char *output_directory, *checkpoint_directory;
    double records_rate, bytes_in_rate, bytes_out_rate; /* a second, over the last five or so */
    struct recent recent;
    const char *const *reasons; /* names of rejected[], static */
    size_t n_reasons;
    int32_t topic_partitions;             /* of the topic in all, or 0 where not known */
    struct partition_metrics *partitions; /* this process's */
    size_t n_partitions;
    struct open_file_metrics *files; /* only while somebody watches (metrics_watch) */
    size_t n_files;
    bool files_cut; /* some partition has more than METRICS_OPEN_FILES_MAX */
};

struct metrics;

/* clock must outlive it; it is read from any thread. */
struct metrics *metrics_new(struct clock *clock);
void metrics_free(struct metrics *m);
/* Takes a copy of all, arrays included; from the worker's thread. */
void metrics_publish(struct metrics *m, const struct job_metrics *now);
/* Somebody looks at open files: they are listed for a while. From any thread. */
void metrics_watch(struct metrics *m);
bool metrics_watched(struct metrics *m);
/* A copy of the newest; free it. From any thread. */
void metrics_copy(struct metrics *m, struct job_metrics *out);
void job_metrics_free(struct job_metrics *copy);
/* Prometheus text format 0.0.4. From any thread. */
void metrics_render(struct metrics *m, struct buffer *out);
/* The job runs: all is well as far as it knows. From any thread. */
bool metrics_healthy(struct metrics *m);

/* The job's state and when each was entered last (epoch ms, 0: never). From any thread. */
void metrics_set_state(struct metrics *m, enum job_state s);
enum job_state metrics_state(struct metrics *m, int64_t entered_ms[JOB_STATE_COUNT]);
int64_t metrics_now_ms(const struct metrics *m);     /* epoch, by the same clock */
int64_t metrics_started_ms(const struct metrics *m); /* the process, epoch ms */

/* Sums over partitions, for the progress line. */
struct job_sums {
    uint64_t records, events, late, rejected, open_windows, files_published, checkpoint_number;
    uint64_t done, todo; /* offsets from begin to position, and from position to end */
    bool end_known;      /* of every partition: todo says how much is left */
    int64_t watermark;   /* smallest, or TS_NONE */
};
void metrics_sum(const struct job_metrics *now, struct job_sums *out);

#endif
