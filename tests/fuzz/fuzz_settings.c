/* Any bytes as job.yaml: they load, or an error says why; what loads prints and loads again. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "job/settings_layers.h"
#include "job/settings_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct again {
    struct givens *layer;
    size_t failed;
};

/* Each value that a setting prints is one that it takes. */
static void give(void *ctx, const char *key, const char *value, const char *origin) {
    struct again *a = ctx;
    struct error e = {0};
    struct given given = {.key = (char *)(uintptr_t)key,
                          .value = (char *)(uintptr_t)value,
                          .origin = (char *)(uintptr_t)origin,
                          .place = (char *)(uintptr_t)origin};
    if (strcmp(value, "***") != 0 && givens_add(a->layer, &given, &e) != 0)
        a->failed++;
}

static void load_again(const struct settings *s) {
    struct givens layers[N_LAYERS] = {{0}};
    struct again a = {.layer = &layers[LAYER_SET]};
    struct settings other;
    struct error e = {0};
    char hex[17], other_hex[17];
    settings_visit(s, give, &a);
    assert(a.failed == 0);
    bool secrets = s->s3.access_key || s->s3.secret_key; /* one needs the other */
    if (!secrets) {
        int rc = settings_resolve(&other, layers, false, &e);
        assert(rc == 0);
        settings_hash(s, hex);
        settings_hash(&other, other_hex);
        assert(strcmp(hex, other_hex) == 0);
        settings_free(&other);
    }
    givens_free(&layers[LAYER_SET]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct givens layers[N_LAYERS] = {{0}};
    struct settings s;
    struct error e = {0};
    int rc = givens_from_yaml(&layers[LAYER_YAML], "job.yaml", (const char *)data, len, &e);
    if (rc == 0)
        rc = settings_resolve(&s, layers, false, &e);
    if (rc == 0) {
        load_again(&s);
        settings_free(&s);
    } else {
        assert(e.code == ERR_USAGE && e.text[0]);
    }
    givens_free(&layers[LAYER_YAML]);
    return 0;
}
