/* The listing of output.path against the files that are listed: each must be there with its size, and
 * nothing else may lie where readers look. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "job/fetch.h"
#include "job/verify_internal.h"

static int by_key(const void *key, const void *entry) {
    return strcmp(key, ((const struct store_entry *)entry)->key);
}

/* Names that begin with '_' or '.' are skipped by readers, but for late and rejected events. */
static bool is_output(const char *key) {
    static const char *const ours[] = {"_late/", "_rejected/"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strncmp(key, ours[i], strlen(ours[i])) == 0)
            return true;
    return *key != '_' && *key != '.';
}

static void check_present(struct verify *v, struct known_file *f, const struct store_op *listing) {
    const struct store_entry *o = NULL;
    if (listing->n_entries) /* else there is no array either */
        o = bsearch(f->entry.key, listing->entries, listing->n_entries, sizeof *listing->entries,
                    by_key);
    const char *path = v->cfg->output->path;
    if (o && o->size == f->entry.bytes) {
        f->present = true;
    } else if (o) {
        verify_problem(v, PROBLEM_SIZE,
                       "%s%s has %" PRIu64 " bytes where %" PRIu64
                       " were written: somebody has changed it",
                       path, f->entry.key, o->size, f->entry.bytes);
    } else if (f->committed && !f->manifest) {
        v->under_way++; /* Complete follows the checkpoint */
    } else if (v->cfg->allow_removed) {
        v->removed++;
    } else {
        verify_problem(v, PROBLEM_MISSING,
                       "%s%s is missing (%" PRIu64 " events, offsets %" PRId64 " to %" PRId64
                       "): restore it, or pass --allow-removed where consumers take files away",
                       path, f->entry.key, f->entry.count.events, f->entry.first, f->entry.last);
    }
}

static void report_unlisted(struct verify *v, const struct store_entry **extra, size_t n,
                            const struct file_set *others) {
    for (size_t i = 0; i < n; i++)
        if (!file_set_find(others, extra[i]->key))
            verify_problem(v, PROBLEM_UNLISTED,
                           "%s%s (%" PRIu64 " bytes) is listed by no manifest and no checkpoint: "
                           "readers would count it; move it away",
                           v->cfg->output->path, extra[i]->key, extra[i]->size);
}

static int check_unlisted(struct verify *v, const struct store_op *listing, struct error *e) {
    size_t n = 0;
    const struct store_entry **extra =
        xcalloc(listing->n_entries + 1, sizeof(const struct store_entry *));
    for (size_t i = 0; i < listing->n_entries; i++) {
        const struct store_entry *o = &listing->entries[i];
        bool old = v->cfg->has_since && o->modified < v->cfg->since_ms;
        if (!old && is_output(o->key) && !file_set_find(&v->files, o->key))
            extra[n++] = o;
    }
    struct file_set others = {0};
    int rc = n > 0 ? verify_load_others(v, &others, e) : 0;
    if (rc == 0)
        report_unlisted(v, extra, n, &others);
    file_set_free(&others);
    free((void *)extra);
    return rc;
}

int verify_objects(struct verify *v, struct error *e) {
    struct store_op listing;
    if (fetch_list(v->cfg->output, "", STORE_LIST, &listing, e) != 0)
        return -1;
    for (size_t i = 0; i < v->files.n; i++)
        if (v->files.files[i].counted)
            check_present(v, &v->files.files[i], &listing);
    int rc = check_unlisted(v, &listing, e);
    store_op_clear(&listing);
    return rc;
}
