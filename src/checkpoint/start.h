/* start.json: where each partition begins when a job runs for the first time (rule 4). Put if absent
 * before any claim, so that kafka.start is resolved once and for ever. */
#ifndef TIDEMARK_CHECKPOINT_START_H
#define TIDEMARK_CHECKPOINT_START_H

#include "base/error.h"
#include "store/store.h"

struct start_offsets {
    int64_t *offset; /* by partition */
    int32_t n;
};

void start_offsets_free(struct start_offsets *s);

/* Reads <prefix>start.json ("<name>/<topic>/"). *found tells whether it exists; a corrupt one or one
 * of another topic or cluster is an error, never a fresh start. */
int start_read(struct store *s, const char *prefix, const char *cluster, const char *topic,
               struct start_offsets *out, bool *found, struct error *e);

/* Puts it if absent. Where another process was quicker, ERR_EXISTS: read that one. */
int start_put(struct store *s, const char *prefix, const char *cluster, const char *topic,
              const char *kafka_start, const struct start_offsets *offsets, struct error *e);

/* Rule 4: refuses a first start where manifests of this job exist (checkpoints lost, or the wrong
 * path). prefix: "_manifests/<name>/<topic>/". */
int start_refuse_leftovers(struct store *output, const char *prefix, const char *checkpoint_path,
                           struct error *e);

#endif
