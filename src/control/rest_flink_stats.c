#include <math.h>
#include <stdlib.h>

#include "control/rest_flink.h"

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void flink_stats_of(int64_t *values, size_t n, struct flink_stats *out) {
    *out = (struct flink_stats){.n = n, .sorted = values};
    if (n == 0)
        return;
    qsort(values, n, sizeof *values, ascending);
    for (size_t i = 0; i < n; i++)
        out->sum += values[i];
    out->min = values[0];
    out->max = values[n - 1];
    out->avg = out->sum / (int64_t)n;
}

void flink_stats_free(struct flink_stats *s) {
    free(s->sorted);
}

double flink_percentile(const struct flink_stats *s, double percent) {
    if (s->n == 0)
        return NAN;
    double place = percent / 100 * (double)(s->n + 1); /* counted from 1 */
    if (place < 1)
        return (double)s->min;
    if (place >= (double)s->n)
        return (double)s->max;
    size_t below = (size_t)place;
    double low = (double)s->sorted[below - 1], high = (double)s->sorted[below];
    return low + (place - (double)below) * (high - low);
}

json_t *flink_real(double v) {
    return isnan(v) ? json_string("NaN") : json_real(v);
}
