#include "support/fake_source.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { POLLS_MAX = 2000000 };

struct fake_record {
    bool hole;
    int broken; /* so many deliveries are an error */
    int64_t timestamp;
    char *key, *value;
};

struct fake_log {
    struct fake_record *records; /* by offset */
    size_t cap;
    int64_t start, end, committed;
};

struct fake_topic {
    struct fake_log *logs;
    int32_t n;
};

struct fake_position {
    int32_t partition;
    int64_t offset;
    bool at_end; /* and said so */
    bool left;
    bool fetched; /* since the last poll() */
};

/* ---- The topic ---------------------------------------------------------------------------------- */

struct fake_topic *fake_topic_new(int32_t partitions) {
    struct fake_topic *t = xcalloc(1, sizeof *t);
    while (t->n < partitions)
        (void)fake_topic_grow(t);
    return t;
}

int32_t fake_topic_grow(struct fake_topic *t) {
    t->logs = xrealloc(t->logs, ((size_t)t->n + 1) * sizeof *t->logs);
    t->logs[t->n] = (struct fake_log){.committed = -1};
    return t->n++;
}

static struct fake_log *log_of(const struct fake_topic *t, int32_t partition) {
    assert(partition >= 0 && partition < t->n);
    return &t->logs[partition];
}

static struct fake_record *append(struct fake_log *l) {
    array_reserve(&l->records, &l->cap, (size_t)l->end + 1, sizeof *l->records);
    struct fake_record *r = &l->records[l->end++];
    *r = (struct fake_record){0};
    return r;
}

int64_t fake_topic_add(struct fake_topic *t, int32_t partition, int64_t timestamp, const char *key,
                       const char *value) {
    struct fake_log *l = log_of(t, partition);
    struct fake_record *r = append(l);
    r->timestamp = timestamp;
    r->key = key ? xstrdup(key) : NULL;
    r->value = value ? xstrdup(value) : NULL;
    return l->end - 1;
}

void fake_topic_skip(struct fake_topic *t, int32_t partition, int64_t n) {
    while (n-- > 0)
        append(log_of(t, partition))->hole = true;
}

void fake_topic_trim(struct fake_topic *t, int32_t partition, int64_t start) {
    struct fake_log *l = log_of(t, partition);
    assert(start <= l->end);
    l->start = start;
}

void fake_topic_empty(struct fake_topic *t, int32_t partition) {
    struct fake_log *l = log_of(t, partition);
    for (int64_t i = 0; i < l->end; i++) {
        free(l->records[i].key);
        free(l->records[i].value);
    }
    l->start = l->end = 0;
}

void fake_topic_break(struct fake_topic *t, int32_t partition, int64_t offset, int times) {
    struct fake_log *l = log_of(t, partition);
    assert(offset < l->end);
    l->records[offset].broken = times;
}

int64_t fake_topic_end(const struct fake_topic *t, int32_t partition) {
    return log_of(t, partition)->end;
}

int64_t fake_topic_committed(const struct fake_topic *t, int32_t partition) {
    return log_of(t, partition)->committed;
}

void fake_topic_free(struct fake_topic *t) {
    for (int32_t i = 0; i < t->n; i++) {
        fake_topic_empty(t, i);
        free(t->logs[i].records);
    }
    free(t->logs);
    free(t);
}

/* ---- A source: questions ------------------------------------------------------------------------ */

static struct fake_source *self(struct source *s) {
    return (struct fake_source *)s;
}

static int refuse(struct source *s, enum fake_call call, struct error *e) {
    static const char *const names[FAKE_CALLS] = {
        "poll", "cluster id",  "partition count", "bounds", "offsets for time",
        "peek", "check topic", "assign"};
    enum error_code code = self(s)->fails[call];
    if (code && self(s)->fail_times[call] > 0 && --self(s)->fail_times[call] == 0)
        self(s)->fails[call] = ERR_NONE;
    return code ? error_set(e, code, "scripted: %s at %s", error_name(code), names[call]) : 0;
}

static int cluster_id(struct source *s, int timeout_ms, char *dst, size_t cap, struct error *e) {
    (void)timeout_ms;
    (void)snprintf(dst, cap, "fake");
    return refuse(s, FAKE_CLUSTER_ID, e);
}

static int partition_count(struct source *s, int timeout_ms, int32_t *count, struct error *e) {
    (void)timeout_ms;
    *count = self(s)->topic->n;
    return refuse(s, FAKE_PARTITION_COUNT, e);
}

static int bounds(struct source *s, int32_t partition, int timeout_ms, int64_t *start, int64_t *end,
                  struct error *e) {
    (void)timeout_ms;
    const struct fake_log *l = log_of(self(s)->topic, partition);
    *start = l->start;
    *end = l->end;
    return refuse(s, FAKE_BOUNDS, e);
}

static int64_t offset_for_time(const struct fake_log *l, int64_t time_ms) {
    int64_t offset = l->start;
    while (offset < l->end && time_ms > 0 &&
           (l->records[offset].hole || l->records[offset].timestamp < time_ms))
        offset++;
    return offset;
}

static int offsets_for_time(struct source *s, int32_t n, int64_t time_ms, int timeout_ms,
                            int64_t *offsets, struct error *e) {
    (void)timeout_ms;
    for (int32_t i = 0; i < n; i++)
        offsets[i] = offset_for_time(log_of(self(s)->topic, i), time_ms);
    return refuse(s, FAKE_OFFSETS_FOR_TIME, e);
}

static struct record record_at(const struct fake_log *l, int64_t offset) {
    const struct fake_record *r = &l->records[offset];
    return (struct record){.offset = offset,
                           .timestamp = r->timestamp,
                           .key = r->key,
                           .key_len = r->key ? strlen(r->key) : 0,
                           .value = r->value,
                           .value_len = r->value ? strlen(r->value) : 0};
}

static int peek(struct source *s, int32_t partition, int64_t offset, int timeout_ms,
                enum source_peek *what, int64_t *found, uint32_t *crc32c, struct error *e) {
    (void)timeout_ms;
    const struct fake_log *l = log_of(self(s)->topic, partition);
    assert(offset >= l->start);
    *found = offset;
    while (*found < l->end && l->records[*found].hole)
        (*found)++;
    *what = offset > l->end   ? SOURCE_PEEK_PAST_END
            : *found < l->end ? SOURCE_PEEK_RECORD
                              : SOURCE_PEEK_EOF;
    if (*what == SOURCE_PEEK_RECORD) {
        struct record r = record_at(l, *found);
        *crc32c = record_crc32c(&r);
    }
    return refuse(s, FAKE_PEEK, e);
}

static int check_topic(struct source *s, int timeout_ms, struct error *e) {
    (void)timeout_ms;
    return refuse(s, FAKE_CHECK_TOPIC, e);
}

/* ---- A source: consuming ------------------------------------------------------------------------ */

static int assign(struct source *base, const struct source_position *positions, size_t n,
                  struct error *e) {
    struct fake_source *s = self(base);
    assert(s->owned);
    s->assigns++;
    s->positions = xrealloc(s->positions, (n + 1) * sizeof *s->positions);
    s->n_positions = n;
    for (size_t i = 0; i < n; i++)
        s->positions[i] = (struct fake_position){.partition = positions[i].partition,
                                                 .offset = positions[i].offset};
    return refuse(base, FAKE_ASSIGN, e);
}

static struct fake_position *position_of(struct fake_source *s, int32_t partition) {
    for (size_t i = 0; i < s->n_positions; i++)
        if (s->positions[i].partition == partition)
            return &s->positions[i];
    return NULL;
}

static int64_t next_record(const struct fake_log *l, int64_t offset) {
    while (offset < l->end && l->records[offset].hole)
        offset++;
    return offset;
}

static int out_of_range(const struct fake_position *at, const struct source_sink *sink) {
    struct error e;
    (void)error_set(&e, ERR_KAFKA, "scripted: partition %d offset %lld is out of range",
                    (int)at->partition, (long long)at->offset);
    return sink->error(sink->ctx, at->offset, &e);
}

static int deliver_record(struct fake_source *s, struct fake_position *at, struct fake_log *l,
                          int64_t offset, const struct source_sink *sink) {
    at->offset = offset + 1;
    if (l->records[offset].broken > 0) {
        struct error e;
        l->records[offset].broken--;
        (void)error_set(&e, ERR_KAFKA, "scripted: partition %d offset %lld: bad CRC",
                        (int)at->partition, (long long)offset);
        return sink->error(sink->ctx, offset, &e);
    }
    struct record r = record_at(l, offset);
    s->delivered++;
    int stop = sink->record(sink->ctx, &r);
    if (!stop)
        s->last = offset;
    return stop;
}

static size_t fetch(struct source *base, int32_t partition, size_t max,
                    const struct source_sink *sink) {
    struct fake_source *s = self(base);
    struct fake_position *at = position_of(s, partition);
    struct fake_log *l = log_of(s->topic, partition);
    size_t n = 0;
    assert(!s->suspended);
    s->last = -1;
    if (at)
        at->fetched = true;
    if (s->batch && max > s->batch)
        max = s->batch;
    while (at && !at->left && n < max) {
        int64_t offset = next_record(l, at->offset);
        int stop = 0;
        if (at->offset < l->start || at->offset > l->end) {
            stop = out_of_range(at, sink);
        } else if (offset < l->end) {
            at->at_end = false;
            stop = deliver_record(s, at, l, offset, sink);
        } else if (!at->at_end) {
            at->at_end = true;
            stop = sink->eof(sink->ctx, offset);
        } else {
            break;
        }
        n++;
        if (stop) {
            at->left = true;
            break;
        }
    }
    if (s->last >= 0 && sink->last) {
        struct record r = record_at(l, s->last);
        sink->last(sink->ctx, &r);
    }
    return n;
}

static void leave(struct source *base, int32_t partition) {
    struct fake_position *at = position_of(self(base), partition);
    if (at)
        at->left = true;
}

static bool records_wait(const struct fake_source *s) {
    for (size_t i = 0; i < s->n_positions && !s->suspended; i++) {
        const struct fake_log *l = log_of(s->topic, s->positions[i].partition);
        if (s->positions[i].left)
            continue;
        if (!s->positions[i].at_end || next_record(l, s->positions[i].offset) < l->end)
            return true;
    }
    return false;
}

/* It would hold up the others. */
static void check_all_are_fetched(struct fake_source *s) {
    for (size_t i = 0; i < s->n_positions; i++) {
        assert(s->positions[i].fetched || s->positions[i].left || s->was_suspended);
        s->positions[i].fetched = false;
    }
    s->was_suspended = s->suspended;
}

static void rebalance(struct fake_source *s) {
    if (s->taken) {
        s->taken = false;
        s->handler.revoked(s->handler.ctx);
        s->n_positions = 0;
        s->owned = false;
    }
    if (s->given) {
        s->given = false;
        s->owned = true;
        s->handler.assigned(s->handler.ctx, s->coming, s->n_coming);
    }
}

static int poll_source(struct source *base, int timeout_ms, struct error *e) {
    struct fake_source *s = self(base);
    if (++s->polls > POLLS_MAX) {
        (void)fprintf(stderr, "fake_source: the worker never ends\n");
        abort();
    }
    check_all_are_fetched(s);
    if (s->on_poll)
        s->on_poll(s->on_poll_ctx, s->polls);
    bool busy = s->taken || s->given || s->woken || records_wait(s);
    s->woken = false;
    fake_clock_advance(s->clock, busy || timeout_ms == 0 ? 1 : timeout_ms);
    rebalance(s);
    return refuse(base, FAKE_POLL, e);
}

static void wake(struct source *s) {
    self(s)->woken = true;
}

static void suspend(struct source *base, bool on) {
    self(base)->suspensions += on;
    self(base)->suspended = on;
    self(base)->was_suspended |= on;
}

static void commit(struct source *base, int32_t partition, int64_t next) {
    log_of(self(base)->topic, partition)->committed = next;
}

static void free_source(struct source *base) {
    free(self(base)->positions);
    free(self(base)->coming);
    free(base);
}

static bool answers(struct source *base) {
    return !((const struct fake_source *)base)->silent;
}

static int64_t end_of(struct source *base, int32_t partition) {
    return fake_topic_end(self(base)->topic, partition);
}

struct fake_source *fake_source_new(struct fake_topic *t, struct fake_clock *clock,
                                    const struct source_handler *handler) {
    static const struct source_ops ops = {.poll = poll_source,
                                          .wake = wake,
                                          .cluster_id = cluster_id,
                                          .partition_count = partition_count,
                                          .bounds = bounds,
                                          .end = end_of,
                                          .answers = answers,
                                          .offsets_for_time = offsets_for_time,
                                          .peek = peek,
                                          .check_topic = check_topic,
                                          .assign = assign,
                                          .fetch = fetch,
                                          .leave = leave,
                                          .suspend = suspend,
                                          .commit = commit,
                                          .free = free_source};
    struct fake_source *s = xcalloc(1, sizeof *s);
    s->base.ops = &ops;
    s->topic = t;
    s->clock = clock;
    s->handler = *handler;
    return s;
}

void fake_source_give_list(struct fake_source *s, const int32_t *partitions, size_t n) {
    s->coming = xrealloc(s->coming, (n + 1) * sizeof *s->coming);
    if (n)
        memcpy(s->coming, partitions, n * sizeof *s->coming);
    s->n_coming = n;
    s->given = true;
}

void fake_source_give(struct fake_source *s, int32_t n) {
    int32_t *all = xcalloc((size_t)n, sizeof *all);
    for (int32_t i = 0; i < n; i++)
        all[i] = i;
    fake_source_give_list(s, all, (size_t)n);
    free(all);
}

bool fake_source_reads(const struct fake_source *s, int32_t partition) {
    for (size_t i = 0; i < s->n_positions; i++)
        if (s->positions[i].partition == partition)
            return true;
    return false;
}

void fake_source_take(struct fake_source *s) {
    s->taken = true;
}
