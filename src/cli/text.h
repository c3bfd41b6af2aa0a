/* Numbers as people read them. */
#ifndef TIDEMARK_CLI_TEXT_H
#define TIDEMARK_CLI_TEXT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

enum { TEXT_MAX = 40 };

/* Each returns dst. Values below 0 are "-": not known. */
const char *text_duration(int64_t ms, char dst[TEXT_MAX]); /* "850ms", "12.3s", "4m05s", "3d04h" */
const char *text_count(int64_t n, char dst[TEXT_MAX]);     /* "1,234,567" */
const char *text_bytes(int64_t n, char dst[TEXT_MAX]);     /* "512 B", "1.5 MiB" */
/* "2024-10-22T21:00:00Z"; INT64_MIN: "-". Times before 1970 are times. */
const char *text_time(int64_t epoch_ms, char dst[TEXT_MAX]);

/* Indented, with a line's end. */
void text_json(FILE *f, const json_t *json);

#endif
