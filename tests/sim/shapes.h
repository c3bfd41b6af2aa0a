/* Short histories: what is in the log, and how the job is set. */
#ifndef TIDEMARK_SIM_SHAPES_H
#define TIDEMARK_SIM_SHAPES_H

#include "player.h"

enum log_kind {
    LOG_MIXED,   /* disorder, late, rejected, tombstones, holes */
    LOG_ORDERED, /* windows close one after the other */
    LOG_LATE,    /* many late and rejected records */
    LOG_ONE,     /* all in one window: several parts, rolled by size */
    LOG_HOLES    /* control records and tombstones, also at the end */
};

struct shape {
    const char *name;
    enum log_kind log;
    int64_t records, batch;
    bool emit, newest_first, small_reserve;
    bool consumer; /* takes each file away as soon as a manifest lists it */
    uint64_t max_file_size, part_size, max_replay;
    int64_t interval_ms;
};

extern const struct shape shapes[];
extern const size_t n_shapes;

void shape_log(const struct shape *s, struct sim_log *log, uint64_t seed);
void fill_log(struct sim_log *log, enum log_kind kind, int64_t records, struct random *r);
struct rules shape_rules(const struct shape *s);

#endif
