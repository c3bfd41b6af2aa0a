#include "event/json.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "event/digits.h"
#include "event/json_string.h"
#include "base/utf8.h"

#define NO_STOP UINT16_MAX /* stands behind the last stop of a window */

enum {
    PADDING =
        2 * JSON_BLOCK, /* behind the text: a block of zeros, and what packing reads besides */
    WINDOW = JSON_WINDOW_BLOCKS * JSON_BLOCK,
    LOOK_AHEAD = 2,             /* stops that are looked at together */
    CAPACITY_MIN = 16 * 1024,   /* scratch memory at least */
    CAPACITY_KEEP = 1024 * 1024 /* and at most what is kept after a larger text */
};

/* Where a scan stands. Functions take the position and return the next, or NULL on an error.
 *
 * The text is a copy with zeros behind it. JSON has no place for a zero byte, so whatever is expected
 * at the text's end does not stand there, and no test for the end is needed on the way. */
struct walk {
    const char *text; /* the text itself, of which whole bytes are whole blocks */
    size_t whole;
    const char *in, *end; /* the copy */
    const struct json_vectors *vectors;
    struct json_carry carry;
    uint64_t *keep;      /* of the windows before base_end, a word a block */
    uint16_t *positions; /* of the stops in the window [base, base_end) */
    const char *base;
    char *base_end;
    const uint16_t *next; /* none of those before it is ahead; in a local where it is hot */
    enum json_error error;
    const char *error_at;
};

static const char *fail(struct walk *w, enum json_error error, const char *at) {
    w->error = error;
    w->error_at = at;
    return NULL;
}

INLINE bool is_space(char c) {
    if (LIKELY((unsigned char)c > ' '))
        return false;
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

INLINE const char *space(const char *p) {
    while (is_space(*p))
        p++;
    return p;
}

/* Copies and indexes the window behind the last one. The text's last block, which is its rest and
 * zeros, has been copied. */
static const uint16_t *next_window(struct walk *w) {
    size_t at = (size_t)(w->base_end - w->in), whole = w->whole - at;
    bool last = whole < WINDOW;
    if (!last)
        whole = WINDOW;
    uint16_t *end = w->vectors->index(&w->carry, w->text + at, whole / JSON_BLOCK, last,
                                      w->base_end, w->positions, w->keep + at / JSON_BLOCK);
    w->base = w->base_end;
    w->base_end += whole + (last ? JSON_BLOCK : 0);
    for (int i = 0; i < LOOK_AHEAD; i++)
        end[i] = NO_STOP;
    return w->positions;
}

/* The stop at p or behind it in a string; the zeros behind the text are stops there. */
INLINE const char *next_stop(struct walk *w, const char *p, const uint16_t **next) {
    for (;;) {
        while (UNLIKELY(p >= w->base_end))
            *next = next_window(w);
        while (**next < p - w->base)
            ++*next;
        if (LIKELY(**next != NO_STOP))
            return w->base + **next;
        p = w->base_end;
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

/* The string whose first character is at p; returns the position of its closing quote. Usually that is
 * the next stop. */
INLINE const char *string(struct walk *w, const char *p, const uint16_t **next, bool *escaped) {
    *escaped = false;
    if (LIKELY(**next != NO_STOP)) {
        const char *stop = w->base + **next;
        if (LIKELY(*stop == '"')) {
            ++*next;
            return stop;
        }
    }
    for (;;) {
        p = next_stop(w, p, next);
        if (*p == '"') {
            ++*next;
            return p;
        }
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
    size_t n;
    do
        p += n = leading_digits(p);
    while (n == 8);
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
INLINE const char *scalar(struct walk *w, const char *p, const uint16_t **next,
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
        p = space(p);
        if (*p != ':')
            return fail(w, JSON_EXPECTED_COLON, p);
    }
    return space(p + 1);
}

/* The name at p and its colon; returns where the value begins. */
INLINE const char *member_name(struct walk *w, const char *p, const uint16_t **next) {
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
    const uint16_t *next = w->next;
    closing[0] = ' '; /* no container */
    for (;;) {
        /* Here begins a member or an element. */
        if (closing[depth] == '}' && !(p = member_name(w, p, &next)))
            return NULL;
        if (*p == '{' || *p == '[') {
            if (outer + depth == JSON_DEPTH_MAX)
                return fail(w, JSON_TOO_DEEP, p);
            closing[++depth] = *p == '{' ? '}' : ']';
            p = space(p + 1);
            if (*p != closing[depth])
                continue;
        } else {
            enum json_type type;
            bool escaped;
            if (!(p = scalar(w, p, &next, &type, &escaped)))
                return NULL;
            p = space(p);
        }
        /* Here a value has ended, and with it perhaps containers. */
        while (depth > 0 && *p == closing[depth]) {
            if (--depth == 0) {
                w->next = next;
                return p + 1;
            }
            p = space(p + 1);
        }
        if (*p != ',')
            return fail(
                w, closing[depth] == '}' ? JSON_EXPECTED_END_OF_OBJECT : JSON_EXPECTED_END_OF_ARRAY,
                p);
        p = space(p + 1);
    }
}

INLINE const char *value(struct walk *w, const char *p, size_t outer, const uint16_t **next,
                         enum json_type *type, bool *escaped) {
    if (LIKELY(*p == '"' || (*p != '{' && *p != '[')))
        return scalar(w, p, next, type, escaped);
    *type = *p == '{' ? JSON_TYPE_OBJECT : JSON_TYPE_ARRAY;
    w->next = *next;
    p = container(w, p, outer);
    *next = w->next;
    return p;
}

/* The first and last eight of n bytes at p, behind which eight more may be read. */
INLINE void ends(const char *p, size_t n, uint64_t *head, uint64_t *tail) {
    memcpy(head, p, sizeof *head);
    memcpy(tail, p + (n < 8 ? 0 : n - 8), sizeof *tail);
    if (n < 8)
        *head = *tail = htole64(le64toh(*head) & ((UINT64_C(1) << 8 * n) - 1));
}

/* The watch for the name of n bytes at p, or JSON_WATCH_MAX. */
static size_t find_watch(const struct json_scanner *s, const char *p, size_t n, bool escaped) {
    uint64_t head, tail;
    ends(p, n, &head, &tail);
    for (size_t i = 0; i < s->watches; i++) {
        const struct json_watch *watch = &s->watch[i];
        if (escaped ? json_string_equals(p, n, watch->name, watch->len)
                    : watch->len == n && watch->head == head && watch->tail == tail &&
                          (n <= 16 || memcmp(p, watch->name, n) == 0))
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
static void note(struct json_scanner *s, size_t watch, enum json_type type, bool escaped,
                 const char *p, const char *end) {
    struct json_found *f = &s->found[watch];
    if (f->count++ > 0)
        return;
    bool quoted = type == JSON_TYPE_STRING;
    f->type = type;
    f->escaped = quoted && escaped;
    f->text = p + quoted;
    f->len = (size_t)(end - p) - 2 * quoted;
    f->end = (size_t)(end - s->in);
}

/* Leaves [from, to) out of what is kept. */
static void drop(struct walk *w, const char *from, const char *to, const uint16_t **next) {
    while (w->base_end < to)
        *next = next_window(w);
    for (; from < to; from++) {
        size_t at = (size_t)(from - w->in);
        w->keep[at / JSON_BLOCK] &= ~(UINT64_C(1) << at % JSON_BLOCK);
    }
}

/* A string's closing quote at p, c, perhaps a blank, and the next string's opening quote: how far the
 * second is from the first, or 0 where something else stands there. */
INLINE unsigned joint(const char *p, char c) {
    uint32_t x;
    memcpy(&x, p, sizeof x);
    x = le32toh(x);
    uint32_t narrow = (uint32_t)(unsigned char)c << 8 | '"';
    if (x == (narrow | ' ' << 16 | (uint32_t)'"' << 24))
        return 3;
    return (x & 0xffffff) == (narrow | '"' << 16) ? 2 : 0;
}

/* Members like most: name and value are strings without escapes, and another member follows. Takes
 * and returns where a member begins, and stops before the first that is another. */
INLINE const char *plain_members(struct json_scanner *s, const struct walk *w, const char *p,
                                 const uint16_t **next, const char **comma) {
    const uint16_t *n = *next;
    const char *base = w->base, *kept = *comma;
    if (*p != '"')
        return p;
    /* n[0] ends the name, n[1] the value, if both are quotes: joint() sees to that. */
    while (n[LOOK_AHEAD - 1] != NO_STOP) {
        const char *name = p + 1, *name_end = base + n[0], *end = base + n[1];
        unsigned colon = joint(name_end, ':'), behind = joint(end, ',');
        if (UNLIKELY(!colon || !behind))
            break;
        size_t watch = match(s, name, (size_t)(name_end - name), false);
        if (UNLIKELY(watch != JSON_WATCH_MAX)) {
            if (s->watch[watch].drop)
                break;
            note(s, watch, JSON_TYPE_STRING, false, name_end + colon, end + 1);
        }
        kept = end + 1;
        p = end + behind;
        n += LOOK_AHEAD;
    }
    *next = n;
    *comma = kept;
    return p;
}

/* The outermost object, which begins at p. */
static const char *top_object(struct json_scanner *s, struct walk *w, const char *p) {
    const uint16_t *next = w->next;
    const char *comma = NULL; /* the last one that is kept */
    p = space(p + 1);
    if (*p == '}')
        return p + 1;
    for (;;) {
        p = plain_members(s, w, p, &next, &comma);
        if (UNLIKELY(*p != '"'))
            return fail(w, JSON_EXPECTED_NAME, p);
        const char *name = p + 1;
        bool escaped;
        if (!(p = string(w, name, &next, &escaped)))
            return NULL;
        size_t watch = match(s, name, (size_t)(p - name), escaped);
        if (!(p = colon(w, p + 1)))
            return NULL;
        const char *start = p;
        enum json_type type;
        if (!(p = value(w, p, 1, &next, &type, &escaped)))
            return NULL;
        if (watch != JSON_WATCH_MAX)
            note(s, watch, type, escaped, start, p);
        if (*p != ',')
            p = space(p);
        bool more = *p == ',';
        if (!more && *p != '}')
            return fail(w, JSON_EXPECTED_END_OF_OBJECT, p);
        if (UNLIKELY(watch != JSON_WATCH_MAX && s->watch[watch].drop)) {
            drop(w, name - 1, p + more, &next);
            if (!more && comma) /* the one in front of it */
                drop(w, comma, comma + 1, &next);
        } else {
            comma = p;
        }
        if (!more)
            return p + 1;
        p = space(p + 1);
    }
}

static const char *root(struct json_scanner *s, struct walk *w) {
    const char *p = space(w->in);
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
    p = space(p);
    if (p != w->end)
        return fail(w, JSON_TRAILING, p);
    while (w->base_end <= w->end)
        (void)next_window(w);
    return p;
}

static void allocate(struct json_scanner *s, size_t capacity) {
    free(s->in);
    free(s->keep);
    s->in = xmalloc(capacity + PADDING);
    s->keep = xmalloc((capacity / JSON_BLOCK + 1) * sizeof *s->keep);
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
    assert(len < UINT32_MAX); /* Kafka's limit is half of it */
    reserve(s, len);
    for (size_t i = 0; i < s->watches; i++)
        s->found[i].count = 0;
    size_t rest = len % JSON_BLOCK;
    /* What the whole blocks leave over; a length that the compiler knows is copied at once. */
    if (LIKELY(len >= JSON_BLOCK))
        memcpy(s->in + len - JSON_BLOCK, text + len - JSON_BLOCK, JSON_BLOCK);
    else
        memcpy(s->in, text, len);
    memset(s->in + len, 0, JSON_BLOCK);
    if (len - rest >= WINDOW) { /* else the first window is all of it */
        memcpy(s->in, text, len - rest);
        text = s->in;
    }
    s->len = len;
    struct walk w = {.text = text,
                     .whole = len - rest,
                     .in = s->in,
                     .end = s->in + len,
                     .vectors = s->vectors,
                     .keep = s->keep,
                     .positions = s->positions,
                     .base_end = s->in};
    w.next = next_window(&w);
    bool ok = root(s, &w) != NULL;
    s->error = w.error;
    s->error_at = ok ? 0 : (size_t)(w.error_at - w.in);
    return ok;
}

char *json_minify(const struct json_scanner *s, size_t from, size_t to, char *dst) {
    return s->vectors->pack(s->in, s->keep, from, to, dst);
}

void json_scanner_init(struct json_scanner *s, enum json_simd simd) {
    *s = (struct json_scanner){.vectors = json_vectors_for(simd)};
    assert(s->vectors);
    s->positions = xmalloc(JSON_STOPS_ROOM * sizeof *s->positions);
    allocate(s, CAPACITY_MIN);
}

void json_scanner_free(struct json_scanner *s) {
    free(s->positions);
    free(s->in);
    free(s->keep);
    s->positions = NULL;
    s->in = NULL;
    s->keep = NULL;
    s->capacity = 0;
}

void json_scanner_watch(struct json_scanner *s, const char *name, bool drop_it) {
    assert(s->watches < JSON_WATCH_MAX);
    size_t len = strlen(name);
    struct json_watch *watch = &s->watch[s->watches++];
    *watch = (struct json_watch){.name = name, .len = len, .drop = drop_it};
    char padded[8] = {0};
    ends(len < 8 ? memcpy(padded, name, len) : name, len, &watch->head, &watch->tail);
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
