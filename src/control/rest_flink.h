/* Shared by rest_flink_*.c, which answer as Flink 1.18's REST does, so that its command line and
 * dashboards made for it work here. docs/rest-flink.md says which of our numbers stands where.
 *
 *   rest_flink_jobs.c         the process and its one job: overview, state, settings
 *   rest_flink_plan.c         its two vertices, drawn and counted
 *   rest_flink_vertices.c     one vertex: subtasks, watermarks, backpressure
 *   rest_flink_metrics.c      the same numbers by name
 *   rest_flink_checkpoints.c  checkpoints, from the journal
 *   rest_flink_exceptions.c   what went wrong, from the journal
 *   rest_flink_requests.c     savepoint, stop, cancel, and what became of them
 *   rest_flink_throwable.c    a failure as Flink's clients read it
 */
#ifndef TIDEMARK_CONTROL_REST_FLINK_H
#define TIDEMARK_CONTROL_REST_FLINK_H

#include "control/route.h"

/* A job as it is now. */
struct flink_job {
    const struct job_info *info;
    struct job_metrics m;
    enum job_state state;
    int64_t entered_ms[JOB_STATE_COUNT];
    int64_t started_ms, now_ms; /* epoch */
    int64_t ended_ms;           /* or -1 */
};

void flink_look(const struct http_request *r, struct flink_job *j);
void flink_forget(struct flink_job *j);

bool job_state_ended(enum job_state s);

json_t *flink_integer(uint64_t n);

/* Where a task of this process runs: "host:pid". */
json_t *flink_place(const struct job_info *info);

/* ---- Vertices. The worker chains all from Kafka to the lines of a file in one thread, so there is
 * one vertex for it, and one for the store's side. Their subtasks are this process's partitions. ---- */

enum flink_vertex { VERTEX_WORKER, VERTEX_SINK, VERTEX_COUNT };
enum { VERTEX_ID_MAX = 33 };

/* 32 hex digits, a function of the job's id. */
void flink_vertex_id(const struct job_info *info, enum flink_vertex v, char id[VERTEX_ID_MAX]);
json_t *flink_vertex_id_json(const struct job_info *info, enum flink_vertex v);
/* Free it. */
char *flink_vertex_name(const struct job_info *info, enum flink_vertex v);

/* What has gone through a vertex, or through one partition of it, since the process began. */
struct flink_flow {
    uint64_t read_records, read_bytes, write_records, write_bytes;
};
void flink_flow_add(enum flink_vertex v, const struct partition_metrics *p, struct flink_flow *to);

/* Of the thread that runs a vertex, so of each of its subtasks: ms since the process began, and ms in
 * the last second. */
struct time_spent flink_spent(const struct flink_job *j, enum flink_vertex v);
struct time_spent flink_spent_rate(const struct flink_job *j, enum flink_vertex v);

/* Flink's ExecutionState of a vertex (partition NULL) or of one subtask. */
enum { TASK_STATUS_COUNT = 10 };
extern const char *const flink_task_status_names[TASK_STATUS_COUNT]; /* "CREATED", ... */
size_t flink_task_status(const struct flink_job *j, const struct partition_metrics *p);
/* By status, over all subtasks of one vertex. */
void flink_count_tasks(const struct flink_job *j, int counts[TASK_STATUS_COUNT]);
json_t *flink_io_metrics(const struct flink_flow *flow, const struct time_spent *spent);
/* Of a vertex or subtask: since it runs; -1 where it never has. */
int64_t flink_start_ms(const struct flink_job *j);
int64_t flink_duration_ms(const struct flink_job *j);
/* How many subtasks there can be at most: the topic's partitions, or -1. */
json_t *flink_max_parallelism(const struct flink_job *j);

/* [{"id"}], or [{"id","value"}] of those wanted: "0.numRecordsIn,1.numRecordsIn". */
json_t *flink_vertex_metrics_json(const struct flink_job *j, enum flink_vertex v,
                                  const char *wanted);

json_t *flink_vertices_json(const struct flink_job *j);
json_t *flink_plan_json(const struct flink_job *j);

/* ---- Statistics over some values ---- */

struct flink_stats {
    int64_t min, max, avg, sum; /* 0 without values */
    size_t n;
    int64_t *sorted;
};
/* Takes values (from malloc), sorts them; free them with flink_stats_free. */
void flink_stats_of(int64_t *values, size_t n, struct flink_stats *out);
void flink_stats_free(struct flink_stats *s);
/* 0 < percent <= 100, between two values where it falls there, as Flink's; NaN without values. */
double flink_percentile(const struct flink_stats *s, double percent);
/* NaN as Flink writes it: "NaN". */
json_t *flink_real(double v);

/* ---- A failure ---- */

/* {"class","stack-trace","serialized-throwable"}. */
json_t *flink_throwable(const char *text);

#endif
