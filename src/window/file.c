#include "window/file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"

enum part_state { PART_WAITING, PART_SENT, PART_WRITTEN, PART_SYNCING, PART_ACKNOWLEDGED };

struct part {
    struct part *next;
    struct file *file;
    struct segment bytes;
    struct store_part info;
    uint64_t offset; /* bytes of the file before it */
    enum part_state state;
    bool covered; /* by the SYNC that is wanted or under way */
    struct store_op op;
};

struct file *file_new(const struct file_shared *shared, enum event_class class, int64_t window,
                      char *key, int64_t first, int64_t first_max_ts, int64_t now_ms) {
    struct file *f = xcalloc(1, sizeof *f);
    f->shared = shared;
    f->entry = (struct file_entry){.class = class,
                                   .window = window,
                                   .key = key,
                                   .first = first,
                                   .first_max_ts = first_max_ts,
                                   .last = first - 1};
    f->parts_tail = &f->parts;
    f->next_part = 1;
    f->last_offset = first - 1;
    f->opened_ms = now_ms;
    return f;
}

static void free_part(struct part *p) {
    chunk_free_chain(p->bytes.head);
    store_op_clear(&p->op);
    free(p);
}

void file_free(struct file *f) {
    while (f->parts) {
        struct part *p = f->parts;
        f->parts = p->next;
        free_part(p);
    }
    chunk_free_chain(f->full.head);
    chunk_free_chain(f->filling.head);
    store_op_clear(&f->create_op);
    store_op_clear(&f->sync_op);
    file_entry_clear(&f->entry);
    free(f);
}

static void fail(struct file *f, const struct error *why, const char *doing) {
    if (f->failed)
        return;
    f->failed = true;
    struct error e = *why;
    (void)error_wrap(&e, "cannot %s %s%s", doing, f->shared->store->path, f->entry.key);
    f->shared->failed(f->shared->ctx, &e);
}

/* Moves all of `from` behind `to`. */
static void segment_join(struct segment *to, struct segment *from) {
    if (from->count.events == 0)
        return;
    if (to->count.events == 0) {
        *to = *from;
    } else {
        to->tail->next = from->head;
        to->tail = from->tail;
        to->last = from->last;
        totals_add(&to->count, &from->count);
        to->crc32c = crc32c_combine(to->crc32c, from->crc32c, from->bytes);
        to->bytes += from->bytes;
        to->memory += from->memory;
    }
    *from = (struct segment){0};
}

/* The newest chunk is full, or must go: compress it, take its CRC, put it behind the full ones. */
static void finish_chunk(struct file *f) {
    struct segment *s = &f->filling;
    if (s->count.events == 0)
        return;
    if (f->shared->compressor) {
        struct chunk *raw = s->head;
        s->head = s->tail = compressor_run(f->shared->compressor, raw, f->shared->budget);
        chunk_free(raw);
    }
    s->bytes = s->head->len;
    s->memory = s->head->cap;
    s->crc32c = crc32c(0, s->head->data, s->head->len);
    segment_join(&f->full, s);
}

/* Chunks grow from 16 to 256 KiB, so that a window with ten events does not hold as much memory as
 * one with a million. */
static void start_chunk(struct file *f, size_t at_least, size_t last_cap) {
    size_t cap = last_cap ? last_cap * 2 : CHUNK_MIN;
    if (cap > CHUNK_MAX)
        cap = CHUNK_MAX;
    if (cap < at_least)
        cap = at_least;
    f->filling.head = f->filling.tail = chunk_new(f->shared->budget, cap);
}

char *file_reserve(struct file *f, size_t max) {
    assert(!f->sealed);
    struct chunk *c = f->filling.head;
    if (c && c->cap - c->len >= max)
        return c->data + c->len;
    size_t last_cap = c ? c->cap : 0;
    if (c && f->filling.count.events == 0) { /* empty and too small for this line */
        chunk_free(c);
        f->filling = (struct segment){0};
    } else if (c) {
        finish_chunk(f);
        file_ship(f);
    }
    start_chunk(f, max, last_cap);
    return f->filling.head->data;
}

void file_appended(struct file *f, size_t len, int64_t offset, int64_t max_ts) {
    struct segment *s = &f->filling;
    if (s->count.events == 0) {
        s->first = offset;
        s->first_max_ts = max_ts;
    }
    s->head->len += (uint32_t)len;
    s->last = offset;
    s->count.events++;
    s->count.hash += offset_hash(offset);
    f->last_offset = offset;
    f->unacknowledged++;
}

/* Acknowledged parts are a contiguous prefix: the entry grows by those at the head. A store without
 * a smallest part (directory) has thousands; they stand as one in the checkpoint. */
static void take_acknowledged(struct file *f) {
    while (f->parts && f->parts->state == PART_ACKNOWLEDGED) {
        struct part *p = f->parts;
        struct file_entry *e = &f->entry;
        e->crc32c = crc32c_combine(e->crc32c, p->info.crc32c, p->info.bytes);
        e->bytes += p->info.bytes;
        e->last = p->bytes.last;
        totals_add(&e->count, &p->bytes.count);
        f->unacknowledged -= p->bytes.count.events;
        if (f->shared->store->sync_parts && e->n_parts == 1) {
            e->parts[0].bytes = e->bytes;
            e->parts[0].crc32c = e->crc32c;
        } else {
            e->parts = xrealloc(e->parts, (e->n_parts + 1) * sizeof *e->parts);
            e->parts[e->n_parts++] = p->info;
        }
        f->parts = p->next;
        if (!f->parts)
            f->parts_tail = &f->parts;
        free_part(p);
    }
    f->shared->progress(f->shared->ctx);
}

static void submit_sync(struct file *f);

static void on_part(struct store_op *op) {
    struct part *p = op->ctx;
    struct file *f = p->file;
    (*f->shared->inflight)--;
    if (op->error.code != ERR_NONE) {
        fail(f, &op->error, "store a part of");
        return;
    }
    memcpy(p->info.etag, op->etag, sizeof p->info.etag);
    chunk_free_chain(p->bytes.head);
    p->bytes.head = p->bytes.tail = NULL;
    if (f->shared->store->sync_parts) {
        p->state = PART_WRITTEN;
        submit_sync(f);
        return;
    }
    p->state = PART_ACKNOWLEDGED;
    take_acknowledged(f);
}

static void submit_part(struct file *f, struct part *p) {
    p->state = PART_SENT;
    p->op = (struct store_op){.kind = STORE_UPLOAD_PART,
                              .key = f->entry.key,
                              .upload = f->entry.upload,
                              .part = p->info.n,
                              .chunks = p->bytes.head,
                              .bytes = p->info.bytes,
                              .crc32c = p->info.crc32c,
                              .offset = p->offset,
                              .retry_ms = -1, /* the checkpoint's time-outs bound it (rule 13) */
                              .done = on_part,
                              .ctx = p};
    (*f->shared->inflight)++;
    store_submit(f->shared->store, &p->op);
}

static void on_created(struct store_op *op) {
    struct file *f = op->ctx;
    (*f->shared->inflight)--;
    f->creating = false;
    if (op->error.code != ERR_NONE) {
        fail(f, &op->error, "begin");
        return;
    }
    f->entry.upload = op->upload_id;
    op->upload_id = NULL;
    for (struct part *p = f->parts; p; p = p->next)
        submit_part(f, p);
}

static void create(struct file *f) {
    f->creating = true;
    f->create_op = (struct store_op){.kind = STORE_UPLOAD_CREATE,
                                     .key = f->entry.key,
                                     .retry_ms = -1,
                                     .done = on_created,
                                     .ctx = f};
    (*f->shared->inflight)++;
    store_submit(f->shared->store, &f->create_op);
}

/* Makes one part of all full chunks. */
static void cut(struct file *f) {
    if (f->full.count.events == 0)
        return;
    struct part *p = xcalloc(1, sizeof *p);
    p->file = f;
    p->bytes = f->full;
    f->full = (struct segment){0};
    p->info = (struct store_part){
        .n = f->next_part++, .bytes = p->bytes.bytes, .crc32c = p->bytes.crc32c};
    p->offset = f->sent_bytes;
    f->sent_bytes += p->bytes.bytes;
    *f->parts_tail = p;
    f->parts_tail = &p->next;
    if (f->entry.upload)
        submit_part(f, p);
    else if (!f->creating)
        create(f);
}

void file_ship(struct file *f) {
    if (f->full.bytes >= f->shared->ship_bytes)
        cut(f);
}

void file_ship_now(struct file *f) {
    cut(f);
}

void file_flush(struct file *f) {
    finish_chunk(f);
    cut(f);
}

static void on_synced(struct store_op *op) {
    struct file *f = op->ctx;
    (*f->shared->inflight)--;
    f->syncing = false;
    if (op->error.code != ERR_NONE) {
        fail(f, &op->error, "make durable");
        return;
    }
    for (struct part *p = f->parts; p && p->state == PART_SYNCING; p = p->next)
        p->state = PART_ACKNOWLEDGED;
    take_acknowledged(f);
    submit_sync(f);
}

/* A SYNC is sent once all parts that it must cover are known to be written: a part that is being
 * retried would be passed by it. */
static void submit_sync(struct file *f) {
    if (!f->want_sync || f->syncing)
        return;
    for (const struct part *p = f->parts; p && p->covered; p = p->next)
        if (p->state != PART_WRITTEN)
            return;
    f->want_sync = false;
    f->syncing = true;
    for (struct part *p = f->parts; p && p->covered; p = p->next)
        p->state = PART_SYNCING;
    store_op_clear(&f->sync_op);
    f->sync_op = (struct store_op){.kind = STORE_UPLOAD_SYNC,
                                   .key = f->entry.key,
                                   .upload = f->entry.upload,
                                   .retry_ms = -1,
                                   .done = on_synced,
                                   .ctx = f};
    (*f->shared->inflight)++;
    store_submit(f->shared->store, &f->sync_op);
}

void file_sync(struct file *f) {
    if (!f->shared->store->sync_parts || f->failed)
        return;
    file_flush(f);
    bool uncovered = false;
    for (struct part *p = f->parts; p; p = p->next) {
        uncovered |= !p->covered;
        p->covered = true;
    }
    if (!uncovered)
        return;
    f->want_sync = true;
    submit_sync(f);
}

void file_seal(struct file *f) {
    if (f->sealed)
        return;
    f->sealed = true;
    finish_chunk(f);
    if (f->filling.head) { /* empty */
        chunk_free(f->filling.head);
        f->filling = (struct segment){0};
    }
    cut(f);
    file_sync(f);
}

bool file_first_unacknowledged(const struct file *f, int64_t *offset, int64_t *max_ts) {
    const struct segment *s = f->parts                   ? &f->parts->bytes
                              : f->full.count.events > 0 ? &f->full
                                                         : &f->filling;
    if (s->count.events == 0)
        return false;
    *offset = s->first;
    *max_ts = s->first_max_ts;
    return true;
}

uint64_t file_waiting_bytes(const struct file *f) {
    return f->full.bytes + (f->filling.head ? f->filling.head->len : 0);
}

uint64_t file_waiting_memory(const struct file *f) {
    return f->full.memory + (f->filling.head ? f->filling.head->cap : 0);
}

uint64_t file_size(const struct file *f) {
    return f->sent_bytes + file_waiting_bytes(f);
}
