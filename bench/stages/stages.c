/* Times the stages of an event's way, each alone, in nanoseconds of CPU an event.
 *
 *   stages [EVENTS [HOURS [REPEATS [STORE...]]]]     as the benchmark's topic: 2000000 6 9
 *
 * The events are those of one partition of the topic that bench/rig.py fills, the files and chunks those
 * that the job makes of them. A STORE is a directory or s3://bucket/prefix/, with S3's variables
 * AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; sending is timed for
 * each. Prints a line a stage: its name, the median of the repeats, the lowest, the highest.
 *
 * A stage's input is copied in front of it, uncounted, batch by batch or chunk by chunk, so that it
 * lies in the cache as what another thread or stage has just written. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/checksum.h"
#include "base/compress.h"
#include "base/memory.h"
#include "catcher.h"
#include "job/ingest.h"
#include "store/open.h"
#include "store/s3.h"
#include "topic.h"

enum {
    MOST_EVENTS = 100000, /* 45 MB */
    BATCH = 1000,         /* as rdkafka_fetch takes them */
    PART_SIZE = 8 << 20,
    REPEATS_MAX = 99,
    STORES_MAX = 4
};

enum stage { PARSE, WINDOW, TOGETHER, CRC, APPEND, ZSTD, GZIP, SEND, STAGES = SEND + STORES_MAX };

struct bench {
    struct topic topic;
    int64_t *timestamps;     /* of its events */
    struct catcher to_s3;    /* keeps parts as large as S3 wants them */
    struct catcher to_files; /* and as small as a directory takes them */
    struct event_parser *parser;
    struct compressor *zstd, *gzip;
    struct budget budget;
    struct chunk *scratch;
    struct store *stores[STORES_MAX];
    const char *paths[STORES_MAX];
    size_t n_stores;
    size_t lines; /* bytes of all lines */
    double ns[STAGES][REPEATS_MAX];
};

static const struct event_rules rules = {
    .key_field = "user_id",
    .timestamp_field = "timestamp",
    .max_future_ms = 3600000,
    .window = {.size = 300000, .out_of_orderness = 600000},
};

static _Noreturn void fail(const char *what, const char *why) {
    (void)fprintf(stderr, "stages: %s: %s\n", what, why);
    exit(1);
}

static double cpu_ns(clockid_t clock) {
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- Batches ---- */

struct batch {
    size_t first, n;
    struct record records[BATCH];
    char bytes[BATCH * 1024];
};

static void load(const struct topic *t, size_t first, struct batch *b) {
    b->first = first;
    b->n = t->n - first < BATCH ? t->n - first : BATCH;
    const struct record *from = t->records + first, *last = from + b->n - 1;
    memcpy(b->bytes, from->key, (size_t)(last->value + last->value_len - from->key));
    for (size_t i = 0; i < b->n; i++) {
        b->records[i] = from[i];
        b->records[i].key = b->bytes + (from[i].key - from->key);
        b->records[i].value = b->bytes + (from[i].value - from->key);
    }
}

/* What work() takes for all batches. */
static double each_batch(struct bench *b, void (*work)(void *ctx, const struct batch *in),
                         void *ctx) {
    static struct batch batch;
    double sum = 0;
    for (size_t first = 0; first < b->topic.n; first += BATCH) {
        load(&b->topic, first, &batch);
        double begin = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        work(ctx, &batch);
        sum += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
    }
    return sum;
}

/* ---- Parsing ---- */

static void parse(void *ctx, const struct batch *in) {
    struct bench *b = ctx;
    for (size_t i = 0; i < in->n; i++) {
        struct event ev;
        event_parse(b->parser, &in->records[i], &ev);
        if (ev.null || ev.reason != REJECT_NONE || ev.key_mismatch)
            fail("an event is refused", ev.detail);
        b->timestamps[in->first + i] = ev.timestamp;
    }
}

/* ---- Windows, and all of the worker's work ---- */

/* A partition that never was claimed: it takes records, and is asked for nothing else. */
static struct partition *new_partition(struct bench *b, struct catcher *output) {
    static char none[] = "";
    static const struct identity identity = {.cluster = none, .topic = none, .output = none};
    struct partition_config cfg = {
        .rules = rules.window,
        .partition_by = "dt=%Y-%m-%d/hour=%H",
        .suffix = "",
        .idle_flush_ms = 900000,
        .max_file_age_ms = 3600000,
        .max_file_size = 1 << 30,
        .max_replay = 10000000,
        .interval_ms = 30000,
        .output = &output->store,
        .budget = &b->budget,
        .part_size = PART_SIZE,
        .clock = clock_system(),
        .random = random_system(),
        .manifest_prefix = "m",
        .chain = {.store = &output->store,
                  .prefix = "c",
                  .identity = &identity,
                  .host = "h",
                  .version = "v",
                  .clock = clock_system(),
                  .random = random_system()},
    };
    return partition_new(&cfg);
}

struct windows {
    struct partition *partition;
    const int64_t *timestamps;
};

static void place(void *ctx, const struct batch *in) {
    struct windows *w = ctx;
    for (size_t i = 0; i < in->n; i++) {
        struct placement at;
        struct error e;
        int64_t offset = in->records[i].offset;
        if (partition_place(w->partition, offset, RECORD_EVENT, w->timestamps[in->first + i], &at,
                            &e) != 0 ||
            partition_advance(w->partition, offset, &e) != 0)
            fail("place", e.text);
    }
}

static double time_windows(struct bench *b) {
    struct catcher nothing; /* no file gets a line */
    catcher_init(&nothing, S3_MIN_PART);
    struct windows w = {.partition = new_partition(b, &nothing), .timestamps = b->timestamps};
    double ns = each_batch(b, place, &w);
    partition_free(w.partition);
    catcher_free(&nothing);
    return ns;
}

static void take_in(void *ctx, const struct batch *in) {
    struct ingest *g = ctx;
    struct source_sink sink = ingest_sink(g);
    for (size_t i = 0; i < in->n; i++)
        if (sink.record(sink.ctx, &in->records[i]) != 0)
            fail("take in", g->error.text);
    sink.last(sink.ctx, &in->records[in->n - 1]);
    (void)store_poll(g->partition->cfg.output, 0);
}

/* From record to cut parts, which `output` takes. */
static double time_together(struct bench *b, struct catcher *output) {
    struct partition_counters count = {0};
    struct buffer line;
    buffer_init(&line, 1 << 20);
    struct ingest g = {.partition = new_partition(b, output),
                       .parser = b->parser,
                       .line = &line,
                       .topic = "t",
                       .end_offset = INT64_MAX,
                       .count = &count};
    double ns = each_batch(b, take_in, &g);
    if (count.lines_out != b->topic.n || g.partition->read[CLASS_EVENT].events != b->topic.n)
        fail("take in", "not every event became a line of a window");
    b->lines = count.bytes_out;
    partition_seal_all(g.partition);
    while (store_poll(&output->store, 0) > 0)
        ;
    partition_free(g.partition);
    buffer_free(&line);
    return ns;
}

/* ---- Chunks ---- */

/* What work() takes for all chunks that the job has cut. */
static double each_chunk(struct bench *b, void (*work)(void *ctx, const struct chunk *c),
                         void *ctx) {
    double sum = 0;
    for (size_t i = 0; i < b->to_s3.n; i++)
        for (const struct chunk *c = b->to_s3.parts[i].chunks; c; c = c->next) {
            memcpy(b->scratch->data, c->data, c->len);
            b->scratch->len = c->len;
            double begin = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
            work(ctx, b->scratch);
            sum += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
        }
    return sum;
}

static void take_crc(void *ctx, const struct chunk *c) {
    *(volatile uint32_t *)ctx = crc32c(0, c->data, c->len);
}

static void compress_chunk(void *ctx, const struct chunk *c) {
    chunk_free(compressor_run(ctx, c, c->budget));
}

/* ---- Sending ---- */

static void count_down(struct store_op *op) {
    if (op->error.code != ERR_NONE)
        fail("send a part", op->error.text);
    --*(size_t *)op->ctx;
}

static void call(struct store *s, struct store_op *op, const char *what) {
    if (store_call(s, op) != 0)
        fail(what, op->error.text);
}

/* One file: its parts at once, as the job sends them, then Complete. Returns its size. */
static uint64_t send_file(struct store *s, const char *key, const struct caught_part *parts,
                          size_t n) {
    struct store_op create = {.kind = STORE_UPLOAD_CREATE, .key = key};
    call(s, &create, "create");
    struct store_op *ops = xcalloc(n, sizeof *ops);
    struct store_part *sent = xcalloc(n, sizeof *sent);
    uint64_t bytes = 0;
    size_t left = n;
    for (size_t i = 0; i < n; i++) {
        ops[i] = (struct store_op){.kind = STORE_UPLOAD_PART,
                                   .key = key,
                                   .upload = create.upload_id,
                                   .part = parts[i].n,
                                   .chunks = parts[i].chunks,
                                   .bytes = parts[i].bytes,
                                   .crc32c = parts[i].crc32c,
                                   .offset = bytes,
                                   .done = count_down,
                                   .ctx = &left};
        bytes += parts[i].bytes;
        store_submit(s, &ops[i]);
    }
    while (left > 0)
        (void)store_poll(s, 1000);
    for (size_t i = 0; i < n; i++) {
        sent[i] = (struct store_part){
            .n = parts[i].n, .bytes = parts[i].bytes, .crc32c = parts[i].crc32c};
        memcpy(sent[i].etag, ops[i].etag, sizeof sent[i].etag);
        store_op_clear(&ops[i]);
    }
    struct store_op sync = {.kind = STORE_UPLOAD_SYNC, .key = key, .upload = create.upload_id};
    if (s->sync_parts)
        call(s, &sync, "sync");
    struct store_op complete = {.kind = STORE_UPLOAD_COMPLETE,
                                .key = key,
                                .upload = create.upload_id,
                                .parts = sent,
                                .n_parts = n,
                                .bytes = bytes};
    call(s, &complete, "complete");
    store_op_clear(&create);
    free(ops);
    free(sent);
    return bytes;
}

/* All threads count: that of the store does the work. */
static double time_sending(struct bench *b, struct store *s) {
    static unsigned number;
    const struct catcher *c = s->sync_parts ? &b->to_files : &b->to_s3;
    unsigned first = number;
    uint64_t bytes = 0;
    double begin = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0, n; i < c->n; i += n) {
        char key[32];
        (void)snprintf(key, sizeof key, "file-%06u", number++);
        for (n = 1; i + n < c->n && c->parts[i + n].file == c->parts[i].file;)
            n++;
        bytes += send_file(s, key, c->parts + i, n);
    }
    double ns = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;
    if (bytes != b->lines)
        fail("send", "not every line was sent");
    for (; first < number; first++) {
        char key[32];
        (void)snprintf(key, sizeof key, "file-%06u", first);
        struct store_op gone = {.kind = STORE_DELETE, .key = key};
        call(s, &gone, "delete");
    }
    return ns;
}

/* ---- The whole ---- */

static void set_up(struct bench *b, uint64_t events, double hours) {
    struct error e;
    /* As the Kafka client's set-up does for the process (rdkafka_source.c). */
    (void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)mallopt(M_TOP_PAD, 1 << 20);
    memory_init_curl();
    topic_make(&b->topic, events, hours, MOST_EVENTS);
    b->timestamps = xcalloc(b->topic.n, sizeof *b->timestamps);
    budget_init(&b->budget, SIZE_MAX);
    b->scratch = chunk_new(&b->budget, CHUNK_MAX);
    b->zstd = compressor_new(COMPRESSION_ZSTD);
    b->gzip = compressor_new(COMPRESSION_GZIP);
    b->parser = event_parser_new(&rules, &e);
    if (!b->parser)
        fail("parser", e.text);
    catcher_init(&b->to_s3, S3_MIN_PART);
    catcher_init(&b->to_files, 0);
    b->to_s3.keep = b->to_files.keep = true;
    (void)time_together(b, &b->to_s3);
    (void)time_together(b, &b->to_files);
    struct s3_config s3 = {.endpoint = getenv("AWS_ENDPOINT_URL_S3"),
                           .region = getenv("AWS_REGION"),
                           .path_style = true,
                           .access_key = getenv("AWS_ACCESS_KEY_ID"),
                           .secret_key = getenv("AWS_SECRET_ACCESS_KEY")};
    for (size_t i = 0; i < b->n_stores; i++) {
        b->stores[i] = store_open(b->paths[i], &s3, clock_system(), random_system(), &e);
        if (!b->stores[i])
            fail(b->paths[i], e.text);
    }
}

static void tear_down(struct bench *b) {
    for (size_t i = 0; i < b->n_stores; i++)
        store_free(b->stores[i]);
    catcher_free(&b->to_s3);
    catcher_free(&b->to_files);
    event_parser_free(b->parser);
    compressor_free(b->zstd);
    compressor_free(b->gzip);
    chunk_free(b->scratch);
    free(b->timestamps);
    topic_free(&b->topic);
}

static void one_round(struct bench *b, int round) {
    double ns[STAGES] = {0};
    uint32_t crc;
    struct catcher nowhere;
    catcher_init(&nowhere, S3_MIN_PART);
    ns[PARSE] = each_batch(b, parse, b);
    ns[WINDOW] = time_windows(b);
    ns[TOGETHER] = time_together(b, &nowhere);
    ns[CRC] = each_chunk(b, take_crc, &crc);
    ns[APPEND] = ns[TOGETHER] - ns[PARSE] - ns[WINDOW] - ns[CRC];
    ns[ZSTD] = each_chunk(b, compress_chunk, b->zstd);
    ns[GZIP] = each_chunk(b, compress_chunk, b->gzip);
    for (size_t i = 0; i < b->n_stores; i++)
        ns[SEND + i] = time_sending(b, b->stores[i]);
    for (int i = 0; i < STAGES; i++)
        b->ns[i][round] = ns[i] / (double)b->topic.n;
    catcher_free(&nowhere);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(struct bench *b, const char *name, int stage, int repeats) {
    double *ns = b->ns[stage];
    qsort(ns, (size_t)repeats, sizeof *ns, by_value);
    (void)printf("%-12s %8.1f %8.1f %8.1f\n", name, ns[repeats / 2], ns[0], ns[repeats - 1]);
}

int main(int argc, char **argv) {
    static struct bench b;
    static const char *const names[SEND] = {"parse",  "window", "together", "crc",
                                            "append", "zstd",   "gzip"};
    uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
    double hours = argc > 2 ? strtod(argv[2], NULL) : 6;
    int repeats = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 9;
    if (events == 0 || hours <= 0 || repeats < 1 || repeats > REPEATS_MAX ||
        argc > 4 + STORES_MAX) {
        (void)fputs("usage: stages [EVENTS [HOURS [REPEATS [STORE...]]]]\n", stderr);
        return 2;
    }
    for (int i = 4; i < argc; i++)
        b.paths[b.n_stores++] = argv[i];
    set_up(&b, events, hours);
    for (int i = 0; i < repeats; i++)
        one_round(&b, i);
    (void)printf("topic of %" PRIu64 " events, %" PRIu64 " bytes\n", b.topic.events, b.topic.bytes);
    (void)printf("timed %zu events, %zu bytes, lines of %zu bytes\n", b.topic.n,
                 b.topic.record_bytes, b.lines);
    for (int i = 0; i < SEND; i++)
        print(&b, names[i], i, repeats);
    for (size_t i = 0; i < b.n_stores; i++)
        print(&b, b.stores[i]->sync_parts ? "send-files" : "send-s3", SEND + (int)i, repeats);
    tear_down(&b);
    return 0;
}
