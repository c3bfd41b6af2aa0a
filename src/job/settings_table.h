/* The table of settings: what each one is called, means and may be. The parser, --help=settings,
 * docs/settings.md and `check` all read it. */
#ifndef TIDEMARK_JOB_SETTINGS_TABLE_H
#define TIDEMARK_JOB_SETTINGS_TABLE_H

#include <stdio.h>

#include "base/buffer.h"
#include "job/settings.h"

enum setting_kind {
    SETTING_TEXT,       /* char * */
    SETTING_DURATION,   /* int64_t, milliseconds */
    SETTING_SIZE,       /* uint64_t, bytes */
    SETTING_COUNT,      /* int64_t */
    SETTING_BOOL,       /* bool */
    SETTING_CHOICE,     /* an enum that counts from 0 in the order of `choices` */
    SETTING_START,      /* struct settings_start */
    SETTING_ASSIGNMENT, /* struct settings_assignment */
};

enum { SETTING_ENVIRONMENT_MAX = 2, SETTING_WHY_MAX = 320, SETTING_TEXT_MAX = 64 * 1024 };

/* NULL where the text may be, else what is wrong, to be put behind the text ("is not ..."). */
typedef const char *setting_accept_fn(const char *text);

struct setting {
    const char *key;
    enum setting_kind kind;
    size_t field; /* offset in struct settings */
    const char *unit;
    int64_t min, max;    /* DURATION, SIZE, COUNT */
    const char *initial; /* the default as text; NULL: derived from others, or none */
    const char *derived; /* the default in words, where initial is NULL */
    const char *environment[SETTING_ENVIRONMENT_MAX]; /* the first that is not empty wins */
    const char *const *choices;                       /* CHOICE; ends with NULL */
    setting_accept_fn *accept;                        /* TEXT */
    const char *form;   /* TEXT, START, ASSIGNMENT: what it looks like */
    const char *beyond; /* COUNT: what is wrong with more than max, instead of the range */
    bool secret;        /* never printed */
    const char *meaning, *reason;
};

extern const struct setting settings_table[];
extern const size_t settings_rows;

/* Everything below this prefix is one librdkafka name. */
#define SETTINGS_PROPERTIES "kafka.properties."

/* The row of a key, or NULL. */
const struct setting *settings_row(const char *key);
/* True where keys or properties stand below `path` ("window"). */
bool settings_is_section(const char *path);

/* Parses text into the row's field, releasing what was there. 0, or -1 with what is wrong in
 * `why`, which never repeats a secret. */
int setting_parse(const struct setting *row, const char *text, struct settings *s,
                  char why[SETTING_WHY_MAX]);
/* Appends the field as text that parses to the same value; nothing where there is no value. */
void setting_format(const struct setting *row, const struct settings *s, struct buffer *out);
void setting_release(const struct setting *row, struct settings *s);
/* "1s to 366d", "text or json", ...: what the row takes, in words. */
void setting_range(const struct setting *row, struct buffer *out);

/* The nearest of the n words by edits (one word may also match behind its last dot). */
const char *nearest_word(const char *word, const char *const *words, size_t n);
const char *nearest_key(const char *key);

/* The whole table for people: 80 columns, and docs/settings.md. */
void settings_print_text(FILE *f);
void settings_print_markdown(FILE *f);

#endif
