/* Any bytes as job.yaml: they load, or an error says why; what loads prints and loads again, and the
 * parts that are made of it take it. */
#include "fuzz.h"

#include "job/settings_layers.h"
#include "job/settings_table.h"
#include "window/name.h"
#include "window/window.h"

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
    CHECK(a.failed == 0);
    bool secrets = s->s3.access_key || s->s3.secret_key; /* one needs the other */
    if (!secrets) {
        int rc = settings_resolve(&other, layers, false, &e);
        CHECK(rc == 0);
        settings_hash(s, hex);
        settings_hash(&other, other_hex);
        CHECK(strcmp(hex, other_hex) == 0);
        settings_free(&other);
    }
    givens_free(&layers[LAYER_SET]);
}

/* A file's key has room for what output.partition_by says of any window. */
static void name_files(const struct settings *s) {
    static const int64_t starts[] = {TIME_MIN_MS, -1, 0, TIME_END_MS - 1};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        free(file_key(CLASS_EVENT, s->output.partition_by, starts[i], INT32_MAX, INT64_MAX,
                      "0123456789abcdef", ".zst"));
}

static void use(const struct settings *s) {
    struct event_rules rules;
    struct error e;
    char host[256];
    uint16_t port;
    settings_event_rules(s, &rules);
    struct event_parser *parser = event_parser_new(&rules, &e);
    CHECK(parser);
    event_parser_free(parser);
    name_files(s);
    (void)settings_listen(s, host, sizeof host, &port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct givens layers[N_LAYERS] = {{0}};
    struct settings s;
    struct error e = {0};
    int rc = givens_from_yaml(&layers[LAYER_YAML], "job.yaml", (const char *)data, size, &e);
    if (rc == 0)
        rc = settings_resolve(&s, layers, false, &e);
    if (rc == 0) {
        use(&s);
        load_again(&s);
        settings_free(&s);
    } else {
        CHECK(e.code == ERR_USAGE && e.text[0]);
    }
    givens_free(&layers[LAYER_YAML]);
    return 0;
}
