#include "control/health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

/* What is no trouble yet. */
enum {
    START_PATIENCE_MS = MINUTE,       /* until partitions are assigned and claimed */
    LAG_PATIENCE_MS = 5 * MINUTE,     /* behind Kafka by its own timestamps */
    GROWTH_PATIENCE_MS = 30 * SECOND, /* the same, while the lag grows */
    A_MOMENT_S = 10,                  /* a backlog that is read so soon is none */
    IDLE_PATIENCE_MS = 10 * MINUTE,   /* a partition without records while others have some */
    AHEAD_PATIENCE_MS = 10 * MINUTE,  /* a watermark before the newest record's timestamp */
    RECENT_ENOUGH_MS = 10 * SECOND,   /* below this, `recent` says little */
    SHARE_OF_AT_LEAST = 100,          /* records, before a share of them says anything */
    LATE_PERCENT = 5,
    REJECTED_PERCENT = 1,
    REJECTED_BAD_PERCENT = 50,
    BUSY = 500,          /* ms in 1,000: most of the time */
    MEMORY_PERCENT = 85, /* about here the worker stops fetching */
    RESTARTS_WITHIN_MS = HOUR
};

const char *health_level_name(enum health_level l) {
    static const char *const names[] = {"ok", "warn", "bad", "ended"};
    return names[l];
}

const char *health_stage_name(enum health_stage s) {
    static const char *const names[] = {"kafka", "worker", "store", "checkpoint", "data", "job"};
    return names[s];
}

/* ---- Findings ------------------------------------------------------------------------------------ */

/* The caller has room for all findings that there can be: each code comes once. */
static struct finding *find(struct health *h, enum health_level level, enum health_stage stage,
                            const char *code, int32_t partition) {
    struct finding *f = &h->findings[h->n < FINDINGS_MAX ? h->n++ : FINDINGS_MAX - 1];
    *f = (struct finding){.level = level, .stage = stage, .code = code, .partition = partition};
    return f;
}

__attribute__((format(printf, 2, 3))) static void text(struct finding *f, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
}

__attribute__((format(printf, 2, 3))) static void advice(struct finding *f, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(f->advice, sizeof f->advice, fmt, ap);
    va_end(ap);
}

/* "5 min" for people. */
struct span {
    char text[24];
};
static struct span span(int64_t ms) {
    struct span s;
    if (ms < 2 * MINUTE)
        (void)snprintf(s.text, sizeof s.text, "%" PRId64 " s", ms / SECOND);
    else if (ms < 2 * HOUR)
        (void)snprintf(s.text, sizeof s.text, "%" PRId64 " min", ms / MINUTE);
    else if (ms < 48 * HOUR)
        (void)snprintf(s.text, sizeof s.text, "%" PRId64 " h", ms / HOUR);
    else
        (void)snprintf(s.text, sizeof s.text, "%" PRId64 " days", ms / (24 * HOUR));
    return s;
}

/* Of the partitions that have the same trouble: how many, and the one with the greatest value. */
struct worst {
    size_t n;
    const struct partition_metrics *p;
    int64_t value;
};

static void note(struct worst *w, const struct partition_metrics *p, int64_t value) {
    if (w->n++ == 0 || value > w->value) {
        w->p = p;
        w->value = value;
    }
}

/* "partition 3", "partition 3 and 2 others". */
struct which {
    char text[64];
};
static struct which which(const struct worst *w) {
    struct which s;
    if (w->n == 1)
        (void)snprintf(s.text, sizeof s.text, "partition %" PRId32, w->p->partition);
    else
        (void)snprintf(s.text, sizeof s.text, "partition %" PRId32 " and %zu other%s",
                       w->p->partition, w->n - 1, w->n == 2 ? "" : "s");
    return s;
}

/* ---- The job ------------------------------------------------------------------------------------- */

static const char *newest_error(const struct health_facts *f, const char *kind) {
    for (size_t i = 0; i < f->n_errors; i++)
        if (strcmp(f->errors[i].kind, kind) == 0)
            return f->errors[i].text;
    return "the log says why";
}

static int64_t in_state_ms(const struct health_facts *f) {
    int64_t since = f->entered_ms[f->state];
    return since > 0 && f->now_ms > since ? f->now_ms - since : 0;
}

static void judge_ended(const struct health_facts *f, struct health *h) {
    if (f->state != JOB_FAILED)
        return;
    struct finding *x = find(h, HEALTH_BAD, AT_JOB, "job_failed", -1);
    text(x, "the job has failed: %.*s", HEALTH_ERROR_MAX, newest_error(f, "job_failed"));
    advice(x, "mend the cause and start it again: it goes on behind its newest checkpoint");
}

static void judge_state(const struct health_facts *f, struct health *h) {
    int64_t ms = in_state_ms(f);
    if (f->state == JOB_RESTARTING) {
        struct finding *x = find(h, HEALTH_BAD, AT_JOB, "job_restarting", -1);
        text(x, "the job failed and tries again: %.*s", HEALTH_ERROR_MAX,
             newest_error(f, "job_restarting"));
        advice(x, "it goes on by itself once the cause is gone; restart.attempts says how often");
    } else if (f->state == JOB_CREATED) {
        bool long_ago = ms > START_PATIENCE_MS;
        struct finding *x = find(h, long_ago ? HEALTH_WARN : HEALTH_OK, AT_JOB, "job_starting", -1);
        text(x, "the job has been starting for %s", span(ms).text);
        advice(x, "are Kafka (%s) and the stores reachable? the log says what it waits for",
               f->info->brokers);
    } else if (f->state == JOB_CANCELLING) {
        struct finding *x = find(h, HEALTH_OK, AT_JOB, "job_stopping", -1);
        text(x, "the job is told to stop: it puts a last checkpoint, then it ends");
    }
}

static void judge_restarts(const struct health_facts *f, struct health *h) {
    size_t n = 0;
    for (size_t i = 0; i < f->n_errors; i++)
        n += strcmp(f->errors[i].kind, "job_restarting") == 0 &&
             f->now_ms - f->errors[i].at_ms < RESTARTS_WITHIN_MS;
    if (n == 0 || f->state != JOB_RUNNING)
        return;
    struct finding *x = find(h, HEALTH_WARN, AT_JOB, "restarted", -1);
    text(x, "the job has restarted %zu time%s within the last hour: %.*s", n, n == 1 ? "" : "s",
         HEALTH_ERROR_MAX, newest_error(f, "job_restarting"));
    advice(x, "it fails for good after restart.attempts of them within an hour");
}

/* ---- Kafka --------------------------------------------------------------------------------------- */

static void judge_brokers(const struct health_facts *f, struct health *h) {
    if (!f->metrics->kafka_silent)
        return;
    struct finding *x = find(h, HEALTH_BAD, AT_KAFKA, "kafka_unreachable", -1);
    text(x, "no Kafka broker answers at %s", f->info->brokers);
    advice(x, "the log's kafka_unreachable line says why; reading goes on by itself when one does");
}

static void judge_assignment(const struct health_facts *f, struct health *h) {
    const struct job_metrics *m = f->metrics;
    int64_t ms = in_state_ms(f);
    struct worst w = {0};
    if (m->n_partitions == 0 && ms > START_PATIENCE_MS && !m->kafka_silent) {
        struct finding *x = find(h, HEALTH_WARN, AT_KAFKA, "no_partition", -1);
        text(x, "Kafka assigns no partition of topic %s to this process", f->info->topic);
        advice(x,
               "other processes of group %s have them all; more processes than partitions "
               "stand by",
               f->info->group_id);
    }
    for (size_t i = 0; i < m->n_partitions; i++)
        if (strcmp(m->partitions[i].state, "running") != 0 &&
            strcmp(m->partitions[i].state, "ended") != 0)
            note(&w, &m->partitions[i], 0);
    if (w.n) {
        struct finding *x = find(h, ms > START_PATIENCE_MS ? HEALTH_WARN : HEALTH_OK, AT_CHECKPOINT,
                                 "partition_starting", w.p->partition);
        text(x, "%s: not read yet (%s)", which(&w).text, w.p->state);
        advice(x, "its checkpoints in %s are read and claimed first", f->info->checkpoints);
    }
}

/* By Kafka's timestamps; negative where there is no lag or it is not known. */
static int64_t behind_ms(const struct health_facts *f, const struct partition_metrics *p) {
    if (p->end < 0 || p->position < 0 || p->position >= p->end || p->record_ts == TS_NONE)
        return -1;
    /* Records may carry old timestamps; what is read in a moment is no lag, however old it is. */
    if ((double)(p->end - p->position) <= f->metrics->records_rate * A_MOMENT_S)
        return -1;
    return f->now_ms - p->record_ts;
}

static enum health_stage narrowest(const struct recent *r) {
    return r->worker.backpressured_ms >= BUSY                                   ? AT_STORE
           : r->worker.busy_ms > r->worker.idle_ms && r->worker.busy_ms >= BUSY ? AT_WORKER
                                                                                : AT_KAFKA;
}

static void judge_lag(const struct health_facts *f, struct health *h) {
    const struct job_metrics *m = f->metrics;
    const struct recent *r = &m->recent;
    bool known = r->ms >= RECENT_ENOUGH_MS;
    bool grows = known && r->lag_growth > 1;
    struct worst w = {0};
    for (size_t i = 0; i < m->n_partitions; i++)
        if (behind_ms(f, &m->partitions[i]) > (grows ? GROWTH_PATIENCE_MS : LAG_PATIENCE_MS))
            note(&w, &m->partitions[i], behind_ms(f, &m->partitions[i]));
    if (w.n == 0 || f->info->bounded)
        return;
    bool shrinks = known && r->lag_growth < -1;
    struct finding *x = find(h, shrinks ? HEALTH_OK : HEALTH_WARN, narrowest(r),
                             grows     ? "lag_growing"
                             : shrinks ? "catching_up"
                                       : "lag_large",
                             w.p->partition);
    text(x, "%s: %s behind Kafka, %" PRId64 " records to read%s", which(&w).text,
         span(w.value).text, w.p->end - w.p->position,
         grows     ? ", and more come than are read"
         : shrinks ? ", and getting fewer"
                   : "");
    static const char *const advices[] = {
        [AT_KAFKA] = "fetching is slow: look at brokers, the network, and transactions left open",
        [AT_WORKER] = "it reads as fast as it can: start more processes, up to one a partition",
        [AT_STORE] = "the store takes less than comes: see its findings"};
    advice(x, "%s", advices[x->stage]);
}

/* ---- Worker and store ---------------------------------------------------------------------------- */

static void judge_pressure(const struct health_facts *f, struct health *h) {
    const struct job_metrics *m = f->metrics;
    const struct recent *r = &m->recent;
    if (r->ms >= RECENT_ENOUGH_MS && r->worker.backpressured_ms >= BUSY) {
        struct finding *x = find(h, HEALTH_WARN, AT_STORE, "store_slow", -1);
        text(x, "for %" PRIu64 " %% of the time the worker waits for the store at %s",
             r->worker.backpressured_ms / 10, f->info->output);
        advice(x, "the store takes less than Kafka gives: look at its latency and the network, or "
                  "compress (output.compression)");
    }
    if (m->memory_budget && m->memory_used >= m->memory_budget / 100 * MEMORY_PERCENT) {
        struct finding *x = find(h, HEALTH_WARN, AT_WORKER, "memory_full", -1);
        text(x, "buffers hold %" PRIu64 " MiB of %" PRIu64 " MiB: fetching waits for the store",
             m->memory_used >> 20, m->memory_budget >> 20);
        advice(x, "with many open windows, raise memory.limit; else the store is too slow");
    }
}

static void judge_store(struct health *h, const char *code, const char *path, uint64_t errors,
                        uint64_t retries, enum health_stage stage) {
    if (errors == 0)
        return;
    struct finding *x = find(h, HEALTH_WARN, stage, code, -1);
    text(x, "%" PRIu64 " requests to %s failed within the last minute, %" PRIu64 " were repeated",
         errors, path, retries);
    advice(x,
           "they are repeated until they succeed; tidemark_store_requests_total says what fails, "
           "the log why");
}

static void judge_stores(const struct health_facts *f, struct health *h) {
    const struct recent *r = &f->metrics->recent;
    judge_store(h, "output_errors", f->info->output, r->output_errors, r->output_retries, AT_STORE);
    judge_store(h, "checkpoint_store_errors", f->info->checkpoints, r->checkpoint_errors,
                r->checkpoint_retries, AT_CHECKPOINT);
}

/* ---- Checkpoints --------------------------------------------------------------------------------- */

static const struct journal_checkpoint *newest_of(const struct health_facts *f, int32_t partition) {
    for (size_t i = 0; i < f->n_checkpoints; i++)
        if (f->checkpoints[i].partition == partition)
            return &f->checkpoints[i];
    return NULL;
}

/* An unchanged partition puts none, so the newest one's age alone says nothing. */
static bool is_old(const struct health_facts *f, const struct partition_metrics *p) {
    return strcmp(p->state, "running") == 0 &&
           p->unsaved_ms > 3 * f->info->checkpoint_interval_ms + f->info->checkpoint_timeout_ms;
}

static void judge_checkpoints(const struct health_facts *f, struct health *h) {
    const struct job_metrics *m = f->metrics;
    struct worst failing = {0}, old = {0};
    for (size_t i = 0; i < m->n_partitions; i++) {
        const struct partition_metrics *p = &m->partitions[i];
        const struct journal_checkpoint *k = newest_of(f, p->partition);
        if (k && k->failed)
            note(&failing, p, k->at_ms);
        else if (is_old(f, p))
            note(&old, p, p->unsaved_ms);
    }
    if (failing.n) {
        struct finding *x =
            find(h, HEALTH_BAD, AT_CHECKPOINT, "checkpoint_failing", failing.p->partition);
        text(x, "%s: the newest checkpoint is %.*s", which(&failing).text, HEALTH_ERROR_MAX,
             newest_of(f, failing.p->partition)->why);
        advice(x,
               "nothing is published without checkpoints; more than %" PRId64
               " failures in a row restart the job",
               f->info->tolerable_failures);
    }
    if (old.n) {
        struct finding *x = find(h, HEALTH_BAD, AT_CHECKPOINT, "checkpoint_old", old.p->partition);
        text(x, "%s: what it has read is in no checkpoint for %s", which(&old).text,
             span(old.value).text);
        advice(x, "one is due every %s; is %s reachable?",
               span(f->info->checkpoint_interval_ms).text, f->info->checkpoints);
    }
}

static void judge_replay(const struct health_facts *f, struct health *h) {
    struct worst w = {0};
    for (size_t i = 0; i < f->metrics->n_partitions; i++)
        if (f->metrics->partitions[i].replaying)
            note(&w, &f->metrics->partitions[i], 0);
    if (!w.n)
        return;
    struct finding *x = find(h, HEALTH_OK, AT_CHECKPOINT, "replaying", w.p->partition);
    text(x, "%s: records behind the last checkpoint are read again", which(&w).text);
}

/* ---- Data ---------------------------------------------------------------------------------------- */

static void judge_watermarks(const struct health_facts *f, struct health *h) {
    struct worst w = {0};
    for (size_t i = 0; i < f->metrics->n_partitions; i++) {
        const struct partition_metrics *p = &f->metrics->partitions[i];
        if (p->watermark == TS_NONE)
            continue;
        bool before_records =
            p->record_ts != TS_NONE && p->watermark > p->record_ts + AHEAD_PATIENCE_MS;
        /* The demo's clock runs ahead of ours, and stamps its records. */
        bool before_now = p->watermark > f->now_ms && !f->info->embedded;
        if (before_now || before_records)
            note(&w, p, p->watermark - (before_records ? p->record_ts : f->now_ms));
    }
    if (!w.n)
        return;
    struct finding *x = find(h, HEALTH_WARN, AT_DATA, "watermark_ahead", w.p->partition);
    text(x,
         "%s: the watermark is %s ahead of the records: an event with a timestamp in the future "
         "has moved it, so what comes now is late until then",
         which(&w).text, span(w.value).text);
    advice(x, "event.max_future rejects such events; mend the clock of whoever sends them");
}

static void judge_idle(const struct health_facts *f, struct health *h) {
    struct worst w = {0};
    bool others = false;
    for (size_t i = 0; i < f->metrics->n_partitions; i++) {
        const struct partition_metrics *p = &f->metrics->partitions[i];
        int64_t quiet = p->record_ts == TS_NONE ? -1 : f->now_ms - p->record_ts;
        others |= quiet >= 0 && quiet <= IDLE_PATIENCE_MS;
        if (quiet > IDLE_PATIENCE_MS && p->end >= 0 && p->position >= p->end && p->open_windows)
            note(&w, p, quiet);
    }
    if (!w.n || f->info->bounded)
        return;
    struct finding *x =
        find(h, others ? HEALTH_WARN : HEALTH_OK, AT_DATA, "partition_idle", w.p->partition);
    text(x,
         "%s: the newest record is %s old, so the watermark stands and %" PRIu64
         " windows stay open",
         which(&w).text, span(w.value).text, w.p->open_windows);
    advice(x, "only a partition's own records move its watermark; window.idle_flush publishes what "
              "its files hold");
}

static void judge_shares(const struct health_facts *f, struct health *h) {
    const struct recent *r = &f->metrics->recent;
    if (r->records < SHARE_OF_AT_LEAST)
        return;
    uint64_t late = r->late * 100 / r->records, rejected = r->rejected * 100 / r->records;
    if (late >= LATE_PERCENT) {
        struct finding *x = find(h, HEALTH_WARN, AT_DATA, "late_share", -1);
        text(x, "%" PRIu64 " %% of the records within the last minute are late", late);
        advice(x, "they are kept in _late/; /tidemark/samples shows some; raise "
                  "window.out_of_orderness or window.allowed_lateness");
    }
    if (rejected >= REJECTED_PERCENT) {
        struct finding *x = find(h, rejected >= REJECTED_BAD_PERCENT ? HEALTH_BAD : HEALTH_WARN,
                                 AT_DATA, "rejected_share", -1);
        text(x, "%" PRIu64 " %% of the records within the last minute are rejected", rejected);
        advice(x, "they are kept in _rejected/ with the reason; /tidemark/samples shows some; do "
                  "event.key_field, event.timestamp_field and event.timestamp_format fit?");
    }
}

static void judge_keys(const struct health_facts *f, struct health *h) {
    struct worst w = {0};
    for (size_t i = 0; i < f->metrics->n_partitions; i++)
        if (f->metrics->partitions[i].count.key_mismatches)
            note(&w, &f->metrics->partitions[i],
                 (int64_t)f->metrics->partitions[i].count.key_mismatches);
    if (!w.n)
        return;
    struct finding *x = find(h, HEALTH_WARN, AT_DATA, "key_mismatch", w.p->partition);
    text(x, "%s: %" PRId64 " records have another key than their event", which(&w).text, w.value);
    advice(x, "key the topic by the event's key field, or events of one key stand in files of "
              "several partitions");
}

/* ---- The whole ----------------------------------------------------------------------------------- */

/* The worst first; else as they were found. */
static void sort(struct health *h) {
    for (size_t i = 1; i < h->n; i++)
        for (size_t k = i; k > 0 && h->findings[k].level > h->findings[k - 1].level; k--) {
            struct finding x = h->findings[k];
            h->findings[k] = h->findings[k - 1];
            h->findings[k - 1] = x;
        }
}

static void summarize(const struct health_facts *f, struct health *h) {
    const struct job_metrics *m = f->metrics;
    if (f->state == JOB_CANCELED || f->state == JOB_FINISHED) {
        h->level = HEALTH_ENDED;
        (void)snprintf(h->summary, sizeof h->summary, "the job has ended (%s)",
                       job_state_name(f->state));
        return;
    }
    h->level = h->n ? h->findings[0].level : HEALTH_OK;
    if (h->level != HEALTH_OK || (h->n && f->state != JOB_RUNNING))
        (void)snprintf(h->summary, sizeof h->summary, "%s", h->findings[0].text);
    else
        (void)snprintf(h->summary, sizeof h->summary,
                       "all is well: %zu partition%s, %.0f records a second", m->n_partitions,
                       m->n_partitions == 1 ? "" : "s", m->records_rate);
}

void health_judge(const struct health_facts *f, struct health *h) {
    h->n = 0;
    if (f->state == JOB_FAILED || f->state == JOB_CANCELED || f->state == JOB_FINISHED) {
        judge_ended(f, h);
    } else {
        judge_state(f, h);
        judge_restarts(f, h);
    }
    if (f->state == JOB_RUNNING) {
        judge_checkpoints(f, h);
        judge_stores(f, h);
        judge_brokers(f, h);
        judge_assignment(f, h);
        judge_pressure(f, h);
        judge_lag(f, h);
        judge_watermarks(f, h);
        judge_idle(f, h);
        judge_shares(f, h);
        judge_keys(f, h);
        judge_replay(f, h);
    }
    sort(h);
    summarize(f, h);
}
