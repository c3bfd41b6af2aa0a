/* The part of reading JSON that vectors do well: which bytes lie in strings, where a string has to be
 * looked at, and leaving out the white space. What knows JSON's grammar is plain C (json.c) and the
 * same for all processors. */
#ifndef TIDEMARK_EVENT_JSON_INDEX_H
#define TIDEMARK_EVENT_JSON_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_simd { JSON_PLAIN, JSON_SSE2, JSON_AVX2, JSON_AVX512, JSON_SIMD_COUNT };

enum {
    JSON_BLOCK = 64,         /* bytes of text that make one word of bits */
    JSON_WINDOW_BLOCKS = 64, /* blocks that are indexed at once, at most */
    JSON_PACK_SLACK = 64,    /* bytes that json_pack_fn may write behind what it returns */
    /* Stops that a window needs room for: one a byte, some for its end, some that are overwritten. */
    JSON_STOPS_ROOM = JSON_WINDOW_BLOCKS * JSON_BLOCK + 32
};

/* What one block leaves to the next. */
struct json_carry {
    bool in_string; /* the next block begins within a string */
    bool escape;    /* behind a backslash that escapes its first byte */
};

/* Indexes so many blocks of text and, where there is a rest, one more that stands behind their copy
 * already. Writes
 * - the text itself to copy (may be text): it is in the registers anyway;
 * - the positions of stops, ascending, counted from the first block: quotes that end a string, and
 *   within strings backslashes, control characters and bytes that are not ASCII;
 * - a word a block, whose bits are the bytes to keep: all but white space outside strings.
 * Returns the end of the stops. The text is taken for JSON: in other text both may be wrong behind
 * the first byte that is no JSON. */
typedef uint16_t *json_index_fn(struct json_carry *carry, const char *text, size_t blocks,
                                bool rest, char *copy, uint16_t *stops, uint64_t *keep);

/* Copies the bytes to keep of text's [from, to) to dst and returns the end of what it wrote. Reads
 * whole blocks. */
typedef char *json_pack_fn(const char *text, const uint64_t *keep, size_t from, size_t to,
                           char *dst);

struct json_vectors {
    json_index_fn *index;
    json_pack_fn *pack;
};

/* The fastest that this processor can run. */
enum json_simd json_simd_best(void);
/* NULL where this processor or build cannot run it. */
const struct json_vectors *json_vectors_for(enum json_simd simd);

#endif
