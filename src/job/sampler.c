#include "job/sampler.h"

#include <stdio.h>
#include <string.h>

enum { SAMPLE_MS = 250 };

/* The first one is taken always. */
static bool is_due(const struct sampler *s, int64_t *due_ms) {
    if (!s->journal || *s->now_ms < *due_ms)
        return false;
    *due_ms = *s->now_ms + SAMPLE_MS;
    return true;
}

static struct journal_sample sample_of(const struct partition *p, const struct record *r) {
    struct journal_sample out = {
        .partition = p->cfg.id,
        .offset = r->offset,
        .record_ts = r->timestamp == RECORD_NO_TIMESTAMP ? TS_NONE : r->timestamp,
        .ts = TS_NONE,
        .window_start = TS_NONE,
        .watermark = TS_NONE,
        .value_len = r->value_len,
        .kept = r->value_len < JOURNAL_VALUE_MAX ? r->value_len : JOURNAL_VALUE_MAX};
    if (out.kept)
        memcpy(out.value, r->value, out.kept);
    return out;
}

void sampler_late(struct sampler *s, const struct partition *p, const struct record *r,
                  const struct event *ev, const struct placement *at) {
    if (!is_due(s, &s->late_due_ms))
        return;
    struct journal_sample sample = sample_of(p, r);
    sample.ts = ev->timestamp;
    sample.window_start = at->window_start;
    sample.watermark = partition_watermark(p);
    journal_add_sample(s->journal, true, &sample);
}

void sampler_rejected(struct sampler *s, const struct partition *p, const struct record *r,
                      const struct event *ev) {
    if (!is_due(s, &s->rejected_due_ms))
        return;
    struct journal_sample sample = sample_of(p, r);
    sample.reason = reject_reason_name(ev->reason);
    (void)snprintf(sample.detail, sizeof sample.detail, "%s", ev->detail);
    journal_add_sample(s->journal, false, &sample);
}
