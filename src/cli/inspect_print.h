/* Checkpoints and manifests for people. */
#ifndef TIDEMARK_CLI_INSPECT_PRINT_H
#define TIDEMARK_CLI_INSPECT_PRINT_H

#include <stdio.h>

#include "checkpoint/codec.h"

/* where: its full key. age_ms < 0: not known. */
void inspect_print_checkpoint(FILE *out, const char *where, int64_t age_ms,
                              const struct checkpoint *c);
void inspect_print_manifest(FILE *out, const char *where, const struct manifest *m);
/* The stored JSON, indented. 0, or -1 where it is no JSON. */
int inspect_print_json(FILE *out, const char *data, size_t len, struct error *e);

#endif
