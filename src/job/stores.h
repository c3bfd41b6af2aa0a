/* The job's two stores, for commands that only look. */
#ifndef TIDEMARK_JOB_STORES_H
#define TIDEMARK_JOB_STORES_H

#include "job/settings.h"
#include "store/store.h"

struct stores {
    struct store *checkpoints, *output;
};

/* Unlike store_open, creates no directory: one that is not there is an error, ERR_NOT_FOUND. */
int stores_open(const struct settings *s, struct stores *stores, struct error *e);
void stores_close(struct stores *stores);
struct store *stores_open_one(const struct settings *s, const char *path, struct error *e);

#endif
