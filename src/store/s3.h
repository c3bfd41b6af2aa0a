/* The store on S3 and what speaks its language. One attempt for each request, except that a list
 * takes as many requests as it has pages, and that one refused for this machine's clock is repeated
 * once with the server's. */
#ifndef TIDEMARK_STORE_S3_H
#define TIDEMARK_STORE_S3_H

#include "base/clock.h"
#include "store/open.h"
#include "store/store.h"

enum { S3_MIN_PART = 5 * 1024 * 1024, S3_MAX_PARTS = 10000, S3_CONNECTIONS = 32 };

/* NULL with *e set for a bad path or configuration (ERR_USAGE), or where no thread can be started. */
struct store *s3_open(const char *path, const struct s3_config *cfg, struct clock *clock,
                      struct error *e);

#endif
