/* Record batches as brokers store and send them, format 2 (KIP-98; "Record Batch" in Kafka's
 * documentation): a header, and records that follow each other, compressed as a whole or not.
 * Nothing here allocates, and no byte outside of what is handed in is read, whatever it holds. */
#ifndef TIDEMARK_KAFKA_RECORD_BATCH_H
#define TIDEMARK_KAFKA_RECORD_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/record.h"
#include "kafka/decompress.h"

struct record_batch {
    size_t len;                       /* of the whole batch, its header included */
    int64_t base_offset, last_offset; /* the latter also where its record was compacted away */
    int64_t base_timestamp, max_timestamp;
    bool log_append_time; /* all records have max_timestamp */
    bool transactional, control;
    int64_t producer_id;
    enum codec codec;
    int32_t count;
    const char *records; /* as they came: into what was handed in */
    size_t records_len;
};

/* Reads the header of the batch at p, of which n bytes are there. 1, or 0 where the batch is cut
 * short, as the last one of a fetch's answer may be. -1: ERR_UNSUPPORTED for other formats, among
 * them 0 and 1 of before Kafka 0.11; ERR_CORRUPT for lengths, counts and offsets that can't be.
 * What *b holds counts only after 1. */
int record_batch_read(struct record_batch *b, const char *p, size_t n, struct error *e);

/* Whether the batch, which begins at p, is what was written: its CRC-32C. It does not cover what
 * brokers fill in, the base offset and the leader epoch, nor the length and the format. */
bool record_batch_intact(const struct record_batch *b, const char *p);

/* Over a batch's records. */
struct record_cursor {
    const char *p, *end;
    int32_t left;
    int64_t base_offset, base_timestamp, max_timestamp;
    bool append_time;       /* all have the latter */
    int32_t previous_delta; /* the last record's offset - base_offset, -1 before the first one */
    int32_t last_delta;
};

/* `records`, n bytes: decompressed where b->codec says so. They are not copied. */
void record_cursor_begin(struct record_cursor *c, const struct record_batch *b, const char *records,
                         size_t n);
/* The next record; its key and value lie in what the cursor began with, its offset lies within the
 * batch and behind that of the record before. 1, 0 behind the last one, -1 where what stands there
 * is no such record (or, behind the last one, not the end); what *r holds counts only after 1. */
int record_cursor_next(struct record_cursor *c, struct record *r);

/* Of a control batch: whether its marker, the first record, ends a transaction by aborting it. */
bool record_batch_aborts(const struct record *marker);

#endif
