/* The restart strategy: fixed delay, so many attempts within an hour (rule 13). Re-claims after a
 * lost upload or a per-message error use up attempts too (rules 9 and 12). */
#ifndef TIDEMARK_JOB_RESTART_H
#define TIDEMARK_JOB_RESTART_H

#include <stdbool.h>
#include <stdint.h>

enum { RESTART_ATTEMPTS_MAX = 1000, RESTART_CAUSES_MAX = 256 };

struct restart {
    int64_t attempts;                   /* restart.attempts: allowed within an hour */
    int64_t used[RESTART_ATTEMPTS_MAX]; /* monotonic times of the newest, a ring */
    uint64_t count;                     /* ever */
    struct {
        int32_t partition;
        int64_t offset;
    } causes[RESTART_CAUSES_MAX]; /* what re-claims were for */
    int n_causes;
};

/* Uses up an attempt: false where none is left. */
bool restart_allow(struct restart *r, int64_t now_ms);
/* False where this offset of this partition was the cause of a re-claim before. */
bool restart_new_cause(struct restart *r, int32_t partition, int64_t offset);

#endif
