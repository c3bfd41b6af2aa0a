/* `run --embedded`: a mock cluster and a generator in the process, output below demo/. */
#ifndef TIDEMARK_CLI_EMBEDDED_DEMO_H
#define TIDEMARK_CLI_EMBEDDED_DEMO_H

#include <stdatomic.h>

#include "job/settings.h"

struct embedded_demo;

/* Starts the cluster and points the settings at it and at demo/, which stays as it is. consumed:
 * records that the job has read; the generator waits at 20,000 records of lag. NULL with *e. */
struct embedded_demo *embedded_demo_new(struct settings *s, _Atomic uint64_t *consumed,
                                        struct error *e);
/* Removes demo/ and starts the generator. 0, or -1 with *e. */
int embedded_demo_start(struct embedded_demo *d, struct error *e);
/* NULL is fine. */
void embedded_demo_stop(struct embedded_demo *d);

#endif
