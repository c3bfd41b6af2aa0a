#include "job/restart.h"

enum { HOUR_MS = 60 * 60 * 1000 };

bool restart_allow(struct restart *r, int64_t now_ms) {
    if (r->attempts <= 0)
        return false;
    uint64_t allowed = (uint64_t)r->attempts;
    if (allowed > RESTART_ATTEMPTS_MAX)
        allowed = RESTART_ATTEMPTS_MAX;
    if (r->count >= allowed &&
        now_ms - r->used[(r->count - allowed) % RESTART_ATTEMPTS_MAX] < HOUR_MS)
        return false;
    r->used[r->count++ % RESTART_ATTEMPTS_MAX] = now_ms;
    return true;
}

bool restart_new_cause(struct restart *r, int32_t partition, int64_t offset) {
    for (int i = 0; i < r->n_causes; i++)
        if (r->causes[i].partition == partition && r->causes[i].offset == offset)
            return false;
    if (r->n_causes < RESTART_CAUSES_MAX) {
        r->causes[r->n_causes].partition = partition;
        r->causes[r->n_causes++].offset = offset;
    }
    return true;
}
