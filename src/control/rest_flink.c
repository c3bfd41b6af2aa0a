/* Flink's REST: not served yet. */
#include "control/route.h"

#define NOT_YET(name)                                                \
    void name(const struct http_request *r, struct http_answer *a) { \
        (void)r;                                                     \
        answer_error(a, 501, "not served yet");                      \
    }

NOT_YET(flink_overview)
NOT_YET(flink_config)
NOT_YET(flink_jobs)
NOT_YET(flink_jobs_overview)
NOT_YET(flink_job)
NOT_YET(flink_cancel)
NOT_YET(flink_plan)
NOT_YET(flink_exceptions)
NOT_YET(flink_checkpoints)
NOT_YET(flink_checkpoint_config)
NOT_YET(flink_savepoint)
NOT_YET(flink_savepoint_status)
NOT_YET(flink_stop)
NOT_YET(flink_watermarks)
NOT_YET(flink_backpressure)
NOT_YET(flink_vertex)
NOT_YET(flink_job_config)
NOT_YET(flink_job_metrics)
NOT_YET(flink_vertex_metrics)
NOT_YET(flink_checkpoint_details)
