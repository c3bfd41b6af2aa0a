#include "job/rates.h"

/* Not the partitions' sums: those leave, and come back with all that they had counted. */
static struct rates_sample sample_of(const struct job_metrics *m, int64_t now_ms) {
    return (struct rates_sample){.at_ms = now_ms,
                                 .records = m->records,
                                 .bytes_in = m->bytes_in,
                                 .bytes_out = m->bytes_out,
                                 .store_busy_ms = m->output.busy_ms,
                                 .worker = m->worker};
}

/* The newest sample that is at least ms old, else the oldest. */
static const struct rates_sample *back(const struct rates *r, int64_t now_ms, int64_t ms) {
    const struct rates_sample *s = NULL;
    size_t kept = r->n < RATES_KEPT ? r->n : RATES_KEPT;
    for (size_t i = 1; i <= kept; i++) {
        s = &r->samples[(r->n - i) % RATES_KEPT];
        if (now_ms - s->at_ms >= ms)
            break;
    }
    return s;
}

static double per_second(uint64_t now, uint64_t then, int64_t ms) {
    return now > then ? (double)(now - then) * 1000 / (double)ms : 0;
}

static uint64_t share(uint64_t now, uint64_t then, int64_t ms) {
    double v = per_second(now, then, ms);
    return v > 1000 ? 1000 : (uint64_t)(v + 0.5);
}

void rates_update(struct rates *r, struct job_metrics *m, int64_t now_ms) {
    struct rates_sample now = sample_of(m, now_ms);
    const struct rates_sample *then = back(r, now_ms, RATES_LONG_MS);
    if (then && now_ms > then->at_ms) {
        int64_t ms = now_ms - then->at_ms;
        m->records_rate = per_second(now.records, then->records, ms);
        m->bytes_in_rate = per_second(now.bytes_in, then->bytes_in, ms);
        m->bytes_out_rate = per_second(now.bytes_out, then->bytes_out, ms);
    }
    then = back(r, now_ms, RATES_SHORT_MS);
    if (then && now_ms > then->at_ms) {
        int64_t ms = now_ms - then->at_ms;
        m->worker_rate.busy_ms = share(now.worker.busy_ms, then->worker.busy_ms, ms);
        m->worker_rate.backpressured_ms =
            share(now.worker.backpressured_ms, then->worker.backpressured_ms, ms);
        m->worker_rate.idle_ms = share(now.worker.idle_ms, then->worker.idle_ms, ms);
        m->output_busy_rate = share(now.store_busy_ms, then->store_busy_ms, ms);
    }
    r->samples[r->n++ % RATES_KEPT] = now;
}
