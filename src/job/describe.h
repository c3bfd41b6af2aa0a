/* What the outside is told about a job that does not change: from the settings to a job_info. */
#ifndef TIDEMARK_JOB_DESCRIBE_H
#define TIDEMARK_JOB_DESCRIBE_H

#include "control/job_info.h"
#include "job/settings.h"

/* Borrows from s, which must outlive it; job_undescribe() frees the rest. */
void job_describe(const struct settings *s, bool bounded, bool embedded, struct job_info *out);
void job_undescribe(struct job_info *info);

#endif
