/* One pass over a JSON text (RFC 8259): it is checked strictly, and the members of the outermost
 * object that somebody watches for are found. Then it can be written without the white space outside
 * strings. No tree, no recursion, and no allocation but the scratch memory, which grows with the
 * largest text.
 *
 * Strict means: valid UTF-8, numbers and escapes by the grammar, no control characters in strings, no
 * byte order mark, nothing but white space around the value, at most JSON_DEPTH_MAX containers deep.
 * What the grammar allows passes: numbers of any size, repeated names, and escapes such as "\ud800"
 * that are half a surrogate pair, because the bytes themselves are valid and stay as they are. */
#ifndef TIDEMARK_EVENT_JSON_H
#define TIDEMARK_EVENT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/json_index.h"

enum { JSON_DEPTH_MAX = 1024, JSON_WATCH_MAX = 8 };

enum json_type {
    JSON_TYPE_NULL,
    JSON_TYPE_BOOL,
    JSON_TYPE_NUMBER,
    JSON_TYPE_STRING,
    JSON_TYPE_ARRAY,
    JSON_TYPE_OBJECT
};

enum json_error {
    JSON_OK,
    JSON_NOTHING,
    JSON_BYTE_ORDER_MARK,
    JSON_EXPECTED_VALUE,
    JSON_EXPECTED_NAME,
    JSON_EXPECTED_COLON,
    JSON_EXPECTED_END_OF_OBJECT,
    JSON_EXPECTED_END_OF_ARRAY,
    JSON_EXPECTED_DIGIT,
    JSON_BAD_ESCAPE,
    JSON_CONTROL_CHARACTER,
    JSON_BAD_UTF8,
    JSON_OPEN_STRING,
    JSON_TOO_DEEP,
    JSON_TRAILING,
    JSON_ERROR_COUNT
};

/* For people: "expected ':' after a field name". */
const char *json_error_text(enum json_error error);

/* A name to watch for among the outermost object's members. */
struct json_watch {
    const char *name; /* as it is after unescaping; must stay valid */
    size_t len;
    uint64_t head, tail; /* its first and last eight bytes; of a shorter name all, and zeros */
    bool drop;           /* leave such members out of the minified text */
};

/* The first member of a watched name. */
struct json_found {
    size_t count; /* members of this name; the rest is set where it is not 0 */
    enum json_type type;
    bool escaped;     /* a string in which a backslash stands */
    const char *text; /* the value as written; a string without its quotes */
    size_t len;
    size_t end; /* where the value ends in the text */
};

struct json_scanner {
    const struct json_vectors *vectors;
    size_t watches;
    struct json_watch watch[JSON_WATCH_MAX];
    uint64_t sketch;     /* of the watched names */
    uint16_t *positions; /* scratch: of the stops in one window of the text */
    char *in;            /* the text, with zeros behind it */
    size_t len;
    uint64_t *keep;  /* which of its bytes are written */
    size_t capacity; /* bytes of text that there is room for */

    /* What the last scan found. */
    enum json_error error;
    size_t error_at; /* bytes before the trouble */
    enum json_type type;
    struct json_found found[JSON_WATCH_MAX];
};

void json_scanner_init(struct json_scanner *s, enum json_simd simd);
void json_scanner_free(struct json_scanner *s);
void json_scanner_watch(struct json_scanner *s, const char *name, bool drop);

/* False where the text is not JSON; error and error_at say why. What was found stays valid until the
 * next scan. */
bool json_scan(struct json_scanner *s, const char *text, size_t len);

/* Writes [from, to) of the text that has been scanned last, and was JSON, without white space and
 * dropped members. Returns the end of what it wrote, at most to - from bytes; up to JSON_PACK_SLACK
 * bytes behind them are overwritten. */
char *json_minify(const struct json_scanner *s, size_t from, size_t to, char *dst);

#endif
