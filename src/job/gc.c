#include "job/gc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "event/instant.h"
#include "job/fetch.h"
#include "job/survey.h"
#include "window/window.h"

#define MANIFESTS "_manifests/"
#define DAY_MS INT64_C(86400000)

enum { PATIENCE_MS = 30000 };

struct used {
    const char **ids; /* sorted */
    size_t n, cap;
};

/* ---- What is in use --------------------------------------------------------------------------------- */

static void add_uploads(struct used *u, const struct file_entry *files, size_t n) {
    for (size_t i = 0; i < n; i++) {
        array_reserve((void *)&u->ids, &u->cap, u->n + 1, sizeof *u->ids);
        u->ids[u->n++] = files[i].upload;
    }
}

static int by_id(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Upload ids are unique in a store, so the output path of a checkpoint does not matter: what any job
 * lists is kept. */
static void collect_used(const struct survey *s, struct used *u) {
    for (size_t i = 0; i < s->n; i++) {
        add_uploads(u, s->chains[i].newest.files, s->chains[i].newest.n_files);
        add_uploads(u, s->chains[i].newest.commits, s->chains[i].newest.n_commits);
    }
    if (u->n > 0)
        qsort((void *)u->ids, u->n, sizeof *u->ids, by_id);
}

static bool is_used(const struct used *u, const char *id) {
    return u->n > 0 && bsearch(&id, (const void *)u->ids, u->n, sizeof *u->ids, by_id) != NULL;
}

/* The uploads that removed checkpoints listed would look as if nobody wanted them, and be missing
 * where somebody brings these back. */
static int check_newest(const struct gc_config *cfg, const char *manifest, const char *prefix,
                        uint64_t number, struct error *e) {
    uint64_t newest;
    if (survey_newest(cfg->checkpoints, prefix, &newest, e) != 0)
        return -1;
    if (number <= newest)
        return 0;
    return error_set(e, ERR_MISMATCH,
                     "the manifest %s%s stands, but below %s%s the newest checkpoint is %" PRIu64
                     ": newer ones were removed, so nothing tells which uploads are in use; "
                     "restore them",
                     cfg->output->path, manifest, cfg->checkpoints->path, prefix, newest);
}

/* Manifests without checkpoints mean that this job's, or another's that writes here, lie elsewhere:
 * then its uploads would look as if nobody wanted them. */
static int check_path(const struct gc_config *cfg, const struct survey *s, struct error *e) {
    struct store_op op;
    int rc = fetch_list(cfg->output, MANIFESTS, STORE_LIST, &op, e);
    if (rc != 0)
        return -1;
    for (size_t i = 0; i < op.n_entries && rc == 0; i++) {
        int32_t partition;
        uint64_t number;
        const char *key = op.entries[i].key;
        size_t n = survey_parse_key(key, &partition, &number), m = strlen(MANIFESTS);
        if (n <= m)
            continue;
        char *prefix = xstrndup(key + m, n - m);
        const struct chain_seen *chain = survey_find(s, prefix);
        if (chain && number > chain->number)
            rc = check_newest(cfg, key, prefix, number, e);
        else if (!chain)
            rc = error_set(e, ERR_MISMATCH,
                           "%s%.*s holds manifests, but there is no checkpoint below %s%s, so "
                           "nothing tells which of its uploads are in use: is checkpoint.path "
                           "right?",
                           cfg->output->path, (int)n, key, cfg->checkpoints->path, prefix);
        free(prefix);
    }
    store_op_clear(&op);
    return rc;
}

/* ---- Removing ----------------------------------------------------------------------------------------- */

struct tally {
    size_t used, young, removed;
};

static void print_upload(const struct gc_config *cfg, const struct store_entry *u) {
    char begun[INSTANT_MAX + 1] = "?";
    if (u->modified >= TIME_MIN_MS && u->modified < TIME_END_MS)
        begun[instant_format(u->modified / 1000 * 1000, begun)] = '\0';
    (void)fprintf(cfg->out, "%s  %s%s  upload %s, begun %s\n",
                  cfg->dry_run ? "would remove" : "removed", cfg->output->path, u->key, u->upload,
                  begun);
}

static int remove_upload(const struct gc_config *cfg, const struct store_entry *u,
                         struct error *e) {
    struct store_op op = {
        .kind = STORE_UPLOAD_ABORT, .key = u->key, .upload = u->upload, .retry_ms = PATIENCE_MS};
    int rc = cfg->dry_run ? 0 : store_call(cfg->output, &op);
    if (rc != 0) {
        *e = op.error;
        (void)error_wrap(e, "cannot remove the upload of %s%s", cfg->output->path, u->key);
    } else {
        print_upload(cfg, u);
    }
    store_op_clear(&op);
    return rc;
}

static int remove_all(const struct gc_config *cfg, const struct store_op *uploads,
                      const struct used *used, struct tally *t, struct error *e) {
    for (size_t i = 0; i < uploads->n_entries; i++) {
        const struct store_entry *u = &uploads->entries[i];
        if (is_used(used, u->upload)) {
            t->used++;
        } else if (u->modified <= 0 || uploads->store_time - u->modified <= DAY_MS) {
            t->young++; /* also where the store does not say when it was begun */
        } else {
            if (remove_upload(cfg, u, e) != 0)
                return -1;
            t->removed++;
        }
    }
    return 0;
}

static int check_and_remove(const struct gc_config *cfg, const struct store_op *uploads,
                            const struct survey *s, struct error *e) {
    struct used used = {0};
    struct tally t = {0};
    if (check_path(cfg, s, e) != 0)
        return -1;
    if (s->n == 0 && uploads->n_entries > 0)
        return error_set(e, ERR_NOT_FOUND,
                         "there is no checkpoint at all below %s, so nothing tells which of the "
                         "%zu uploads are in use: is checkpoint.path right?",
                         cfg->checkpoints->path, uploads->n_entries);
    if (uploads->n_entries > 0 && uploads->store_time == 0)
        return error_set(e, ERR_UNSUPPORTED, "%s does not tell its time, so nothing is old",
                         cfg->output->path);
    collect_used(s, &used);
    int rc = remove_all(cfg, uploads, &used, &t, e);
    if (rc == 0)
        (void)fprintf(cfg->out,
                      "%zu uploads: %zu in use, %zu not in use but younger than 24 h, %zu %s\n",
                      uploads->n_entries, t.used, t.young, t.removed,
                      cfg->dry_run ? "to be removed" : "removed");
    free((void *)used.ids);
    return rc;
}

/* Uploads are listed first: one that is begun after the listing is not in it, and one that was begun
 * a day before stands in its owner's newest checkpoint, or nobody will ever list it. The other way
 * round, an upload could be listed in a checkpoint between the two looks. */
int gc_run(const struct gc_config *cfg, struct error *e) {
    struct store_op uploads;
    struct survey s;
    if (fetch_list(cfg->output, "", STORE_LIST_UPLOADS, &uploads, e) != 0)
        return -1;
    int rc = survey_read(cfg->checkpoints, "", &s, e);
    if (rc == 0) {
        rc = check_and_remove(cfg, &uploads, &s, e);
        survey_free(&s);
    } else {
        (void)error_wrap(e, "nothing is removed, because a newest checkpoint cannot be read");
    }
    store_op_clear(&uploads);
    return rc;
}
