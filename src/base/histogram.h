/* Where a duration belongs in a histogram whose buckets have these upper bounds, in seconds. */
#ifndef TIDEMARK_BASE_HISTOGRAM_H
#define TIDEMARK_BASE_HISTOGRAM_H

#include <stdint.h>

/* The first of n ascending bounds that `value` does not pass, or n. Of its unit a second has
 * `per_second`. */
static inline int histogram_bucket(const double *bounds, int n, int64_t value, double per_second) {
    int b = 0;
    while (b < n && (double)value > bounds[b] * per_second)
        b++;
    return b;
}

#endif
