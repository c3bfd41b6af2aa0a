#include "window/partition.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"
#include "window/name.h"

enum {
    SIDE_FILE_AGE_MS = 15 * 60 * 1000, /* late and rejected files are rolled so soon */
    /* No smallest part there: written while it is in the caches still, synced later. With 512 KiB a
     * million events of 200 partitions cost 3 % more, and of 3 partitions as much. */
    DIRECTORY_SHIP_BYTES = 128 * 1024,
};

static void on_progress(void *ctx) {
    ((struct partition *)ctx)->changes++;
}

/* One more checkpoint, then this claim ends: the put also tells whether the partition is still ours. */
static void want_reclaim(struct partition *p, const struct error *why, int64_t offset) {
    if (p->status == PARTITION_FAILED || p->status == PARTITION_LOST ||
        p->status == PARTITION_STOPPED)
        return; /* its end has a reason already */
    if (!p->rebuild) {
        p->error = *why;
        p->reclaim_offset = offset;
    }
    p->rebuild = true;
}

/* A part of an upload that the store no longer knows. Either it has dropped it: claiming again
 * freezes the file, and rule 9 rebuilds what is missing; or another process has claimed the partition
 * and published the file. */
static void on_file_failed(void *ctx, const struct error *e) {
    struct partition *p = ctx;
    struct error wrapped = *e;
    (void)error_wrap(&wrapped, "partition %d", p->cfg.id);
    if (e->code == ERR_NO_SUCH_UPLOAD)
        want_reclaim(p, &wrapped, p->position);
    else
        partition_fail(p, &wrapped);
}

static void on_published(void *ctx, const struct file_entry *f) {
    struct partition *p = ctx;
    p->stats.files_published++;
    p->stats.events_published += f->count.events;
    p->stats.bytes_published += f->bytes;
    int64_t visibility = f->closed_ms ? clock_monotonic(p->cfg.clock) - f->closed_ms : -1;
    if (p->cfg.observer.published)
        p->cfg.observer.published(p->cfg.observer.ctx, f, visibility);
    log_debug("file_published", "%s%s: %" PRIu64 " events, %" PRIu64 " bytes", p->cfg.output->path,
              f->key, f->count.events, f->bytes);
}

static void on_lost_upload(void *ctx, const struct file_entry *f, const struct error *why) {
    struct partition *p = ctx;
    log_warn_of(
        p->cfg.id, "upload_lost",
        "partition %d: the store has dropped the unfinished upload of %s%s (%s); its %" PRIu64
        " events are read from Kafka again",
        p->cfg.id, p->cfg.output->path, f->key, why->text, f->count.events);
    want_reclaim(p, why, f->first);
}

static void on_commits_failed(void *ctx, const struct error *e) {
    partition_fail(ctx, e);
}

struct partition *partition_new(const struct partition_config *cfg) {
    struct partition *p = xcalloc(1, sizeof *p);
    p->cfg = *cfg;
    p->max_ts = TS_NONE;
    p->flushed = INT64_MIN;
    p->last_window = window_start(&cfg->rules, 0);
    p->replay.first_end = INT64_MAX;
    uint64_t ship = cfg->part_size;
    if (cfg->output->min_part == 0 && ship > DIRECTORY_SHIP_BYTES)
        ship = DIRECTORY_SHIP_BYTES;
    p->shared = (struct file_shared){.store = cfg->output,
                                     .budget = cfg->budget,
                                     .compressor = cfg->compressor,
                                     .ship_bytes = ship,
                                     .inflight = &p->inflight,
                                     .progress = on_progress,
                                     .failed = on_file_failed,
                                     .ctx = p};
    struct chain_config chain = cfg->chain;
    chain.output = cfg->output;
    chain.manifest_prefix = cfg->manifest_prefix;
    chain.done = partition_on_chain;
    chain.ctx = p;
    p->chain = chain_new(&chain);
    p->commits = commits_new(&(struct commits_config){.store = cfg->output,
                                                      .manifest_prefix = cfg->manifest_prefix,
                                                      .partition = cfg->id,
                                                      .lost = cfg->lost,
                                                      .clock = cfg->clock,
                                                      .random = cfg->random,
                                                      .published = on_published,
                                                      .lost_upload = on_lost_upload,
                                                      .failed = on_commits_failed,
                                                      .ctx = p});
    return p;
}

void partition_free(struct partition *p) {
    if (!p)
        return;
    for (size_t i = 0; i < p->n_files; i++)
        file_free(p->files[i]);
    free(p->files);
    free(p->windows);
    free(p->losses);
    replay_free(&p->replay);
    commits_free(p->commits);
    chain_free(p->chain);
    free(p);
}

bool partition_idle(const struct partition *p) {
    return p->inflight == 0 && commits_inflight(p->commits) == 0 && !chain_inflight(p->chain);
}

/* After STOPPED, nothing that still arrives matters: the last checkpoint stands. */
void partition_fail(struct partition *p, const struct error *e) {
    if (p->status == PARTITION_FAILED || p->status == PARTITION_LOST ||
        p->status == PARTITION_STOPPED)
        return;
    p->error = *e;
    p->status = PARTITION_FAILED;
}

/* A record or the log does not fit: no checkpoint of this state may be put. */
static int refuse(struct partition *p, const struct error *e) {
    partition_fail(p, e);
    return -1;
}

int64_t partition_position(const struct partition *p) {
    return p->position;
}

bool partition_replaying(const struct partition *p) {
    return p->position < p->base_next;
}

int64_t partition_watermark(const struct partition *p) {
    return p->max_ts == TS_NONE ? TS_NONE : p->max_ts - p->cfg.rules.out_of_orderness - 1;
}

/* Where `window` stands in the sorted table, or would stand. */
static size_t find_window(const struct partition *p, int64_t window) {
    if (p->hint < p->n_windows && p->windows[p->hint]->entry.window == window)
        return p->hint;
    size_t low = 0, high = p->n_windows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->windows[middle]->entry.window < window)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct file *open_file(struct partition *p, enum event_class class, int64_t window,
                              int64_t offset, int64_t max_ts) {
    char hex[17];
    random_hex(p->cfg.random, 8, hex); /* a key belongs to one upload for ever */
    char *key = file_key(class, p->cfg.partition_by, window, p->cfg.id, offset, hex, p->cfg.suffix);
    struct file *f = file_new(&p->shared, class, window, key, offset, max_ts, p->now_ms);
    array_reserve(&p->files, &p->cap_files, p->n_files + 1, sizeof(struct file *));
    p->files[p->n_files++] = f;
    return f;
}

/* Directory store: a window that got nothing since the window before the newest began will get little
 * more, but stays open for as long as lateness demands. Its bytes go while the caches hold them:
 * later the kernel would have to fetch them from memory, which made its copying four times as dear. */
static void flush_resting(struct partition *p) {
    if (p->cfg.output->min_part > 0 || p->n_windows < 2)
        return;
    int64_t since = p->windows[p->n_windows - 2]->entry.first;
    for (size_t i = find_window(p, p->flushed); i + 2 < p->n_windows; i++) {
        struct file *f = p->windows[i];
        if (f->last_offset >= since)
            return;
        file_flush(f);
        p->flushed = f->entry.window + 1;
    }
}

static struct file *window_file(struct partition *p, int64_t window, int64_t offset,
                                int64_t max_ts) {
    size_t i = find_window(p, window);
    if (i == p->n_windows || p->windows[i]->entry.window != window) {
        struct file *f = open_file(p, CLASS_EVENT, window, offset, max_ts);
        array_reserve(&p->windows, &p->cap_windows, p->n_windows + 1, sizeof(struct file *));
        memmove(p->windows + i + 1, p->windows + i, (p->n_windows - i) * sizeof(struct file *));
        p->windows[i] = f;
        p->n_windows++;
        if (i + 1 == p->n_windows)
            flush_resting(p);
    }
    p->hint = i;
    return p->windows[i];
}

static struct file *file_for(struct partition *p, const struct placement *at, int64_t offset) {
    if (at->class == CLASS_EVENT)
        return window_file(p, at->window_start, offset, at->max_ts_before);
    struct file **side = at->class == CLASS_LATE ? &p->late : &p->rejected;
    if (!*side)
        *side = open_file(p, at->class, TS_NONE, offset, at->max_ts_before);
    return *side;
}

/* The file takes no more events: it leaves the tables and ships its rest (rule 7). */
void partition_seal_file(struct partition *p, struct file *f) {
    if (f->sealed)
        return;
    if (f == p->late) {
        p->late = NULL;
    } else if (f == p->rejected) {
        p->rejected = NULL;
    } else {
        size_t i = find_window(p, f->entry.window);
        assert(i < p->n_windows && p->windows[i] == f);
        p->n_windows--;
        memmove(p->windows + i, p->windows + i + 1, (p->n_windows - i) * sizeof(struct file *));
    }
    for (size_t i = 0; i < p->replay.n; i++)
        if (p->replay.gaps[i].file == f)
            p->replay.gaps[i].file = NULL;
    file_seal(f);
}

void partition_seal_all(struct partition *p) {
    for (size_t i = 0; i < p->n_files; i++)
        partition_seal_file(p, p->files[i]);
}

static void judge(struct partition *p, int64_t timestamp, struct placement *out) {
    if (p->max_ts == TS_NONE || timestamp > p->max_ts)
        p->max_ts = timestamp; /* before the record's own lateness is judged */
    const struct window_rules *w = &p->cfg.rules;
    if (timestamp < p->last_window || timestamp - p->last_window >= w->size)
        p->last_window = window_start(w, timestamp); /* seldom: it divides */
    out->window_start = p->last_window;
    out->window_end = out->window_start + w->size;
    bool late = out->window_end - 1 + w->allowed_lateness <= partition_watermark(p);
    out->class = late ? CLASS_LATE : CLASS_EVENT;
}

/* Rule 6: below the inherited next a record is classified, not counted, and written only inside a
 * gap of its class and window. */
static int place_replayed(struct partition *p, int64_t offset, struct placement *out,
                          struct error *e) {
    int64_t window = out->class == CLASS_EVENT ? out->window_start : TS_NONE;
    struct replay_gap *g = replay_find(&p->replay, out->class, window, offset);
    if (!g)
        return 0;
    if (g->written == g->gap.events)
        return error_set(e, ERR_DATA_LOSS,
                         "partition %d: offsets %" PRId64 " to %" PRId64 " must hold %" PRIu64
                         " events of class %s that are not stored yet, but Kafka has more: the "
                         "topic has changed under the job",
                         p->cfg.id, g->gap.from, g->gap.to, g->gap.events,
                         event_class_name(g->gap.class));
    g->written++;
    g->file = out->file = file_for(p, out, offset);
    return 0;
}

int partition_place(struct partition *p, int64_t offset, enum record_kind kind, int64_t timestamp,
                    struct placement *out, struct error *e) {
    assert(offset >= p->position);
    *out = (struct placement){.class = CLASS_NULL, .max_ts_before = p->max_ts};
    if (kind == RECORD_EVENT)
        judge(p, timestamp, out);
    else if (kind == RECORD_REJECTED)
        out->class = CLASS_REJECTED;
    if (offset < p->base_next) {
        bool placed = out->class == CLASS_NULL || place_replayed(p, offset, out, e) == 0;
        return placed ? 0 : refuse(p, e);
    }
    p->read[out->class].events++;
    p->read[out->class].hash += offset_hash(offset);
    p->stats.events[out->class]++;
    if (out->class != CLASS_NULL)
        out->file = file_for(p, out, offset);
    return 0;
}

static void record_loss(struct partition *p, int64_t from, int64_t to, int64_t events) {
    p->losses = xrealloc(p->losses, (p->n_losses + 1) * sizeof *p->losses);
    p->losses[p->n_losses++] = (struct loss){.from = from, .to = to, .events = events};
}

/* A gap's file ends with the gap, unless the gap ends at next - 1 (rule 6). What it yielded too
 * little is lost (rule 12: --allow-data-loss; else the job stops), most likely below the log's
 * start. */
static void on_gap_ended(void *ctx, struct replay_gap *g) {
    struct partition *p = ctx;
    if (g->written < g->gap.events) {
        bool below = g->gap.from < p->log_start && p->log_start <= g->gap.to;
        record_loss(p, g->gap.from, below ? p->log_start - 1 : g->gap.to,
                    (int64_t)(g->gap.events - g->written));
    }
    if (g->file && g->gap.to != p->base_next - 1)
        partition_seal_file(p, g->file);
}

static int move_to(struct partition *p, int64_t position, struct error *e) {
    p->position = position;
    p->changes++;
    if (position <= p->replay.first_end)
        return 0;
    if (replay_advance(&p->replay, position, on_gap_ended, p, p->cfg.allow_data_loss, e) == 0)
        return 0;
    (void)error_wrap(e, "partition %d", p->cfg.id);
    return refuse(p, e);
}

/* windows[0] is the one that closes first: when watermark >= end - 1 + allowed lateness. */
static void close_windows(struct partition *p) {
    int64_t watermark = partition_watermark(p);
    while (p->n_windows > 0) {
        struct file *f = p->windows[0];
        int64_t closes = f->entry.window + p->cfg.rules.size - 1 + p->cfg.rules.allowed_lateness;
        if (watermark < closes)
            break;
        f->entry.closed_ms = p->now_ms;
        partition_seal_file(p, f);
    }
}

/* S3 takes 10,000 parts; memory pressure makes some smaller than part_size. */
static bool is_full(const struct partition *p, const struct file *f) {
    return file_size(f) >= p->cfg.max_file_size || f->next_part >= p->cfg.output->max_parts;
}

static void roll_by_size(struct partition *p) {
    if (p->hint < p->n_windows && is_full(p, p->windows[p->hint]))
        partition_seal_file(p, p->windows[p->hint]);
    if (p->late && is_full(p, p->late))
        partition_seal_file(p, p->late);
    if (p->rejected && is_full(p, p->rejected))
        partition_seal_file(p, p->rejected);
}

void partition_last_record(struct partition *p, int64_t offset, uint32_t crc32c) {
    if (offset < p->base_next)
        return;
    p->has_last = true;
    p->last_offset = offset;
    p->last_crc32c = crc32c;
}

int partition_advance(struct partition *p, int64_t offset, struct error *e) {
    p->last_record_ms = p->now_ms;
    if (move_to(p, offset + 1, e) != 0)
        return -1;
    if (p->n_windows > 0 && p->max_ts != TS_NONE)
        close_windows(p);
    roll_by_size(p);
    return 0;
}

int partition_eof(struct partition *p, int64_t offset, struct error *e) {
    if (offset < p->base_next) {
        (void)error_set(e, ERR_DATA_LOSS,
                        "partition %d: the topic ends at offset %" PRId64
                        ", but the checkpoint has read up to %" PRId64
                        ": it was truncated or recreated. Give the job another name and "
                        "output.path, or restore the topic",
                        p->cfg.id, offset, p->base_next);
        return refuse(p, e);
    }
    return offset > p->position ? move_to(p, offset, e) : 0;
}

int partition_check_log_start(struct partition *p, int64_t log_start, struct error *e) {
    if (log_start <= p->position)
        return 0;
    if (!p->cfg.allow_data_loss) {
        (void)error_set(e, ERR_DATA_LOSS,
                        "partition %d: offsets %" PRId64 " to %" PRId64
                        " are still needed, but Kafka's log begins at %" PRId64
                        " (retention removed them). Restore them, or accept the loss with "
                        "--allow-data-loss, which records it",
                        p->cfg.id, p->position, log_start - 1, log_start);
        return refuse(p, e);
    }
    log_warn_of(p->cfg.id, "data_loss_accepted",
                "partition %d: offsets %" PRId64 " to %" PRId64
                " are gone from Kafka; going on at %" PRId64 " (--allow-data-loss)",
                p->cfg.id, p->position, log_start - 1, log_start);
    p->log_start = log_start;
    if (log_start > p->base_next) { /* never read: nobody knows how many events they held */
        record_loss(p, p->base_next, log_start - 1, -1);
        p->base_next = log_start;
    }
    return move_to(p, log_start, e);
}

/* Files that are sealed and acknowledged become commits; they are listed from now on. */
void partition_collect(struct partition *p) {
    size_t kept = 0;
    for (size_t i = 0; i < p->n_files; i++) {
        struct file *f = p->files[i];
        if (!f->sealed || !file_acknowledged(f) || f->failed) {
            p->files[kept++] = f;
            continue;
        }
        totals_add(&p->listed[f->entry.class], &f->entry.count);
        commits_add(p->commits, &f->entry, true, true);
        file_free(f);
        p->changes++;
    }
    p->n_files = kept;
    p->seen_commits = commits_count(p->commits); /* these count as a change already */
}

static bool is_old(const struct partition *p, const struct file *f) {
    int64_t age = p->cfg.max_file_age_ms;
    if (f->entry.class != CLASS_EVENT && age > SIDE_FILE_AGE_MS)
        age = SIDE_FILE_AGE_MS;
    if (p->now_ms - f->opened_ms >= age)
        return true;
    int64_t first, max_ts; /* rule 7: recovery stays short at any rate */
    return file_first_unacknowledged(f, &first, &max_ts) &&
           (uint64_t)(p->position - first) > p->cfg.max_replay;
}

void partition_roll(struct partition *p) {
    bool idle = p->now_ms - p->last_record_ms >= p->cfg.idle_flush_ms;
    for (size_t i = 0; i < p->n_files; i++)
        if (!p->files[i]->sealed && (idle || is_old(p, p->files[i])))
            partition_seal_file(p, p->files[i]);
}

struct file *partition_largest(struct partition *p) {
    struct file *largest = NULL;
    for (size_t i = 0; i < p->n_files; i++)
        if (!p->files[i]->sealed &&
            (!largest || file_waiting_memory(p->files[i]) > file_waiting_memory(largest)))
            largest = p->files[i];
    return largest && file_waiting_bytes(largest) > 0 ? largest : NULL;
}

/* A part if the store takes one of this size, else the whole file. */
void partition_relieve(struct partition *p, struct file *f) {
    if (p->cfg.output->min_part == 0)
        file_flush(f);
    else if (f->full.bytes > 0 && f->full.bytes >= p->cfg.output->min_part)
        file_ship_now(f);
    else
        partition_seal_file(p, f);
}
