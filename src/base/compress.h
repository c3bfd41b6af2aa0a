/* Compression of output, chunk by chunk: each chunk becomes one zstd frame or one gzip member of its
 * own. Frames and members may be joined, so a part that is made of whole chunks ends on a frame
 * (rule 7), and a file can be completed after any part. */
#ifndef TIDEMARK_BASE_COMPRESS_H
#define TIDEMARK_BASE_COMPRESS_H

#include "base/chunk.h"

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

/* "", ".gz", ".zst" */
const char *compression_suffix(enum compression kind);

/* Level 1 of either: events of JSON shrink to a sixth at about 1 GB/s a core. Its memory is reused;
 * one thread at a time. */
struct compressor;

/* Not for COMPRESSION_NONE. */
struct compressor *compressor_new(enum compression kind);
void compressor_free(struct compressor *c);

/* A new chunk, exactly as large as the frame that holds raw's bytes (raw->next is not looked at).
 * It cannot fail but for want of memory, where the process ends (base/memory.h). */
struct chunk *compressor_run(struct compressor *c, const struct chunk *raw, struct budget *b);

#endif
