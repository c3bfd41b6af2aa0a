/* A job in one process: stores, source and worker, and the restart strategy around them. */
#ifndef TIDEMARK_JOB_JOB_H
#define TIDEMARK_JOB_JOB_H

#include "job/worker.h"

struct job_config {
    const struct settings *settings;
    bool bounded, accept_changes, allow_data_loss, embedded;
    enum lost_policy lost;
    _Atomic int *command;    /* enum job_command */
    struct metrics *metrics; /* may be NULL, as the next two */
    struct journal *journal;
    struct requests *requests;
    _Atomic uint64_t *consumed; /* may be NULL */
    void (*progress)(void *ctx, const struct job_metrics *now);
    void *progress_ctx;
};

/* Runs the job to its end: done, stopped, or failed with *e (already final: the restart strategy has
 * had its say). */
enum worker_end job_run(const struct job_config *cfg, struct error *e);

#endif
