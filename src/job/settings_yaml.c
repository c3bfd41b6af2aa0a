/* A YAML file as settings: nested maps and dotted keys alike. What YAML has beyond scalars and maps
 * (anchors, tags, several documents) is refused, because nobody needs it here and each is a way to
 * be misread. */
#include "job/settings_layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/memory.h"
#include "job/settings_table.h"

enum { DEPTH_MAX = 16, PATH_MAX_BYTES = 512, LIST_MAX_BYTES = 64 * 1024 };

struct walk {
    yaml_parser_t parser;
    const char *name;
    struct givens *out;
    struct error *e;
    char path[PATH_MAX_BYTES];
    size_t depth;
};

static int refuse(struct walk *w, yaml_mark_t at, const char *what) {
    return error_set(w->e, ERR_USAGE, "%s:%zu:%zu: %s", w->name, at.line + 1, at.column + 1, what);
}

/* What kinds of YAML are not taken, or NULL. */
static const char *unsupported(const yaml_event_t *event) {
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return "aliases (*name) are not supported";
    case YAML_SCALAR_EVENT:
        if (event->data.scalar.anchor)
            return "anchors (&name) are not supported";
        if (event->data.scalar.tag)
            return "tags (!name) are not supported";
        if (memchr(event->data.scalar.value, '\0', event->data.scalar.length))
            return "a NUL character is not supported";
        return NULL;
    case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor)
            return "anchors (&name) are not supported";
        return event->data.mapping_start.tag ? "tags (!name) are not supported" : NULL;
    case YAML_SEQUENCE_START_EVENT:
        if (event->data.sequence_start.anchor)
            return "anchors (&name) are not supported";
        return event->data.sequence_start.tag ? "tags (!name) are not supported" : NULL;
    default:
        return NULL;
    }
}

/* 0 with an event to delete, or -1. */
static int next(struct walk *w, yaml_event_t *event) {
    if (!yaml_parser_parse(&w->parser, event)) {
        if (w->parser.error == YAML_MEMORY_ERROR)
            out_of_memory();
        const char *problem = w->parser.problem ? w->parser.problem : "not YAML";
        if (w->parser.error == YAML_READER_ERROR)
            return error_set(w->e, ERR_USAGE, "%s: %s at byte %zu", w->name, problem,
                             w->parser.problem_offset);
        return refuse(w, w->parser.problem_mark, problem);
    }
    const char *why = unsupported(event);
    if (!why)
        return 0;
    yaml_mark_t at = event->start_mark;
    yaml_event_delete(event);
    return refuse(w, at, why);
}

/* An empty value, or one of YAML's words for nothing. */
static const char *scalar_text(const yaml_event_t *event) {
    const char *text = (const char *)event->data.scalar.value;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return plain && (strcmp(text, "~") == 0 || strcmp(text, "null") == 0) ? "" : text;
}

/* Adds w->path with this value (NULL: a section), which stands at `at`. */
static int add(struct walk *w, yaml_mark_t at, const char *value) {
    char *copy = value ? xstrdup(value) : NULL;
    struct given given = {
        .key = w->path,
        .value = copy,
        .origin = xasprintf("%s:%zu", w->name, at.line + 1),
        .place = xasprintf("%s:%zu:%zu", w->name, at.line + 1, at.column + 1),
    };
    int rc = givens_add(w->out, &given, w->e);
    free(copy);
    free(given.origin);
    free(given.place);
    return rc;
}

static bool is_number(const yaml_event_t *event) {
    if (event->type != YAML_SCALAR_EVENT)
        return false;
    const char *text = (const char *)event->data.scalar.value;
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* "[0, 2]" as "0,2", for the one setting that is a list. */
static int add_list(struct walk *w, yaml_mark_t at) {
    if (strcmp(w->path, "kafka.assignment") != 0)
        return refuse(w, at, "lists are not supported; only kafka.assignment takes one");
    struct buffer list;
    buffer_init(&list, LIST_MAX_BYTES);
    int rc = 0;
    for (bool first = true, end = false; rc == 0 && !end; first = false) {
        yaml_event_t event;
        if (next(w, &event) != 0) {
            rc = -1;
            break;
        }
        end = event.type == YAML_SEQUENCE_END_EVENT;
        if (!end && !is_number(&event))
            rc = refuse(w, event.start_mark, "kafka.assignment lists numbers only");
        else if (!end && buffer_printf(&list, "%s%s", first ? "" : ",",
                                       (const char *)event.data.scalar.value) != 0)
            rc = refuse(w, event.start_mark, "the list is too long");
        else if (end && first)
            rc = refuse(w, at, "kafka.assignment names no partition");
        yaml_event_delete(&event);
    }
    if (rc == 0)
        rc = add(w, at, buffer_text(&list));
    buffer_free(&list);
    return rc;
}

/* Appends a key to w->path; the length before in *before. */
static int enter(struct walk *w, const yaml_event_t *key, size_t *before) {
    if (key->type != YAML_SCALAR_EVENT || key->data.scalar.length == 0)
        return refuse(w, key->start_mark, "a setting's name is expected here");
    size_t n = strlen(w->path);
    *before = n;
    int written = snprintf(w->path + n, sizeof w->path - n, "%s%s", n ? "." : "",
                           (const char *)key->data.scalar.value);
    if (written >= 0 && (size_t)written < sizeof w->path - n)
        return 0;
    w->path[n] = '\0';
    return refuse(w, key->start_mark, "this name is too long");
}

static int walk_map(struct walk *w);

static int walk_value(struct walk *w, yaml_mark_t key_at) {
    yaml_event_t event;
    if (next(w, &event) != 0)
        return -1;
    int rc;
    if (event.type == YAML_SCALAR_EVENT) {
        rc = add(w, key_at, scalar_text(&event));
    } else if (event.type == YAML_SEQUENCE_START_EVENT) {
        rc = add_list(w, key_at);
    } else {
        rc = add(w, key_at, NULL);
        if (rc == 0)
            rc = walk_map(w);
    }
    yaml_event_delete(&event);
    return rc;
}

/* The inside of a map, up to its end. */
static int walk_map(struct walk *w) {
    if (++w->depth > DEPTH_MAX)
        return refuse(w, w->parser.mark, "maps are nested too deeply");
    int rc = 0;
    for (bool end = false; rc == 0 && !end;) {
        yaml_event_t key;
        if (next(w, &key) != 0)
            return -1;
        end = key.type == YAML_MAPPING_END_EVENT;
        size_t before = 0;
        if (!end) {
            rc = enter(w, &key, &before);
            if (rc == 0) {
                rc = walk_value(w, key.start_mark);
                w->path[before] = '\0';
            }
        }
        yaml_event_delete(&key);
    }
    w->depth--;
    return rc;
}

/* One document: a map, or nothing at all. */
static int walk_document(struct walk *w) {
    yaml_event_t event;
    if (next(w, &event) != 0)
        return -1;
    int rc = 0;
    if (event.type == YAML_MAPPING_START_EVENT)
        rc = walk_map(w);
    else if (event.type != YAML_SCALAR_EVENT || *scalar_text(&event))
        rc = refuse(w, event.start_mark, "settings are expected here (key: value)");
    yaml_event_delete(&event);
    return rc;
}

static int walk_stream(struct walk *w) {
    int documents = 0;
    for (;;) {
        yaml_event_t event;
        if (next(w, &event) != 0)
            return -1;
        yaml_event_type_t type = event.type;
        yaml_mark_t at = event.start_mark;
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return 0;
        if (type != YAML_DOCUMENT_START_EVENT)
            continue;
        if (documents++ > 0)
            return refuse(w, at, "a second document begins here; only one is supported");
        if (walk_document(w) != 0)
            return -1;
    }
}

int givens_from_yaml(struct givens *g, const char *name, const char *data, size_t len,
                     struct error *e) {
    struct walk w = {.name = name, .out = g, .e = e};
    if (!yaml_parser_initialize(&w.parser))
        out_of_memory();
    yaml_parser_set_input_string(&w.parser, (const unsigned char *)data, len);
    int rc = walk_stream(&w);
    yaml_parser_delete(&w.parser);
    return rc;
}
