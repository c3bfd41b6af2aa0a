/* Settings on their way from their sources: texts with an origin, not yet parsed. */
#ifndef TIDEMARK_JOB_SETTINGS_LAYERS_H
#define TIDEMARK_JOB_SETTINGS_LAYERS_H

#include "job/settings.h"

struct given {
    char *key;
    char *value;  /* NULL: a section of YAML ("window"), kept to find it repeated */
    char *origin; /* "job.yaml:7", "environment S3_ENDPOINT", "--set" */
    char *place;  /* the same, in YAML with the column */
};

/* All that one source gives. */
struct givens {
    struct given *list;
    size_t n, cap;
};

/* In the order in which they win. */
enum { LAYER_SET, LAYER_ENVIRONMENT, LAYER_YAML, N_LAYERS };

void givens_free(struct givens *g);
/* Copies all. ERR_USAGE for an unknown or repeated key; value NULL adds a section. */
int givens_add(struct givens *g, const struct given *given, struct error *e);
/* NULL also where the value is empty, which counts as unset. */
const struct given *givens_find(const struct givens *g, const char *key);

int givens_from_sets(struct givens *g, const char *const *sets, size_t n, struct error *e);
int givens_from_environment(struct givens *g, char *const *environment, struct error *e);
int givens_from_yaml_file(struct givens *g, const char *path, struct error *e);
int givens_from_yaml(struct givens *g, const char *name, const char *data, size_t len,
                     struct error *e);

/* Puts layers and defaults together. Like settings_load in all else. */
int settings_resolve(struct settings *s, const struct givens layers[N_LAYERS], bool terminal,
                     struct error *e);

/* What depends on several settings (settings_check.c): defaults, then what must not be. */
void settings_derive(struct settings *s, bool terminal);
int settings_check(const struct settings *s, struct error *e);
/* "default", or where the setting comes from. */
const char *settings_origin(const struct settings *s, const char *key);
bool settings_is_default(const struct settings *s, const char *key);

/* A value for messages: clipped, without control characters, "***" where it is secret. */
enum { SHOWN_MAX = 84 };
void settings_show(const char *value, bool secret, char shown[SHOWN_MAX]);

#endif
