/* /metrics: requests of the two stores. Operations that a store has never been asked for are left
 * out, and outcomes that have never come, but for those that an alert counts: a rate sees nothing
 * in a series that begins with its first value. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "control/metrics_table.h"

enum { STORES = 2, LABELS_MAX = 128 };

static const char *const store_names[STORES] = {"output", "checkpoints"};

static const struct store_counters *store_of(const struct snapshot *s, int i) {
    return i == 0 ? &s->now.output : &s->now.checkpoints;
}

static const char *outcome_name(int outcome) {
    return outcome == ERR_NONE ? "success" : error_name((enum error_code)outcome);
}

static bool is_counted_on(int outcome) {
    return outcome == ERR_NONE || outcome == ERR_UNAVAILABLE || outcome == ERR_UNKNOWN ||
           outcome == ERR_DENIED || outcome == ERR_NO_SPACE || outcome == ERR_IO;
}

static uint64_t requests(const struct store_counters *c, int kind) {
    uint64_t n = 0;
    for (int o = 0; o < STORE_OUTCOMES; o++)
        n += c->outcomes[kind][o];
    return n;
}

/* Calls fn for each operation that a store has been asked for. */
static void each_operation(struct buffer *b, const struct snapshot *s, const struct family *f,
                           void (*fn)(struct buffer *b, const struct family *f, const char *labels,
                                      const struct store_counters *c, int kind)) {
    for (int i = 0; i < STORES; i++)
        for (int kind = 0; kind < STORE_KIND_COUNT; kind++) {
            const struct store_counters *c = store_of(s, i);
            char labels[LABELS_MAX];
            if (requests(c, kind) == 0)
                continue;
            (void)snprintf(labels, sizeof labels, "store=\"%s\",operation=\"%s\"", store_names[i],
                           store_kind_name((enum store_kind)kind));
            fn(b, f, labels, c, kind);
        }
}

static void outcomes(struct buffer *b, const struct family *f, const char *labels,
                     const struct store_counters *c, int kind) {
    for (int o = 0; o < STORE_OUTCOMES; o++)
        if (c->outcomes[kind][o] > 0 || is_counted_on(o))
            (void)buffer_printf(b, "%s{%s,outcome=\"%s\"} %" PRIu64 "\n", f->name, labels,
                                outcome_name(o), c->outcomes[kind][o]);
}

static void retries(struct buffer *b, const struct family *f, const char *labels,
                    const struct store_counters *c, int kind) {
    (void)buffer_printf(b, "%s{%s} %" PRIu64 "\n", f->name, labels, c->retries[kind]);
}

static void latency(struct buffer *b, const struct family *f, const char *labels,
                    const struct store_counters *c, int kind) {
    render_histogram(b, f->name, labels, store_latency_bounds, STORE_LATENCY_BUCKETS,
                     c->latency[kind], c->latency_ms[kind]);
}

void render_store_requests(struct buffer *b, const struct snapshot *s, const struct family *f) {
    each_operation(b, s, f, outcomes);
}

void render_store_retries(struct buffer *b, const struct snapshot *s, const struct family *f) {
    each_operation(b, s, f, retries);
}

void render_store_latency(struct buffer *b, const struct snapshot *s, const struct family *f) {
    each_operation(b, s, f, latency);
}

void render_store_bytes(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (int i = 0; i < STORES; i++) {
        const struct store_counters *c = store_of(s, i);
        (void)buffer_printf(b,
                            "%s{store=\"%s\",direction=\"out\"} %" PRIu64 "\n"
                            "%s{store=\"%s\",direction=\"in\"} %" PRIu64 "\n",
                            f->name, store_names[i], c->bytes_out, f->name, store_names[i],
                            c->bytes_in);
    }
}

void render_store_under_way(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (int i = 0; i < STORES; i++)
        (void)buffer_printf(b, "%s{store=\"%s\"} %" PRIu64 "\n", f->name, store_names[i],
                            store_of(s, i)->under_way);
}

void render_store_busy(struct buffer *b, const struct snapshot *s, const struct family *f) {
    for (int i = 0; i < STORES; i++)
        (void)buffer_printf(b, "%s{store=\"%s\"} %.3f\n", f->name, store_names[i],
                            (double)store_of(s, i)->busy_ms / 1000);
}

/* Of the file system that a directory lies on, as far as this user may fill it; none for S3. */
static void space(struct buffer *b, const struct snapshot *s, const struct family *f, bool free) {
    for (int i = 0; i < STORES; i++) {
        const char *path = i == 0 ? s->now.output_directory : s->now.checkpoint_directory;
        struct statvfs v;
        if (path && statvfs(path, &v) == 0)
            (void)buffer_printf(b, "%s{store=\"%s\"} %" PRIu64 "\n", f->name, store_names[i],
                                (uint64_t)v.f_frsize * (free ? v.f_bavail : v.f_blocks));
    }
}

void render_store_free(struct buffer *b, const struct snapshot *s, const struct family *f) {
    space(b, s, f, true);
}

void render_store_size(struct buffer *b, const struct snapshot *s, const struct family *f) {
    space(b, s, f, false);
}
