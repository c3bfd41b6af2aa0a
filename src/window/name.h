/* Keys of output files (docs/store-layout.md). */
#ifndef TIDEMARK_WINDOW_NAME_H
#define TIDEMARK_WINDOW_NAME_H

#include <stddef.h>
#include <stdint.h>

#include "checkpoint/checkpoint.h"

/* dt=2024-10-22/hour=21/20241022T210000Z-p00002-o00000000000000012345-<16 hex>.jsonl<suffix>, or
 * _late/p00002-o...jsonl, _rejected/... partition_by is strftime text of %Y %m %d %H %M %S %j %%,
 * applied to the window's start in UTC (years have four digits). The result is malloc'd. */
char *file_key(enum event_class class, const char *partition_by, int64_t window, int32_t partition,
               int64_t first_offset, const char hex[17], const char *suffix);

#endif
