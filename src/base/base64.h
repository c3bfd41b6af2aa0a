/* Bytes as text (RFC 4648, with padding). */
#ifndef TIDEMARK_BASE_BASE64_H
#define TIDEMARK_BASE_BASE64_H

#include "base/buffer.h"

/* 0, or -1 where the buffer has no room for all of it (nothing is appended then). */
int base64_append(struct buffer *out, const void *data, size_t len);

#endif
