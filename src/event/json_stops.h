/* Where a scan of a JSON string has to stop and look: quotes, backslashes, control characters and
 * bytes that are not ASCII. Finding them is the part of parsing that vectors do well; everything
 * that knows JSON's grammar is plain C and the same for all processors. */
#ifndef TIDEMARK_EVENT_JSON_STOPS_H
#define TIDEMARK_EVENT_JSON_STOPS_H

#include <stddef.h>
#include <stdint.h>

enum json_simd { JSON_PLAIN, JSON_SSE2, JSON_AVX2, JSON_AVX512, JSON_SIMD_COUNT };

enum {
    JSON_STOPS_BLOCK = 64,                     /* bytes of text looked at together */
    JSON_STOPS_WINDOW = 64 * JSON_STOPS_BLOCK, /* bytes of text searched at once, at most */
    /* Positions that a window needs: one a byte, some for its end, some that are overwritten. */
    JSON_STOPS_ROOM = JSON_STOPS_WINDOW + 32
};

/* Writes the positions of all stops in n bytes of text (whole blocks, at most a window), ascending,
 * and returns how many. */
typedef size_t json_stops_fn(const char *text, size_t n, uint32_t *positions);

/* The fastest that this processor can run. */
enum json_simd json_simd_best(void);
/* NULL where this processor or build cannot run it. */
json_stops_fn *json_stops_for(enum json_simd simd);

#endif
