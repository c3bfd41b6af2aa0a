#include "job/sampler.h"

#include <stdio.h>
#include <string.h>

void sampler_arm(struct sampler *s) {
    s->late_due = s->rejected_due = s->journal != NULL;
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
    if (!s->late_due)
        return;
    s->late_due = false;
    struct journal_sample sample = sample_of(p, r);
    sample.ts = ev->timestamp;
    sample.window_start = at->window_start;
    sample.watermark = partition_watermark(p);
    journal_add_sample(s->journal, true, &sample);
}

void sampler_rejected(struct sampler *s, const struct partition *p, const struct record *r,
                      const struct event *ev) {
    if (!s->rejected_due)
        return;
    s->rejected_due = false;
    struct journal_sample sample = sample_of(p, r);
    sample.reason = reject_reason_name(ev->reason);
    (void)snprintf(sample.detail, sizeof sample.detail, "%s", ev->detail);
    journal_add_sample(s->journal, false, &sample);
}
