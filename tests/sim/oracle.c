/* What must stand in the store at any moment, worked out from the log alone. Of the records below
 * the newest checkpoint's `next` each stands exactly once: in a listed file, in an acknowledged part of
 * an open one, or in a gap; and nothing is visible that no durable checkpoint has listed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "checkpoint/chain.h"
#include "decoded.h"
#include "world.h"

void oracle_clear(struct oracle *o) {
    for (size_t i = 0; i < o->n_files; i++)
        file_entry_clear(&o->files[i].file);
    free(o->files);
    free(o->put);
    *o = (struct oracle){.acknowledged = o->acknowledged};
}

static bool begins(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static struct listed *find(struct oracle *o, const char *key) {
    for (size_t i = 0; i < o->n_files; i++)
        if (strcmp(o->files[i].file.key, key) == 0)
            return &o->files[i];
    return NULL;
}

/* ---- Files -------------------------------------------------------------------------------------- */

static bool same_file(const struct file_entry *a, const struct file_entry *b) {
    return a->class == b->class && a->window == b->window && a->first == b->first &&
           a->last == b->last && a->count.events == b->count.events &&
           a->count.hash == b->count.hash && a->bytes == b->bytes && a->crc32c == b->crc32c;
}

static struct listed *list_file(struct world *w, const struct file_entry *f) {
    struct oracle *o = &w->oracle;
    struct listed *known = find(o, f->key);
    if (known) {
        if (!same_file(&known->file, f))
            world_fail(w, "%s is listed twice, differently", f->key);
        return known;
    }
    array_reserve(&o->files, &o->cap_files, o->n_files + 1, sizeof *o->files);
    known = &o->files[o->n_files++];
    *known = (struct listed){0};
    file_entry_copy(&known->file, f);
    return known;
}

/* The bytes are the lines of its events, in order. */
static void check_bytes(struct world *w, const struct file_entry *f, const char *data, size_t len) {
    size_t at = 0;
    struct totals t = {0};
    for (int64_t o = f->first; o <= f->last && o < w->log->n; o++) {
        const struct sim_record *r = &w->log->records[o];
        if (r->hole || r->class != f->class || r->window != f->window)
            continue;
        char line[SIM_LINE_MAX];
        size_t n = sim_line(o, line);
        if (len - at < n || memcmp(data + at, line, n) != 0) {
            if (o < w->lost_below)
                continue;
            world_fail(w, "%s: offset %" PRId64 " is not in its place", f->key, o);
            return;
        }
        at += n;
        totals_add(&t, &(struct totals){1, offset_hash(o)});
    }
    if (at != len || len != f->bytes || crc32c(0, data, len) != f->crc32c)
        world_fail(w, "%s has %zu bytes that are others than the %" PRIu64 " listed", f->key, len,
                   f->bytes);
    if (t.events != f->count.events || t.hash != f->count.hash)
        world_fail(w, "%s states %" PRIu64 " events, it has %" PRIu64, f->key, f->count.events,
                   t.events);
}

static void file_appeared(struct world *w, const char *key, const char *data, size_t len) {
    struct listed *l = find(&w->oracle, key);
    if (!l) {
        world_fail(w, "%s is visible, but no durable checkpoint lists it", key);
        return;
    }
    if (l->taken)
        world_fail(w, "%s appears again after it was taken away", key);
    l->visible = true;
    check_bytes(w, &l->file, data, len);
}

/* ---- Checkpoints -------------------------------------------------------------------------------- */

struct cover {
    struct world *w;
    uint8_t *times; /* by offset */
};

/* Counts each event of this class and window from..to, and returns how many there are. */
static struct totals cover(struct cover *c, enum event_class class, int64_t window, int64_t from,
                           int64_t to) {
    struct totals t = {0};
    for (int64_t o = from < 0 ? 0 : from; o <= to && o < c->w->log->n; o++) {
        const struct sim_record *r = &c->w->log->records[o];
        if (r->hole || r->class != class || r->window != window)
            continue;
        c->times[o]++;
        t.events++;
        t.hash += offset_hash(o);
    }
    return t;
}

/* Events below lost_below may be missing where a file or gap has them. */
static void cover_file(struct cover *c, const struct file_entry *f) {
    struct totals t = cover(c, f->class, f->window, f->first, f->last);
    bool exact = t.events == f->count.events && t.hash == f->count.hash;
    if (!exact && !(f->first < c->w->lost_below && f->count.events < t.events))
        world_fail(c->w, "%s states %" PRIu64 " events of %" PRId64 "..%" PRId64, f->key,
                   f->count.events, f->first, f->last);
}

/* A gap that has lost events says so only when it has been read to its end. */
static void cover_gap(struct cover *c, const struct gap *g, const struct checkpoint *k) {
    struct totals t = cover(c, g->class, g->window, g->from, g->to);
    bool exact = c->w->lost_below ? g->events >= t.events : g->events == t.events;
    if (!exact || g->events == 0 || g->to >= k->next ||
        (g->from < k->replay_from && g->from >= c->w->lost_below))
        world_fail(c->w,
                   "checkpoint %" PRIu64 ": the gap %" PRId64 "..%" PRId64
                   " of class %s states %" PRIu64 " events, it has %" PRIu64 "; next %" PRId64
                   ", replay_from %" PRId64,
                   k->number, g->from, g->to, event_class_name(g->class), g->events, t.events,
                   k->next, k->replay_from);
}

/* What lies below lost_below may be missing; check_totals() sees that its number is recorded. */
static void check_cover(struct world *w, const struct checkpoint *k) {
    struct cover c = {.w = w, .times = xcalloc((size_t)w->log->n + 1, 1)};
    for (size_t i = 0; i < w->oracle.n_files; i++)
        cover_file(&c, &w->oracle.files[i].file);
    for (size_t i = 0; i < k->n_files; i++)
        if (k->files[i].n_parts > 0)
            cover_file(&c, &k->files[i]);
    for (size_t i = 0; i < k->n_gaps; i++)
        cover_gap(&c, &k->gaps[i], k);
    for (int64_t o = 0; o < w->log->n; o++) {
        const struct sim_record *r = &w->log->records[o];
        int want = o < k->next && !r->hole && r->class != CLASS_NULL;
        if (c.times[o] != want && !(o < w->lost_below && c.times[o] < want))
            world_fail(w,
                       "checkpoint %" PRIu64 ": offset %" PRId64
                       " stands %d times in files and gaps, next is %" PRId64,
                       k->number, o, c.times[o], k->next);
    }
    free(c.times);
}

/* read is what the log has below next; read - listed is what gaps and open files hold, and what was
 * lost. */
static void check_totals(struct world *w, const struct checkpoint *k) {
    struct totals read[CLASS_COUNT] = {{0}};
    uint64_t held = 0, lost = 0, read_sum = 0, listed_sum = 0;
    for (int64_t o = 0; o < k->next && o < w->log->n; o++) {
        bool never_read = false;
        for (size_t i = 0; i < k->n_losses; i++)
            never_read |= k->losses[i].events < 0 && k->losses[i].from <= o && o <= k->losses[i].to;
        if (!w->log->records[o].hole && !never_read)
            totals_add(&read[w->log->records[o].class], &(struct totals){1, offset_hash(o)});
    }
    for (size_t i = 0; i < k->n_gaps; i++)
        held += k->gaps[i].events;
    for (size_t i = 0; i < k->n_files; i++)
        held += k->files[i].count.events;
    for (size_t i = 0; i < k->n_losses; i++)
        lost += k->losses[i].events > 0 ? (uint64_t)k->losses[i].events : 0;
    for (int c = 0; c < CLASS_COUNT; c++) {
        if (k->read[c].events != read[c].events || k->read[c].hash != read[c].hash)
            world_fail(w, "checkpoint %" PRIu64 ": %" PRIu64 " %s read, must be %" PRIu64,
                       k->number, k->read[c].events, event_class_name((enum event_class)c),
                       read[c].events);
        read_sum += c == CLASS_NULL ? 0 : k->read[c].events;
        listed_sum += k->listed[c].events;
    }
    if (read_sum - listed_sum != held + lost)
        world_fail(w,
                   "checkpoint %" PRIu64 ": read %" PRIu64 ", listed %" PRIu64 ", held %" PRIu64
                   ", lost %" PRIu64,
                   k->number, read_sum, listed_sum, held, lost);
}

/* Where reading begins again, the maximum timestamp before it is what the log has. */
static void check_replay_point(struct world *w, const struct checkpoint *k) {
    int64_t max_ts = TS_NONE;
    for (int64_t o = w->lost_below; o < k->replay_from && o < w->log->n; o++) {
        const struct sim_record *r = &w->log->records[o];
        if (!r->hole && r->kind == RECORD_EVENT && r->timestamp > max_ts)
            max_ts = r->timestamp;
    }
    if (k->replay_from > k->next || (w->lost_below == 0 && k->replay_max_ts != max_ts))
        world_fail(w,
                   "checkpoint %" PRIu64 ": replay from %" PRId64 " with maximum %" PRId64
                   ", must be %" PRId64,
                   k->number, k->replay_from, k->replay_max_ts, max_ts);
}

static void check_last(struct world *w, const struct checkpoint *k) {
    if (!k->has_last)
        return;
    if (k->last_offset >= k->next || k->last_offset < 0 || w->log->records[k->last_offset].hole ||
        k->last_crc32c != sim_crc32c(w->log, k->last_offset))
        world_fail(w, "checkpoint %" PRIu64 ": its last record %" PRId64 " is not the log's",
                   k->number, k->last_offset);
}

/* Files that no checkpoint lists any more and no manifest: rule 9 has put gaps in their places. */
static void forget_rebuilt(struct world *w, const struct checkpoint *k) {
    struct oracle *o = &w->oracle;
    size_t kept = 0;
    for (size_t i = 0; i < o->n_files; i++) {
        struct listed l = o->files[i];
        bool stays = l.in_manifest;
        for (size_t j = 0; j < k->n_commits && !stays; j++)
            stays = strcmp(k->commits[j].key, l.file.key) == 0;
        if (stays) {
            o->files[kept++] = l;
            continue;
        }
        if (l.visible)
            world_fail(w, "%s is visible, but checkpoint %" PRIu64 " forgets it", l.file.key,
                       k->number);
        file_entry_clear(&l.file);
    }
    o->n_files = kept;
}

static void use_checkpoint(struct world *w, const char *data, size_t len, uint64_t number) {
    struct error e;
    const struct checkpoint *k = decoded_checkpoint(data, len, &e);
    if (!k) {
        world_fail(w, "checkpoint %" PRIu64 ": %s", number, e.text);
        return;
    }
    if (k->number != number || k->next < w->oracle.next)
        world_fail(w,
                   "checkpoint %" PRIu64 " says %" PRIu64 "; next goes back from %" PRId64
                   " to %" PRId64,
                   number, k->number, w->oracle.next, k->next);
    for (size_t i = 0; i < k->n_commits; i++)
        (void)list_file(w, &k->commits[i]);
    forget_rebuilt(w, k);
    w->oracle.newest = number;
    w->oracle.next = k->next;
    w->oracle.clean = checkpoint_is_clean(k);
    world_trace(w,
                "    checkpoint %" PRIu64 "%s: next %" PRId64 ", replay from %" PRId64
                ", %zu gaps, %zu files, %zu commits",
                k->number, k->claim ? " (claim)" : "", k->next, k->replay_from, k->n_gaps,
                k->n_files, k->n_commits);
    check_cover(w, k);
    check_totals(w, k);
    check_replay_point(w, k);
    check_last(w, k);
}

/* ---- Manifests ---------------------------------------------------------------------------------- */

static void use_manifest(struct world *w, const char *key, const char *data, size_t len,
                         bool just_now) {
    struct error e;
    const struct manifest *m = decoded_manifest(data, len, &e);
    if (!m) {
        world_fail(w, "%s: %s", key, e.text);
        return;
    }
    for (size_t i = 0; i < m->n_files; i++) {
        if (just_now && !find(&w->oracle, m->files[i].key))
            world_fail(w, "%s lists %s, which no checkpoint has listed", key, m->files[i].key);
        struct listed *l = list_file(w, &m->files[i]);
        size_t n;
        l->in_manifest = true;
        if (!l->taken && !world_object(w, m->files[i].key, &n))
            world_fail(w, "%s lists %s, which is not there", key, m->files[i].key);
    }
}

/* A manifest is a pure function of its checkpoint. */
static void check_manifest(struct world *w, const char *key, const char *data, size_t len) {
    const char *name = key + strlen(MANIFEST_PREFIX);
    char *chain = xasprintf(CHAIN_PREFIX "%s", name);
    size_t n;
    const char *bytes = world_object(w, chain, &n);
    const struct buffer *must = bytes ? decoded_manifest_of(bytes, n) : NULL;
    if (must) {
        if (must->len != len || memcmp(must->data, data, len) != 0)
            world_fail(w, "%s is not what its checkpoint says", key);
    } else if (chain_parse_name(name) > w->oracle.newest) {
        world_fail(w, "%s is of a checkpoint that does not exist", key);
    }
    free(chain);
}

/* These bytes stood there and were collected: they come once more, late or from one that slept. */
static bool put_before(struct oracle *o, uint64_t number, const char *data, size_t len) {
    return number < o->n_put && o->put[number] == crc32c(0, data, len);
}

static void remember_put(struct oracle *o, uint64_t number, const char *data, size_t len) {
    if (number >= o->n_put) {
        o->put = xrealloc(o->put, (number + 64) * sizeof *o->put);
        memset(o->put + o->n_put, 0, (number + 64 - o->n_put) * sizeof *o->put);
        o->n_put = number + 64;
    }
    o->put[number] = crc32c(0, data, len);
}

static bool is_claim(const char *data, size_t len) {
    struct error e;
    const struct checkpoint *k = decoded_checkpoint(data, len, &e);
    return k && k->claim;
}

/* ---- As things happen --------------------------------------------------------------------------- */

void oracle_appeared(struct world *w, const char *key, const char *data, size_t len) {
    if (begins(key, CHAIN_PREFIX)) {
        uint64_t number = chain_parse_name(key + strlen(CHAIN_PREFIX));
        if (!number)
            return; /* a temporary name */
        if (number <= w->oracle.newest &&
            (is_claim(data, len) || put_before(&w->oracle, number, data, len)))
            return; /* behind the chain, where others have collected: its process must see that */
        if (number != w->oracle.newest + 1)
            world_fail(w, "checkpoint %" PRIu64 " appears after %" PRIu64, number,
                       w->oracle.newest);
        remember_put(&w->oracle, number, data, len);
        use_checkpoint(w, data, len, number);
    } else if (begins(key, MANIFEST_PREFIX)) {
        check_manifest(w, key, data, len);
        use_manifest(w, key, data, len, true);
    } else if (begins(key, "dt=") || begins(key, "_late/") || begins(key, "_rejected/")) {
        file_appeared(w, key, data, len);
    }
}

void oracle_acknowledged(struct world *w, const char *key) {
    if (begins(key, MANIFEST_PREFIX))
        while (w->consumer && world_take_listed(w, 0))
            ;
    if (!begins(key, CHAIN_PREFIX))
        return;
    uint64_t number = chain_parse_name(key + strlen(CHAIN_PREFIX));
    if (number > w->oracle.acknowledged)
        w->oracle.acknowledged = number;
}

/* ---- All at once -------------------------------------------------------------------------------- */

struct look {
    struct world *w;
    const char *newest;
    size_t newest_len;
    uint64_t number;
};

static void look_for_newest(void *ctx, const char *key, const char *data, size_t len) {
    struct look *l = ctx;
    uint64_t number = chain_parse_name(key + strlen(CHAIN_PREFIX));
    if (number <= l->number)
        return;
    l->number = number;
    l->newest = data;
    l->newest_len = len;
}

static void look_at_manifest(void *ctx, const char *key, const char *data, size_t len) {
    use_manifest(((struct look *)ctx)->w, key, data, len, false);
}

static void look_at_file(void *ctx, const char *key, const char *data, size_t len) {
    file_appeared(((struct look *)ctx)->w, key, data, len);
}

void oracle_look(struct world *w) {
    struct look l = {.w = w};
    struct oracle *o = &w->oracle;
    size_t kept = 0;
    for (size_t i = 0; i < o->n_files; i++) {
        o->files[i].visible = o->files[i].in_manifest = false;
        if (o->files[i].taken)
            o->files[kept++] = o->files[i];
        else
            file_entry_clear(&o->files[i].file);
    }
    o->n_files = kept;
    o->next = 0;
    world_each(w, MANIFEST_PREFIX, look_at_manifest, &l);
    world_each(w, CHAIN_PREFIX, look_for_newest, &l);
    o->newest = l.number;
    if (l.number < o->acknowledged)
        world_fail(w, "checkpoint %" PRIu64 " was acknowledged and is gone, the newest is %" PRIu64,
                   o->acknowledged, l.number);
    if (l.number)
        use_checkpoint(w, l.newest, l.newest_len, l.number);
    world_each(w, "dt=", look_at_file, &l);
    world_each(w, "_late/", look_at_file, &l);
    world_each(w, "_rejected/", look_at_file, &l);
}

void oracle_end(struct world *w) {
    oracle_look(w);
    if (!w->oracle.clean)
        world_fail(w, "the last checkpoint is not clean");
    if (w->oracle.next != w->log->n)
        world_fail(w, "it has read up to %" PRId64 " of %" PRId64, w->oracle.next, w->log->n);
    for (size_t i = 0; i < w->oracle.n_files; i++) {
        const struct listed *l = &w->oracle.files[i];
        if (!l->in_manifest || (!l->visible && !l->taken))
            world_fail(w, "%s is listed, but not visible or in no manifest", l->file.key);
    }
}
