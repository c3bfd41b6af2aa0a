/* Reconciles what lies in the store with the checkpoints and, on request, with Kafka (`tidemark
 * verify`). It only reads, also while the job is running. */
#ifndef TIDEMARK_JOB_VERIFY_H
#define TIDEMARK_JOB_VERIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "event/event.h"
#include "kafka/source.h"
#include "store/store.h"

struct verify_config {
    struct store *checkpoints, *output;
    const char *name, *topic;
    const char *output_path; /* as checkpoints state it */
    bool allow_removed;      /* consumers take objects away: a missing one is no error */
    bool has_since;
    int64_t since_ms; /* what manifests older than this list is taken as verified */
    bool deep;        /* read every file back */
    FILE *out;

    /* With deep, the comparison with Kafka; NULL: none. */
    struct source *source;
    const struct event_rules *rules;
    const char *settings; /* hash of event.* and window.* (settings_hash) */
    struct clock *clock;
    int64_t patience_ms; /* for Kafka to answer */
};

/* Prints the table, the problems and the verdict. *problems counts them; -1 with *e where it could
 * not be checked at all. */
int verify_run(const struct verify_config *cfg, size_t *problems, struct error *e);

#endif
