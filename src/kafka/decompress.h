/* What a record batch's records were compressed with, undone. */
#ifndef TIDEMARK_KAFKA_DECOMPRESS_H
#define TIDEMARK_KAFKA_DECOMPRESS_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"

/* As the lowest three bits of a batch's attributes say (Kafka's documentation, "Record Batch"). */
enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD };

/* "gzip", or "codec 6" where there is no such one. */
const char *codec_name(enum codec codec);

/* The libraries' states, reused from batch to batch; one thread at a time. */
struct decompressor;

struct decompressor *decompressor_new(void);
void decompressor_free(struct decompressor *d);

/* Replaces what is in `out` by what the n bytes hold: one frame (or gzip member), or several in a
 * row. The buffer's memory is used as far as it goes, so that one which is kept from batch to batch
 * soon grows no more, and nothing is allocated then. Nothing of `out` is valid after a failure. Not
 * for CODEC_NONE; n and out->max are below 4 GiB. -1: ERR_CORRUPT for damaged or unfinished data;
 * ERR_LIMIT where it would be more than out->max; ERR_UNSUPPORTED for a codec that is not known
 * here (snappy). */
int decompress(struct decompressor *d, enum codec codec, const char *data, size_t n,
               struct buffer *out, struct error *e);

#endif
