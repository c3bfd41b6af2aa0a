#include "support/verify_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "checkpoint/chain.h"
#include "checkpoint/codec.h"

struct world w;

/* ---- The log ---- */

static struct record world_record(int64_t offset) {
    int64_t o = offset;
    char *value = w.values[o];
    return (struct record){.offset = o,
                           .timestamp = T0 + o * 1000,
                           .key = "u",
                           .key_len = 1,
                           .value = o == 10 ? NULL : value,
                           .value_len = o == 10 ? 0 : strlen(value)};
}

static void write_log(void) {
    for (int o = 0; o < RECORDS; o++) {
        int64_t ts = o < 10 || o == 20 ? T0 + o : T0 + 30 * MINUTE + o;
        (void)snprintf(w.values[o], sizeof w.values[o],
                       "{\"user_id\": \"u\", \"timestamp\": %lld, \"o\": %d}", (long long)ts, o);
    }
    (void)snprintf(w.values[11], sizeof w.values[11], "not json");
}

/* ---- Files ---- */

static void append_line(struct event_parser *parser, int64_t offset, enum event_class class,
                        struct buffer *out) {
    struct record r = world_record(offset);
    struct event ev;
    event_parse(parser, &r, &ev);
    if (class == CLASS_REJECTED) {
        assert_int_equal(event_rejected_line(&r, "clicks", 0, ev.reason, ev.detail, out), 0);
        return;
    }
    int64_t start = window_start(&w.rules.window, ev.timestamp);
    char *dst = buffer_reserve(out, ev.line_max);
    out->len += event_write_line(parser, start, start + w.rules.window.size, dst);
}

/* One frame for each line, to have several. */
static void append_compressed(const struct buffer *line, struct buffer *out) {
    struct budget budget;
    budget_init(&budget, 1 << 20);
    struct compressor *c = compressor_new(w.compression);
    struct chunk *raw = chunk_new(&budget, line->len);
    memcpy(raw->data, line->data, line->len);
    raw->len = (uint32_t)line->len;
    struct chunk *packed = compressor_run(c, raw, &budget);
    (void)buffer_append(out, packed->data, packed->len);
    chunk_free(raw);
    chunk_free(packed);
    compressor_free(c);
}

struct file_entry make_file(enum event_class class, const char *dir, int64_t first, int64_t last,
                            bool visible) {
    struct error e;
    struct event_parser *parser = event_parser_new(&w.rules, &e);
    struct file_entry f = {.class = class,
                           .window =
                               class == CLASS_EVENT ? T0 + (first < 10 ? 0 : 30 * MINUTE) : TS_NONE,
                           .first = first,
                           .first_max_ts = first ? T0 : TS_NONE,
                           .last = last};
    f.key = xasprintf("%s/p00000-o%020lld-00112233445566%02d.jsonl%s", dir, (long long)first,
                      (int)first, compression_suffix(w.compression));
    f.upload = xasprintf("upload-%d", (int)first);
    struct buffer bytes, line;
    buffer_init(&bytes, 1 << 20);
    buffer_init(&line, 1 << 16);
    for (int64_t o = first; o <= last; o++) {
        buffer_reset(&line);
        append_line(parser, o, class, &line);
        if (w.compression == COMPRESSION_NONE)
            (void)buffer_append(&bytes, line.data, line.len);
        else
            append_compressed(&line, &bytes);
        f.count.events++;
        f.count.hash += offset_hash(o);
    }
    f.bytes = bytes.len;
    f.crc32c = crc32c(0, bytes.data, bytes.len);
    f.parts = xcalloc(1, sizeof *f.parts);
    f.n_parts = 1;
    f.parts[0] = (struct store_part){.n = 1, .bytes = f.bytes, .crc32c = f.crc32c};
    if (visible)
        memory_world_plant(w.output_world, f.key, bytes.data, bytes.len);
    buffer_free(&bytes);
    buffer_free(&line);
    event_parser_free(parser);
    return f;
}

/* ---- Checkpoints ---- */

struct checkpoint new_checkpoint(uint64_t number, int64_t next) {
    struct checkpoint k = {.number = number,
                           .claim = number == 1,
                           .claim_id = "0123456789abcdef0123456789abcdef",
                           .writer_host = xstrdup("host"),
                           .writer_version = xstrdup("1"),
                           .writer_time = xstrdup("2024-10-22T22:00:00Z"),
                           .writer_pid = 7,
                           .next = next,
                           .replay_from = next,
                           .replay_max_ts = TS_NONE};
    k.identity = (struct identity){.cluster = xstrdup("cluster"),
                                   .topic = xstrdup("clicks"),
                                   .output = xstrdup("mem://output/"),
                                   .settings = SETTINGS};
    for (int64_t o = 0; o < next; o++) {
        enum event_class class = o == 10   ? CLASS_NULL
                                 : o == 11 ? CLASS_REJECTED
                                 : o == 20 ? CLASS_LATE
                                           : CLASS_EVENT;
        k.read[class].events++;
        k.read[class].hash += offset_hash(o);
    }
    if (next > 0) {
        struct record last = world_record(next - 1);
        k.has_last = true;
        k.last_offset = next - 1;
        k.last_crc32c = record_crc32c(&last);
    }
    return k;
}

void commit(struct checkpoint *k, const struct file_entry *f) {
    k->commits = xrealloc(k->commits, (k->n_commits + 1) * sizeof *k->commits);
    file_entry_copy(&k->commits[k->n_commits++], f);
}

void set_gap(struct checkpoint *k, struct gap gap) {
    k->gaps = xcalloc(1, sizeof *k->gaps);
    k->gaps[0] = gap;
    k->n_gaps = 1;
    k->replay_from = gap.from;
}

void plant_checkpoint(const struct checkpoint *k) {
    struct buffer b;
    char name[32], key[128];
    buffer_init(&b, 1 << 20);
    checkpoint_encode(k, &b);
    chain_name(k->number, name);
    (void)snprintf(key, sizeof key, JOB "%s", name);
    memory_world_plant(w.checkpoints_world, key, b.data, b.len);
    buffer_free(&b);
}

void plant_manifest(const struct checkpoint *k) {
    struct buffer b;
    char name[32], key[128];
    buffer_init(&b, 1 << 20);
    manifest_encode(k, &b);
    chain_name(k->number, name);
    (void)snprintf(key, sizeof key, "_manifests/" JOB "%s", name);
    memory_world_plant(w.output_world, key, b.data, b.len);
    buffer_free(&b);
}

static void submit(struct store *s, struct store_op *op) {
    const struct checkpoint *k = w.goes_on;
    if (k && op->kind == STORE_LIST) {
        w.goes_on = NULL;
        plant_checkpoint(k);
        plant_manifest(k);
    }
    w.submit(s, op);
}

void world_goes_on(const struct checkpoint *k) {
    w.goes_on = k;
    w.submit = w.output->ops->submit;
    w.ops = *w.output->ops;
    w.ops.submit = submit;
    w.output->ops = &w.ops;
}

static void make_checkpoints(void) {
    w.k[1] = new_checkpoint(1, 0);
    w.k[2] = new_checkpoint(2, 12);
    commit(&w.k[2], &w.a);
    commit(&w.k[2], &w.r);
    totals_add(&w.k[2].listed[CLASS_EVENT], &w.a.count);
    totals_add(&w.k[2].listed[CLASS_REJECTED], &w.r.count);
    w.k[4] = new_checkpoint(4, 21);
    memcpy(w.k[4].listed, w.k[2].listed, sizeof w.k[4].listed);
    commit(&w.k[4], &w.r);
    commit(&w.k[4], &w.l);
    totals_add(&w.k[4].listed[CLASS_LATE], &w.l.count);
    set_gap(&w.k[4], (struct gap){CLASS_EVENT, T0 + 30 * MINUTE, 12, 20, 8});
    w.k[5] = new_checkpoint(5, 25);
    memcpy(w.k[5].listed, w.k[4].listed, sizeof w.k[5].listed);
    w.k[5].files = xcalloc(1, sizeof *w.k[5].files);
    file_entry_copy(&w.k[5].files[0], &w.open);
    w.k[5].n_files = 1;
    set_gap(&w.k[5], (struct gap){CLASS_EVENT, T0 + 30 * MINUTE, 21, 24, 4});
}

static void plant_all(void) {
    static const int checkpoints[] = {1, 2, 4, 5};
    for (size_t i = 0; i < sizeof checkpoints / sizeof *checkpoints; i++)
        plant_checkpoint(&w.k[checkpoints[i]]);
    plant_manifest(&w.k[2]);
    fake_clock_advance(&w.clock, 60 * MINUTE);
    plant_manifest(&w.k[4]);
}

/* ---- Kafka ---- */

static int kafka_poll(struct source *s, int timeout_ms, struct error *e) {
    (void)s, (void)e;
    fake_clock_advance(&w.clock, timeout_ms);
    return 0;
}

static int kafka_cluster_id(struct source *s, int timeout_ms, char *dst, size_t cap,
                            struct error *e) {
    (void)s, (void)timeout_ms, (void)e;
    (void)snprintf(dst, cap, "cluster");
    return 0;
}

static int kafka_bounds(struct source *s, int32_t partition, int timeout_ms, int64_t *start,
                        int64_t *end, struct error *e) {
    (void)s, (void)partition, (void)timeout_ms, (void)e;
    *start = w.log_start;
    *end = w.log_end;
    return 0;
}

static int kafka_assign(struct source *s, const struct source_position *at, size_t n,
                        struct error *e) {
    (void)s, (void)e;
    w.assigned = n > 0;
    w.position = n > 0 ? at->offset : -1;
    return 0;
}

static size_t kafka_fetch(struct source *s, int32_t partition, size_t max,
                          const struct source_sink *sink) {
    (void)s, (void)partition;
    size_t n = 0;
    for (; n < max && n < 3 && w.position < w.log_end; n++) {
        struct record r = world_record(w.position++);
        if (sink->record(sink->ctx, &r) != 0)
            return n + 1;
    }
    if (n == 0)
        (void)sink->eof(sink->ctx, w.position);
    return n;
}

static const struct source_ops kafka_ops = {.poll = kafka_poll,
                                            .cluster_id = kafka_cluster_id,
                                            .bounds = kafka_bounds,
                                            .assign = kafka_assign,
                                            .fetch = kafka_fetch};

/* ---- All of it ---- */

void world_begin(enum compression compression) {
    memset(&w, 0, sizeof w);
    fake_clock_init(&w.clock);
    w.compression = compression;
    w.checkpoints_world = memory_world_new(&memory_like_s3, &w.clock.clock);
    w.output_world = memory_world_new(&memory_like_s3, &w.clock.clock);
    w.checkpoints = memory_store_open(w.checkpoints_world);
    w.output = memory_store_open(w.output_world);
    w.rules = (struct event_rules){.key_field = "user_id",
                                   .timestamp_field = "timestamp",
                                   .max_future_ms = 60 * MINUTE,
                                   .window = {.size = 5 * MINUTE, .out_of_orderness = 10 * MINUTE}};
    w.source.ops = &kafka_ops;
    w.log_end = RECORDS;
    write_log();
    w.a = make_file(CLASS_EVENT, "dt=2024-10-22/hour=21", 0, 9, true);
    w.r = make_file(CLASS_REJECTED, "_rejected", 11, 11, true);
    w.open = make_file(CLASS_EVENT, "dt=2024-10-22/hour=21", 12, 19, false);
    w.l = make_file(CLASS_LATE, "_late", 20, 20, true);
    make_checkpoints();
    plant_all();
}

void world_end(void) {
    for (size_t i = 0; i < sizeof w.k / sizeof *w.k; i++)
        checkpoint_clear(&w.k[i]);
    file_entry_clear(&w.a);
    file_entry_clear(&w.r);
    file_entry_clear(&w.l);
    file_entry_clear(&w.open);
    store_free(w.checkpoints);
    store_free(w.output);
    memory_world_free(w.checkpoints_world);
    memory_world_free(w.output_world);
}
