/* Values as people write them. */
#ifndef TIDEMARK_JOB_SETTINGS_VALUES_H
#define TIDEMARK_JOB_SETTINGS_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* Each: 0, or -1 where text is anything else or does not fit. */

/* "500ms", "30s", "1h30m" (units descending, each once), "-30s", and "0" alone. */
int parse_duration(const char *text, int64_t *ms);
/* "8MiB", "1GB": B, KiB, MiB, GiB, TiB and the decimal KB, MB, GB, TB; "0" alone. */
int parse_size(const char *text, uint64_t *bytes);
/* Digits; a '-' may stand before them. */
int parse_count(const char *text, int64_t *n);
/* true, yes, false, no. */
int parse_bool(const char *text, bool *value);
/* A decimal number without exponent; for shares and rates. */
int parse_decimal(const char *text, double *value);

/* Text that parses to the same value: "1h30m", "0s"; "8MiB", "0B". */
void format_duration(int64_t ms, struct buffer *out);
void format_size(uint64_t bytes, struct buffer *out);

#endif
