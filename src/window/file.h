/* One output file on its way: lines are appended to its newest chunk, full chunks wait until they
 * make a part, parts are sent and acknowledged (rule 7). It knows at any moment which of its events
 * are acknowledged and where the first that is not lies: that is its gap. */
#ifndef TIDEMARK_WINDOW_FILE_H
#define TIDEMARK_WINDOW_FILE_H

#include "base/chunk.h"
#include "base/compress.h"
#include "checkpoint/checkpoint.h"
#include "store/store.h"

/* What all files of a partition share. */
struct file_shared {
    struct store *store;
    struct budget *budget;
    struct compressor *compressor; /* NULL: none */
    uint64_t
        ship_bytes;   /* a part is cut once so many bytes (on the wire) wait; at least the store's
                            smallest part */
    size_t *inflight; /* counts requests under way, for whoever waits for them to end */
    void (*progress)(void *ctx); /* a part was acknowledged */
    void (*failed)(void *ctx, const struct error *e);
    void *ctx;
};

/* A run of events of one file, with their bytes. */
struct segment {
    struct chunk *head, *tail;
    int64_t first, first_max_ts, last;
    struct totals count;
    uint64_t bytes;  /* on the wire */
    uint64_t memory; /* that its chunks hold: a line may leave much of one empty */
    uint32_t crc32c;
};

struct part;

struct file {
    const struct file_shared *shared;
    struct file_entry entry;          /* as it will stand in checkpoints */
    struct segment full;              /* finished chunks that no part has taken yet */
    struct segment filling;           /* the newest chunk, raw; count.events == 0: empty */
    struct part *parts, **parts_tail; /* cut and not acknowledged */
    uint64_t unacknowledged;          /* events in parts, full and filling */
    uint64_t sent_bytes;              /* in all parts ever cut */
    int32_t next_part;
    int64_t last_offset; /* of its newest event */
    int64_t opened_ms;   /* monotonic */
    bool sealed, creating, want_sync, syncing, failed;
    struct store_op create_op, sync_op;
};

/* key becomes the file's. The first event is appended right after. */
struct file *file_new(const struct file_shared *shared, enum event_class class, int64_t window,
                      char *key, int64_t first, int64_t first_max_ts, int64_t now_ms);
/* No request of its may be under way, or the store must have been freed. */
void file_free(struct file *f);

/* Room for a line of up to max bytes; write it there, then call file_appended. */
char *file_reserve(struct file *f, size_t max);
/* A line of len bytes was written: the event at offset, before which the partition's maximum
 * timestamp was max_ts. */
void file_appended(struct file *f, size_t len, int64_t offset, int64_t max_ts);

/* Sends what waits as a part, if that is as large as the store wants parts to be. */
void file_ship(struct file *f);
/* The same at any size that the store takes. */
void file_ship_now(struct file *f);
/* Directory store: writes all there is. */
void file_flush(struct file *f);
/* Directory store: writes all there is and makes it durable. */
void file_sync(struct file *f);
/* No event is added any more; the rest is sent as its last part. */
void file_seal(struct file *f);

/* All its events are in acknowledged parts. */
static inline bool file_acknowledged(const struct file *f) {
    return f->unacknowledged == 0;
}
/* Offset of the first event that is not acknowledged, and the maximum timestamp before it; false
 * where there is none. */
bool file_first_unacknowledged(const struct file *f, int64_t *offset, int64_t *max_ts);
/* Bytes waiting in memory and in no part. */
uint64_t file_waiting_bytes(const struct file *f);
/* Memory that these bytes hold. */
uint64_t file_waiting_memory(const struct file *f);
/* Bytes of the whole file so far, on the wire (the newest chunk counts raw). */
uint64_t file_size(const struct file *f);

#endif
