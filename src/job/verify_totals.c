/* The arithmetic: what was read is listed, or waits in a gap or an open file, or is lost; and no
 * offset was read twice. Sums of hashes are modulo 2^64. */
#include <inttypes.h>
#include <string.h>

#include "base/checksum.h"
#include "checkpoint/chain.h"
#include "job/fetch.h"
#include "job/verify_internal.h"

/* Hashing a range takes 1 to 2 ns an offset. */
#define RANGE_MAX (UINT64_C(1) << 34)

static bool equal(const struct totals *a, const struct totals *b) {
    return a->events == b->events && a->hash == b->hash;
}

/* ---- Files against `listed` -------------------------------------------------------------------- */

static bool files_match(const struct part *p) {
    for (int c = 0; c < CLASS_NULL; c++) {
        struct totals want = p->newest->listed[c];
        totals_subtract(&want, &p->base.listed[c]);
        if (!equal(&want, &p->files[c]))
            return false;
    }
    return true;
}

static void recount(struct verify *v, struct part *p) {
    memset(p->files, 0, sizeof p->files);
    memset(p->n_files, 0, sizeof p->n_files);
    for (size_t i = 0; i < v->files.n; i++) {
        struct known_file *f = &v->files.files[i];
        if (f->partition != p->chain->partition || !f->counted)
            continue;
        f->counted = f->committed || f->manifest > p->base.number;
        if (!f->counted)
            continue;
        totals_add(&p->files[f->entry.class], &f->entry.count);
        p->n_files[f->entry.class]++;
    }
}

/* `run --accept-changes` may have given the job another output.path. Totals go on, but what was listed
 * before lies elsewhere. Claims are never removed, so the first one of the new path tells how much
 * that is (a change needs a checkpoint without files or commits). */
static int look_for_moved_output(struct verify *v, struct part *p, struct error *e) {
    struct checkpoint *list;
    size_t n;
    if (survey_history(v->cfg->checkpoints, p->chain->prefix, &list, &n, e) != 0)
        return -1;
    for (size_t i = n; i-- > 1;) {
        if (strcmp(list[i - 1].identity.output, p->newest->identity.output) == 0)
            continue;
        p->base.number = list[i].number;
        memcpy(p->base.listed, list[i].listed, sizeof p->base.listed);
        recount(v, p);
        break;
    }
    survey_history_free(list, n);
    return 0;
}

static void explain(struct verify *v, const struct part *p) {
    char where[160] = "";
    if (p->wrong_at && p->right_up_to)
        (void)snprintf(where, sizeof where,
                       "; right up to checkpoint %" PRIu64 ", so a manifest between it and %" PRIu64
                       " is missing or wrong",
                       p->right_up_to, p->wrong_at);
    else if (p->wrong_at)
        (void)snprintf(where, sizeof where,
                       "; wrong from the first manifest on (checkpoint %" PRIu64
                       "), so one before it is missing, or it is wrong",
                       p->wrong_at);
    else if (p->right_up_to)
        (void)snprintf(where, sizeof where,
                       "; right up to checkpoint %" PRIu64
                       ", so a manifest after it is missing (the newest checkpoint is %" PRIu64 ")",
                       p->right_up_to, p->newest->number);
    else if (p->n_manifests == 0)
        (void)snprintf(where, sizeof where, "; there is no manifest at all");
    for (int c = 0; c < CLASS_NULL; c++) {
        struct totals want = p->newest->listed[c];
        totals_subtract(&want, &p->base.listed[c]);
        if (equal(&want, &p->files[c]))
            continue;
        verify_problem(v, PROBLEM_TOTALS,
                       "%s class %s: the checkpoint has listed %" PRIu64
                       " events, manifests and commits hold %" PRIu64 "%s%s",
                       p->chain->prefix, event_class_name((enum event_class)c), want.events,
                       p->files[c].events,
                       want.events == p->files[c].events ? ", but of other offsets" : "", where);
    }
}

static int check_listed(struct verify *v, struct part *p, struct error *e) {
    if (!files_match(p) && !p->base.number && look_for_moved_output(v, p, e) != 0)
        return -1;
    if (!files_match(p))
        explain(v, p);
    return 0;
}

/* ---- `read` against all there is ---------------------------------------------------------------- */

static uint64_t gap_events(const struct checkpoint *k, int class) {
    uint64_t n = 0;
    for (size_t i = 0; i < k->n_gaps; i++)
        if ((int)k->gaps[i].class == class)
            n += k->gaps[i].events;
    return n;
}

static struct totals open_totals(const struct checkpoint *k, int class) {
    struct totals t = {0};
    for (size_t i = 0; i < k->n_files; i++)
        if ((int)k->files[i].class == class)
            totals_add(&t, &k->files[i].count);
    return t;
}

/* Events that were counted when they were read, and that Kafka no longer had when they were to be read
 * again. */
static uint64_t lost_events(const struct checkpoint *k) {
    uint64_t n = 0;
    for (size_t i = 0; i < k->n_losses; i++)
        n += k->losses[i].events > 0 ? (uint64_t)k->losses[i].events : 0;
    return n;
}

/* read = listed + open files + gaps + losses. A gap states how many events it holds, not which, so the
 * hashes can be compared only where a class has none; a loss does not state the class. */
static void check_read(struct verify *v, const struct part *p) {
    const struct checkpoint *k = p->newest;
    uint64_t lost = lost_events(k), missing = 0;
    bool surplus = false;
    for (int c = 0; c < CLASS_NULL; c++) {
        struct totals held = open_totals(k, c);
        totals_add(&held, &k->listed[c]);
        uint64_t gaps = gap_events(k, c), all = held.events + gaps;
        const char *name = event_class_name((enum event_class)c);
        if (all > k->read[c].events) {
            surplus = true;
            verify_problem(v, PROBLEM_TOTALS,
                           "%s class %s: %" PRIu64 " events read, but %" PRIu64 " listed, %" PRIu64
                           " in open files and %" PRIu64 " still to be written: too many",
                           p->chain->prefix, name, k->read[c].events, k->listed[c].events,
                           held.events - k->listed[c].events, gaps);
            continue;
        }
        missing += k->read[c].events - all;
        if (all == k->read[c].events && gaps == 0 && held.hash != k->read[c].hash)
            verify_problem(v, PROBLEM_TOTALS,
                           "%s class %s: as many events are listed or open as were read (%" PRIu64
                           "), but of other offsets",
                           p->chain->prefix, name, all);
    }
    if (!surplus && missing != lost)
        verify_problem(v, PROBLEM_TOTALS,
                       "%s: %" PRIu64
                       " events were read and are neither listed nor in an open file "
                       "nor still to be written, and %" PRIu64 " are recorded as lost",
                       p->chain->prefix, missing, lost);
}

/* ---- `read` against the offsets ------------------------------------------------------------------ */

static uint64_t range_hash(int64_t from, int64_t to) {
    uint64_t sum = 0;
    for (int64_t o = from; o < to; o++)
        sum += offset_hash(o);
    return sum;
}

/* Every offset from the start to `next` is a record of one class, a control record, or lost unread.
 * Where the counts leave no room for control records, the hashes tell without Kafka whether each
 * offset was counted exactly once. */
static void check_offsets(struct verify *v, const struct part *p) {
    const struct checkpoint *k = p->newest;
    if (!p->has_start)
        return;
    struct totals read = {0};
    for (int c = 0; c < CLASS_COUNT; c++)
        totals_add(&read, &k->read[c]);
    uint64_t unread = 0, offsets = (uint64_t)(k->next - p->start);
    for (size_t i = 0; i < k->n_losses; i++)
        if (k->losses[i].events < 0)
            unread += (uint64_t)(k->losses[i].to - k->losses[i].from) + 1;
    if (k->next < p->start || read.events + unread > offsets) {
        verify_problem(v, PROBLEM_TOTALS,
                       "%s: %" PRIu64 " records were read between offsets %" PRId64 " and %" PRId64
                       ": too many",
                       p->chain->prefix, read.events, p->start, k->next - 1);
        return;
    }
    if (read.events + unread != offsets || offsets > RANGE_MAX)
        return;
    uint64_t want = range_hash(p->start, k->next);
    for (size_t i = 0; i < k->n_losses; i++)
        if (k->losses[i].events < 0)
            want -= range_hash(k->losses[i].from, k->losses[i].to + 1);
    if (want != read.hash)
        verify_problem(v, PROBLEM_TOTALS,
                       "%s: %" PRIu64
                       " records were read, as many as there are offsets from %" PRId64
                       " to %" PRId64 ", but some twice and some never",
                       p->chain->prefix, read.events, p->start, k->next - 1);
}

int verify_totals(struct verify *v, struct error *e) {
    for (size_t i = 0; i < v->n_parts; i++) {
        if (check_listed(v, &v->parts[i], e) != 0)
            return -1;
        check_read(v, &v->parts[i]);
        check_offsets(v, &v->parts[i]);
    }
    return 0;
}
