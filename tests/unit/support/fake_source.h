/* A topic in memory and sources that read it as a consumer group's members would: deterministic,
 * and a test decides when partitions come and go, which record is broken, and where the log begins.
 * Several sources, each a process, may read one topic.
 *
 * Time passes in poll(): by the time-out where nothing waits, else by one millisecond. */
#ifndef TIDEMARK_SUPPORT_FAKE_SOURCE_H
#define TIDEMARK_SUPPORT_FAKE_SOURCE_H

#include "kafka/source.h"
#include "support/fake_clock.h"

/* ---- The topic ---- */

struct fake_topic;

/* The cluster id is "fake". */
struct fake_topic *fake_topic_new(int32_t partitions);
void fake_topic_free(struct fake_topic *t);
/* One more; returns its number. */
int32_t fake_topic_grow(struct fake_topic *t);

/* Texts are copied; NULL: none. timestamp is the record's own. Returns the record's offset. */
int64_t fake_topic_add(struct fake_topic *t, int32_t partition, int64_t timestamp, const char *key,
                       const char *value);
/* n offsets that are never delivered: control records, or what compaction removed. */
void fake_topic_skip(struct fake_topic *t, int32_t partition, int64_t n);
/* Retention: the log begins here now. */
void fake_topic_trim(struct fake_topic *t, int32_t partition, int64_t start);
/* Recreated: the log is empty, and begins at 0 again. */
void fake_topic_empty(struct fake_topic *t, int32_t partition);
/* The next `times` deliveries of this offset are a per-message error. */
void fake_topic_break(struct fake_topic *t, int32_t partition, int64_t offset, int times);
int64_t fake_topic_end(const struct fake_topic *t, int32_t partition);

/* ---- A source ---- */

enum fake_call {
    FAKE_POLL,
    FAKE_CLUSTER_ID,
    FAKE_PARTITION_COUNT,
    FAKE_BOUNDS,
    FAKE_OFFSETS_FOR_TIME,
    FAKE_PEEK,
    FAKE_CHECK_TOPIC,
    FAKE_ASSIGN,
    FAKE_CALLS
};

struct fake_source {
    struct source base; /* first */
    /* For tests to set. */
    size_t batch;                      /* most records that one fetch() delivers */
    void (*on_poll)(void *ctx, int n); /* the nth poll() begins (from 1) */
    void *on_poll_ctx;
    enum error_code fails[FAKE_CALLS]; /* ERR_NONE: it works */
    int fail_times[FAKE_CALLS];        /* so many calls, then it works; 0: all */
    /* For tests to read. */
    int polls, assigns, suspensions;
    bool suspended, was_suspended; /* the latter: at any time since the last poll() */
    bool silent;                   /* for tests to set: no broker answers */
    int64_t delivered;             /* records */
    int64_t last; /* offset of the last record that the fetch() under way delivered, or -1 */

    struct fake_topic *topic;
    struct fake_clock *clock;
    struct source_handler handler;
    struct fake_position *positions; /* what is assigned */
    size_t n_positions;
    int32_t *coming; /* for the next poll() */
    size_t n_coming;
    bool given, taken, owned, woken;
};

struct fake_source *fake_source_new(struct fake_topic *t, struct fake_clock *clock,
                                    const struct source_handler *handler);
/* At the next poll(), the whole assignment: these n partitions, 0 and up. */
void fake_source_give(struct fake_source *s, int32_t n);
/* The same for any partitions. */
void fake_source_give_list(struct fake_source *s, const int32_t *partitions, size_t n);
/* At the next poll(), before what is given: everything is taken away. */
void fake_source_take(struct fake_source *s);
/* Whether the partition is in what the worker has assigned. */
bool fake_source_reads(const struct fake_source *s, int32_t partition);
/* The group's offset for lag tools, -1: never committed. It belongs to the topic. */
int64_t fake_topic_committed(const struct fake_topic *t, int32_t partition);

#endif
