/* Fake brokers, a fetcher that reads from them, and a sink that keeps what it is told: of each partition a
 * story, in which "0-4 7 |8" are the records 0 to 4 and 7, and then the partition's end at 8. That keys,
 * values and timestamps are the right ones is looked at as they come. */
#ifndef TIDEMARK_TESTS_FETCHER_FIXTURE_H
#define TIDEMARK_TESTS_FETCHER_FIXTURE_H

#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "kafka/decompress.h"
#include "kafka/fetcher.h"
#include "support/batch_maker.h"
#include "support/fake_kafka.h"

enum { BROKERS_MAX = 2, PARTS_MAX = 8, NOBODY = -1 /* for a producer */, NOTHING = -1 };
enum { CONTENT_MAX = 30000, LARGE_FROM = 1000000 /* records from this offset on are so large */ };

struct world;

/* What was told of a partition. */
struct part {
    struct world *world;
    int32_t id;
    int64_t from;    /* where reading begins */
    int64_t *events; /* a record's offset; ~offset for the end */
    size_t n, cap;
    int64_t
        refused; /* the offset of the record, or the end, to which the sink says stop; or NOTHING */
    bool left;
    int64_t newest; /* taken in the fetch() under way, or NOTHING */
    bool last_told;
};

struct world {
    struct fake_kafka *brokers[BROKERS_MAX];
    size_t n_brokers;
    struct part parts[PARTS_MAX];
    size_t n_parts;
    size_t memory; /* of the fetcher's configuration */
    size_t max;    /* each fetch()'s */
    struct fetcher *fetcher;
    bool failed;
    struct error e;
};

/* ---- What records hold ---- */

static inline size_t content_of(int32_t partition, int64_t offset, char *dst) {
    size_t len = offset >= LARGE_FROM ? CONTENT_MAX : 50 + (size_t)(offset * 37 % 101);
    memset(dst, (int)('a' + offset % 26), len);
    int n = snprintf(dst, len, "partition %d offset %" PRId64, (int)partition, offset);
    dst[n] = ' ';
    return len;
}

static inline size_t key_of(int64_t offset, char *dst, size_t cap) {
    return (size_t)snprintf(dst, cap, "key %" PRId64, offset % 10);
}

static inline int64_t time_of(int64_t offset) {
    return 1729630800000 + offset * 7 % 1000;
}

static inline void assert_right(int32_t partition, const struct record *r) {
    static char value[CONTENT_MAX];
    char key[32];
    size_t n = content_of(partition, r->offset, value);
    assert_int_equal(r->value_len, n);
    assert_memory_equal(r->value, value, n);
    n = key_of(r->offset, key, sizeof key);
    assert_int_equal(r->key_len, n);
    assert_memory_equal(r->key, key, n);
    assert_int_equal(r->timestamp, time_of(r->offset));
}

/* ---- Batches ---- */

static inline void add_record(struct batch_maker *m, int32_t partition, int64_t offset) {
    static char value[CONTENT_MAX];
    char key[32];
    size_t n = content_of(partition, offset, value), key_len = key_of(offset, key, sizeof key);
    batch_add(m, (int32_t)(offset - m->base_offset), time_of(offset) - m->base_timestamp, key,
              (int)key_len, value, (int)n, 0);
}

static inline void begin_batch_at(struct batch_maker *m, int64_t base, int attributes,
                                  int64_t producer_id) {
    batch_begin(m, base, time_of(base), attributes, producer_id);
}

static inline size_t leader_of(const struct world *w, int32_t partition) {
    return w->n_brokers == 1 ? 0 : (size_t)partition % BROKERS_MAX;
}

static inline struct fake_kafka *broker_of(const struct world *w, int32_t partition) {
    return w->brokers[leader_of(w, partition)];
}

static inline void append(struct world *w, int32_t partition, struct batch_maker *m) {
    size_t n;
    batch_compress(m);
    char *batch = batch_end(m, &n);
    fake_kafka_append(broker_of(w, partition), partition, batch, n);
}

/* Records from `base` to `last`. */
static inline void put_batch(struct world *w, int32_t partition, int64_t base, int64_t last,
                             int attributes, int64_t producer_id) {
    struct batch_maker m;
    begin_batch_at(&m, base, attributes, producer_id);
    for (int64_t offset = base; offset <= last; offset++)
        add_record(&m, partition, offset);
    append(w, partition, &m);
}

static inline void put_plain(struct world *w, int32_t partition, int64_t base, int64_t last) {
    put_batch(w, partition, base, last, 0, NOBODY);
}

static inline void put_marker(struct world *w, int32_t partition, int64_t offset,
                              int64_t producer_id, bool commits) {
    struct batch_maker m;
    begin_batch_at(&m, offset, BATCH_TRANSACTIONAL | BATCH_CONTROL, producer_id);
    batch_add_marker(&m, 0, commits);
    append(w, partition, &m);
}

/* ---- The sink ---- */

static inline void keep(struct part *p, int64_t event) {
    array_reserve(&p->events, &p->cap, p->n + 1, sizeof *p->events);
    p->events[p->n++] = event;
}

static inline int take_record(void *ctx, const struct record *r) {
    struct part *p = ctx;
    assert_right(p->id, r);
    if (r->offset == p->refused)
        return 1;
    keep(p, r->offset);
    p->newest = r->offset;
    return 0;
}

static inline int take_end(void *ctx, int64_t offset) {
    struct part *p = ctx;
    if (offset == p->refused)
        return 1;
    keep(p, ~offset);
    return 0;
}

static inline int take_error(void *ctx, int64_t offset, const struct error *e) {
    (void)ctx;
    (void)offset;
    fail_msg("an error: %s", e->text);
    return 1;
}

/* The memory may belong to a batch before the one that was read last. */
static inline void take_last(void *ctx, const struct record *r) {
    struct part *p = ctx;
    assert_right(p->id, r);
    assert_int_equal(r->offset, p->newest);
    assert_false(p->last_told);
    p->last_told = true;
}

/* ---- Reading ---- */

static inline struct world *world_up(size_t n_brokers) {
    struct world *w = xcalloc(1, sizeof *w);
    w->n_brokers = n_brokers;
    w->memory = (size_t)16 << 20;
    w->max = 1000;
    for (size_t i = 0; i < n_brokers; i++)
        w->brokers[i] = fake_kafka_start("clicks");
    for (size_t i = 0; i < PARTS_MAX; i++)
        w->parts[i] = (struct part){.world = w, .id = (int32_t)i, .refused = NOTHING};
    return w;
}

static inline void world_down(struct world *w) {
    fetcher_free(w->fetcher);
    for (size_t i = 0; i < w->n_brokers; i++)
        fake_kafka_stop(w->brokers[i]);
    for (size_t i = 0; i < PARTS_MAX; i++)
        free(w->parts[i].events);
    free(w);
}

/* A fetcher for the partitions 0 to n - 1. */
static inline void begin_reading(struct world *w, size_t n) {
    struct fetcher_broker brokers[BROKERS_MAX];
    struct fetcher_share shares[PARTS_MAX];
    for (size_t i = 0; i < w->n_brokers; i++)
        brokers[i] = (struct fetcher_broker){"127.0.0.1", fake_kafka_port(w->brokers[i])};
    for (size_t i = 0; i < n; i++) {
        w->parts[i].left = false;
        shares[i] = (struct fetcher_share){(int32_t)i, w->parts[i].from, leader_of(w, (int32_t)i)};
    }
    struct fetcher_config cfg = {.topic = "clicks",
                                 .client_id = "test",
                                 .brokers = brokers,
                                 .n_brokers = w->n_brokers,
                                 .shares = shares,
                                 .n_shares = n,
                                 .memory = w->memory,
                                 .timeout_ms = 10000};
    w->n_parts = n;
    w->failed = false;
    w->fetcher = fetcher_new(&cfg, &w->e);
    if (!w->fetcher)
        fail_msg("fetcher_new: %s", w->e.text);
    assert_int_equal(fetcher_connections(w->fetcher), w->n_brokers);
    assert_int_equal(fetcher_shares(w->fetcher), n);
}

/* Where reading would go on, or NOTHING. */
static inline int64_t position(const struct world *w, int32_t partition) {
    struct source_position list[PARTS_MAX];
    size_t n = fetcher_positions(w->fetcher, list);
    for (size_t i = 0; i < n; i++)
        if (list[i].partition == partition)
            return list[i].offset;
    return NOTHING;
}

/* One fetch(), of which the count, the last record and the position must be right. */
static inline size_t take_from(struct world *w, size_t i) {
    struct part *p = &w->parts[i];
    struct source_sink sink = {p, take_record, take_end, take_error, take_last};
    size_t before = p->n;
    p->newest = NOTHING;
    p->last_told = false;
    size_t told = fetcher_fetch(w->fetcher, p->id, w->max, &sink);
    assert_true(told <= w->max);
    assert_true(told == p->n - before || told == p->n - before + 1);
    assert_int_equal(p->last_told, p->newest != NOTHING);
    p->left |= told > p->n - before; /* the sink refused one */
    assert_int_equal(position(w, p->id) == NOTHING, p->left);
    if (!p->left && p->newest != NOTHING)
        assert_true(position(w, p->id) > p->newest);
    if (w->failed)
        assert_int_equal(told, 0);
    return told;
}

static inline void serve(struct world *w) {
    if (fetcher_serve(w->fetcher, &w->e) != 0)
        w->failed = true;
    else
        assert_false(w->failed);
}

static inline void wait_for_brokers(const struct world *w) {
    struct pollfd fds[BROKERS_MAX];
    fetcher_poll_fds(w->fetcher, fds);
    assert_true(poll(fds, w->n_brokers, 1) >= 0);
}

static inline void step(struct world *w) {
    size_t told = 0;
    serve(w);
    for (size_t i = 0; i < w->n_parts; i++)
        told += take_from(w, i);
    if (told == 0 && !w->failed && !fetcher_has_records(w->fetcher))
        wait_for_brokers(w);
}

/* Ten seconds are far too long. */
#define DO_UNTIL(what, condition)                                  \
    do {                                                           \
        int64_t until_ = clock_monotonic(clock_system()) + 10000;  \
        while (!(condition)) {                                     \
            assert_true(clock_monotonic(clock_system()) < until_); \
            what;                                                  \
        }                                                          \
    } while (0)
#define STEP_UNTIL(w, condition) DO_UNTIL(step(w), condition)

/* Until each broker was asked thrice more: what was to be told has been told then. */
static inline void settle(struct world *w) {
    for (size_t i = 0; i < w->n_brokers; i++) {
        size_t enough = fake_kafka_requests(w->brokers[i]) + 3;
        STEP_UNTIL(w, w->failed || fake_kafka_requests(w->brokers[i]) >= enough);
    }
}

/* ---- The story ---- */

static inline const char *story(const struct part *p) {
    static char text[8192];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0, j; i < p->n && len < sizeof text - 100; i = j) {
        int64_t from = p->events[i];
        for (j = i + 1; from >= 0 && j < p->n && p->events[j] == p->events[j - 1] + 1;)
            j++;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s%" PRId64, i ? " " : "",
                                from < 0 ? "|" : "", from < 0 ? ~from : from);
        if (j > i + 1)
            len += (size_t)snprintf(text + len, sizeof text - len, "-%" PRId64, p->events[j - 1]);
    }
    return text;
}

/* It becomes this story. */
static inline void expect(struct world *w, size_t i, const char *wanted) {
    int64_t until = clock_monotonic(clock_system()) + 10000;
    const struct part *p = &w->parts[i];
    while (strcmp(story(p), wanted) != 0 && clock_monotonic(clock_system()) < until && !w->failed)
        step(w);
    if (strcmp(story(p), wanted) != 0)
        fail_msg("partition %zu: %s instead of %s%s%s", i, story(p), wanted, w->failed ? ": " : "",
                 w->failed ? w->e.text : "");
}

/* And stays it, where nothing is wrong. */
static inline void expect_only(struct world *w, size_t i, const char *wanted) {
    expect(w, i, wanted);
    settle(w);
    if (w->failed)
        fail_msg("%s", w->e.text);
    assert_string_equal(story(&w->parts[i]), wanted);
}

static inline void expect_failure(struct world *w, enum error_code code, bool retriable) {
    STEP_UNTIL(w, w->failed);
    if (w->e.code != code)
        fail_msg("%s: %s", error_name(w->e.code), w->e.text);
    assert_int_equal(w->e.retriable, retriable);
    w->e = (struct error){0};
    step(w); /* it says so as often as it is asked, and tells nothing any more */
    assert_int_equal(w->e.code, code);
}

#endif
