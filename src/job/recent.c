#include "job/recent.h"

static struct recent_sample recent_of(const struct job_metrics *m, int64_t now_ms) {
    struct recent_sample s = {.at_ms = now_ms,
                              .worker = m->worker,
                              .output_errors = store_counters_errors(&m->output),
                              .output_retries = store_counters_retries(&m->output),
                              .checkpoint_errors = store_counters_errors(&m->checkpoints),
                              .checkpoint_retries = store_counters_retries(&m->checkpoints)};
    for (int c = 0; c < CLASS_COUNT; c++)
        s.records += m->events[c];
    s.late = m->events[CLASS_LATE];
    s.rejected = m->events[CLASS_REJECTED];
    for (size_t i = 0; i < m->n_partitions; i++) {
        const struct partition_metrics *p = &m->partitions[i];
        if (p->end >= 0 && p->position >= 0) {
            s.lagging++;
            s.lag += p->end > p->position ? p->end - p->position : 0;
        }
    }
    return s;
}

/* None of them falls, but for a sum over the stores of a worker that has begun anew. */
static uint64_t since(uint64_t now, uint64_t then) {
    return now > then ? now - then : 0;
}

static uint64_t of_a_second(uint64_t now, uint64_t then, int64_t ms) {
    uint64_t v = since(now, then) * 1000 / (uint64_t)ms;
    return v > 1000 ? 1000 : v;
}

void recent_update(struct recent_memory *r, struct job_metrics *m, int64_t now_ms) {
    struct recent_sample now = recent_of(m, now_ms);
    size_t kept = r->n < RECENT_KEPT ? r->n : RECENT_KEPT;
    const struct recent_sample *then =
        kept ? &r->samples[(r->n - kept) % RECENT_KEPT] : NULL; /* the oldest */
    m->recent = (struct recent){0};
    if (then && now_ms > then->at_ms) {
        int64_t ms = now_ms - then->at_ms;
        m->recent = (struct recent){
            .ms = ms,
            .worker = {of_a_second(now.worker.busy_ms, then->worker.busy_ms, ms),
                       of_a_second(now.worker.backpressured_ms, then->worker.backpressured_ms, ms),
                       of_a_second(now.worker.idle_ms, then->worker.idle_ms, ms)},
            .records = since(now.records, then->records),
            .late = since(now.late, then->late),
            .rejected = since(now.rejected, then->rejected),
            .output_errors = since(now.output_errors, then->output_errors),
            .output_retries = since(now.output_retries, then->output_retries),
            .checkpoint_errors = since(now.checkpoint_errors, then->checkpoint_errors),
            .checkpoint_retries = since(now.checkpoint_retries, then->checkpoint_retries),
            /* Of other partitions nothing can be said. */
            .lag_growth = now.lagging == then->lagging
                              ? (double)(now.lag - then->lag) * 1000 / (double)ms
                              : 0};
    }
    if (!kept || now_ms - r->samples[(r->n - 1) % RECENT_KEPT].at_ms >= RECENT_EVERY_MS)
        r->samples[r->n++ % RECENT_KEPT] = now;
}
