/* What the kernel says of this process, by the names that Prometheus' client libraries use. */
#ifndef TIDEMARK_CONTROL_PROCESS_STATS_H
#define TIDEMARK_CONTROL_PROCESS_STATS_H

/* Negative where not known. */
struct process_stats {
    double cpu_seconds, resident_bytes, virtual_bytes, open_fds, max_fds, start_seconds;
};

/* Reads /proc; from any thread. */
void process_stats_read(struct process_stats *out);

#endif
