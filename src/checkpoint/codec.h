/* Checkpoints and manifests as JSON (docs/store-layout.md gives the fields). */
#ifndef TIDEMARK_CHECKPOINT_CODEC_H
#define TIDEMARK_CHECKPOINT_CODEC_H

#include "base/buffer.h"
#include "base/error.h"
#include "checkpoint/checkpoint.h"

enum { CHECKPOINT_BYTES_MAX = 16 * 1024 * 1024 };

/* Appends the checkpoint with its own CRC-32C as last member: the CRC covers all bytes before
 * ,"crc32c": . The same checkpoint always gives the same bytes. */
void checkpoint_encode(const struct checkpoint *c, struct buffer *out);

/* 0, or -1 with ERR_CORRUPT: bytes that no checkpoint_encode wrote, or that have changed since
 * (ERR_UNSUPPORTED: a newer format).
 * *c is empty then. */
int checkpoint_decode(const char *data, size_t len, struct checkpoint *c, struct error *e);

/* What checkpoint c committed, for readers: a pure function of c. */
struct manifest {
    uint64_t checkpoint;
    struct identity identity;
    struct file_entry *files; /* without upload and parts */
    size_t n_files;
    struct totals read[CLASS_COUNT], listed[CLASS_COUNT];
    int64_t next;
};

void manifest_encode(const struct checkpoint *c, struct buffer *out);
int manifest_decode(const char *data, size_t len, struct manifest *m, struct error *e);
void manifest_clear(struct manifest *m);

#endif
