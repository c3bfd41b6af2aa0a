#include "support/sim_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "checkpoint/codec.h"

/* ---- The log ------------------------------------------------------------------------------------ */

void sim_log_init(struct sim_log *l, const struct window_rules *rules) {
    *l = (struct sim_log){.rules = *rules, .max_ts = INT64_MIN};
}

void sim_log_free(struct sim_log *l) {
    free(l->records);
}

static struct sim_record *add(struct sim_log *l) {
    array_reserve(&l->records, &l->cap, (size_t)l->n + 1, sizeof *l->records);
    struct sim_record *r = &l->records[l->n++];
    *r = (struct sim_record){.class = CLASS_NULL, .window = TS_NONE};
    return r;
}

/* Section 2, written down a second time: the watermark is updated before the record is judged. */
void sim_log_add(struct sim_log *l, enum record_kind kind, int64_t timestamp) {
    struct sim_record *r = add(l);
    r->kind = kind;
    r->timestamp = timestamp;
    if (kind == RECORD_REJECTED)
        r->class = CLASS_REJECTED;
    if (kind != RECORD_EVENT)
        return;
    if (timestamp > l->max_ts)
        l->max_ts = timestamp;
    int64_t start = timestamp - timestamp % l->rules.size;
    int64_t watermark = l->max_ts - l->rules.out_of_orderness - 1;
    bool late = start + l->rules.size - 1 + l->rules.allowed_lateness <= watermark;
    r->class = late ? CLASS_LATE : CLASS_EVENT;
    r->window = late ? TS_NONE : start;
}

void sim_log_add_hole(struct sim_log *l) {
    add(l)->hole = true;
}

/* A transaction's marker, or an aborted one with all its records. */
static void add_unseen(struct sim_log *l, struct random *r, int64_t n) {
    int64_t holes = random_below(r, 3) ? 1 : 2 + (int64_t)random_below(r, 5);
    while (holes-- > 0 && l->n < n)
        sim_log_add_hole(l);
}

void sim_log_generate(struct sim_log *l, struct random *r, int64_t n) {
    int64_t t = INT64_C(1729630800000);
    while (l->n < n) {
        uint64_t dice = random_below(r, 100);
        t += (int64_t)random_below(r, dice == 99 ? 5000 : 120);
        if (dice < 5)
            add_unseen(l, r, n);
        else if (dice < 10)
            sim_log_add(l, RECORD_NULL, 0);
        else if (dice < 18)
            sim_log_add(l, RECORD_REJECTED, 0);
        else
            sim_log_add(l, RECORD_EVENT,
                        t - (int64_t)random_below(r, dice < 35   ? 4500
                                                     : dice < 60 ? 1500
                                                                 : 1));
    }
}

size_t sim_line(int64_t offset, char *dst) {
    int n = snprintf(dst, SIM_LINE_MAX, "%" PRId64 "%.*s\n", offset, (int)(offset * 7 % 13),
                     " ............");
    return (size_t)n;
}

uint32_t sim_crc32c(const struct sim_log *l, int64_t offset) {
    const struct sim_record *r = &l->records[offset];
    return crc32c((uint32_t)r->kind, &r->timestamp, sizeof r->timestamp);
}

/* ---- What the store holds ----------------------------------------------------------------------- */

struct view {
    const struct memory_world *w;
    const struct sim_log *l;
    const struct sim_paths *paths;
    struct checkpoint newest;
    struct file_entry *files; /* by key: all that manifests list, and the newest's commits */
    bool *in_manifest;
    size_t n_files, cap_files;
    uint8_t *covered; /* by offset: how often */
    struct error *e;
};

static void view_free(struct view *v) {
    for (size_t i = 0; i < v->n_files; i++)
        file_entry_clear(&v->files[i]);
    free(v->files);
    free(v->in_manifest);
    free(v->covered);
    checkpoint_clear(&v->newest);
}

static const struct file_entry *find_file(const struct view *v, const char *key) {
    for (size_t i = 0; i < v->n_files; i++)
        if (strcmp(v->files[i].key, key) == 0)
            return &v->files[i];
    return NULL;
}

static int add_file(struct view *v, const struct file_entry *f, bool in_manifest) {
    const struct file_entry *known = find_file(v, f->key);
    if (known && (known->crc32c != f->crc32c || known->first != f->first ||
                  known->last != f->last || known->bytes != f->bytes))
        return error_set(v->e, ERR_INTERNAL, "%s is listed twice, differently", f->key);
    if (known)
        return 0;
    if (v->n_files == v->cap_files) {
        v->cap_files = v->cap_files ? 2 * v->cap_files : 64;
        v->files = xrealloc(v->files, v->cap_files * sizeof *v->files);
        v->in_manifest = xrealloc(v->in_manifest, v->cap_files * sizeof *v->in_manifest);
    }
    file_entry_copy(&v->files[v->n_files], f);
    v->in_manifest[v->n_files++] = in_manifest;
    return 0;
}

static int read_newest(struct view *v) {
    size_t n = memory_world_count(v->w, v->paths->chain), len;
    if (n == 0)
        return error_set(v->e, ERR_INTERNAL, "there is no checkpoint");
    const char *key = memory_world_key(v->w, v->paths->chain, n - 1);
    const char *data = memory_world_object(v->w, key, &len);
    return checkpoint_decode(data, len, &v->newest, v->e);
}

static int read_manifests(struct view *v) {
    const char *key;
    for (size_t i = 0; (key = memory_world_key(v->w, v->paths->manifest, i)); i++) {
        size_t len;
        const char *data = memory_world_object(v->w, key, &len);
        struct manifest m;
        if (manifest_decode(data, len, &m, v->e) != 0)
            return -1;
        int rc = 0;
        for (size_t k = 0; k < m.n_files && rc == 0; k++)
            rc = add_file(v, &m.files[k], true);
        manifest_clear(&m);
        if (rc != 0)
            return -1;
    }
    return 0;
}

/* Counts every event of this class and window from..to as covered; returns how many there are. */
static struct totals cover(struct view *v, enum event_class class, int64_t window, int64_t from,
                           int64_t to) {
    struct totals t = {0};
    for (int64_t o = from; o <= to && o < v->l->n; o++) {
        const struct sim_record *r = &v->l->records[o];
        if (r->class != class || r->window != window)
            continue;
        v->covered[o]++;
        t.events++;
        t.hash += offset_hash(o);
    }
    return t;
}

static int cover_file(struct view *v, const struct file_entry *f) {
    struct totals t = cover(v, f->class, f->window, f->first, f->last);
    if (t.events == f->count.events && t.hash == f->count.hash)
        return 0;
    return error_set(v->e, ERR_INTERNAL, "%s states other events than %" PRId64 "..%" PRId64 " has",
                     f->key, f->first, f->last);
}

static int cover_all(struct view *v) {
    const struct checkpoint *k = &v->newest;
    for (size_t i = 0; i < v->n_files; i++)
        if (cover_file(v, &v->files[i]) != 0)
            return -1;
    for (size_t i = 0; i < k->n_files; i++)
        if (k->files[i].n_parts > 0 && cover_file(v, &k->files[i]) != 0)
            return -1;
    for (size_t i = 0; i < k->n_gaps; i++) {
        const struct gap *g = &k->gaps[i];
        struct totals t = cover(v, g->class, g->window, g->from, g->to);
        if (t.events != g->events || g->to >= k->next || g->from < k->replay_from)
            return error_set(v->e, ERR_INTERNAL,
                             "gap %" PRId64 "..%" PRId64 " of class %d states %" PRIu64
                             " events, it has %" PRIu64 "; next %" PRId64 ", replay_from %" PRId64,
                             g->from, g->to, (int)g->class, g->events, t.events, k->next,
                             k->replay_from);
    }
    for (int64_t o = 0; o < v->l->n; o++) {
        int want = o < k->next && v->l->records[o].class != CLASS_NULL;
        if (v->covered[o] != want)
            return error_set(v->e, ERR_INTERNAL,
                             "offset %" PRId64
                             " stands %d times in files and gaps, next is %" PRId64,
                             o, v->covered[o], k->next);
    }
    return 0;
}

/* read is what the log has below next; read - listed is what gaps and open files hold. */
static int check_totals(struct view *v) {
    const struct checkpoint *k = &v->newest;
    struct totals read[CLASS_COUNT] = {{0}};
    uint64_t held[CLASS_COUNT] = {0};
    for (int64_t o = 0; o < k->next && o < v->l->n; o++)
        if (!v->l->records[o].hole)
            totals_add(&read[v->l->records[o].class], &(struct totals){1, offset_hash(o)});
    for (size_t i = 0; i < k->n_gaps; i++)
        held[k->gaps[i].class] += k->gaps[i].events;
    for (size_t i = 0; i < k->n_files; i++)
        held[k->files[i].class] += k->files[i].count.events;
    for (int c = 0; c < CLASS_COUNT; c++)
        if (k->read[c].events != read[c].events || k->read[c].hash != read[c].hash ||
            (c != CLASS_NULL && read[c].events - k->listed[c].events != held[c]))
            return error_set(v->e, ERR_INTERNAL,
                             "class %d: read %" PRIu64 " (must be %" PRIu64 "), listed %" PRIu64
                             ", held %" PRIu64,
                             c, k->read[c].events, read[c].events, k->listed[c].events, held[c]);
    return 0;
}

static int check_object(struct view *v, const char *key) {
    const struct file_entry *f = find_file(v, key);
    if (!f)
        return error_set(v->e, ERR_INTERNAL, "%s is visible, but nothing lists it", key);
    size_t len, at = 0;
    const char *data = memory_world_object(v->w, key, &len);
    for (int64_t o = f->first; o <= f->last; o++) {
        const struct sim_record *r = &v->l->records[o];
        char line[SIM_LINE_MAX];
        size_t n = sim_line(o, line);
        if (r->class != f->class || r->window != f->window)
            continue;
        if (len - at < n || memcmp(data + at, line, n) != 0)
            return error_set(v->e, ERR_INTERNAL, "%s: offset %" PRId64 " is not in its place", key,
                             o);
        at += n;
    }
    if (at != len || len != f->bytes || crc32c(0, data, len) != f->crc32c)
        return error_set(v->e, ERR_INTERNAL, "%s has other bytes than listed", key);
    return 0;
}

static int check_objects(struct view *v) {
    static const char *const prefixes[] = {"dt=", "_late/", "_rejected/"};
    for (int p = 0; p < 3; p++) {
        const char *key;
        for (size_t i = 0; (key = memory_world_key(v->w, prefixes[p], i)); i++)
            if (check_object(v, key) != 0)
                return -1;
    }
    return 0;
}

static int look(struct view *v) {
    v->covered = xcalloc((size_t)v->l->n + 1, 1);
    if (read_newest(v) != 0 || read_manifests(v) != 0)
        return -1;
    for (size_t i = 0; i < v->newest.n_commits; i++)
        if (add_file(v, &v->newest.commits[i], false) != 0)
            return -1;
    return cover_all(v) != 0 || check_totals(v) != 0 || check_objects(v) != 0 ? -1 : 0;
}

int sim_check_always(const struct memory_world *w, const struct sim_log *l,
                     const struct sim_paths *paths, struct error *e) {
    struct view v = {.w = w, .l = l, .paths = paths, .e = e};
    int rc = look(&v);
    view_free(&v);
    return rc;
}

static int look_at_end(struct view *v) {
    if (look(v) != 0)
        return -1;
    if (!checkpoint_is_clean(&v->newest))
        return error_set(v->e, ERR_INTERNAL, "the last checkpoint is not clean");
    if (v->newest.next != v->l->n)
        return error_set(v->e, ERR_INTERNAL, "it has read up to %" PRId64 " of %" PRId64,
                         v->newest.next, v->l->n);
    for (size_t i = 0; i < v->n_files; i++)
        if (!v->in_manifest[i] || !memory_world_object(v->w, v->files[i].key, NULL))
            return error_set(v->e, ERR_INTERNAL, "%s is listed, but not visible", v->files[i].key);
    return 0;
}

int sim_check_end(const struct memory_world *w, const struct sim_log *l,
                  const struct sim_paths *paths, struct error *e) {
    struct view v = {.w = w, .l = l, .paths = paths, .e = e};
    int rc = look_at_end(&v);
    view_free(&v);
    return rc;
}
