/* Every metric: /metrics (prometheus.c) and docs/metrics.md (metrics_help.c) read this table. */
#ifndef TIDEMARK_CONTROL_METRICS_TABLE_H
#define TIDEMARK_CONTROL_METRICS_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "base/buffer.h"
#include "control/metrics.h"
#include "control/process_stats.h"

/* What one answer is made of: copied under the lock, rendered without it. */
struct snapshot {
    struct job_metrics now;
    enum job_state state;
    int64_t wall_ms, started_ms; /* epoch */
    struct process_stats process;
};

enum family_type { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_HISTOGRAM };

struct family {
    const char *name;
    enum family_type type;
    const char *unit;
    const char *labels; /* "partition, class"; "" for none */
    const char *help;   /* one line without a backslash */
    const char *alert;  /* names in deploy/prometheus/tidemark-alerts.yaml, or "" */
    const char *action; /* what to do about it, or "" */
    /* Writes the samples; offset tells where the value stands, for those that serve several. */
    void (*render)(struct buffer *b, const struct snapshot *s, const struct family *f);
    size_t offset;
};

extern const struct family metrics_table[];
extern const size_t metrics_families;

/* docs/metrics.md. */
void metrics_print_markdown(FILE *f);

typedef void family_render(struct buffer *b, const struct snapshot *s, const struct family *f);

/* ---- prometheus.c: of the job ---- */

family_render render_up, render_build, render_started, render_state, render_worker,
    render_visibility, render_turns;
family_render render_job; /* uint64_t in job_metrics */
family_render render_kafka_up;
family_render render_topic_partitions;
family_render render_process; /* double in process_stats; none below 0 */

/* ---- Of each partition ---- */

family_render render_count;   /* uint64_t in partition_metrics */
family_render render_known;   /* int64_t; none below 0 */
family_render render_ms;      /* the same: milliseconds, as seconds */
family_render render_instant; /* epoch milliseconds or TS_NONE, as seconds */
family_render render_classes; /* uint64_t[CLASS_COUNT] */
family_render render_totals;  /* struct totals[CLASS_COUNT] */
family_render render_reasons, render_running, render_replaying, render_lag, render_lag_seconds,
    render_watermark_delay;

/* ---- prometheus_store.c: of output.path and checkpoint.path ---- */

family_render render_store_requests, render_store_retries, render_store_latency, render_store_bytes,
    render_store_under_way, render_store_busy, render_store_free, render_store_size;

/* name_bucket{labels,le="..."}, name_sum and name_count; counts are not cumulative. labels: 'a="b"',
 * or "". */
void render_histogram(struct buffer *b, const char *name, const char *labels, const double *bounds,
                      int n_bounds, const uint64_t *counts, uint64_t sum_ms);

#endif
