/* `run --embedded`: a mock cluster and a generator in the process, output below demo/. */
#ifndef TIDEMARK_CLI_EMBEDDED_DEMO_H
#define TIDEMARK_CLI_EMBEDDED_DEMO_H

#include <stdatomic.h>

#include "job/settings.h"

struct embedded_demo;

/* Removes demo/, starts the cluster and the generator, and points the settings at them. consumed:
 * records that the job has read; the generator waits at 20,000 records of lag. NULL with *e. */
struct embedded_demo *embedded_demo_start(struct settings *s, _Atomic uint64_t *consumed,
                                          struct error *e);
/* NULL is fine. */
void embedded_demo_stop(struct embedded_demo *d);

#endif
