/* Which checkpoint chains live below a path and what the newest checkpoint of each says, for commands
 * that only look: verify, inspect and gc. Nothing is written. */
#ifndef TIDEMARK_JOB_SURVEY_H
#define TIDEMARK_JOB_SURVEY_H

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "store/store.h"

struct chain_seen {
    char *prefix; /* "<name>/<topic>/p00002/" */
    int32_t partition;
    uint64_t number;  /* of the newest checkpoint */
    int64_t modified; /* when it was put, by the store's clock */
    char *bytes;      /* as stored, NUL-terminated */
    size_t len;
    struct checkpoint newest;
};

struct survey {
    struct chain_seen *chains; /* by prefix, bytewise */
    size_t n;
    int64_t store_time; /* the store's clock at the listing, or 0 */
};

/* prefix: "" for every job, or "<name>/<topic>/". -1 where a newest checkpoint cannot be read: it is
 * never skipped for an older one, and a survey that leaves a chain out would mislead. */
int survey_read(struct store *checkpoints, const char *prefix, struct survey *out, struct error *e);
void survey_free(struct survey *s);
/* NULL where there is none. */
const struct chain_seen *survey_find(const struct survey *s, const char *prefix);

/* The number of a chain's newest checkpoint by now, 0: none. For a manifest that is newer than the
 * survey: either the job has gone on, and then this is at least its number, because a manifest is put
 * when its checkpoint is durable and the newest one is never removed; or somebody has removed
 * checkpoints (rule 2). */
int survey_newest(struct store *checkpoints, const char *prefix, uint64_t *number, struct error *e);

/* Takes ".../p00002/chk-<20 digits>.json" apart: the length of ".../p00002/", or 0 where the key is
 * no such name. Checkpoints and manifests have the same names. */
size_t survey_parse_key(const char *key, int32_t *partition, uint64_t *number);

/* All checkpoints of one chain that still exist, in order; those that vanish meanwhile are left
 * out. */
int survey_history(struct store *checkpoints, const char *prefix, struct checkpoint **list,
                   size_t *n, struct error *e);
void survey_history_free(struct checkpoint *list, size_t n);

#endif
