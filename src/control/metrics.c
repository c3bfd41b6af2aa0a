#include "control/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/histogram.h"
#include "base/memory.h"
#include "control/metrics_internal.h"

const double delay_bounds[DELAY_BUCKETS] = {0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800};

void delay_observe(struct delay_histogram *h, int64_t ms) {
    if (ms < 0)
        ms = 0;
    h->counts[histogram_bucket(delay_bounds, DELAY_BUCKETS, ms, 1e3)]++;
    h->sum_ms += (uint64_t)ms;
}

const double turn_bounds[TURN_BUCKETS] = {
    0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.0007, 0.001, 0.0015, 0.002, 0.003,
    0.005,  0.007,   0.01,   0.015,  0.02,   0.03,   0.05,  0.07,   0.1,   0.15,
    0.2,    0.3,     0.5,    0.7,    1,      1.5,    2,     3,      5};

void turn_observe(struct turn_histogram *h, int64_t us) {
    h->counts[histogram_bucket(turn_bounds, TURN_BUCKETS, us, 1e6)]++;
    h->sum_us += (uint64_t)us;
}

void delay_add(struct delay_histogram *to, const struct delay_histogram *more) {
    for (int b = 0; b <= DELAY_BUCKETS; b++)
        to->counts[b] += more->counts[b];
    to->sum_ms += more->sum_ms;
}

void partition_counters_add(struct partition_counters *to, const struct partition_counters *more) {
    for (int c = 0; c < CLASS_COUNT; c++)
        to->events[c] += more->events[c];
    for (int r = 0; r < METRICS_REASONS_MAX; r++)
        to->rejected[r] += more->rejected[r];
    to->records += more->records;
    to->key_mismatches += more->key_mismatches;
    to->bytes_in += more->bytes_in;
    to->bytes_out += more->bytes_out;
    to->lines_out += more->lines_out;
    to->files_published += more->files_published;
    to->events_published += more->events_published;
    to->bytes_published += more->bytes_published;
    to->checkpoints += more->checkpoints;
    to->checkpoint_failures += more->checkpoint_failures;
    to->restores += more->restores;
    delay_add(&to->visibility, &more->visibility);
}

const char *file_state_name(enum file_state s) {
    static const char *const names[] = {"open", "sealed", "publishing"};
    return names[s];
}

const char *job_state_name(enum job_state s) {
    static const char *const names[] = {"CREATED",  "RUNNING",  "RESTARTING", "CANCELLING",
                                        "CANCELED", "FINISHED", "FAILED"};
    return names[s];
}

struct metrics *metrics_new(struct clock *clock) {
    struct metrics *m = xcalloc(1, sizeof *m);
    (void)pthread_mutex_init(&m->lock, NULL);
    m->clock = clock;
    m->started_wall_ms = clock_wall(clock);
    m->state = JOB_CREATED;
    m->entered_ms[JOB_CREATED] = m->started_wall_ms;
    atomic_init(&m->watched_until_ms, INT64_MIN);
    return m;
}

void job_metrics_free(struct job_metrics *copy) {
    free(copy->partitions);
    free(copy->files);
    *copy = (struct job_metrics){0};
}

void metrics_free(struct metrics *m) {
    if (!m)
        return;
    job_metrics_free(&m->now);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

static void *copy_array(void *into, const void *from, size_t n, size_t size) {
    void *copy = xrealloc(into, n * size);
    if (n)
        memcpy(copy, from, n * size);
    return copy;
}

static void copy_to(struct job_metrics *to, const struct job_metrics *from) {
    struct partition_metrics *partitions =
        copy_array(to->partitions, from->partitions, from->n_partitions, sizeof *partitions);
    struct open_file_metrics *files =
        copy_array(to->files, from->files, from->n_files, sizeof *files);
    *to = *from;
    to->partitions = partitions;
    to->files = files;
}

void metrics_publish(struct metrics *m, const struct job_metrics *now) {
    (void)pthread_mutex_lock(&m->lock);
    copy_to(&m->now, now);
    (void)pthread_mutex_unlock(&m->lock);
}

void metrics_copy(struct metrics *m, struct job_metrics *out) {
    *out = (struct job_metrics){0};
    (void)pthread_mutex_lock(&m->lock);
    copy_to(out, &m->now);
    (void)pthread_mutex_unlock(&m->lock);
}

void metrics_watch(struct metrics *m) {
    atomic_store(&m->watched_until_ms, clock_monotonic(m->clock) + METRICS_WATCHED_FOR_MS);
}

bool metrics_watched(struct metrics *m) {
    return clock_monotonic(m->clock) < atomic_load(&m->watched_until_ms);
}

bool metrics_healthy(struct metrics *m) {
    (void)pthread_mutex_lock(&m->lock);
    bool running = m->now.running;
    (void)pthread_mutex_unlock(&m->lock);
    return running;
}

void metrics_set_state(struct metrics *m, enum job_state s) {
    (void)pthread_mutex_lock(&m->lock);
    if (m->state != s) {
        m->state = s;
        m->entered_ms[s] = clock_wall(m->clock);
    }
    (void)pthread_mutex_unlock(&m->lock);
}

enum job_state metrics_state(struct metrics *m, int64_t entered_ms[JOB_STATE_COUNT]) {
    (void)pthread_mutex_lock(&m->lock);
    enum job_state s = m->state;
    if (entered_ms)
        memcpy(entered_ms, m->entered_ms, sizeof m->entered_ms);
    (void)pthread_mutex_unlock(&m->lock);
    return s;
}

int64_t metrics_now_ms(const struct metrics *m) {
    return clock_wall(m->clock);
}

int64_t metrics_started_ms(const struct metrics *m) {
    return m->started_wall_ms;
}

static void sum_offsets(const struct partition_metrics *p, struct job_sums *out) {
    if (p->begin >= 0 && p->position > p->begin)
        out->done += (uint64_t)(p->position - p->begin);
    if (p->end < 0 || p->position < 0)
        out->end_known = false;
    else if (p->end > p->position)
        out->todo += (uint64_t)(p->end - p->position);
}

void metrics_sum(const struct job_metrics *now, struct job_sums *out) {
    *out = (struct job_sums){.watermark = TS_NONE, .end_known = now->n_partitions > 0};
    for (size_t i = 0; i < now->n_partitions; i++) {
        const struct partition_metrics *p = &now->partitions[i];
        for (int c = 0; c < CLASS_COUNT; c++)
            out->records += p->count.events[c];
        out->events += p->count.events[CLASS_EVENT];
        out->late += p->count.events[CLASS_LATE];
        out->rejected += p->count.events[CLASS_REJECTED];
        out->open_windows += p->open_windows;
        out->files_published += p->count.files_published;
        if (p->checkpoint_number > out->checkpoint_number)
            out->checkpoint_number = p->checkpoint_number;
        if (p->watermark != TS_NONE && (out->watermark == TS_NONE || p->watermark < out->watermark))
            out->watermark = p->watermark;
        sum_offsets(p, out);
    }
}
