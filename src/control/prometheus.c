/* The metrics in Prometheus' text format 0.0.4. */
#include <inttypes.h>
#include <string.h>

#include "control/metrics_internal.h"

static void head(struct buffer *b, const char *name, const char *type, const char *help) {
    (void)buffer_printf(b, "# HELP tidemark_%s %s\n# TYPE tidemark_%s %s\n", name, help, name,
                        type);
}

/* One gauge or counter a partition. offset is where the uint64_t or int64_t stands. */
struct family {
    const char *name, *type, *help;
    size_t offset;
    bool skip_negative;
};

#define FIELD(f) offsetof(struct partition_metrics, f)
#define COUNT(f) FIELD(count.f)

static const struct family families[] = {
    {"key_mismatches_total", "counter",
     "Records whose key differs from the event's key field: the topic is not keyed by user.",
     COUNT(key_mismatches), false},
    {"bytes_in_total", "counter", "Bytes of record values read from Kafka.", COUNT(bytes_in),
     false},
    {"bytes_out_total", "counter", "Bytes of lines written, before compression.", COUNT(bytes_out),
     false},
    {"position", "gauge", "Offset of the next record to read.", FIELD(position), true},
    {"open_windows", "gauge", "Windows that still take events.", FIELD(open_windows), false},
    {"open_files", "gauge", "Files that are not finished or not yet listed.", FIELD(open_files),
     false},
    {"files_published_total", "counter", "Files made visible.", COUNT(files_published), false},
    {"events_published_total", "counter", "Lines in files made visible.", COUNT(events_published),
     false},
    {"bytes_published_total", "counter", "Bytes of files made visible.", COUNT(bytes_published),
     false},
    {"checkpoints_total", "counter", "Checkpoints made durable.", COUNT(checkpoints), false},
    {"checkpoint_failures_total", "counter", "Checkpoints not durable within checkpoint.timeout.",
     COUNT(checkpoint_failures), false},
    {"checkpoint_number", "gauge", "Number of the newest durable checkpoint.",
     FIELD(checkpoint_number), false},
    {"checkpoint_size_bytes", "gauge", "Size of the newest durable checkpoint.",
     FIELD(checkpoint_bytes), true},
    {"replay_from", "gauge", "Smallest offset that Kafka must still hold.", FIELD(replay_from),
     true},
};

static void render_families(struct buffer *b, const struct job_metrics *m) {
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        head(b, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < m->n_partitions; i++) {
            int64_t v;
            memcpy(&v, (const char *)&m->partitions[i] + families[f].offset, sizeof v);
            if (!families[f].skip_negative || v >= 0)
                (void)buffer_printf(b, "tidemark_%s{partition=\"%" PRId32 "\"} %" PRIu64 "\n",
                                    families[f].name, m->partitions[i].partition, (uint64_t)v);
        }
    }
}

static void render_classes(struct buffer *b, const struct job_metrics *m) {
    head(b, "records_total", "counter", "Records read for the first time, by class.");
    for (size_t i = 0; i < m->n_partitions; i++)
        for (int c = 0; c < CLASS_COUNT; c++)
            (void)buffer_printf(
                b, "tidemark_records_total{partition=\"%" PRId32 "\",class=\"%s\"} %" PRIu64 "\n",
                m->partitions[i].partition, event_class_name((enum event_class)c),
                m->partitions[i].count.events[c]);
    head(b, "rejected_total", "counter", "Records rejected, by reason (replays count again).");
    for (size_t i = 0; i < m->n_partitions; i++)
        for (size_t r = 1; r < m->n_reasons; r++)
            (void)buffer_printf(
                b, "tidemark_rejected_total{partition=\"%" PRId32 "\",reason=\"%s\"} %" PRIu64 "\n",
                m->partitions[i].partition, m->reasons[r], m->partitions[i].count.rejected[r]);
}

static void render_seconds(struct buffer *b, const struct job_metrics *m, const char *name,
                           const char *help, size_t offset, int64_t none) {
    head(b, name, "gauge", help);
    for (size_t i = 0; i < m->n_partitions; i++) {
        int64_t v;
        memcpy(&v, (const char *)&m->partitions[i] + offset, sizeof v);
        if (v > none)
            (void)buffer_printf(b, "tidemark_%s{partition=\"%" PRId32 "\"} %.3f\n", name,
                                m->partitions[i].partition, (double)v / 1000);
    }
}

static void render_job(struct buffer *b, const struct metrics *m) {
    head(b, "up", "gauge", "1 while the job runs.");
    (void)buffer_printf(b, "tidemark_up %d\n", m->now.running);
    head(b, "build_info", "gauge", "The version, as a label.");
    (void)buffer_printf(b, "tidemark_build_info{version=\"%s\"} 1\n", TIDEMARK_VERSION);
    head(b, "start_time_seconds", "gauge", "When the process began, Unix time.");
    (void)buffer_printf(b, "tidemark_start_time_seconds %.3f\n", (double)m->started_wall_ms / 1000);
    head(b, "restarts_total", "counter",
         "Restarts of the job, and of partitions after errors, within this process.");
    (void)buffer_printf(b, "tidemark_restarts_total %" PRIu64 "\n", m->now.restarts);
    head(b, "memory_used_bytes", "gauge", "Bytes held in event buffers.");
    (void)buffer_printf(b, "tidemark_memory_used_bytes %" PRIu64 "\n", m->now.memory_used);
    head(b, "memory_peak_bytes", "gauge", "Most bytes ever held in event buffers.");
    (void)buffer_printf(b, "tidemark_memory_peak_bytes %" PRIu64 "\n", m->now.memory_peak);
    head(b, "memory_limit_bytes", "gauge", "memory.limit.");
    (void)buffer_printf(b, "tidemark_memory_limit_bytes %" PRIu64 "\n", m->now.memory_limit);
}

void metrics_render(struct metrics *m, struct buffer *out) {
    (void)pthread_mutex_lock(&m->lock);
    render_job(out, m);
    render_classes(out, &m->now);
    render_families(out, &m->now);
    render_seconds(out, &m->now, "watermark_seconds", "The watermark, Unix time.", FIELD(watermark),
                   TS_NONE);
    render_seconds(out, &m->now, "checkpoint_age_seconds",
                   "Time since the newest checkpoint became durable.", FIELD(checkpoint_age_ms),
                   -1);
    render_seconds(out, &m->now, "checkpoint_duration_seconds",
                   "How long the newest checkpoint took to become durable.",
                   FIELD(checkpoint_duration_ms), -1);
    (void)pthread_mutex_unlock(&m->lock);
}
