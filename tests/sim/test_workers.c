/* Seeded histories of whole workers: up to three partitions, several processes one inside the other
 * (the outer one is frozen meanwhile), rebalances of some or all partitions, kills, broken messages,
 * faults and bursts of the store, aborted transactions, tombstones, rejected and late events, retention,
 * clocks that jump. What is visible is compared, byte for byte, with lines that are written here once
 * more. A seed that fails prints the line that plays it again; with SIM_TRACE=1 that tells what happens.
 * SIM_SEEDS=n plays n seeds, SIM_SECONDS=n as many as fit, SIM_FIRST=n begins there. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "lines.h"
#include "support/worker_world.h"

#ifdef SIM_SHORT
enum { SEEDS = 20 };
#else
enum { SEEDS = 1500 };
#endif
enum { PARTITIONS_MAX = 3, DEPTH_MAX = 3, PROCESSES_MAX = 8, POLLS_MAX = 400 };

static const char *program;

struct game {
    uint64_t seed;
    struct fake_random dice;
    struct worker_world world;
    int32_t partitions;
    struct lines lines[PARTITIONS_MAX]; /* what must come of it */
    int depth, processes;
    bool trace;
    struct process_options options;
};

static uint64_t roll(struct game *g, uint64_t n) {
    return random_below(&g->dice.random, n);
}

static void wrong(const struct game *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void wrong(const struct game *g, const char *format, ...) {
    char text[600];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    fail_msg("%s\nSIM_SEED=%" PRIu64 " SIM_TRACE=1 %s", text, g->seed, program);
}

static void say(const struct game *g, const char *what, int64_t n) {
    if (g->trace)
        printf("%8" PRId64 " ms  p%d  %s %" PRId64 "\n", g->world.fake.monotonic - 1000000,
               g->processes, what, n);
}

/* ---- The log ------------------------------------------------------------------------------------ */

/* Some windows close, some events are late. */
static void grow(struct game *g, int32_t partition, uint64_t n) {
    struct lines *l = &g->lines[partition];
    say(g, "more records in partition", partition);
    while (n-- > 0) {
        int64_t t = T0 + l->n * 1000 + (int64_t)roll(g, 2) * 250;
        t -= roll(g, 20) == 0 ? 1500000 : (int64_t)roll(g, 300000);
        uint64_t kind = roll(g, 30);
        if (kind == 0) {
            uint64_t unseen =
                roll(g, 2) ? 1 : 1 + roll(g, 9); /* a marker, an aborted transaction */
            fake_topic_skip(g->world.topic, partition, (int64_t)unseen);
            lines_skip(l, (int64_t)unseen);
            continue;
        }
        const struct line *added = kind < 3   ? lines_add_null(l, kind == 1)
                                   : kind < 5 ? lines_add_rejected(l, kind == 3, t)
                                              : lines_add_event(l, &g->dice.random, t);
        (void)fake_topic_add(g->world.topic, partition, t, "u", added->value);
    }
}

/* Kafka removes what nobody needs any more. */
static void retain(struct game *g, int32_t partition) {
    char *prefix = xasprintf("clickstream/clickstream/p%05" PRId32 "/chk-", partition);
    bool any = memory_world_count(g->world.store, prefix) > 0;
    free(prefix);
    if (!any)
        return;
    struct checkpoint k = worker_world_newest(&g->world, partition);
    say(g, "the log begins at", k.replay_from);
    fake_topic_trim(g->world.topic, partition, k.replay_from);
    checkpoint_clear(&k);
}

static void break_messages(struct game *g, int times) {
    for (int32_t i = 0; i < g->partitions; i++) {
        int64_t end = fake_topic_end(g->world.topic, i);
        for (int64_t o = 0; times == 0 && o < end; o++) /* what is still broken is repaired */
            fake_topic_break(g->world.topic, i, o, 0);
        if (times > 0 && end > 0 && roll(g, 3) == 0)
            fake_topic_break(g->world.topic, i, (int64_t)roll(g, (uint64_t)end), times);
    }
}

/* ---- What must be so at any moment -------------------------------------------------------------- */

static void look(struct game *g) {
    char why[400];
    if (lines_look(g->lines, g->partitions, g->world.store, why, sizeof why) != 0)
        wrong(g, "%s", why);
}

static void look_at_memory(struct game *g, const struct process *p) {
    if (p->last.memory_peak > p->last.memory_limit)
        wrong(g, "%" PRIu64 " bytes of memory, %" PRIu64 " allowed", (uint64_t)p->last.memory_peak,
              (uint64_t)p->last.memory_limit);
}

/* ---- What happens ------------------------------------------------------------------------------- */

static void script_fault(struct game *g, struct process *p) {
    static const enum store_kind kinds[] = {STORE_PUT_IF_ABSENT, STORE_UPLOAD_COMPLETE,
                                            STORE_GET,           STORE_LIST,
                                            STORE_UPLOAD_PART,   STORE_UPLOAD_CREATE};
    static const enum error_code codes[] = {ERR_UNKNOWN, ERR_UNKNOWN, ERR_UNAVAILABLE,
                                            ERR_CONFLICT};
    size_t kind = roll(g, 6);
    enum error_code code = codes[roll(g, kind < 2 ? 4 : 3)]; /* 409: of conditional writes only */
    say(g, "a fault is on its way:", (int64_t)code);
    memory_store_fail(roll(g, 2) ? p->output : p->checkpoints, kinds[kind], 1 + (int)roll(g, 3),
                      code, code == ERR_UNKNOWN && roll(g, 2) ? FAULT_AFTER : FAULT_BEFORE);
}

/* 503 to everything, for some polls. */
static void burst(struct game *g, struct process *p, bool on) {
    if (on)
        say(g, "503 to everything", 0);
    memory_store_fail_all(p->output, on ? ERR_UNAVAILABLE : ERR_NONE);
    memory_store_fail_all(p->checkpoints, on ? ERR_UNAVAILABLE : ERR_NONE);
}

static void rebalance(struct game *g, struct process *p) {
    int32_t mine[PARTITIONS_MAX];
    size_t n = 0;
    for (int32_t i = 0; i < g->partitions; i++)
        if (roll(g, 3))
            mine[n++] = i;
    say(g, "the group gives it partitions:", (int64_t)n);
    fake_source_take(p->source);
    fake_source_give_list(p->source, mine, n);
}

static void run_one(struct game *g, bool last);

static void happen(void *ctx, int n) {
    struct process *p = ctx;
    struct game *g = p->test;
    uint64_t event = roll(g, 300);
    if (n < 2)
        return;
    if (event < 6)
        grow(g, (int32_t)roll(g, (uint64_t)g->partitions), roll(g, 50));
    else if (event < 9)
        script_fault(g, p);
    else if (event < 11 && g->depth < DEPTH_MAX && g->processes < PROCESSES_MAX)
        run_one(g, false);
    else if (event < 13)
        fake_source_take(p->source);
    else if (event < 15)
        fake_source_give(p->source, g->partitions);
    else if (event < 17)
        rebalance(g, p);
    else if (event < 19 || n > POLLS_MAX)
        p->command = roll(g, 2) && n < POLLS_MAX ? JOB_DRAIN : JOB_STOP;
    else if (event < 21)
        fake_clock_advance(&g->world.fake, (int64_t)roll(g, 20000));
    else if (event < 23)
        g->world.fake.wall += (int64_t)roll(g, 200000000) - 100000000;
    else if (event < 24)
        p->source->fails[FAKE_POLL] = ERR_KAFKA; /* it dies: nothing more is sent */
    else if (event < 26)
        burst(g, p, true);
    else if (event < 40)
        burst(g, p, false);
    else if (event < 42)
        retain(g, (int32_t)roll(g, (uint64_t)g->partitions));
    else if (event < 52)
        look(g);
}

/* What a history explains: losing five times in a row, a message that stays broken, the death. */
static void must_be_explained(struct game *g, const struct error *e) {
    if (e->code != ERR_FENCED && e->code != ERR_KAFKA && e->code != ERR_UNKNOWN &&
        e->code != ERR_UNAVAILABLE)
        wrong(g, "it fails: %s", e->text);
}

/* A bounded run that says that it is done has published all that the topic held at its start, whichever
 * partitions it had and whoever read the others. */
static void check_done(struct game *g, const struct bounds *b) {
    char why[400];
    for (int32_t i = 0; i < b->n; i++)
        if (lines_check_below(&g->lines[i], i, b->end[i], why, sizeof why) != 0)
            wrong(g, "a bounded run is done, but %s", why);
}

static void run_one(struct game *g, bool last) {
    struct process_options o = g->options;
    o.bounded = last || roll(g, 2);
    g->processes++;
    g->depth++;
    say(g, last ? "begins, the last, at depth" : "begins at depth", g->depth);
    struct process *p = process_new(&g->world, &o);
    p->test = g;
    p->source->batch = 1 + roll(g, 60);
    if (!last && roll(g, 3) == 0)
        rebalance(g, p);
    if (!last)
        process_on_poll(p, happen);
    enum worker_end end = process_run(p);
    say(g, "ends as", (int64_t)end);
    if (end == WORKER_FAILED)
        must_be_explained(g, &p->error);
    if (last && end != WORKER_DONE)
        wrong(g, "the last process ends with %s", p->error.text);
    look_at_memory(g, p);
    look(g);
    if (end == WORKER_DONE)
        check_done(g, &p->bounds);
    process_free(p);
    g->depth--;
    look(g);
}

/* ---- From the beginning to the end -------------------------------------------------------------- */

static void check_end(struct game *g) {
    char why[400];
    for (int32_t i = 0; i < g->partitions; i++) {
        struct checkpoint k = worker_world_newest(&g->world, i);
        if (lines_check_end(&g->lines[i], i, &k, why, sizeof why) != 0)
            wrong(g, "%s", why);
        checkpoint_clear(&k);
    }
}

static void play(struct game *g) {
    for (int32_t i = 0; i < g->partitions; i++)
        grow(g, i, roll(g, 400));
    break_messages(g, 1);
    while (g->processes < 3)
        run_one(g, false);
    break_messages(g, 0);
    run_one(g, true);
    check_end(g);
}

static void play_seed(uint64_t seed) {
    static const struct memory_traits *const traits[] = {&memory_like_s3, &memory_like_directory};
    struct game *g = xcalloc(1, sizeof *g);
    g->seed = seed;
    g->trace = getenv("SIM_TRACE") != NULL;
    fake_random_init(&g->dice, seed * 104729);
    g->partitions = 1 + (int32_t)roll(g, PARTITIONS_MAX);
    worker_world_init(&g->world, traits[roll(g, 2)], g->partitions);
    g->world.seed = seed;
    g->world.creep_ms = 1; /* a settling worker waits for the clock, not for a poll */
    g->options.sets[0] = "checkpoint.interval=2s";
    g->options.sets[1] = roll(g, 2) ? "output.emit=checkpoint" : "output.max_file_size=10KB";
    g->options.sets[2] = "checkpoint.min_pause=100ms";
    play(g);
    for (int32_t i = 0; i < g->partitions; i++)
        lines_free(&g->lines[i]);
    worker_world_free(&g->world);
    free(g);
}

static uint64_t number(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t played;

static void test_random_workers(void **state) {
    (void)state;
    uint64_t one = number("SIM_SEED", 0), seconds = number("SIM_SECONDS", 0);
    uint64_t seed = one ? one : number("SIM_FIRST", 1), n = one ? 1 : number("SIM_SEEDS", SEEDS);
    time_t until = time(NULL) + (time_t)seconds;
    for (; seconds && !one ? time(NULL) < until : played < n; played++)
        play_seed(seed++);
}

int main(int argc, char **argv) {
    (void)argc;
    program = argv[0];
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_workers)};
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_init(LOG_TEXT, getenv("SIM_TRACE") ? LOG_DEBUG : (enum log_level)(LOG_ERROR + 1));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("# seeds: %" PRIu64 "\n", played);
    return failed;
}
