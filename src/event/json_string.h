/* Between what stands in a JSON string and what it means. */
#ifndef TIDEMARK_EVENT_JSON_STRING_H
#define TIDEMARK_EVENT_JSON_STRING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* All `text` here is the inside of a JSON string that was checked before. */

/* Reads the character or escape at text + *at, moves *at past it, writes its UTF-8 bytes to dst (at
 * least 4) and returns how many. Half a surrogate pair gets bytes that no valid text has. */
size_t json_unescape_next(const char *text, size_t len, size_t *at, char *dst);

/* Whether text means `want`. */
bool json_string_equals(const char *text, size_t len, const char *want, size_t want_len);

/* Writes what text means, at most max bytes; returns the whole length, which may be more. */
size_t json_unescape(const char *text, size_t len, char *dst, size_t max);

/* Appends raw, valid UTF-8, as a JSON string with its quotes: only what must be escaped is. -1 where
 * the buffer's maximum is too small. */
int json_append_string(struct buffer *out, const char *raw, size_t len);

#endif
