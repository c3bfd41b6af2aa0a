/* A record's way into its file: parsed (event/), placed (window/), written into the file's chunk. This
 * is the hot path: nothing here allocates, locks or logs per event. */
#ifndef TIDEMARK_JOB_INGEST_H
#define TIDEMARK_JOB_INGEST_H

#include "event/event.h"
#include "control/metrics.h"
#include "job/sampler.h"
#include "kafka/source.h"
#include "window/partition.h"

enum ingest_end {
    INGEST_GOING_ON,
    INGEST_END_REACHED,   /* a bounded run's end offset */
    INGEST_MESSAGE_ERROR, /* rule 12: claim again and read again; error and error_offset say more */
    INGEST_FAILED         /* the job must stop: error */
};

struct ingest {
    struct partition *partition;
    struct event_parser *parser; /* the worker's */
    struct buffer *line;         /* the worker's scratch for rejected lines */
    const char *topic;
    int64_t end_offset; /* bounded: records from here on are not ours; INT64_MAX: none */
    enum ingest_end state;
    struct error error;
    int64_t error_offset;
    int64_t record_ts;                /* Kafka's timestamp of the record read last, or TS_NONE */
    struct partition_counters *count; /* the ledger's: records, bytes, mismatches, reasons */
    struct sampler sampler;
};

/* A sink whose calls go to this ingest. */
struct source_sink ingest_sink(struct ingest *in);

#endif
