/* What about a job does not change while its process lives. Whoever made it frees it; readers borrow. */
#ifndef TIDEMARK_CONTROL_JOB_INFO_H
#define TIDEMARK_CONTROL_JOB_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct info_setting {
    char *key, *value /* "***" for a secret */, *origin;
};

struct job_info {
    char id[33]; /* 32 hex digits, a function of name, topic and output.path: every process and
                      every restart of one job has the same */
    const char *name, *topic, *group_id, *brokers;
    const char *output; /* path */
    char *checkpoints;  /* where those of this job lie, with a '/' at its end */
    const char *version;
    char *host;
    int64_t pid;
    bool bounded, embedded;
    int64_t window_size_ms, out_of_orderness_ms, allowed_lateness_ms;
    int64_t checkpoint_interval_ms, checkpoint_min_pause_ms, checkpoint_timeout_ms;
    int64_t tolerable_failures, parallelism;
    struct info_setting *settings; /* in the table's order */
    size_t n_settings;
};

#endif
