/* Where an S3 store is and who asks: endpoint, bucket, prefix and keys, checked and taken apart. */
#ifndef TIDEMARK_STORE_S3_TARGET_H
#define TIDEMARK_STORE_S3_TARGET_H

#include "base/buffer.h"
#include "base/error.h"
#include "store/open.h"

struct s3_target {
    char *bucket;
    char *prefix;      /* "" or "a/b/" */
    char *endpoint;    /* scheme://host[:port], as messages show it */
    char *base;        /* scheme://host[:port] that requests go to */
    char *host;        /* the Host header: bucket.host where addressing is virtual-hosted */
    char *bucket_path; /* "/bucket", or "" where addressing is virtual-hosted */
    char *region;
    char *access_key, *secret_key, *session_token; /* NULL: none */
};

/* path is s3://bucket[/prefix[/]]. 0, or -1 with ERR_USAGE. *t needs s3_target_free in both cases. */
int s3_target_init(struct s3_target *t, const char *path, const struct s3_config *cfg,
                   struct error *e);
void s3_target_free(struct s3_target *t);

/* "/bucket/prefix/key", not encoded; key NULL: the bucket itself. 0, or -1 when b is full. */
int s3_target_path(const struct s3_target *t, const char *key, struct buffer *b);

#endif
