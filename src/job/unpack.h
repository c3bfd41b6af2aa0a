/* What tidemark has compressed, unpacked again by ranges: plain, gzip (members joined) or zstd
 * (frames joined). */
#ifndef TIDEMARK_JOB_UNPACK_H
#define TIDEMARK_JOB_UNPACK_H

#include <stddef.h>

#include "base/compress.h"
#include "base/error.h"

struct unpack;

typedef void unpack_fn(void *ctx, const char *data, size_t len);

struct unpack *unpack_new(enum compression kind, unpack_fn *fn, void *ctx);
void unpack_free(struct unpack *u);

/* By the key's ending. */
enum compression unpack_kind(const char *key);

/* Calls fn with what these bytes hold. -1 with ERR_CORRUPT where they are damaged. */
int unpack_feed(struct unpack *u, const char *data, size_t len, struct error *e);
/* The file ends here: -1 where that is in the middle of a frame or member. */
int unpack_end(struct unpack *u, struct error *e);

#endif
