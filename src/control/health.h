/* Is the job healthy, and if not, where does it hang? A pure function of what is known about it. */
#ifndef TIDEMARK_CONTROL_HEALTH_H
#define TIDEMARK_CONTROL_HEALTH_H

#include "control/job_info.h"
#include "control/journal.h"
#include "control/metrics.h"

enum { FINDINGS_MAX = 32, FINDING_TEXT_MAX = 320, HEALTH_ERROR_MAX = 400 };

enum health_level {
    HEALTH_OK,   /* of a finding: worth knowing, no trouble */
    HEALTH_WARN, /* goes on, but somebody should look */
    HEALTH_BAD,  /* does not go on, or soon will not */
    HEALTH_ENDED
};
const char *health_level_name(enum health_level l); /* "ok", "warn", "bad", "ended" */

/* Where on the road it hangs. */
enum health_stage { AT_KAFKA, AT_WORKER, AT_STORE, AT_CHECKPOINT, AT_DATA, AT_JOB };
const char *health_stage_name(enum health_stage s); /* "kafka", "worker", ... */

struct finding {
    enum health_level level;
    enum health_stage stage;
    const char *code;  /* snake_case; docs/rest.md lists them */
    int32_t partition; /* the worst one, or -1 */
    char text[FINDING_TEXT_MAX + HEALTH_ERROR_MAX], advice[FINDING_TEXT_MAX];
};

struct health_facts {
    const struct job_info *info;
    const struct job_metrics *metrics;
    enum job_state state;
    const int64_t *entered_ms; /* by state, epoch */
    int64_t now_ms;            /* epoch */
    /* The journal's, the newest first. */
    const struct journal_error *errors;
    size_t n_errors;
    const struct journal_checkpoint *checkpoints;
    size_t n_checkpoints;
};

struct health {
    enum health_level level; /* the worst finding's, or ENDED */
    char summary[FINDING_TEXT_MAX + HEALTH_ERROR_MAX];
    struct finding findings[FINDINGS_MAX]; /* the worst first */
    size_t n;
};

void health_judge(const struct health_facts *f, struct health *h);

#endif
