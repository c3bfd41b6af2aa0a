#include "job/settings_layers.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "job/settings_table.h"

enum {
    GIVENS_MAX = 1000,
    VALUE_FILE_MAX = SETTING_TEXT_MAX,
    YAML_FILE_MAX = 1024 * 1024,
};

void givens_free(struct givens *g) {
    for (size_t i = 0; i < g->n; i++) {
        free(g->list[i].key);
        free(g->list[i].value);
        free(g->list[i].origin);
        free(g->list[i].place);
    }
    free(g->list);
    *g = (struct givens){0};
}

const struct given *givens_find(const struct givens *g, const char *key) {
    for (size_t i = 0; i < g->n; i++)
        if (g->list[i].value && *g->list[i].value && strcmp(g->list[i].key, key) == 0)
            return &g->list[i];
    return NULL;
}

void settings_show(const char *value, bool secret, char shown[SHOWN_MAX]) {
    size_t n = 0;
    for (const char *p = secret ? "***" : value; *p; p++) {
        if (n == SHOWN_MAX - 4) {
            memcpy(shown + n, "...", 3);
            n += 3;
            break;
        }
        shown[n++] = iscntrl((unsigned char)*p) ? '?' : *p;
    }
    shown[n] = '\0';
}

static int refuse_unknown(const struct given *given, struct error *e) {
    char key[SHOWN_MAX];
    settings_show(given->key, false, key);
    bool kafka = strncmp(given->key, "kafka.", 6) == 0;
    return error_set(e, ERR_USAGE, "%s: unknown setting \"%s\"; the nearest is %s%s", given->place,
                     key, nearest_key(given->key),
                     kafka ? " (librdkafka's own stand below kafka.properties)" : "");
}

/* A key that is right in the wrong place: a section's with a value, or the other way round. */
static int check_key(const struct given *given, struct error *e) {
    const char *key = given->key;
    bool section = settings_is_section(key);
    bool property = strncmp(key, SETTINGS_PROPERTIES, strlen(SETTINGS_PROPERTIES)) == 0;
    if (property && key[strlen(SETTINGS_PROPERTIES)])
        return 0;
    if (given->value && settings_row(key))
        return 0;
    if (section && (!given->value || !*given->value))
        return 0;
    if (section)
        return error_set(e, ERR_USAGE, "%s: %s holds further settings, not a value", given->place,
                         key);
    if (settings_row(key))
        return error_set(e, ERR_USAGE, "%s: %s takes one value, not further settings", given->place,
                         key);
    return refuse_unknown(given, e);
}

int givens_add(struct givens *g, const struct given *given, struct error *e) {
    if (check_key(given, e) != 0)
        return -1;
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->list[i].key, given->key) == 0) {
            char key[SHOWN_MAX];
            settings_show(given->key, false, key);
            return error_set(e, ERR_USAGE, "%s: %s stands here again (first: %s)", given->place,
                             key, g->list[i].place);
        }
    if (g->n == GIVENS_MAX)
        return error_set(e, ERR_USAGE, "%s: more than %d settings", given->place, GIVENS_MAX);
    if (given->value && strlen(given->value) > SETTING_TEXT_MAX)
        return error_set(e, ERR_USAGE, "%s: %s: the value is longer than 64 KiB", given->place,
                         given->key);
    array_reserve(&g->list, &g->cap, g->n + 1, sizeof *g->list);
    g->list[g->n++] = (struct given){
        .key = xstrdup(given->key),
        .value = given->value ? xstrdup(given->value) : NULL,
        .origin = xstrdup(given->origin),
        .place = xstrdup(given->place),
    };
    return 0;
}

/* ---- Files --------------------------------------------------------------------------------- */

/* The whole file; also a pipe. */
static int read_file(const char *path, size_t max, struct buffer *out, struct error *e) {
    FILE *f = fopen(path, "re");
    if (!f && errno == ENOMEM)
        out_of_memory();
    if (!f) {
        (void)error_errno(e, errno, "%s", path);
        e->code = ERR_USAGE;
        return -1;
    }
    buffer_init(out, max + 1);
    size_t n = 1;
    while (n > 0 && out->len <= max) {
        char block[4096];
        size_t room = max + 1 - out->len;
        n = fread(block, 1, room < sizeof block ? room : sizeof block, f);
        (void)buffer_append(out, block, n);
    }
    int failed = ferror(f) ? errno : 0;
    (void)fclose(f);
    if (failed == ENOMEM)
        out_of_memory();
    if (failed) {
        (void)error_errno(e, failed, "%s", path);
        e->code = ERR_USAGE;
    } else if (out->len > max) {
        failed = error_set(e, ERR_USAGE, "%s: larger than %zu KiB", path, max / 1024);
    }
    if (failed)
        buffer_free(out);
    return failed ? -1 : 0;
}

int givens_from_yaml_file(struct givens *g, const char *path, struct error *e) {
    struct buffer text;
    if (read_file(path, YAML_FILE_MAX, &text, e) != 0)
        return -1;
    int rc = givens_from_yaml(g, path, buffer_text(&text), text.len, e);
    buffer_free(&text);
    return rc;
}

/* ---- --set --------------------------------------------------------------------------------- */

/* The value of KEY=@FILE: the file without one newline at its end. */
static int add_from_file(struct givens *g, struct given *given, const char *path, struct error *e) {
    struct buffer text;
    if (read_file(path, VALUE_FILE_MAX, &text, e) != 0)
        return error_wrap(e, "--set: %s", given->key);
    size_t n = text.len;
    if (n > 0 && text.data[n - 1] == '\n')
        n--;
    if (n > 0 && text.len > n && text.data[n - 1] == '\r')
        n--;
    int rc;
    if (n > 0 && memchr(text.data, '\0', n)) {
        rc = error_set(e, ERR_USAGE, "--set: %s: %s holds a NUL character", given->key, path);
    } else {
        given->value = xstrndup(buffer_text(&text), n);
        given->origin = given->place = xasprintf("--set @%s", path);
        rc = givens_add(g, given, e);
        free(given->value);
        free(given->origin);
    }
    buffer_free(&text);
    return rc;
}

static int add_set(struct givens *g, const char *set, struct error *e) {
    const char *equals = strchr(set, '=');
    if (!equals || equals == set) /* not shown: it may be a secret */
        return error_set(e, ERR_USAGE, "--set takes KEY=VALUE, and what it got has no %s",
                         equals ? "KEY" : "'='");
    char *key = xstrndup(set, (size_t)(equals - set));
    struct given given = {.key = key, .origin = (char *)"--set", .place = (char *)"--set"};
    int rc;
    if (equals[1] == '@') {
        rc = add_from_file(g, &given, equals + 2, e);
    } else {
        given.value = xstrdup(equals + 1);
        rc = givens_add(g, &given, e);
        free(given.value);
    }
    free(key);
    return rc;
}

int givens_from_sets(struct givens *g, const char *const *sets, size_t n, struct error *e) {
    for (size_t i = 0; i < n; i++)
        if (add_set(g, sets[i], e) != 0)
            return -1;
    return 0;
}

/* ---- Environment --------------------------------------------------------------------------- */

/* The variable's value where it is set and not empty. */
static const char *variable(char *const *environment, const char *name) {
    size_t n = strlen(name);
    for (; *environment; environment++)
        if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
            return (*environment)[n + 1] ? *environment + n + 1 : NULL;
    return NULL;
}

static int add_variable(struct givens *g, const char *key, const char *name, const char *value,
                        struct error *e) {
    char *origin = xasprintf("environment %s", name);
    char *copy = xstrdup(value), *own_key = xstrdup(key);
    struct given given = {.key = own_key, .value = copy, .origin = origin, .place = origin};
    int rc = givens_add(g, &given, e);
    free(own_key);
    free(copy);
    free(origin);
    return rc;
}

/* KAFKA_PROPERTIES_SASL_PASSWORD=... for kafka.properties.sasl.password. */
static int add_property_variable(struct givens *g, const char *entry, struct error *e) {
    static const char prefix[] = "KAFKA_PROPERTIES_";
    const char *equals = strchr(entry, '=');
    if (strncmp(entry, prefix, strlen(prefix)) != 0 || !equals || !equals[1])
        return 0;
    char *name = xstrndup(entry, (size_t)(equals - entry));
    char *key = xasprintf(SETTINGS_PROPERTIES "%s", name + strlen(prefix));
    for (char *p = key + strlen(SETTINGS_PROPERTIES); *p; p++)
        *p = *p == '_' ? '.' : (char)tolower((unsigned char)*p);
    int rc = key[strlen(SETTINGS_PROPERTIES)] ? add_variable(g, key, name, equals + 1, e) : 0;
    free(name);
    free(key);
    return rc;
}

int givens_from_environment(struct givens *g, char *const *environment, struct error *e) {
    if (!environment)
        return 0;
    for (size_t i = 0; i < settings_rows; i++) {
        const struct setting *row = &settings_table[i];
        for (size_t v = 0; v < SETTING_ENVIRONMENT_MAX && row->environment[v]; v++) {
            const char *value = variable(environment, row->environment[v]);
            if (!value)
                continue;
            if (add_variable(g, row->key, row->environment[v], value, e) != 0)
                return -1;
            break;
        }
    }
    for (; *environment; environment++)
        if (add_property_variable(g, *environment, e) != 0)
            return -1;
    return 0;
}
