#include "job/ingest.h"

#include <inttypes.h>
#include <string.h>

_Static_assert((int)REJECT_COUNT <= (int)METRICS_REASONS_MAX, "a counter for each reason");

static int fail(struct ingest *in) {
    in->state = INGEST_FAILED;
    return -1;
}

static void write_event(struct ingest *in, const struct event *ev, const struct placement *at,
                        int64_t offset) {
    char *line = file_reserve(at->file, ev->line_max);
    size_t len = event_write_line(in->parser, at->window_start, at->window_end, line);
    file_appended(at->file, len, offset, at->max_ts_before);
    in->count->bytes_out += len;
    in->count->lines_out++;
}

static int write_rejected(struct ingest *in, const struct record *r, const struct event *ev,
                          const struct placement *at) {
    buffer_reset(in->line);
    if (event_rejected_line(r, in->topic, in->partition->cfg.id, ev->reason, ev->detail,
                            in->line) != 0) {
        (void)error_set(&in->error, ERR_LIMIT,
                        "partition %d, offset %" PRId64 ": a rejected record of %zu bytes needs a "
                        "line of more than %zu bytes",
                        in->partition->cfg.id, r->offset, r->value_len, in->line->max);
        return fail(in);
    }
    char *line = file_reserve(at->file, in->line->len);
    memcpy(line, in->line->data, in->line->len);
    file_appended(at->file, in->line->len, r->offset, at->max_ts_before);
    in->count->bytes_out += in->line->len;
    in->count->lines_out++;
    return 0;
}

/* A record or the log's end beyond end_offset: between the position and end_offset there is nothing
 * but control records. */
static int reach_end(struct ingest *in) {
    if (partition_eof(in->partition, in->end_offset, &in->error) != 0)
        return fail(in);
    in->state = INGEST_END_REACHED;
    return 1;
}

static int on_record(void *ctx, const struct record *r) {
    struct ingest *in = ctx;
    struct partition *p = in->partition;
    if (r->offset >= in->end_offset)
        return reach_end(in);
    struct event ev;
    event_parse(in->parser, r, &ev);
    enum record_kind kind = ev.null ? RECORD_NULL : ev.reason ? RECORD_REJECTED : RECORD_EVENT;
    struct placement at;
    if (partition_place(p, r->offset, kind, ev.timestamp, &at, &in->error) != 0)
        return fail(in);
    in->count->records++;
    in->count->bytes_in += r->value_len;
    in->count->key_mismatches += ev.key_mismatch;
    if (kind == RECORD_REJECTED) {
        in->count->rejected[ev.reason]++;
        sampler_rejected(&in->sampler, p, r, &ev);
        if (at.file && write_rejected(in, r, &ev, &at) != 0)
            return -1;
    } else if (at.file) {
        if (at.class == CLASS_LATE)
            sampler_late(&in->sampler, p, r, &ev, &at);
        write_event(in, &ev, &at, r->offset);
    }
    if (partition_advance(p, r->offset, &in->error) != 0)
        return fail(in);
    return 0;
}

static void on_last(void *ctx, const struct record *r) {
    struct ingest *in = ctx;
    in->record_ts = r->timestamp == RECORD_NO_TIMESTAMP ? TS_NONE : r->timestamp;
    partition_last_record(in->partition, r->offset, record_crc32c(r));
}

static int on_eof(void *ctx, int64_t offset) {
    struct ingest *in = ctx;
    if (offset >= in->end_offset)
        return reach_end(in);
    return partition_eof(in->partition, offset, &in->error) != 0 ? fail(in) : 0;
}

static int on_error(void *ctx, int64_t offset, const struct error *e) {
    struct ingest *in = ctx;
    in->error = *e;
    in->error_offset = offset;
    in->state = INGEST_MESSAGE_ERROR;
    return -1;
}

struct source_sink ingest_sink(struct ingest *in) {
    return (struct source_sink){
        .ctx = in, .record = on_record, .eof = on_eof, .error = on_error, .last = on_last};
}
