/* What the outside may know about a running job: a copy that the worker renews some times a second
 * and the HTTP thread renders. Nothing on the hot path touches it. */
#ifndef TIDEMARK_CONTROL_METRICS_H
#define TIDEMARK_CONTROL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "checkpoint/checkpoint.h"
#include "store/store.h"

enum { METRICS_REASONS_MAX = 16 };

struct partition_metrics {
    int32_t partition;
    const char *state;         /* "claiming", "running", ...: static */
    int64_t position, end;     /* next offset to read; log end where known, else -1 */
    int64_t max_ts, watermark; /* ms, or TS_NONE */
    bool replaying;
    uint64_t events[CLASS_COUNT]; /* since the process began, first reads only */
    uint64_t rejected[METRICS_REASONS_MAX];
    uint64_t key_mismatches, bytes_in, bytes_out;
    uint64_t open_windows, open_files;
    uint64_t files_published, events_published, bytes_published;
    uint64_t checkpoints, checkpoint_failures, checkpoint_number;
    int64_t checkpoint_age_ms, checkpoint_duration_ms, checkpoint_bytes; /* age < 0: none yet */
    int64_t replay_from; /* the smallest offset that Kafka must still hold, or -1 */
    struct totals read[CLASS_COUNT], listed[CLASS_COUNT]; /* durable totals of the job */
};

struct job_metrics {
    bool running;
    uint64_t restarts;
    uint64_t memory_used, memory_peak, memory_limit; /* bytes of buffers */
    const char *const *reasons;                      /* names of rejected[], static */
    size_t n_reasons;
    struct partition_metrics *partitions;
    size_t n_partitions;
};

struct metrics;

struct metrics *metrics_new(int64_t started_wall_ms);
void metrics_free(struct metrics *m);
/* Takes m->partitions' content by copy; from the worker's thread. */
void metrics_publish(struct metrics *m, const struct job_metrics *now);
/* Prometheus text format 0.0.4. From any thread. */
void metrics_render(struct metrics *m, struct buffer *out);
/* The job runs: all is well as far as it knows. From any thread. */
bool metrics_healthy(struct metrics *m);

/* Sums over partitions, for the progress line. */
struct job_sums {
    uint64_t records, events, late, rejected, open_windows, files_published, checkpoint_number;
    int64_t watermark; /* smallest, or TS_NONE */
};
void metrics_sum(const struct job_metrics *now, struct job_sums *out);

#endif
