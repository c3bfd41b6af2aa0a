/* Rule 10: which unfinished uploads nobody will ever complete. */
#ifndef TIDEMARK_JOB_GC_H
#define TIDEMARK_JOB_GC_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "store/store.h"

struct gc_config {
    struct store *checkpoints, *output;
    bool dry_run;
    FILE *out;
};

/* Prints each upload that it removes, and a summary. -1 with *e where it cannot be sure what is in
 * use; nothing is removed then. */
int gc_run(const struct gc_config *cfg, struct error *e);

#endif
