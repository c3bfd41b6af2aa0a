/* A simulated Kafka log of one partition, and the oracle: what must stand in the store, whatever
 * crashes, zombies and faults there were. The oracle computes classes and windows on its own. */
#ifndef TIDEMARK_SUPPORT_SIM_LOG_H
#define TIDEMARK_SUPPORT_SIM_LOG_H

#include "support/memory_store.h"
#include "window/partition.h"

struct sim_record {
    bool hole; /* a control record or an aborted one: Kafka never delivers it */
    enum record_kind kind;
    int64_t timestamp;
    enum event_class class; /* the verdict: class and window */
    int64_t window;
};

struct sim_log {
    struct window_rules rules;
    struct sim_record *records; /* by offset */
    int64_t n;
    size_t cap;
    int64_t max_ts;
};

void sim_log_init(struct sim_log *l, const struct window_rules *rules);
void sim_log_free(struct sim_log *l);
void sim_log_add(struct sim_log *l, enum record_kind kind, int64_t timestamp);
void sim_log_add_hole(struct sim_log *l);
/* n records with disorder, lateness, rejected ones, tombstones and holes. */
void sim_log_generate(struct sim_log *l, struct random *r, int64_t n);

enum { SIM_LINE_MAX = 64 };
/* Writes the line of the event at offset, returns its length. */
size_t sim_line(int64_t offset, char *dst);
uint32_t sim_crc32c(const struct sim_log *l, int64_t offset);

struct sim_paths {
    const char *chain;    /* "<name>/<topic>/p00002/" */
    const char *manifest; /* "_manifests/<name>/<topic>/p00002/" */
};

/* Holds at every moment: of the records below the newest checkpoint's next each stands exactly once
 * in a listed file, an acknowledged part or a gap, gaps count right, and nothing is visible that no
 * manifest and no newest commit lists. 0, or -1 with *e. */
int sim_check_always(const struct memory_world *w, const struct sim_log *l,
                     const struct sim_paths *paths, struct error *e);
/* After a drained end: the newest checkpoint is clean and reads up to the log's end, and each event
 * stands exactly once in a visible file of its class and window that a manifest lists. */
int sim_check_end(const struct memory_world *w, const struct sim_log *l,
                  const struct sim_paths *paths, struct error *e);

#endif
