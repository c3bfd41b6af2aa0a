#include "checkpoint/claim.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void claim_first(struct checkpoint *c, const struct identity *identity, int64_t start_offset) {
    *c = (struct checkpoint){0};
    identity_copy(&c->identity, identity);
    c->next = start_offset;
    c->replay_from = start_offset;
    c->replay_max_ts = TS_NONE;
}

void claim_inherit(struct checkpoint *c, const struct checkpoint *newest) {
    checkpoint_copy(c, newest);
    size_t cap = c->n_commits;
    for (size_t i = 0; i < c->n_files; i++) {
        if (c->files[i].n_parts == 0) {
            file_entry_clear(&c->files[i]);
            continue;
        }
        array_reserve(&c->commits, &cap, c->n_commits + 1, sizeof *c->commits);
        totals_add(&c->listed[c->files[i].class], &c->files[i].count);
        c->commits[c->n_commits++] = c->files[i]; /* frozen; ownership moves */
    }
    free(c->files);
    c->files = NULL;
    c->n_files = 0;
}

static int mismatch(struct error *e, const char *what, const char *theirs, const char *mine) {
    return error_set(e, ERR_MISMATCH, "it belongs to another %s: it says %s, this job has %s", what,
                     theirs, mine);
}

int claim_check_identity(const struct checkpoint *newest, const struct identity *mine,
                         bool accept_changes, struct error *e) {
    const struct identity *theirs = &newest->identity;
    if (strcmp(theirs->topic, mine->topic) != 0)
        return mismatch(e, "topic", theirs->topic, mine->topic);
    if (theirs->partition != mine->partition)
        return error_set(e, ERR_MISMATCH, "it belongs to partition %d, not %d", theirs->partition,
                         mine->partition);
    if (strcmp(theirs->cluster, mine->cluster) != 0)
        return mismatch(e, "Kafka cluster", theirs->cluster, mine->cluster);
    bool output = strcmp(theirs->output, mine->output) != 0;
    bool settings = strcmp(theirs->settings, mine->settings) != 0;
    if (!output && !settings)
        return 0;
    if (accept_changes && checkpoint_is_clean(newest))
        return 0;
    if (accept_changes)
        return error_set(e, ERR_MISMATCH,
                         "--accept-changes needs a checkpoint without open files, but this one has "
                         "%zu gaps, %zu open files and %zu commits under way: finish the job with "
                         "its old settings first (run --bounded)",
                         newest->n_gaps, newest->n_files, newest->n_commits);
    if (output)
        (void)mismatch(e, "output.path", theirs->output, mine->output);
    else
        (void)mismatch(e, "set of event.* and window.* settings (their hash)", theirs->settings,
                       mine->settings);
    size_t n = strlen(e->text);
    static const char hint[] = "; restore them, or finish the job (run --bounded) "
                               "and start it once with --accept-changes";
    if (n + sizeof hint <= sizeof e->text)
        memcpy(e->text + n, hint, sizeof hint);
    return -1;
}
