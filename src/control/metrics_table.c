#include "control/metrics_table.h"

#define JOB(f) offsetof(struct job_metrics, f)
#define PART(f) offsetof(struct partition_metrics, f)
#define COUNT(f) PART(count.f)
#define PROC(f) offsetof(struct process_stats, f)

#define COUNTER FAMILY_COUNTER
#define GAUGE FAMILY_GAUGE
#define HISTOGRAM FAMILY_HISTOGRAM

/* In the order of docs/metrics.md: is it up, does it keep up, then along the road of an event. */
const struct family metrics_table[] = {
    {"tidemark_up", GAUGE, "0 or 1", "",
     "1 while the job's worker runs, 0 while it starts, waits before a restart or has failed.",
     "TidemarkNotRunning", "Read the log's last lines, or GET /tidemark/errors.", render_up, 0},
    {"tidemark_job_state", GAUGE, "0 or 1", "state",
     "1 for the state that the job is in (Flink's names), 0 for all others.",
     "TidemarkFailed, TidemarkNotRunning",
     "FAILED: the log's last line says why; the process ends by itself soon after.", render_state,
     0},
    {"tidemark_restarts_total", COUNTER, "restarts", "",
     "Restarts of the job, and of partitions after errors, within this process.",
     "TidemarkRestarts",
     "GET /tidemark/errors tells the causes; restart.attempts within an hour end "
     "the job.",
     render_job, JOB(restarts)},
    {"tidemark_build_info", GAUGE, "1", "version, librdkafka, libcurl, libmicrohttpd",
     "Always 1; the labels are the versions of the program and of its libraries.", "",
     "Join it to see which version a process runs.", render_build, 0},
    {"tidemark_start_time_seconds", GAUGE, "seconds", "",
     "When the process began, Unix time: all _total metrics count from here.", "TidemarkCrashLoop",
     "Many changes: whatever starts the process starts it again and again.", render_started, 0},

    /* Keeping up */
    {"tidemark_kafka_up", GAUGE, "0 or 1", "",
     "0 while no Kafka broker answers; none while the job does not run.",
     "TidemarkKafkaUnreachable",
     "The log's kafka_unreachable line says why. It goes on by itself when a broker answers.",
     render_kafka_up, 0},
    {"tidemark_topic_partitions", GAUGE, "partitions", "",
     "Partitions of the topic in all; none while that is not known.", "", "",
     render_topic_partitions, 0},
    {"tidemark_partition_running", GAUGE, "0 or 1", "partition",
     "1 while records of the partition are read, 0 while it is claimed, waits or has ended.",
     "TidemarkPartitionNotRunning",
     "Another process may claim it again and again, or checkpoint.path does not answer.",
     render_running, 0},
    {"tidemark_partition_replaying", GAUGE, "0 or 1", "partition",
     "1 while records are read a second time, to rebuild what was not in the store.", "", "",
     render_replaying, 0},
    {"tidemark_position", GAUGE, "offset", "partition", "Offset of the next record to read.", "",
     "", render_known, PART(position)},
    {"tidemark_log_end", GAUGE, "offset", "partition",
     "One past the newest record that Kafka has told of; in a bounded run, where the run ends.", "",
     "", render_known, PART(end)},
    {"tidemark_lag_offsets", GAUGE, "offsets", "partition",
     "Offsets from the next record to the log's end (control records count); in a bounded run, to "
     "where it ends.",
     "TidemarkLagGrowing",
     "Compare tidemark_worker_seconds_total: busy, raise parallelism or run "
     "another process; backpressured, the store is slow.",
     render_lag, 0},
    {"tidemark_lag_seconds", GAUGE, "seconds", "partition",
     "Age of the record read last, by Kafka's timestamp; 0 where nothing is left to read.",
     "TidemarkLag", "As above. For a moment it is large where a record comes after a long pause.",
     render_lag_seconds, 0},
    {"tidemark_worker_seconds_total", COUNTER, "seconds", "state",
     "How the worker's time was spent: busy, backpressured (waiting for the store), idle (for "
     "records).",
     "TidemarkBackpressured", "Backpressured: see tidemark_store_request_duration_seconds.",
     render_worker, 0},
    {"tidemark_turn_duration_seconds", HISTOGRAM, "seconds", "",
     "How long a turn of the worker took that processed records, up to 1,000 of each partition. "
     "Waiting for the store counts, waiting for records does not.",
     "", "Its upper end is the longest pause in processing, be it by a checkpoint or by the store.",
     render_turns, 0},

    /* Records */
    {"tidemark_records_total", COUNTER, "records", "partition, class",
     "Records read for the first time, by class: event, late, rejected, null.",
     "TidemarkLateShare, TidemarkRejectedShare, TidemarkWatermarkStuck",
     "Late: raise window.out_of_orderness or window.allowed_lateness, or mend the producer.",
     render_classes, COUNT(events)},
    {"tidemark_rejected_total", COUNTER, "records", "partition, reason",
     "Records rejected, by reason (those read again count again); reasons that none has had are "
     "left out.",
     "", "GET /tidemark/samples shows some; _rejected/ in the output holds all.", render_reasons,
     0},
    {"tidemark_records_read_total", COUNTER, "records", "partition",
     "Records read, for the first time or again.", "", "", render_count, COUNT(records)},
    {"tidemark_key_mismatches_total", COUNTER, "records", "partition",
     "Records whose key differs from the event's key field: the topic is not keyed by user.",
     "TidemarkKeyMismatches",
     "Events of one user stand in several partitions' files; key the topic "
     "by event.key_field.",
     render_count, COUNT(key_mismatches)},
    {"tidemark_bytes_in_total", COUNTER, "bytes", "partition",
     "Bytes of record values read from Kafka.", "", "", render_count, COUNT(bytes_in)},
    {"tidemark_bytes_out_total", COUNTER, "bytes", "partition",
     "Bytes of lines written, before compression.", "", "", render_count, COUNT(bytes_out)},
    {"tidemark_durable_read_records", GAUGE, "records", "partition, class",
     "Records that the job has read since its first start, by class; it goes back where a restart "
     "reads again.",
     "", "", render_totals, PART(read)},
    {"tidemark_durable_listed_records", GAUGE, "records", "partition, class",
     "Records in files that a manifest lists or is about to, since the job's first start.", "",
     "Equal to the records read when nothing is open: tidemark verify compares them.",
     render_totals, PART(listed)},

    /* Watermark and windows */
    {"tidemark_watermark_seconds", GAUGE, "seconds", "partition", "The watermark, Unix time.",
     "TidemarkWatermarkStuck",
     "Events come but the greatest timestamp does not grow: look at the "
     "producer's clock.",
     render_instant, PART(watermark)},
    {"tidemark_watermark_delay_seconds", GAUGE, "seconds", "partition",
     "How far the watermark is behind the clock; out_of_orderness at least, where events are of "
     "now.",
     "", "Large with lag 0: the events themselves are old, or none come.", render_watermark_delay,
     0},
    {"tidemark_max_timestamp_seconds", GAUGE, "seconds", "partition",
     "The greatest timestamp of an event, Unix time.", "", "", render_instant, PART(max_ts)},
    {"tidemark_open_windows", GAUGE, "windows", "partition", "Windows that still take events.", "",
     "", render_count, PART(open_windows)},
    {"tidemark_open_files", GAUGE, "files", "partition",
     "Files that are not finished or not yet listed.", "", "", render_count, PART(open_files)},

    /* Files */
    {"tidemark_files_published_total", COUNTER, "files", "partition",
     "Files made visible; what a restart finds to be visible already counts again.", "", "",
     render_count, COUNT(files_published)},
    {"tidemark_events_published_total", COUNTER, "records", "partition",
     "Lines in files made visible, counted as those.", "", "", render_count,
     COUNT(events_published)},
    {"tidemark_bytes_published_total", COUNTER, "bytes", "partition",
     "Bytes of files made visible, counted as those.", "", "", render_count,
     COUNT(bytes_published)},
    {"tidemark_visibility_delay_seconds", HISTOGRAM, "seconds", "",
     "From a window's close by the watermark until its file is visible, over all partitions.",
     "TidemarkVisibilityDelay",
     "It holds one checkpoint (checkpoint.min_pause) and the store's "
     "answers; a slow store makes it long.",
     render_visibility, 0},

    /* Checkpoints */
    {"tidemark_unsaved_seconds", GAUGE, "seconds", "partition",
     "For how long there has been something that no durable checkpoint holds; 0 where nothing has "
     "changed.",
     "TidemarkNoCheckpoint",
     "checkpoint.path does not answer, or output.path takes no parts: see "
     "the log for checkpoint_failed and store_retry.",
     render_ms, PART(unsaved_ms)},
    {"tidemark_checkpoints_total", COUNTER, "checkpoints", "partition", "Checkpoints made durable.",
     "", "", render_count, COUNT(checkpoints)},
    {"tidemark_checkpoint_failures_total", COUNTER, "checkpoints", "partition",
     "Checkpoints not durable within checkpoint.timeout; they go on being tried.",
     "TidemarkCheckpointFailures",
     "More than checkpoint.tolerable_failures in a row restart the "
     "job.",
     render_count, COUNT(checkpoint_failures)},
    {"tidemark_checkpoint_number", GAUGE, "number", "partition",
     "Number of the newest durable checkpoint.", "", "", render_count, PART(checkpoint_number)},
    {"tidemark_checkpoint_age_seconds", GAUGE, "seconds", "partition",
     "Time since this process's newest checkpoint became durable; it grows without harm while "
     "nothing changes.",
     "", "Alert on tidemark_unsaved_seconds instead.", render_ms, PART(checkpoint_age_ms)},
    {"tidemark_checkpoint_duration_seconds", GAUGE, "seconds", "partition",
     "How long the newest checkpoint took to become durable.", "", "", render_ms,
     PART(checkpoint_duration_ms)},
    {"tidemark_checkpoint_size_bytes", GAUGE, "bytes", "partition",
     "Size of the newest durable checkpoint.", "", "It grows with open files and gaps.",
     render_known, PART(checkpoint_bytes)},
    {"tidemark_replay_from", GAUGE, "offset", "partition",
     "Smallest offset that Kafka must still hold.", "TidemarkReplayDistance",
     "The topic's retention must reach back to here. Far behind tidemark_position: some file has "
     "been open for long; lower output.max_file_age or checkpoint.max_replay.",
     render_known, PART(replay_from)},

    /* Stores */
    {"tidemark_store_requests_total", COUNTER, "requests", "store, operation, outcome",
     "Attempts that a store has answered, by outcome; not_found, exists and conflict are normal "
     "answers.",
     "TidemarkStoreErrors, TidemarkStoreFull, TidemarkStoreDenied",
     "The log's store_retry lines have the store's own words.", render_store_requests, 0},
    {"tidemark_store_retries_total", COUNTER, "requests", "store, operation",
     "Attempts that repeated one.", "", "", render_store_retries, 0},
    {"tidemark_store_request_duration_seconds", HISTOGRAM, "seconds", "store, operation",
     "How long an attempt took until it was answered.", "TidemarkStoreSlow",
     "Network, disk or the store itself; larger parts (output.part_size) mean fewer requests.",
     render_store_latency, 0},
    {"tidemark_store_requests_under_way", GAUGE, "requests", "store",
     "Requests that wait for an answer now.", "", "", render_store_under_way, 0},
    {"tidemark_store_bytes_total", COUNTER, "bytes", "store, direction",
     "Bytes of bodies sent (out) and read (in) by requests that succeeded.", "", "",
     render_store_bytes, 0},
    {"tidemark_store_busy_seconds_total", COUNTER, "seconds", "store",
     "Time with at least one request under way.", "", "", render_store_busy, 0},

    {"tidemark_store_free_bytes", GAUGE, "bytes", "store",
     "Room on the file system of a directory, for this user; none for S3.", "TidemarkStoreNearFull",
     "A full disk ends the job; nothing is lost, and it goes on when it is started with room.",
     render_store_free, 0},
    {"tidemark_store_size_bytes", GAUGE, "bytes", "store",
     "Size of the file system of a directory; none for S3.", "TidemarkStoreNearFull", "",
     render_store_size, 0},

    /* Memory and process */
    {"tidemark_memory_used_bytes", GAUGE, "bytes", "", "Bytes held in event buffers.",
     "TidemarkMemoryNearLimit",
     "The store is slower than the topic, or very many files are open: "
     "raise memory.limit.",
     render_job, JOB(memory_used)},
    {"tidemark_memory_peak_bytes", GAUGE, "bytes", "",
     "Most bytes held in event buffers since the job's last start.", "", "", render_job,
     JOB(memory_peak)},
    {"tidemark_memory_budget_bytes", GAUGE, "bytes", "",
     "What event buffers may hold: memory.limit without Kafka's fetch queue. Fetching stops at "
     "seven eighths of it.",
     "TidemarkMemoryNearLimit", "", render_job, JOB(memory_budget)},
    {"tidemark_memory_limit_bytes", GAUGE, "bytes", "", "memory.limit.", "", "", render_job,
     JOB(memory_limit)},
    {"process_resident_memory_bytes", GAUGE, "bytes", "", "Resident memory of the process.", "",
     "More than memory.limit: code, libraries and Kafka's client come on top.", render_process,
     PROC(resident_bytes)},
    {"process_virtual_memory_bytes", GAUGE, "bytes", "", "Virtual memory of the process.", "", "",
     render_process, PROC(virtual_bytes)},
    {"process_cpu_seconds_total", COUNTER, "seconds", "", "User and system time of the process.",
     "", "", render_process, PROC(cpu_seconds)},
    {"process_open_fds", GAUGE, "files", "", "Open file descriptors.", "", "", render_process,
     PROC(open_fds)},
    {"process_max_fds", GAUGE, "files", "", "File descriptors that may be open (ulimit -n).", "",
     "", render_process, PROC(max_fds)},
    {"process_start_time_seconds", GAUGE, "seconds", "",
     "When the process was started, Unix time, by the kernel.", "", "", render_process,
     PROC(start_seconds)},
};
const size_t metrics_families = sizeof metrics_table / sizeof *metrics_table;
