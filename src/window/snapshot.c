/* State to checkpoint, and a claim to state. A snapshot at any record boundary is consistent: what
 * is not acknowledged is a gap. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "window/partition.h"

struct snapshot {
    struct partition *p;
    struct checkpoint *k;
    size_t cap_gaps;
};

static void add_gap(struct snapshot *s, struct gap gap) {
    if (gap.events == 0)
        return;
    array_reserve(&s->k->gaps, &s->cap_gaps, s->k->n_gaps + 1, sizeof *s->k->gaps);
    s->k->gaps[s->k->n_gaps++] = gap;
}

/* Rule 6: what is left of an inherited gap. Its file's events that are not acknowledged yet and its
 * events that are not read again yet adjoin: no listed event of that class and window lies between. */
static void add_inherited_gap(struct snapshot *s, const struct replay_gap *g) {
    int64_t first = g->gap.from > s->p->position ? g->gap.from : s->p->position, max_ts;
    struct gap left = g->gap;
    left.events -= g->written;
    if (g->file) {
        left.events += g->file->unacknowledged;
        (void)file_first_unacknowledged(g->file, &first, &max_ts);
    }
    left.from = first;
    add_gap(s, left);
}

static bool in_inherited_gap(const struct partition *p, const struct file *f) {
    for (size_t i = 0; i < p->replay.n; i++)
        if (p->replay.gaps[i].file == f)
            return true;
    return false;
}

/* An open file's gap runs to next - 1; a sealed one's to its last event. */
static void add_file_gap(struct snapshot *s, const struct file *f) {
    int64_t first, max_ts;
    if (!file_first_unacknowledged(f, &first, &max_ts) || in_inherited_gap(s->p, f))
        return;
    add_gap(s, (struct gap){.class = f->entry.class,
                            .window = f->entry.window,
                            .from = first,
                            .to = f->sealed ? f->last_offset : s->k->next - 1,
                            .events = f->unacknowledged});
}

static void set_replay_point(struct snapshot *s) {
    struct partition *p = s->p;
    s->k->replay_from = p->position;
    s->k->replay_max_ts = p->max_ts;
    for (size_t i = 0; i < p->n_files; i++) {
        int64_t first, max_ts;
        if (file_first_unacknowledged(p->files[i], &first, &max_ts) && first < s->k->replay_from) {
            s->k->replay_from = first;
            s->k->replay_max_ts = max_ts;
        }
    }
}

void partition_snapshot(struct partition *p, struct checkpoint *k) {
    *k = (struct checkpoint){0};
    struct snapshot s = {.p = p, .k = k};
    k->next = p->position > p->base_next ? p->position : p->base_next;
    k->has_last = p->has_last;
    k->last_offset = p->last_offset;
    k->last_crc32c = p->last_crc32c;
    memcpy(k->read, p->read, sizeof k->read);
    memcpy(k->listed, p->listed, sizeof k->listed);
    set_replay_point(&s);
    for (size_t i = 0; i < p->replay.n; i++)
        add_inherited_gap(&s, &p->replay.gaps[i]);
    k->files = xcalloc(p->n_files, sizeof *k->files);
    for (size_t i = 0; i < p->n_files; i++) {
        add_file_gap(&s, p->files[i]);
        if (p->files[i]->entry.upload)
            file_entry_copy(&k->files[k->n_files++], &p->files[i]->entry);
    }
    commits_snapshot(p->commits, k);
    if (p->n_losses) {
        k->losses = xcalloc(p->n_losses, sizeof *k->losses);
        memcpy(k->losses, p->losses, p->n_losses * sizeof *k->losses);
        k->n_losses = p->n_losses;
    }
}

void partition_restore(struct partition *p, const struct checkpoint *claim) {
    p->position = claim->replay_from;
    p->base_next = claim->next;
    p->max_ts = claim->replay_max_ts;
    p->has_last = claim->has_last;
    p->last_offset = claim->last_offset;
    p->last_crc32c = claim->last_crc32c;
    memcpy(p->read, claim->read, sizeof p->read);
    memcpy(p->listed, claim->listed, sizeof p->listed);
    replay_init(&p->replay, claim->gaps, claim->n_gaps);
    if (claim->n_losses) {
        p->losses = xcalloc(claim->n_losses, sizeof *p->losses);
        memcpy(p->losses, claim->losses, claim->n_losses * sizeof *p->losses);
        p->n_losses = claim->n_losses;
    }
    commits_restore(p->commits, claim, chain_inherited_commits(p->chain));
    p->seen_commits = commits_count(p->commits);
}
