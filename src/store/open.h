/* Opens the store that a path names: s3://bucket/prefix/ or a directory. */
#ifndef TIDEMARK_STORE_OPEN_H
#define TIDEMARK_STORE_OPEN_H

#include "base/clock.h"
#include "base/random.h"
#include "store/store.h"

struct s3_config {
    const char *endpoint; /* NULL: AWS's own for the region; else http(s)://host[:port] */
    const char *region;
    bool path_style;
    const char *access_key, *secret_key, *session_token; /* NULL: none (unsigned requests) */
    int64_t connect_timeout_ms;                          /* 0: 5,000 */
    int64_t request_timeout_ms; /* 0: 60,000; a request without progress for so long is UNKNOWN */
};

/* True for s3://..., false for a directory. */
bool store_path_is_s3(const char *path);

/* Starts the store's I/O thread. path without a trailing '/' gets one. A directory is created
 * (mode 0777 & ~umask) with its parents. NULL with *e set on failure; does not touch S3 yet. The
 * strings of cfg are copied. The retry layer (retry.c) is on top already. */
struct store *store_open(const char *path, const struct s3_config *cfg, struct clock *clock,
                         struct random *random, struct error *e);

/* Rule 10: proves that the store can be written and that a second conditional put on one key loses,
 * then removes the key (_probe-<32 hex>). ERR_UNSUPPORTED with the reason where it does not. Waits
 * up to patience_ms for an unreachable store. */
int store_probe(struct store *s, struct random *random, int64_t patience_ms, struct error *e);

#endif
