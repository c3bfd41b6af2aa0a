/* Reads the manifests and the commits under way into the set of files.
 *
 * On a running job the order of reading matters: first the newest checkpoints (A), then the
 * manifests, then the objects. What A counts as listed stands in A's commits or has left them, and
 * it leaves them only after a manifest that lists it was put, which the later listing of manifests
 * therefore shows; and a manifest is put only when its objects are visible, which the still later
 * listing of objects therefore shows. Manifests of checkpoints after A belong to files that A does
 * not count; by then the chain has these checkpoints, or somebody has removed them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "job/fetch.h"
#include "job/verify_internal.h"

#define MANIFESTS "_manifests/"

/* ---- Which there are ------------------------------------------------------------------------- */

int verify_list_manifests(struct verify *v, struct manifest_list *list, struct error *e) {
    struct store_op op;
    size_t cap = 0, job = strlen(v->job);
    *list = (struct manifest_list){0};
    if (fetch_list(v->cfg->output, MANIFESTS, STORE_LIST, &op, e) != 0)
        return -1;
    for (size_t i = 0; i < op.n_entries; i++) {
        struct manifest_ref r = {.key = op.entries[i].key, .modified = op.entries[i].modified};
        r.dir = survey_parse_key(r.key, &r.partition, &r.number);
        if (r.dir == 0)
            continue;
        r.ours = strncmp(r.key + strlen(MANIFESTS), v->job, job) == 0;
        r.key = xstrdup(r.key);
        array_reserve(&list->refs, &cap, list->n + 1, sizeof *list->refs);
        list->refs[list->n++] = r;
    }
    store_op_clear(&op);
    return 0;
}

void manifest_list_free(struct manifest_list *list) {
    for (size_t i = 0; i < list->n; i++)
        free(list->refs[i].key);
    free(list->refs);
    *list = (struct manifest_list){0};
}

/* ---- Reading them ----------------------------------------------------------------------------- */

struct loading {
    struct verify *v;
    struct manifest_ref **refs;
    struct manifest *manifests; /* checkpoint 0: not there, or damaged */
};

static int decode(void *ctx, size_t index, const char *data, size_t len, struct error *e) {
    (void)e;
    struct loading *l = ctx;
    const struct manifest_ref *r = l->refs[index];
    struct error why;
    if (!data)
        verify_problem(l->v, PROBLEM_MANIFEST, "%s%s vanished while it was read: restore it",
                       l->v->cfg->output->path, r->key);
    else if (manifest_decode(data, len, &l->manifests[index], &why) != 0)
        verify_problem(l->v, PROBLEM_MANIFEST, "%s%s is damaged (%s): restore it",
                       l->v->cfg->output->path, r->key, why.text);
    return 0; /* the others are of interest too */
}

/* Reads those that `wanted` picks; the caller frees the result. In the order of refs, so those of one
 * partition ascend. */
static int load(struct verify *v, struct manifest_list *list,
                bool (*wanted)(struct verify *v, const struct manifest_ref *r), struct loading *l,
                size_t *n, struct error *e) {
    *l = (struct loading){.v = v, .refs = xcalloc(list->n + 1, sizeof(struct manifest_ref *))};
    char **keys = xcalloc(list->n + 1, sizeof *keys);
    *n = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (!wanted(v, &list->refs[i]))
            continue;
        list->refs[i].loaded = true;
        keys[*n] = list->refs[i].key;
        l->refs[(*n)++] = &list->refs[i];
    }
    l->manifests = xcalloc(*n + 1, sizeof *l->manifests);
    int rc = fetch_all(v->cfg->output, keys, *n, CHECKPOINT_BYTES_MAX, decode, l, e);
    free(keys);
    return rc;
}

static void loading_free(struct loading *l, size_t n) {
    for (size_t i = 0; i < n; i++)
        manifest_clear(&l->manifests[i]);
    free(l->manifests);
    free((void *)l->refs);
}

/* ---- This job's ------------------------------------------------------------------------------- */

static bool same_entry(const struct file_entry *a, const struct file_entry *b) {
    return a->class == b->class && a->window == b->window && a->first == b->first &&
           a->last == b->last && a->count.events == b->count.events &&
           a->count.hash == b->count.hash && a->bytes == b->bytes && a->crc32c == b->crc32c;
}

static void check_entry(struct verify *v, const struct part *p, const struct file_entry *f,
                        const char *where) {
    const char *wrong = NULL;
    if (f->count.events == 0)
        wrong = "no events";
    else if (f->last < f->first)
        wrong = "a last offset below the first";
    else if (f->count.events > (uint64_t)(f->last - f->first) + 1)
        wrong = "more events than offsets";
    else if (p->has_start && f->first < p->start)
        wrong = "offsets from before the job's start";
    if (wrong)
        verify_problem(v, PROBLEM_FILE,
                       "%s: listed in %s with %s (offsets %" PRId64 " to %" PRId64 ", %" PRIu64
                       " events)",
                       f->key, where, wrong, f->first, f->last, f->count.events);
}

static struct known_file *add_file(struct verify *v, const struct part *p,
                                   const struct file_entry *f, const char *where) {
    bool added;
    struct known_file *known = file_set_add(&v->files, p->chain->partition, f, &added);
    if (added)
        check_entry(v, p, f, where);
    else if (known->partition != p->chain->partition)
        verify_problem(v, PROBLEM_FILE, "%s: listed by partitions %" PRId32 " and %" PRId32, f->key,
                       known->partition, p->chain->partition);
    else if (!same_entry(&known->entry, f))
        verify_problem(v, PROBLEM_FILE,
                       "%s: listed in %s with other contents than before (%" PRIu64
                       " events, %" PRIu64 " bytes; before %" PRIu64 " and %" PRIu64 ")",
                       f->key, where, f->count.events, f->bytes, known->entry.count.events,
                       known->entry.bytes);
    return known;
}

static void count_file(struct part *p, struct known_file *f) {
    if (f->counted)
        return;
    f->counted = true;
    totals_add(&p->files[f->entry.class], &f->entry.count);
    p->n_files[f->entry.class]++;
}

/* A manifest states the totals of its checkpoint, so the sums over all manifests up to it must equal
 * them: that tells where they go wrong. */
static void compare_running(struct part *p, const struct manifest *m) {
    if (p->wrong_at)
        return;
    for (int c = 0; c < CLASS_NULL; c++) {
        struct totals want = m->listed[c];
        totals_subtract(&want, &p->base.listed[c]);
        if (want.events != p->files[c].events || want.hash != p->files[c].hash) {
            p->wrong_at = m->checkpoint;
            return;
        }
    }
    p->right_up_to = m->checkpoint;
}

static void take_manifest(struct verify *v, struct part *p, const struct manifest_ref *r,
                          const struct manifest *m) {
    if (m->checkpoint == 0)
        return; /* not there: said already */
    const struct identity *mine = &p->newest->identity, *its = &m->identity;
    if (m->checkpoint != r->number || its->partition != r->partition ||
        strcmp(its->topic, mine->topic) != 0 || strcmp(its->cluster, mine->cluster) != 0 ||
        strcmp(its->output, mine->output) != 0) {
        verify_problem(v, PROBLEM_IDENTITY,
                       "%s%s is the manifest of checkpoint %" PRIu64
                       " of topic %s partition %" PRId32 " at %s: it does not belong here",
                       v->cfg->output->path, r->key, m->checkpoint, its->topic, its->partition,
                       its->output);
        return;
    }
    bool is_base = p->base.number == m->checkpoint, later = m->checkpoint > p->newest->number;
    p->n_manifests++;
    for (size_t i = 0; i < m->n_files; i++) {
        struct known_file *f = add_file(v, p, &m->files[i], r->key);
        if (!f->manifest)
            f->manifest = m->checkpoint;
        if (!is_base && !later && f->manifest != p->base.number)
            count_file(p, f);
    }
    if (is_base)
        memcpy(p->base.listed, m->listed, sizeof p->base.listed);
    else if (!later)
        compare_running(p, m);
}

static bool ours_from_base(struct verify *v, const struct manifest_ref *r) {
    struct part *p = r->ours ? verify_part(v, r->partition) : NULL;
    return p && r->number >= p->base.number;
}

/* --since: the newest manifest that is older. */
static void find_bases(struct verify *v) {
    for (size_t i = 0; i < v->manifests.n && v->cfg->has_since; i++) {
        const struct manifest_ref *r = &v->manifests.refs[i];
        struct part *p = r->ours ? verify_part(v, r->partition) : NULL;
        if (p && r->modified < v->cfg->since_ms && r->number <= p->newest->number)
            p->base.number = r->number;
    }
}

/* A manifest that tells of a checkpoint which does not exist: also where the whole chain is gone. */
static int check_newer(struct verify *v, const struct manifest_ref *r, struct error *e) {
    const struct part *p = verify_part(v, r->partition);
    uint64_t newest = p ? p->newest->number : 0;
    if (r->number <= newest)
        return 0;
    char *prefix = xstrndup(r->key + strlen(MANIFESTS), r->dir - strlen(MANIFESTS));
    int rc = survey_newest(v->cfg->checkpoints, prefix, &newest, e);
    if (rc == 0 && newest == 0)
        verify_problem(v, PROBLEM_MISSING,
                       "%s%.*s holds manifests, but %s%s has no checkpoint of partition %" PRId32
                       ": restore it",
                       v->cfg->output->path, (int)r->dir, r->key, v->cfg->checkpoints->path, v->job,
                       r->partition);
    else if (rc == 0 && newest < r->number)
        verify_problem(v, PROBLEM_MISSING,
                       "the manifest %s%s stands, but below %s%s the newest checkpoint is %" PRIu64
                       ": checkpoints were removed, or checkpoint.path is wrong or an old copy; "
                       "restore them",
                       v->cfg->output->path, r->key, v->cfg->checkpoints->path, prefix, newest);
    free(prefix);
    return rc;
}

static int check_newest(struct verify *v, struct error *e) {
    const struct manifest_list *list = &v->manifests;
    for (size_t i = 0; i < list->n; i++) {
        const struct manifest_ref *r = &list->refs[i];
        if (!r->ours)
            continue;
        bool last = i + 1 == list->n || !r[1].ours || r[1].partition != r->partition;
        if (last && check_newer(v, r, e) != 0)
            return -1;
    }
    return 0;
}

static void take_commits(struct verify *v, struct part *p) {
    const struct checkpoint *k = p->newest;
    for (size_t i = 0; i < k->n_commits; i++) {
        struct known_file *f = add_file(v, p, &k->commits[i], "the newest checkpoint's commits");
        f->committed = k->number;
        if (!p->base.number || f->manifest != p->base.number)
            count_file(p, f);
    }
}

int verify_load(struct verify *v, struct error *e) {
    struct loading l;
    size_t n;
    if (verify_list_manifests(v, &v->manifests, e) != 0)
        return -1;
    find_bases(v);
    if (check_newest(v, e) != 0)
        return -1;
    int rc = load(v, &v->manifests, ours_from_base, &l, &n, e);
    for (size_t i = 0; i < n && rc == 0; i++)
        take_manifest(v, verify_part(v, l.refs[i]->partition), l.refs[i], &l.manifests[i]);
    loading_free(&l, n);
    for (size_t i = 0; i < v->n_parts && rc == 0; i++)
        take_commits(v, &v->parts[i]);
    return rc;
}

/* ---- Anybody's -------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b) {
    const struct manifest_ref *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static bool not_loaded(struct verify *v, const struct manifest_ref *r) {
    const struct manifest_ref *before =
        v->manifests.n
            ? bsearch(r, v->manifests.refs, v->manifests.n, sizeof *v->manifests.refs, by_key)
            : NULL;
    return !before || !before->loaded;
}

/* An object that v->files does not hold may have been listed since the first look, by another job, or
 * before --since. Checkpoints first, then manifests, for the reason given above: an object that was
 * seen was listed in a durable checkpoint's commits before, and what has left these since then
 * stands in a manifest. */
int verify_load_others(struct verify *v, struct file_set *known, struct error *e) {
    struct survey survey;
    struct manifest_list list;
    struct loading l;
    size_t n;
    bool added;
    if (survey_read(v->cfg->checkpoints, "", &survey, e) != 0)
        return -1;
    for (size_t i = 0; i < survey.n; i++)
        for (size_t j = 0; j < survey.chains[i].newest.n_commits; j++)
            (void)file_set_add(known, survey.chains[i].partition,
                               &survey.chains[i].newest.commits[j], &added);
    survey_free(&survey);
    if (verify_list_manifests(v, &list, e) != 0)
        return -1;
    int rc = load(v, &list, not_loaded, &l, &n, e);
    for (size_t i = 0; i < n && rc == 0; i++)
        for (size_t j = 0; j < l.manifests[i].n_files; j++)
            (void)file_set_add(known, l.refs[i]->partition, &l.manifests[i].files[j], &added);
    loading_free(&l, n);
    manifest_list_free(&list);
    return rc;
}
