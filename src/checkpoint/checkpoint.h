/* What one checkpoint says of one partition (docs/exactly-once.md, "Checkpoint"; the format stands
 * in docs/store-layout.md). Plain data: codec.c turns it into bytes and back, claim.c derives a
 * claim's state from it, chain.c puts it into the store. */
#ifndef TIDEMARK_CHECKPOINT_CHECKPOINT_H
#define TIDEMARK_CHECKPOINT_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

enum event_class { CLASS_EVENT, CLASS_LATE, CLASS_REJECTED, CLASS_NULL, CLASS_COUNT };

/* "event", "late", "rejected", "null". */
const char *event_class_name(enum event_class c);

/* "No event with a timestamp yet" for a maximum timestamp, and "no window" for late and rejected:
 * null in the JSON. */
#define TS_NONE INT64_MIN

/* How many events, and the sum of splitmix64(offset) over them modulo 2^64. */
struct totals {
    uint64_t events, hash;
};

static inline void totals_add(struct totals *t, const struct totals *more) {
    t->events += more->events;
    t->hash += more->hash;
}
static inline void totals_subtract(struct totals *t, const struct totals *less) {
    t->events -= less->events;
    t->hash -= less->hash;
}

struct identity {
    char *cluster; /* Kafka's cluster id */
    char *topic;
    int32_t partition;
    char *output;      /* output.path */
    char settings[17]; /* hash of event.* and window.*, and of the version of the rules */
};

/* Events below `next` that are in no listed part: all events of this class and window with offsets
 * from..to that a replay must write again, exactly `events` of them. */
struct gap {
    enum event_class class;
    int64_t window; /* start, or TS_NONE */
    int64_t from, to;
    uint64_t events; /* > 0 */
};

/* One file: open (in `files`) or finished and not yet known to be visible and in a manifest (in
 * `commits`). last, count, bytes and crc32c cover its acknowledged parts. */
struct file_entry {
    enum event_class class;
    int64_t window;
    char *key, *upload;
    int64_t first;        /* offset of its first event */
    int64_t first_max_ts; /* the partition's maximum timestamp before that event, or TS_NONE */
    int64_t last;         /* offset of the last event in an acknowledged part; first - 1: none */
    struct totals count;
    uint64_t bytes;
    uint32_t crc32c;
    struct store_part *parts;
    size_t n_parts;
    int64_t
        closed_ms; /* monotonic, when this process saw its window close; 0: not so. Not stored. */
};

/* Events that Kafka no longer had (--allow-data-loss). events < 0: nobody knows how many. */
struct loss {
    int64_t from, to, events;
};

struct checkpoint {
    uint64_t number; /* from 1 */
    bool claim;
    char claim_id[33];
    char *writer_host, *writer_version, *writer_time; /* for people */
    int64_t writer_pid;
    struct identity identity;
    int64_t next;
    bool has_last;
    int64_t last_offset;
    uint32_t last_crc32c;
    int64_t replay_from, replay_max_ts;
    struct gap *gaps;
    size_t n_gaps;
    struct file_entry *files;
    size_t n_files;
    struct file_entry *commits;
    size_t n_commits;
    struct loss *losses;
    size_t n_losses;
    struct totals read[CLASS_COUNT], listed[CLASS_COUNT];
};

/* Frees what it points to and zeroes it; NULL is fine. */
void checkpoint_clear(struct checkpoint *c);
void checkpoint_copy(struct checkpoint *dst, const struct checkpoint *src);
/* True where it has no gaps, files or commits: changed settings may be accepted there (rule 2). */
bool checkpoint_is_clean(const struct checkpoint *c);
/* True where all records below `end` are read, and what is open or under way lies behind them: their
 * events are visible, and stay so. */
bool checkpoint_has_published(const struct checkpoint *c, int64_t end);

void file_entry_clear(struct file_entry *f);
void file_entry_copy(struct file_entry *dst, const struct file_entry *src);
void identity_clear(struct identity *i);
void identity_copy(struct identity *dst, const struct identity *src);

#endif
