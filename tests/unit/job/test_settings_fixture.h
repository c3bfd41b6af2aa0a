/* Settings from texts, as if from --set, the environment and a file job.yaml. */
#ifndef TIDEMARK_TESTS_JOB_SETTINGS_FIXTURE_H
#define TIDEMARK_TESTS_JOB_SETTINGS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "job/settings_layers.h"
#include "job/settings_table.h"

enum { FIXTURE_MAX = 8 };

/* What the next load() reads; unused places are NULL. */
struct given_texts {
    const char *yaml;
    const char *sets[FIXTURE_MAX];
    const char *environment[FIXTURE_MAX];
    bool terminal;
};

static inline int try_load(struct settings *s, const struct given_texts *t, struct error *e) {
    struct givens layers[N_LAYERS] = {{0}};
    char *environment[FIXTURE_MAX + 1] = {0};
    size_t sets = 0;
    while (sets < FIXTURE_MAX && t->sets[sets])
        sets++;
    for (size_t i = 0; i < FIXTURE_MAX && t->environment[i]; i++)
        environment[i] = xstrdup(t->environment[i]);
    *e = (struct error){0};
    int rc = givens_from_sets(&layers[LAYER_SET], t->sets, sets, e);
    if (rc == 0)
        rc = givens_from_environment(&layers[LAYER_ENVIRONMENT], environment, e);
    if (rc == 0 && t->yaml)
        rc = givens_from_yaml(&layers[LAYER_YAML], "job.yaml", t->yaml, strlen(t->yaml), e);
    if (rc == 0)
        rc = settings_resolve(s, layers, t->terminal, e);
    for (size_t i = 0; i < N_LAYERS; i++)
        givens_free(&layers[i]);
    for (size_t i = 0; i < FIXTURE_MAX; i++)
        free(environment[i]);
    return rc;
}

static inline struct settings load(struct given_texts t) {
    struct settings s;
    struct error e;
    if (try_load(&s, &t, &e) != 0)
        fail_msg("%s", e.text);
    return s;
}

/* The error's text is exactly this. */
static inline void refuses(struct given_texts t, const char *text) {
    struct settings s;
    struct error e;
    if (try_load(&s, &t, &e) == 0) {
        settings_free(&s);
        fail_msg("accepted, instead of: %s", text);
    }
    assert_string_equal(e.text, text);
    assert_int_equal(e.code, ERR_USAGE);
}

struct wanted {
    const char *key;
    char value[512], origin[256];
};

static inline void want(void *ctx, const char *key, const char *value, const char *origin) {
    struct wanted *w = ctx;
    if (strcmp(key, w->key) != 0)
        return;
    (void)snprintf(w->value, sizeof w->value, "%s", value);
    (void)snprintf(w->origin, sizeof w->origin, "%s", origin);
}

/* The setting's text and origin, as `check` shows them. */
static inline void is(struct given_texts t, const char *key, const char *value,
                      const char *origin) {
    struct settings s = load(t);
    struct wanted w = {.key = key, .value = "(not visited)"};
    settings_visit(&s, want, &w);
    settings_free(&s);
    assert_string_equal(w.value, value);
    assert_string_equal(w.origin, origin);
}

#define YAML(text) ((struct given_texts){.yaml = (text)})
#define SET(...) ((struct given_texts){.sets = {__VA_ARGS__}})
#define ENV(...) ((struct given_texts){.environment = {__VA_ARGS__}})

#endif
