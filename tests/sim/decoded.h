/* Checkpoints and manifests as the oracle reads them. The same bytes come again and again, because a
 * history is stopped in many places and each of its ends is looked at: what they say is kept. */
#ifndef TIDEMARK_SIM_DECODED_H
#define TIDEMARK_SIM_DECODED_H

#include "checkpoint/codec.h"

/* NULL with *e where the bytes are no checkpoint. Good until the next call of any of these. */
const struct checkpoint *decoded_checkpoint(const char *data, size_t len, struct error *e);
const struct manifest *decoded_manifest(const char *data, size_t len, struct error *e);

/* The manifest that this checkpoint must have, as bytes; NULL where it is no checkpoint. */
const struct buffer *decoded_manifest_of(const char *data, size_t len);

#endif
