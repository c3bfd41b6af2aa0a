#include "control/process_stats.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LINE_BYTES = 1024 };

/* Fields of /proc/self/stat behind the command's name, counted from its state: proc(5) minus 3. */
enum { FIELD_UTIME = 11, FIELD_STIME = 12, FIELD_STARTED = 19, FIELD_VSIZE = 20, FIELD_RSS = 21 };

static int read_line(const char *path, const char *prefix, char line[LINE_BYTES]) {
    FILE *f = fopen(path, "re");
    if (!f)
        return -1;
    int rc = -1;
    while (rc != 0 && fgets(line, LINE_BYTES, f))
        rc = strncmp(line, prefix, strlen(prefix)) == 0 ? 0 : -1;
    (void)fclose(f);
    return rc;
}

/* Unix time of the machine's start, or -1. */
static double booted(void) {
    char line[LINE_BYTES];
    return read_line("/proc/stat", "btime ", line) == 0 ? strtod(line + strlen("btime "), NULL)
                                                        : -1;
}

static void read_stat(struct process_stats *out) {
    char line[LINE_BYTES], *save = NULL;
    if (read_line("/proc/self/stat", "", line) != 0)
        return;
    char *behind_name = strrchr(line, ')'); /* the name may hold spaces */
    if (!behind_name)
        return;
    double fields[FIELD_RSS + 1] = {0};
    int n = 0;
    for (char *word = strtok_r(behind_name + 1, " ", &save); word && n <= FIELD_RSS;
         word = strtok_r(NULL, " ", &save))
        fields[n++] = strtod(word, NULL);
    if (n <= FIELD_RSS)
        return;
    double ticks = (double)sysconf(_SC_CLK_TCK), boot = booted();
    out->cpu_seconds = (fields[FIELD_UTIME] + fields[FIELD_STIME]) / ticks;
    out->virtual_bytes = fields[FIELD_VSIZE];
    out->resident_bytes = fields[FIELD_RSS] * (double)sysconf(_SC_PAGESIZE);
    if (boot >= 0)
        out->start_seconds = boot + fields[FIELD_STARTED] / ticks;
}

static double count_fds(void) {
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return -1;
    double n = -1;                                    /* the directory's own */
    for (struct dirent *e; (e = readdir(d)) != NULL;) /* NOLINT(concurrency-mt-unsafe) */
        n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

void process_stats_read(struct process_stats *out) {
    *out = (struct process_stats){-1, -1, -1, -1, -1, -1};
    read_stat(out);
    out->open_fds = count_fds();
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        out->max_fds = (double)limit.rlim_cur;
}
