/* tidemark inspect: checkpoints and manifests, readably. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/memory.h"
#include "checkpoint/chain.h"
#include "checkpoint/codec.h"
#include "cli/inspect_print.h"
#include "job/stores.h"
#include "job/survey.h"

enum { PATIENCE_MS = 30000, CANDIDATES = 4 };

static const struct cli_option options[] = {
    {"json", NULL, "print what is stored, indented, instead of a table"},
    {0},
};

static const struct cli_spec spec = {
    .name = "inspect",
    .summary = "Shows the newest checkpoint of every partition, or the checkpoint or manifest KEY: "
               "its full path, its key below checkpoint.path or output.path, or just "
               "p00002/chk-00000000000000000017.json or p00002/17. Its CRC is checked.",
    .config = true,
    .operand = "KEY",
    .options = options,
};

/* ---- All partitions ------------------------------------------------------------------------------ */

static int print_chain(const struct store *s, const struct survey *all, const struct chain_seen *c,
                       bool json, struct error *e) {
    if (json)
        return inspect_print_json(stdout, c->bytes, c->len, e);
    char name[32];
    chain_name(c->number, name);
    char *where = xasprintf("%s%s%s", s->path, c->prefix, name);
    bool dated = all->store_time > 0 && c->modified > 0 && all->store_time >= c->modified;
    inspect_print_checkpoint(stdout, where, dated ? all->store_time - c->modified : -1, &c->newest);
    (void)fputc('\n', stdout);
    free(where);
    return 0;
}

static int inspect_all(const struct settings *s, struct store *checkpoints, bool json,
                       struct error *e) {
    struct survey all;
    char *prefix = xasprintf("%s/%s/", s->name, s->kafka.topic);
    int rc = survey_read(checkpoints, prefix, &all, e);
    if (rc == 0 && all.n == 0)
        rc = error_set(e, ERR_NOT_FOUND,
                       "no checkpoint below %s%s: has the job run, and are name, kafka.topic and "
                       "checkpoint.path right?",
                       checkpoints->path, prefix);
    if (rc == 0 && json)
        (void)fputs("[\n", stdout);
    for (size_t i = 0; i < all.n && rc == 0; i++) {
        if (json && i > 0)
            (void)fputs(",\n", stdout);
        rc = print_chain(checkpoints, &all, &all.chains[i], json, e);
    }
    if (rc == 0 && json)
        (void)fputs("]\n", stdout);
    survey_free(&all);
    free(prefix);
    return rc;
}

/* ---- One key --------------------------------------------------------------------------------------- */

struct candidate {
    struct store *store;
    char *key;
};

/* "p00002/17" and "p00002/chk-…17" stand for the whole name. */
static char *whole_name(const char *key) {
    const char *slash = strrchr(key, '/'), *name = slash ? slash + 1 : key;
    size_t n = strlen(name);
    char full[32];
    if (n > 0 && n <= 19 && strspn(name, "0123456789") == n) {
        chain_name(strtoull(name, NULL, 10), full);
        return xasprintf("%.*s%s", (int)(name - key), key, full);
    }
    if (n == 24 && strncmp(name, "chk-", 4) == 0)
        return xasprintf("%s.json", key);
    return xstrdup(key);
}

static bool begins(const char *s, const char *with) {
    return strncmp(s, with, strlen(with)) == 0;
}

/* Where the key may lie; checkpoints first, because manifests have the same names. */
static size_t candidates(const struct settings *s, const struct stores *stores, const char *word,
                         struct candidate out[CANDIDATES]) {
    const char *c_path = stores->checkpoints->path, *o_path = stores->output->path;
    char *key = whole_name(word);
    size_t n = 0;
    if (begins(key, c_path)) /* which may lie below output.path */
        out[n++] = (struct candidate){stores->checkpoints, xstrdup(key + strlen(c_path))};
    else if (begins(key, o_path))
        out[n++] = (struct candidate){stores->output, xstrdup(key + strlen(o_path))};
    if (n == 0 && !begins(key, "s3://") && *key != '/') {
        const char *name = s->name, *topic = s->kafka.topic;
        out[n++] = (struct candidate){stores->checkpoints, xstrdup(key)};
        out[n++] = (struct candidate){stores->output, xstrdup(key)};
        out[n++] = (struct candidate){stores->checkpoints, xasprintf("%s/%s/%s", name, topic, key)};
        out[n++] =
            (struct candidate){stores->output, xasprintf("_manifests/%s/%s/%s", name, topic, key)};
    }
    free(key);
    return n;
}

static bool is_manifest(const char *data, size_t len) {
    json_t *o = json_loadb(data, len, 0, NULL);
    bool manifest = json_object_get(o, "checkpoint") != NULL;
    json_decref(o);
    return manifest;
}

static int print_object(const char *where, const struct buffer *b, bool json, struct error *e) {
    struct checkpoint c;
    struct manifest m;
    const char *slash = strrchr(where, '/');
    if (slash && strcmp(slash, "/start.json") == 0)
        return inspect_print_json(stdout, buffer_text(b), b->len, e);
    if (is_manifest(buffer_text(b), b->len)) {
        if (manifest_decode(b->data, b->len, &m, e) != 0)
            return -1;
        if (!json)
            inspect_print_manifest(stdout, where, &m);
        manifest_clear(&m);
    } else {
        if (checkpoint_decode(buffer_text(b), b->len, &c, e) != 0)
            return error_wrap(e, "neither a checkpoint nor a manifest");
        if (!json)
            inspect_print_checkpoint(stdout, where, -1, &c);
        checkpoint_clear(&c);
    }
    return json ? inspect_print_json(stdout, b->data, b->len, e) : 0;
}

/* ERR_NOT_FOUND: try the next. */
static int try_candidate(const struct candidate *c, bool json, struct error *e) {
    struct store_op op = {.kind = STORE_GET,
                          .key = c->key,
                          .max_bytes = CHECKPOINT_BYTES_MAX,
                          .retry_ms = PATIENCE_MS};
    char *where = xasprintf("%s%s", c->store->path, c->key);
    int rc = store_call(c->store, &op);
    if (rc != 0)
        *e = op.error;
    else
        rc = print_object(where, &op.answer, json, e);
    if (rc != 0)
        (void)error_wrap(e, "%s", where);
    store_op_clear(&op);
    free(where);
    return rc;
}

static int inspect_key(const struct settings *s, const struct stores *stores, const char *word,
                       bool json, struct error *e) {
    struct candidate list[CANDIDATES];
    size_t n = candidates(s, stores, word, list);
    int rc = -1;
    bool found = false;
    for (size_t i = 0; i < n && !found; i++) {
        rc = try_candidate(&list[i], json, e);
        found = rc == 0 || e->code != ERR_NOT_FOUND;
    }
    for (size_t i = 0; i < n; i++)
        free(list[i].key);
    if (found)
        return rc;
    return error_set(e, ERR_NOT_FOUND, "nothing is stored as %s, neither below %s nor below %s",
                     word, stores->checkpoints->path, stores->output->path);
}

int cli_inspect(int argc, char **argv) {
    struct cli_args args;
    struct settings s;
    struct stores stores;
    struct error e = {0};
    int code;
    if (!cli_parse(&spec, argc, argv, &args, &code))
        return code;
    if (cli_settings(&args, &s, &code)) {
        bool json = cli_given(&args, "json");
        int rc = stores_open(&s, &stores, &e);
        if (rc == 0) {
            rc = args.operand ? inspect_key(&s, &stores, args.operand, json, &e)
                              : inspect_all(&s, stores.checkpoints, json, &e);
            stores_close(&stores);
        }
        code = rc == 0 ? EXIT_DONE : cli_fail(spec.name, &e);
        settings_free(&s);
    }
    cli_args_free(&args);
    return code;
}
