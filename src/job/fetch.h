/* Reads many small objects, some at a time: a store of S3's kind answers each after milliseconds, so
 * a hundred thousand manifests one after the other would take minutes. */
#ifndef TIDEMARK_JOB_FETCH_H
#define TIDEMARK_JOB_FETCH_H

#include "base/error.h"
#include "store/store.h"

/* Gets the bytes of keys[index], in any order; data is NULL where there is no such object. Non-zero
 * with *e set ends the whole fetch. */
typedef int fetch_fn(void *ctx, size_t index, const char *data, size_t len, struct error *e);

/* 0, or -1 with *e: what fn said, or an object that cannot be read (its name is in the text). */
int fetch_all(struct store *s, char *const *keys, size_t n, size_t max_bytes, fetch_fn *fn,
              void *ctx, struct error *e);

/* One listing; the entries are the op's (store_op_clear). Errors name the place. */
int fetch_list(struct store *s, const char *prefix, enum store_kind kind, struct store_op *op,
               struct error *e);

#endif
