#include "job/settings_layers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "job/settings_table.h"

static const char default_origin[] = "default";

/* The layer that wins for a key, or NULL. */
static const struct given *winner(const struct givens layers[N_LAYERS], const char *key) {
    for (size_t i = 0; i < N_LAYERS; i++) {
        const struct given *given = givens_find(&layers[i], key);
        if (given)
            return given;
    }
    return NULL;
}

static int resolve_row(struct settings *s, size_t i, const struct givens layers[N_LAYERS],
                       struct error *e) {
    const struct setting *row = &settings_table[i];
    const struct given *given = winner(layers, row->key);
    s->origins[i] = xstrdup(given ? given->origin : default_origin);
    char why[SETTING_WHY_MAX];
    const char *value = given ? given->value : row->initial;
    if (!value || setting_parse(row, value, s, why) == 0)
        return 0;
    char shown[SHOWN_MAX];
    settings_show(value, row->secret, shown);
    return error_set(e, ERR_USAGE, "%s: %s: \"%s\" %s", s->origins[i], row->key, shown, why);
}

/* ---- kafka.properties ---------------------------------------------------------------------- */

static int check_property(const struct given *given, const char *name, struct error *e) {
    const char *allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (name[strspn(name, allowed)]) {
        char shown[SHOWN_MAX];
        settings_show(name, false, shown);
        return error_set(e, ERR_USAGE, "%s: \"%s\" is no name of a librdkafka property",
                         given->place, shown);
    }
    const char *refused = kafka_property_refused(name);
    if (refused)
        return error_set(e, ERR_USAGE, "%s: %s: %s", given->origin, given->key, refused);
    return 0;
}

static bool has_property(const struct settings_kafka *k, const char *name) {
    for (size_t i = 0; i < k->n_properties; i++)
        if (strcmp(k->properties[i].name, name) == 0)
            return true;
    return false;
}

/* Keeps properties ascending by name, so that they print in a fixed order. */
static void insert_property(struct settings_kafka *k, const struct given *given, const char *name) {
    size_t i = k->n_properties++;
    k->properties = xrealloc(k->properties, k->n_properties * sizeof *k->properties);
    k->property_origins =
        xrealloc(k->property_origins, k->n_properties * sizeof *k->property_origins);
    for (; i > 0 && strcmp(k->properties[i - 1].name, name) > 0; i--) {
        k->properties[i] = k->properties[i - 1];
        k->property_origins[i] = k->property_origins[i - 1];
    }
    k->properties[i] =
        (struct kafka_property){.name = xstrdup(name), .value = xstrdup(given->value)};
    k->property_origins[i] = xstrdup(given->origin);
}

static int resolve_properties(struct settings *s, const struct givens layers[N_LAYERS],
                              struct error *e) {
    size_t prefix = strlen(SETTINGS_PROPERTIES);
    for (size_t layer = 0; layer < N_LAYERS; layer++)
        for (size_t i = 0; i < layers[layer].n; i++) {
            const struct given *given = &layers[layer].list[i];
            if (!given->value || strncmp(given->key, SETTINGS_PROPERTIES, prefix) != 0)
                continue;
            const char *name = given->key + prefix;
            if (!*name) /* an empty section */
                continue;
            if (check_property(given, name, e) != 0)
                return -1;
            if (*given->value && !has_property(&s->kafka, name))
                insert_property(&s->kafka, given, name);
        }
    return 0;
}

/* ---- All together -------------------------------------------------------------------------- */

int settings_resolve(struct settings *s, const struct givens layers[N_LAYERS], bool terminal,
                     struct error *e) {
    *s = (struct settings){.origins = xcalloc(settings_rows, sizeof *s->origins)};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < settings_rows; i++)
        rc = resolve_row(s, i, layers, e);
    if (rc == 0)
        rc = resolve_properties(s, layers, e);
    if (rc == 0) {
        settings_derive(s, terminal);
        rc = settings_check(s, e);
    }
    if (rc != 0)
        settings_free(s);
    return rc;
}

int settings_load(struct settings *s, const struct settings_source *src, struct error *e) {
    struct givens layers[N_LAYERS] = {{0}};
    int rc = givens_from_sets(&layers[LAYER_SET], src->sets, src->n_sets, e);
    if (rc == 0)
        rc = givens_from_environment(&layers[LAYER_ENVIRONMENT], src->environment, e);
    if (rc == 0 && src->yaml)
        rc = givens_from_yaml_file(&layers[LAYER_YAML], src->yaml, e);
    if (rc == 0)
        rc = settings_resolve(s, layers, src->terminal, e);
    for (size_t i = 0; i < N_LAYERS; i++)
        givens_free(&layers[i]);
    return rc;
}

void settings_free(struct settings *s) {
    for (size_t i = 0; i < settings_rows; i++) {
        setting_release(&settings_table[i], s);
        if (s->origins)
            free(s->origins[i]);
    }
    free(s->origins);
    for (size_t i = 0; i < s->kafka.n_properties; i++) {
        free((char *)(uintptr_t)s->kafka.properties[i].name);
        free((char *)(uintptr_t)s->kafka.properties[i].value);
        free(s->kafka.property_origins[i]);
    }
    free(s->kafka.properties);
    free(s->kafka.property_origins);
    *s = (struct settings){0};
}

const char *settings_origin(const struct settings *s, const char *key) {
    const struct setting *row = settings_row(key);
    assert(row);
    return s->origins[row - settings_table];
}

bool settings_is_default(const struct settings *s, const char *key) {
    return strcmp(settings_origin(s, key), default_origin) == 0;
}
