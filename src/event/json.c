#include "event/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "event/json_string.h"
#include "base/utf8.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define INLINE static inline __attribute__((always_inline))

#define NO_STOP UINT32_MAX /* stands behind the last stop of a window */

enum {
    COPY = 32,                         /* bytes copied at once */
    PADDING = JSON_STOPS_BLOCK + COPY, /* zeros behind the text */
    CAPACITY_MIN = 16 * 1024,          /* scratch memory at least */
    CAPACITY_KEEP = 1024 * 1024        /* and at most what is kept after a larger text */
};

/* Where a scan stands. Functions take the position and return the next, or NULL on an error.
 *
 * The text is a copy with zeros behind it. JSON has no place for a zero byte, so whatever is expected
 * at the text's end does not stand there, and no test for the end is needed on the way. */
struct walk {
    const char *in, *end;
    json_stops_fn *find_stops;
    uint32_t *positions; /* of the stops in the window [base, base_end) */
    const char *base, *base_end;
    const uint32_t *next; /* none of those before it is ahead; in a local where it is hot */
    const char *run;      /* from here to the position nothing has been copied to out yet */
    char *out;
    enum json_error error;
    const char *error_at;
};

static const char *fail(struct walk *w, enum json_error error, const char *at) {
    w->error = error;
    w->error_at = at;
    return NULL;
}

/* Copies the run that ends at p. */
INLINE void flush(struct walk *w, const char *p) {
    size_t n = (size_t)(p - w->run);
    size_t i = 0;
    do {
        memcpy(w->out + i, w->run + i, COPY);
        i += COPY;
    } while (UNLIKELY(i < n));
    w->out += n;
    w->run = p;
}

INLINE bool is_space(char c) {
    if (LIKELY((unsigned char)c > ' '))
        return false;
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Skips white space, which ends a run. */
INLINE const char *space(struct walk *w, const char *p) {
    if (is_space(*p)) {
        flush(w, p);
        do
            p++;
        while (is_space(*p));
        w->run = p;
    }
    return p;
}

/* Searches the window that begins at p. */
static const uint32_t *search_window(struct walk *w, const char *p) {
    size_t n = (size_t)(w->end - p) / JSON_STOPS_BLOCK * JSON_STOPS_BLOCK + JSON_STOPS_BLOCK;
    if (n > JSON_STOPS_WINDOW)
        n = JSON_STOPS_WINDOW;
    size_t count = w->find_stops(p, n, w->positions);
    for (size_t i = 0; i < 3; i++) /* string() looks ahead */
        w->positions[count + i] = NO_STOP;
    w->base = p;
    w->base_end = p + n;
    return w->positions;
}

/* The first stop at p or after it; there is one, because the zeros behind the text are stops. */
INLINE const char *next_stop(struct walk *w, const char *p, const uint32_t **next) {
    for (;;) {
        while (**next < (uint32_t)(p - w->base))
            ++*next;
        if (LIKELY(**next != NO_STOP))
            return w->base + **next;
        if (p < w->base_end)
            p = w->base_end;
        *next = search_window(w, p);
    }
}

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* The escape at p. */
static const char *escape(struct walk *w, const char *p) {
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        for (int i = 2; i < 6; i++) {
            if (!is_hex(p[i]))
                return fail(w, p + i == w->end ? JSON_OPEN_STRING : JSON_BAD_ESCAPE, p + i);
        }
        return p + 6;
    default:
        return fail(w, p + 1 == w->end ? JSON_OPEN_STRING : JSON_BAD_ESCAPE, p + 1);
    }
}

/* What stopped the search in a string at p and is not its closing quote. */
static const char *string_stop(struct walk *w, const char *p, bool *escaped) {
    if (p == w->end)
        return fail(w, JSON_OPEN_STRING, p);
    if (*p == '\\') {
        *escaped = true;
        return escape(w, p);
    }
    if ((unsigned char)*p < 0x20)
        return fail(w, JSON_CONTROL_CHARACTER, p);
    do {
        size_t n = utf8_sequence(p, (size_t)(w->end - p));
        if (n == 0)
            return fail(w, JSON_BAD_UTF8, p);
        p += n;
    } while ((unsigned char)*p >= 0x80);
    return p;
}

/* The string whose first character is at p; returns the position of its closing quote. Usually no
 * stop lies between the last string's closing quote and this one's opening quote, and none within. */
INLINE const char *string(struct walk *w, const char *p, const uint32_t **next, bool *escaped) {
    *escaped = false;
    if (LIKELY((*next)[1] == (uint32_t)(p - 1 - w->base) && (*next)[2] != NO_STOP)) {
        *next += 2;
        const char *stop = w->base + **next;
        if (LIKELY(*stop == '"'))
            return stop;
    }
    for (;;) {
        p = next_stop(w, p, next);
        if (*p == '"')
            return p;
        if (!(p = string_stop(w, p, escaped)))
            return NULL;
    }
}

INLINE bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* One digit or more. */
INLINE const char *digits(struct walk *w, const char *p) {
    if (UNLIKELY(!is_digit(*p)))
        return fail(w, JSON_EXPECTED_DIGIT, p);
    do
        p++;
    while (is_digit(*p));
    return p;
}

INLINE const char *number(struct walk *w, const char *p) {
    if (*p == '-')
        p++;
    if (*p == '0')
        p++;
    else if (!(p = digits(w, p)))
        return NULL;
    if (*p == '.' && !(p = digits(w, p + 1)))
        return NULL;
    if ((*p | 0x20) == 'e') {
        p++;
        if (*p == '+' || *p == '-')
            p++;
        return digits(w, p);
    }
    return p;
}

INLINE const char *literal(struct walk *w, const char *p, const char *word, size_t len) {
    if (memcmp(p, word, len) != 0)
        return fail(w, JSON_EXPECTED_VALUE, p);
    return p + len;
}

/* A value that is not a container. */
INLINE const char *scalar(struct walk *w, const char *p, const uint32_t **next,
                          enum json_type *type, bool *escaped) {
    if (LIKELY(*p == '"')) {
        *type = JSON_TYPE_STRING;
        p = string(w, p + 1, next, escaped);
        return p ? p + 1 : NULL;
    }
    if (*p == '-' || is_digit(*p)) {
        *type = JSON_TYPE_NUMBER;
        return number(w, p);
    }
    if (*p == 'n') {
        *type = JSON_TYPE_NULL;
        return literal(w, p, "null", 4);
    }
    *type = JSON_TYPE_BOOL;
    return *p == 't' ? literal(w, p, "true", 4) : literal(w, p, "false", 5);
}

/* The colon at p, where white space may come first; returns where the value begins. */
INLINE const char *colon(struct walk *w, const char *p) {
    if (UNLIKELY(*p != ':')) {
        p = space(w, p);
        if (*p != ':')
            return fail(w, JSON_EXPECTED_COLON, p);
    }
    return space(w, p + 1);
}

/* The name at p and its colon; returns where the value begins. */
INLINE const char *member_name(struct walk *w, const char *p, const uint32_t **next) {
    bool escaped;
    if (*p != '"')
        return fail(w, JSON_EXPECTED_NAME, p);
    if (!(p = string(w, p + 1, next, &escaped)))
        return NULL;
    return colon(w, p + 1);
}

/* The container at p, which lies in `outer` others, with all that it contains. */
static const char *container(struct walk *w, const char *p, size_t outer) {
    char closing[JSON_DEPTH_MAX + 1]; /* what each open container ends with, from 1 on */
    size_t depth = 0;
    const uint32_t *next = w->next;
    closing[0] = ' '; /* no container */
    for (;;) {
        /* Here begins a member or an element. */
        if (closing[depth] == '}' && !(p = member_name(w, p, &next)))
            return NULL;
        if (*p == '{' || *p == '[') {
            if (outer + depth == JSON_DEPTH_MAX)
                return fail(w, JSON_TOO_DEEP, p);
            closing[++depth] = *p == '{' ? '}' : ']';
            p = space(w, p + 1);
            if (*p != closing[depth])
                continue;
        } else {
            enum json_type type;
            bool escaped;
            if (!(p = scalar(w, p, &next, &type, &escaped)))
                return NULL;
            p = space(w, p);
        }
        /* Here a value has ended, and with it perhaps containers. */
        while (depth > 0 && *p == closing[depth]) {
            if (--depth == 0) {
                w->next = next;
                return p + 1;
            }
            p = space(w, p + 1);
        }
        if (*p != ',')
            return fail(
                w, closing[depth] == '}' ? JSON_EXPECTED_END_OF_OBJECT : JSON_EXPECTED_END_OF_ARRAY,
                p);
        p = space(w, p + 1);
    }
}

INLINE const char *value(struct walk *w, const char *p, size_t outer, const uint32_t **next,
                         enum json_type *type, bool *escaped) {
    if (LIKELY(*p == '"' || (*p != '{' && *p != '[')))
        return scalar(w, p, next, type, escaped);
    *type = *p == '{' ? JSON_TYPE_OBJECT : JSON_TYPE_ARRAY;
    w->next = *next;
    p = container(w, p, outer);
    *next = w->next;
    return p;
}

/* The watch for the name of n bytes at p, or JSON_WATCH_MAX. */
static size_t find_watch(const struct json_scanner *s, const char *p, size_t n, bool escaped) {
    for (size_t i = 0; i < s->watches; i++) {
        const struct json_watch *watch = &s->watch[i];
        if (escaped ? json_string_equals(p, n, watch->name, watch->len)
                    : watch->len == n && memcmp(p, watch->name, n) == 0)
            return i;
    }
    return JSON_WATCH_MAX;
}

/* Few names that are not watched for get past this. A name is followed by its quote at least. */
INLINE uint64_t sketch(const char *name, size_t n) {
    return UINT64_C(1) << ((n + 8 * (unsigned char)*name) & 63);
}

INLINE size_t match(const struct json_scanner *s, const char *p, size_t n, bool escaped) {
    if (LIKELY(!escaped && !(s->sketch & sketch(p, n))))
        return JSON_WATCH_MAX;
    return find_watch(s, p, n, escaped);
}

/* Notes a watched member's value, [p, end). */
static void note(struct json_scanner *s, const struct walk *w, size_t watch, enum json_type type,
                 bool escaped, const char *p, const char *end) {
    struct json_found *f = &s->found[watch];
    if (f->count++ > 0)
        return;
    bool quoted = type == JSON_TYPE_STRING;
    f->type = type;
    f->escaped = quoted && escaped;
    f->text = p + quoted;
    f->len = (size_t)(end - p) - 2 * quoted;
    f->out_end = (size_t)(w->out - s->out) + (size_t)(end - w->run);
}

/* Takes back what was copied since `kept`, where a dropped member began. p is the next member's name,
 * or the closing brace, before which the comma in front of the dropped member has to go. */
static void drop(struct walk *w, char *kept, const char *p) {
    if (*p == '}' && kept[-1] == ',')
        kept--;
    w->out = kept;
    w->run = p;
}

/* The outermost object, which begins at p. */
static const char *top_object(struct json_scanner *s, struct walk *w, const char *p) {
    const uint32_t *next = w->next;
    p = space(w, p + 1);
    if (*p == '}')
        return p + 1;
    for (;;) {
        if (UNLIKELY(*p != '"'))
            return fail(w, JSON_EXPECTED_NAME, p);
        const char *name = p + 1;
        bool escaped;
        if (!(p = string(w, name, &next, &escaped)))
            return NULL;
        size_t watch = match(s, name, (size_t)(p - name), escaped);
        char *kept = NULL;
        if (UNLIKELY(watch != JSON_WATCH_MAX && s->watch[watch].drop)) {
            flush(w, name - 1);
            kept = w->out;
        }
        if (!(p = colon(w, p + 1)))
            return NULL;
        const char *start = p;
        enum json_type type;
        if (!(p = value(w, p, 1, &next, &type, &escaped)))
            return NULL;
        if (watch != JSON_WATCH_MAX)
            note(s, w, watch, type, escaped, start, p);
        if (*p != ',')
            p = space(w, p);
        bool more = *p == ',';
        if (!more && *p != '}')
            return fail(w, JSON_EXPECTED_END_OF_OBJECT, p);
        if (more)
            p = space(w, p + 1);
        if (UNLIKELY(kept != NULL)) {
            if (more && *p != '"')
                return fail(w, JSON_EXPECTED_NAME, p);
            drop(w, kept, p);
        }
        if (!more)
            return p + 1;
    }
}

static const char *root(struct json_scanner *s, struct walk *w) {
    const char *p = space(w, w->in);
    bool escaped;
    if (p == w->end)
        return fail(w, JSON_NOTHING, p);
    if (w->end - w->in >= 3 && memcmp(w->in, "\xef\xbb\xbf", 3) == 0)
        return fail(w, JSON_BYTE_ORDER_MARK, p);
    if (*p == '{') {
        s->type = JSON_TYPE_OBJECT;
        p = top_object(s, w, p);
    } else {
        p = value(w, p, 0, &w->next, &s->type, &escaped);
    }
    if (!p)
        return NULL;
    p = space(w, p);
    if (p != w->end)
        return fail(w, JSON_TRAILING, p);
    flush(w, p);
    return p;
}

static void allocate(struct json_scanner *s, size_t capacity) {
    free(s->in);
    free(s->out);
    s->in = xmalloc(capacity + PADDING);
    s->out = xmalloc(capacity + COPY);
    s->capacity = capacity;
}

/* Scratch memory for a text of len bytes; after a much larger one the memory is given back. */
static void reserve(struct json_scanner *s, size_t len) {
    bool large = s->capacity > CAPACITY_KEEP && len <= CAPACITY_KEEP;
    if (LIKELY(len <= s->capacity && !large))
        return;
    size_t capacity = CAPACITY_MIN;
    while (capacity < len)
        capacity *= 2;
    allocate(s, capacity);
}

bool json_scan(struct json_scanner *s, const char *text, size_t len) {
    assert(len < NO_STOP); /* Kafka's limit is half of it */
    reserve(s, len);
    for (size_t i = 0; i < s->watches; i++)
        s->found[i].count = 0;
    memcpy(s->in, text, len);
    memset(s->in + len, 0, PADDING);
    struct walk w = {.in = s->in,
                     .end = s->in + len,
                     .find_stops = s->find_stops,
                     .positions = s->positions,
                     .run = s->in,
                     .out = s->out};
    w.next = search_window(&w, w.in);
    bool ok = root(s, &w) != NULL;
    s->error = w.error;
    s->error_at = ok ? 0 : (size_t)(w.error_at - w.in);
    s->out_len = (size_t)(w.out - s->out);
    return ok;
}

void json_scanner_init(struct json_scanner *s, enum json_simd simd) {
    *s = (struct json_scanner){.find_stops = json_stops_for(simd)};
    assert(s->find_stops);
    s->positions = xmalloc(JSON_STOPS_ROOM * sizeof *s->positions);
    allocate(s, CAPACITY_MIN);
}

void json_scanner_free(struct json_scanner *s) {
    free(s->positions);
    free(s->in);
    free(s->out);
    s->positions = NULL;
    s->in = NULL;
    s->out = NULL;
    s->capacity = 0;
}

void json_scanner_watch(struct json_scanner *s, const char *name, bool drop_it) {
    assert(s->watches < JSON_WATCH_MAX);
    size_t len = strlen(name);
    s->watch[s->watches++] = (struct json_watch){.name = name, .len = len, .drop = drop_it};
    s->sketch |= sketch(len ? name : "\"", len);
}

const char *json_error_text(enum json_error error) {
    static const char *const texts[JSON_ERROR_COUNT] = {
        [JSON_OK] = "no error",
        [JSON_NOTHING] = "nothing but white space",
        [JSON_BYTE_ORDER_MARK] = "a byte order mark, which JSON does not allow",
        [JSON_EXPECTED_VALUE] = "expected a value",
        [JSON_EXPECTED_NAME] = "expected a field name in double quotes",
        [JSON_EXPECTED_COLON] = "expected ':' after a field name",
        [JSON_EXPECTED_END_OF_OBJECT] = "expected ',' or '}' after a field's value",
        [JSON_EXPECTED_END_OF_ARRAY] = "expected ',' or ']' after an array's element",
        [JSON_EXPECTED_DIGIT] = "expected a digit in a number",
        [JSON_BAD_ESCAPE] = "not an escape that JSON knows",
        [JSON_CONTROL_CHARACTER] = "a control character in a string must be escaped",
        [JSON_BAD_UTF8] = "not valid UTF-8",
        [JSON_OPEN_STRING] = "the text ends inside a string",
        [JSON_TOO_DEEP] = "more than 1024 containers deep",
        [JSON_TRAILING] = "expected nothing more after the value",
    };
    return texts[error];
}
