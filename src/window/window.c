#include "window/window.h"

static int64_t floormod(int64_t a, int64_t n) {
    int64_t m = a % n;
    return m < 0 ? m + n : m;
}

int64_t window_start(const struct window_rules *w, int64_t ts) {
    return ts - floormod(ts - w->offset, w->size);
}

bool window_in_range(const struct window_rules *w, int64_t ts) {
    if (ts < TIME_MIN_MS || ts >= TIME_END_MS)
        return false;
    if (ts - TIME_MIN_MS >= w->size && TIME_END_MS - ts > w->size)
        return true; /* wherever its window begins; a division is the dearest part of this */
    int64_t start = window_start(w, ts);
    return start >= TIME_MIN_MS && start + w->size < TIME_END_MS;
}
