/* Reads Prometheus' text format 0.0.4 more strictly than Prometheus does: each family once, with help
 * and type before its samples; each series once; histograms whole; no escapes, as none are needed. */
#ifndef TIDEMARK_SUPPORT_PROMETHEUS_TEXT_H
#define TIDEMARK_SUPPORT_PROMETHEUS_TEXT_H

#include <stdbool.h>

enum { PROMETHEUS_FAMILIES_MAX = 128, PROMETHEUS_NAME_MAX = 64, PROMETHEUS_SERIES_MAX = 4096 };

struct prometheus_text {
    char family[PROMETHEUS_FAMILIES_MAX][PROMETHEUS_NAME_MAX];
    int n_families;
    char *series[PROMETHEUS_SERIES_MAX]; /* names with labels */
    int n_series;
    /* While reading: the last family's type, and where its histogram stands. */
    char type[16];
    bool typed, infinite;
    double bound, cumulative;
};

/* Fails the test where the text is wrong; cuts it into lines. */
void prometheus_read(struct prometheus_text *r, char *text);
void prometheus_forget(struct prometheus_text *r);

#endif
