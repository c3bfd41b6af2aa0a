/* How it goes, for people: one line that renews itself on a terminal, else a log line now and then. */
#ifndef TIDEMARK_JOB_PROGRESS_H
#define TIDEMARK_JOB_PROGRESS_H

#include <stdbool.h>

#include "control/metrics.h"

struct progress {
    bool terminal;
    int64_t every_ms; /* between two lines */
    int64_t last_ms;  /* monotonic */
    uint64_t last_records, last_done;
    double speed; /* offsets a second, smoothed */
    bool begun;
};

void progress_init(struct progress *p, bool terminal);
/* A job_config.progress. */
void progress_show(void *progress, const struct job_metrics *now);
/* Leaves the terminal's line as it stands. */
void progress_end(struct progress *p);

#endif
