/* Plays events through the product's own road (job/ingest.c: parse, place, write the line, advance)
 * into a partition, for callgrind to count its instructions; tests/instructions/measure runs it.
 *
 *   hot_path CASE [EVENTS]   prints how many events were played and how many bytes came of them
 *                            (fewer than 20,000 do not open all of the case with 2,000 windows)
 *   hot_path                 lists the cases
 *
 * Only measured() counts. Before it as many events are played as it plays: by then all windows are
 * open and all scratch memory has been allocated. Parts wait in the store's queue until it has ended. */
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l.h>
#include <zstd.h>

#include "base/log.h"
#include "base/memory.h"
#include "event/json_index.h"
#include "job/ingest.h"
#include "kafka/events.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/memory_store.h"

enum {
    EVENTS = 20000,
    BATCH = 1000,                /* records between two of the source's last() */
    USERS = 1000,                /* as `tidemark generate` has by default */
    EVENTS_PER_MS = 50,          /* likewise, where it is not paced */
    WINDOW_MS = 300000,          /* window.size */
    LAG_MS = 600000,             /* window.out_of_orderness */
    RECORDED_BYTES = 128 * 1024, /* for one rejected line */
};
#define T0 INT64_C(1729630950000) /* in the middle of a window */
#define DAY INT64_C(86400000)

struct play_case {
    const char *name;
    enum event_class class; /* of each record measured */
    enum compression compression;
    int64_t spread_ms; /* of the events' times: how many windows take events */
    int64_t ahead_ms;  /* the watermark is that far ahead of them */
    double malformed;
    bool replay; /* measured while they are read for the second time */
};

static const struct play_case cases[] = {
    {.name = "event", .class = CLASS_EVENT, .spread_ms = LAG_MS},
    {.name = "zstd", .class = CLASS_EVENT, .spread_ms = LAG_MS, .compression = COMPRESSION_ZSTD},
    {.name = "gzip", .class = CLASS_EVENT, .spread_ms = LAG_MS, .compression = COMPRESSION_GZIP},
    {.name = "windows", .class = CLASS_EVENT, .spread_ms = INT64_C(2000) * WINDOW_MS},
    {.name = "rejected", .class = CLASS_REJECTED, .spread_ms = LAG_MS, .malformed = 1},
    {.name = "late", .class = CLASS_LATE, .spread_ms = LAG_MS, .ahead_ms = DAY},
    {.name = "replayed", .class = CLASS_EVENT, .spread_ms = LAG_MS, .replay = true},
};

/* ---- The log ------------------------------------------------------------------------------------ */

/* Records lie behind each other in one block, as in what the Kafka client has unpacked. */
struct log_of_records {
    struct record *records;
    char *bytes;
    size_t n, used;
};

static char *keep(struct log_of_records *l, const char *bytes, size_t n) {
    char *at = memcpy(l->bytes + l->used, bytes, n);
    l->used += n;
    return at;
}

static void append(struct log_of_records *l, const struct made_event *ev, int64_t now_ms) {
    struct record *r = &l->records[l->n];
    *r = (struct record){.offset = (int64_t)l->n++, .timestamp = now_ms};
    r->key = keep(l, ev->key, ev->key_len);
    r->key_len = ev->key_len;
    r->value = keep(l, ev->value, ev->value_len);
    r->value_len = ev->value_len;
}

/* n records to warm up with, and n to measure. */
static struct log_of_records make_log(const struct play_case *c, size_t n) {
    struct events *g = events_new(&(struct events_config){
        .users = USERS, .disorder_ms = c->spread_ms, .malformed = c->malformed, .seed = 1});
    struct log_of_records l = {.records = xcalloc(2 * n, sizeof *l.records),
                               .bytes = xmalloc(2 * n * (EVENT_VALUE_MAX + EVENT_KEY_MAX))};
    while (l.n < 2 * n) {
        struct made_event ev;
        int64_t now_ms = T0 + (int64_t)l.n / EVENTS_PER_MS + (l.n == 0 ? c->ahead_ms : 0);
        events_next(g, now_ms, &ev);
        append(&l, &ev, now_ms);
    }
    events_free(g);
    return l;
}

/* ---- The job ------------------------------------------------------------------------------------ */

struct job {
    struct fake_clock clock;
    struct fake_random random;
    struct budget budget;
    struct memory_world *world;
    struct store *store;
    struct compressor *compressor;
    struct identity identity;
    struct event_rules rules;
    struct buffer line;
    struct partition_counters count;
    struct ingest ingest;
};

static void die(const char *what, const char *why) {
    (void)fprintf(stderr, "hot_path: %s: %s\n", what, why);
    exit(1);
}

static void open_world(struct job *j, const struct play_case *c) {
    fake_clock_init(&j->clock);
    fake_random_init(&j->random, 1);
    budget_init(&j->budget, SIZE_MAX);
    j->world = memory_world_new(&memory_like_s3, NULL);
    j->store = memory_store_open(j->world);
    if (c->compression != COMPRESSION_NONE)
        j->compressor = compressor_new(c->compression);
    j->identity = (struct identity){.cluster = xstrdup("cluster"),
                                    .topic = xstrdup("clickstream"),
                                    .partition = 0,
                                    .output = xstrdup("s3://memory/"),
                                    .settings = "0123456789abcdef"};
    j->rules = (struct event_rules){
        .key_field = "user_id",
        .timestamp_field = "timestamp",
        .max_future_ms = 3600000,
        .window = {.size = WINDOW_MS,
                   .out_of_orderness = c->spread_ms > LAG_MS ? c->spread_ms : LAG_MS}};
    buffer_init(&j->line, RECORDED_BYTES);
    struct error e;
    j->ingest.parser = event_parser_new(&j->rules, &e);
    if (!j->ingest.parser)
        die("event_parser_new", e.text);
    j->ingest.line = &j->line;
    j->ingest.topic = "clickstream";
    j->ingest.end_offset = INT64_MAX;
    j->ingest.count = &j->count;
}

static struct partition *new_partition(struct job *j, const struct play_case *c) {
    return partition_new(&(struct partition_config){
        .rules = j->rules.window,
        .partition_by = "dt=%Y-%m-%d/hour=%H",
        .suffix = compression_suffix(c->compression),
        .idle_flush_ms = WINDOW_MS,
        .max_file_age_ms = DAY,
        .max_file_size = UINT64_C(1) << 30,
        .max_replay = 10000000,
        .interval_ms = DAY,
        .min_pause_ms = DAY,
        .timeout_ms = DAY,
        .output = j->store,
        .budget = &j->budget,
        .compressor = j->compressor,
        /* Small ones, so that there are some; but only what no part has taken is written again. */
        .part_size = c->replay ? SIZE_MAX : 1024 * 1024,
        .clock = &j->clock.clock,
        .random = &j->random.random,
        .manifest_prefix = "_manifests/clickstream/clickstream/p00000/",
        .chain = {.store = j->store,
                  .prefix = "clickstream/clickstream/p00000/",
                  .identity = &j->identity,
                  .host = "host",
                  .version = "1",
                  .pid = 1,
                  .clock = &j->clock.clock,
                  .random = &j->random.random}});
}

/* Lets the store answer all, and what follows from that. */
static void settle(struct job *j) {
    do {
        partition_tick(j->ingest.partition, j->clock.monotonic);
    } while (store_poll(j->store, 0) > 0);
}

static void claim(struct job *j, const struct play_case *c) {
    struct partition *p = j->ingest.partition = new_partition(j, c);
    partition_claim(p, 0, j->clock.monotonic);
    settle(j);
    if (p->status != PARTITION_CLAIMED)
        die("claim", p->error.text);
    partition_start(p, j->clock.monotonic);
}

static void close_world(struct job *j) {
    store_free(j->store);
    partition_free(j->ingest.partition);
    memory_world_free(j->world);
    compressor_free(j->compressor);
    identity_clear(&j->identity);
    buffer_free(&j->line);
    event_parser_free(j->ingest.parser);
}

/* ---- Playing ------------------------------------------------------------------------------------ */

static void play(struct job *j, const struct record *records, size_t n) {
    struct source_sink sink = ingest_sink(&j->ingest);
    for (size_t i = 0; i < n; i++) {
        if (sink.record(sink.ctx, &records[i]) != 0)
            die("a record was refused", j->ingest.error.text);
        if ((i + 1) % BATCH == 0 || i + 1 == n)
            sink.last(sink.ctx, &records[i]);
    }
}

/* Callgrind counts while this runs, and finds it by its name. */
void measured(struct job *j, const struct record *records, size_t n);
__attribute__((noinline)) void measured(struct job *j, const struct record *records, size_t n) {
    play(j, records, n);
    __asm__ volatile(""); /* no jump into play() instead of a call */
}

/* All is read and a checkpoint put, which lists no part; then another claim reads it again. */
static void read_once(struct job *j, const struct play_case *c, const struct log_of_records *l) {
    play(j, l->records, l->n);
    partition_savepoint(j->ingest.partition);
    settle(j);
    if (partition_savepoint_pending(j->ingest.partition))
        die(c->name, "the checkpoint was not put");
    partition_free(j->ingest.partition);
    claim(j, c);
}

/* That what was measured is what the case says. */
static void check(const struct job *j, const struct play_case *c, size_t n,
                  const struct partition_counters *before) {
    const struct partition *p = j->ingest.partition;
    uint64_t lines = j->count.lines_out - before->lines_out;
    size_t of_class = p->read[c->class].events;
    size_t others = c->ahead_ms ? 1 : 0; /* the one that moved the watermark */
    if (lines != n || of_class != 2 * n - others || partition_replaying(p))
        die(c->name, "other lines were written than the case says");
    if (c->class == CLASS_EVENT && p->n_windows != (size_t)(c->spread_ms / WINDOW_MS) + 1)
        die(c->name, "other windows are open than the case says");
}

static void run(const struct play_case *c, size_t n) {
    struct job j = {0};
    struct log_of_records l = make_log(c, n);
    open_world(&j, c);
    claim(&j, c);
    if (c->replay)
        read_once(&j, c, &l);
    play(&j, l.records, n);
    settle(&j);
    struct partition_counters before = j.count;
    measured(&j, l.records + n, n);
    settle(&j);
    check(&j, c, n, &before);
    (void)printf("%zu events, %" PRIu64 " bytes in, %" PRIu64 " bytes out\n", n,
                 j.count.bytes_in - before.bytes_in, j.count.bytes_out - before.bytes_out);
    close_world(&j);
    free(l.records);
    free(l.bytes);
}

/* What counts depend on. */
static void print_built(void) {
#ifdef __clang__
    (void)printf("built by clang %d", __clang_major__);
#else
    (void)printf("built by gcc %d", __GNUC__);
#endif
    (void)printf(", glibc %s, zstd %s, isa-l %d.%d, for %s\n", gnu_get_libc_version(),
                 ZSTD_versionString(), ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION,
                 json_simd_best() == JSON_AVX2 ? "AVX2" : "another processor");
}

static void list(void) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        (void)puts(cases[i].name);
}

int main(int argc, char **argv) {
    log_init(LOG_TEXT, LOG_ERROR);
    if (argc == 1) {
        list();
        return 0;
    }
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : EVENTS;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(argv[1], cases[i].name) == 0 && n > 0) {
            print_built();
            run(&cases[i], n);
            return 0;
        }
    }
    die(argv[1], "no such case; hot_path alone lists them");
}
