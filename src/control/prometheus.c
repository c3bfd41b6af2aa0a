/* The metrics in Prometheus' text format 0.0.4, family by family as metrics_table.c has them. */
#include <inttypes.h>
#include <string.h>

#include <curl/curl.h>
#include <librdkafka/rdkafka.h>
#include <microhttpd.h>

#include "control/metrics_internal.h"
#include "control/metrics_table.h"

/* ---- Of the job --------------------------------------------------------------------------------- */

void render_up(struct buffer *b, const struct snapshot *s, const struct family *f) {
    (void)buffer_printf(b, "%s %d\n", f->name, s->now.running);
}

void render_build(struct buffer *b, const struct snapshot *s, const struct family *f) {
    (void)s;
    (void)buffer_printf(
        b, "%s{version=\"%s\",librdkafka=\"%s\",libcurl=\"%s\",libmicrohttpd=\"%s\"} 1\n", f->name,
        TIDEMARK_VERSION, rd_kafka_version_str(), curl_version_info(CURLVERSION_NOW)->version,
        MHD_get_version());
}

void render_started(struct buffer *b, const struct snapshot *s, const struct family *f) {
    (void)buffer_printf(b, "%s %.3f\n", f->name, (double)s->started_ms / 1000);
}

void render_state(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (int i = 0; i < JOB_STATE_COUNT; i++)
        (void)buffer_printf(b, "%s{state=\"%s\"} %d\n", f->name, job_state_name((enum job_state)i),
                            s->state == (enum job_state)i);
}

void render_worker(struct buffer *b, const struct snapshot *s, const struct family *f) {
    const struct time_spent *t = &s->now.worker;
    const struct {
        const char *name;
        uint64_t ms;
    } states[] = {
        {"busy", t->busy_ms}, {"backpressured", t->backpressured_ms}, {"idle", t->idle_ms}};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        (void)buffer_printf(b, "%s{state=\"%s\"} %.3f\n", f->name, states[i].name,
                            (double)states[i].ms / 1000);
}

void render_job(struct buffer *b, const struct snapshot *s, const struct family *f) {
    uint64_t v;
    memcpy(&v, (const char *)&s->now + f->offset, sizeof v);
    (void)buffer_printf(b, "%s %" PRIu64 "\n", f->name, v);
}

void render_kafka_up(struct buffer *b, const struct snapshot *s, const struct family *f) {
    if (s->now.running)
        (void)buffer_printf(b, "%s %d\n", f->name, !s->now.kafka_silent);
}

void render_topic_partitions(struct buffer *b, const struct snapshot *s, const struct family *f) {
    if (s->now.topic_partitions > 0)
        (void)buffer_printf(b, "%s %" PRId32 "\n", f->name, s->now.topic_partitions);
}

void render_process(struct buffer *b, const struct snapshot *s, const struct family *f) {
    double v;
    memcpy(&v, (const char *)&s->process + f->offset, sizeof v);
    if (v >= 0)
        (void)buffer_printf(b, "%s %.*f\n", f->name, f->unit[0] == 's' ? 2 : 0, v);
}

void render_histogram(struct buffer *b, const char *name, const char *labels, const double *bounds,
                      int n_bounds, const uint64_t *counts, uint64_t sum_ms) {
    const char *comma = labels[0] ? "," : "", *open = labels[0] ? "{" : "",
               *close = labels[0] ? "}" : "";
    uint64_t n = 0;
    for (int i = 0; i <= n_bounds; i++) {
        n += counts[i];
        (void)buffer_printf(b, "%s_bucket{%s%sle=\"", name, labels, comma);
        if (i < n_bounds)
            (void)buffer_printf(b, "%g", bounds[i]);
        else
            (void)buffer_puts(b, "+Inf");
        (void)buffer_printf(b, "\"} %" PRIu64 "\n", n);
    }
    (void)buffer_printf(b, "%s_sum%s%s%s %.3f\n", name, open, labels, close, (double)sum_ms / 1000);
    (void)buffer_printf(b, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, n);
}

void render_visibility(struct buffer *b, const struct snapshot *s, const struct family *f) {
    render_histogram(b, f->name, "", delay_bounds, DELAY_BUCKETS, s->now.visibility.counts,
                     s->now.visibility.sum_ms);
}

void render_turns(struct buffer *b, const struct snapshot *s, const struct family *f) {
    render_histogram(b, f->name, "", turn_bounds, TURN_BUCKETS, s->now.turns.counts,
                     s->now.turns.sum_us / 1000);
}

/* ---- Of each partition -------------------------------------------------------------------------- */

static void number(struct buffer *b, const struct family *f, const struct partition_metrics *p,
                   uint64_t v) {
    (void)buffer_printf(b, "%s{partition=\"%" PRId32 "\"} %" PRIu64 "\n", f->name, p->partition, v);
}

static void seconds(struct buffer *b, const struct family *f, const struct partition_metrics *p,
                    int64_t ms) {
    (void)buffer_printf(b, "%s{partition=\"%" PRId32 "\"} %.3f\n", f->name, p->partition,
                        (double)ms / 1000);
}

static int64_t value_at(const struct partition_metrics *p, const struct family *f) {
    int64_t v;
    memcpy(&v, (const char *)p + f->offset, sizeof v);
    return v;
}

void render_count(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t i = 0; i < s->now.n_partitions; i++) {
        const struct partition_metrics *p = &s->now.partitions[i];
        number(b, f, p, (uint64_t)value_at(p, f));
    }
}

void render_known(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t i = 0; i < s->now.n_partitions; i++) {
        const struct partition_metrics *p = &s->now.partitions[i];
        if (value_at(p, f) >= 0)
            number(b, f, p, (uint64_t)value_at(p, f));
    }
}

void render_ms(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t i = 0; i < s->now.n_partitions; i++) {
        const struct partition_metrics *p = &s->now.partitions[i];
        if (value_at(p, f) >= 0)
            seconds(b, f, p, value_at(p, f));
    }
}

void render_instant(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t i = 0; i < s->now.n_partitions; i++) {
        const struct partition_metrics *p = &s->now.partitions[i];
        if (value_at(p, f) != TS_NONE)
            seconds(b, f, p, value_at(p, f));
    }
}

static void by_class(struct buffer *b, const struct family *f, const struct partition_metrics *p,
                     int class, uint64_t v) {
    (void)buffer_printf(b, "%s{partition=\"%" PRId32 "\",class=\"%s\"} %" PRIu64 "\n", f->name,
                        p->partition, event_class_name((enum event_class) class), v);
}

void render_classes(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t i = 0; i < s->now.n_partitions; i++) {
        const struct partition_metrics *p = &s->now.partitions[i];
        uint64_t counts[CLASS_COUNT];
        memcpy(counts, (const char *)p + f->offset, sizeof counts);
        for (int c = 0; c < CLASS_COUNT; c++)
            by_class(b, f, p, c, counts[c]);
    }
}

void render_totals(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t i = 0; i < s->now.n_partitions; i++) {
        const struct partition_metrics *p = &s->now.partitions[i];
        struct totals totals[CLASS_COUNT];
        memcpy(totals, (const char *)p + f->offset, sizeof totals);
        for (int c = 0; c < CLASS_COUNT; c++)
            by_class(b, f, p, c, totals[c].events);
    }
}

/* Reasons that no record has had are left out: there are many, and most topics know two. */
void render_reasons(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t r = 1; r < s->now.n_reasons; r++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < s->now.n_partitions; i++) {
            const struct partition_metrics *p = &s->now.partitions[i];
            sum += p->count.rejected[r];
        }
        if (sum == 0)
            continue;
        for (size_t i = 0; i < s->now.n_partitions; i++) {
            const struct partition_metrics *p = &s->now.partitions[i];
            (void)buffer_printf(b, "%s{partition=\"%" PRId32 "\",reason=\"%s\"} %" PRIu64 "\n",
                                f->name, p->partition, s->now.reasons[r], p->count.rejected[r]);
        }
    }
}

void render_running(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t i = 0; i < s->now.n_partitions; i++) {
        const struct partition_metrics *p = &s->now.partitions[i];
        number(b, f, p, s->now.running && strcmp(p->state, "running") == 0);
    }
}

void render_replaying(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t i = 0; i < s->now.n_partitions; i++) {
        const struct partition_metrics *p = &s->now.partitions[i];
        number(b, f, p, p->replaying);
    }
}

/* Offsets that are still to be read; -1 where that is not known. */
static int64_t lag_of(const struct partition_metrics *p) {
    if (p->end < 0 || p->position < 0)
        return -1;
    return p->end > p->position ? p->end - p->position : 0;
}

void render_lag(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t i = 0; i < s->now.n_partitions; i++) {
        const struct partition_metrics *p = &s->now.partitions[i];
        if (lag_of(p) >= 0)
            number(b, f, p, (uint64_t)lag_of(p));
    }
}

void render_lag_seconds(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t i = 0; i < s->now.n_partitions; i++) {
        const struct partition_metrics *p = &s->now.partitions[i];
        int64_t lag = lag_of(p);
        if (lag == 0)
            seconds(b, f, p, 0);
        else if (lag > 0 && p->record_ts != TS_NONE) /* a producer's clock may be ahead of ours */
            seconds(b, f, p, s->wall_ms > p->record_ts ? s->wall_ms - p->record_ts : 0);
    }
}

void render_watermark_delay(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (size_t i = 0; i < s->now.n_partitions; i++) {
        const struct partition_metrics *p = &s->now.partitions[i];
        if (p->watermark != TS_NONE)
            seconds(b, f, p, s->wall_ms - p->watermark);
    }
}

/* ---- All ---------------------------------------------------------------------------------------- */

static const char *type_name(enum family_type t) {
    static const char *const names[] = {"counter", "gauge", "histogram"};
    return names[t];
}

void metrics_render(struct metrics *m, struct buffer *out) {
    struct snapshot s = {.started_ms = m->started_wall_ms, .wall_ms = clock_wall(m->clock)};
    s.state = metrics_state(m, NULL);
    metrics_copy(m, &s.now);
    process_stats_read(&s.process);
    for (size_t i = 0; i < metrics_families; i++) {
        const struct family *f = &metrics_table[i];
        (void)buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
                            type_name(f->type));
        f->render(out, &s, f);
    }
    job_metrics_free(&s.now);
}
