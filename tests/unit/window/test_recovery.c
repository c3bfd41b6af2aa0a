/* Exactly once, whatever happens (section "Rules" of docs/exactly-once.md): whole histories of one
 * partition in simulated time, with crashes at every effect, faults, lost uploads and zombies. A
 * failing history names its seed or crash points; SIM_SEED=<seed> runs that one alone. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "support/sim_process.h"

static const struct memory_traits small_parts = {.min_part = 24, .max_parts = 10000};
static const struct memory_traits small_parts_aws = {
    .min_part = 24, .max_parts = 10000, .repeat_success = true};

static const char *text_of(enum partition_status s) {
    static const char *const names[] = {"CLAIMING", "CLAIMED", "RUNNING", "STOPPED",
                                        "LOST",     "RECLAIM", "FAILED"};
    return names[s];
}

/* ---- Crashes at every effect -------------------------------------------------------------------- */

enum { NEVER = 1 << 30 };

/* Runs a process, its oldest request first, until `effects` requests have been carried out or
 * answered. True where it came to its end before that. */
static bool run_until(struct sim_process *pr, int *effects) {
    struct error e;
    for (int i = 0; i < 100000; i++) {
        if (sim_process_run(pr, 5, &e) != 0)
            fail_msg("a record is refused: %s", e.text);
        for (;;) {
            if (*effects == 0)
                return false;
            if (!sim_process_effect(pr, 0))
                break;
            (*effects)--;
        }
        sim_process_poll(pr);
        fake_clock_advance(&pr->sim->clock, 100);
        if (pr->p->status == PARTITION_STOPPED)
            return true;
        if (pr->p->status > PARTITION_STOPPED)
            fail_msg("%s: %s", text_of(pr->p->status), pr->p->error.text);
    }
    fail_msg("it never ends");
    return true;
}

static void crash(struct sim_process *pr) {
    struct sim *s = pr->sim;
    sim_process_kill(pr);
    memory_world_power_cut(s->world);
}

static void expect_consistent(const struct sim *s, const char *what) {
    struct error e;
    if (memory_world_count(s->world, s->paths.chain) > 0 &&
        sim_check_always(s->world, &s->log, &s->paths, &e) != 0)
        fail_msg("%s: %s", what, e.text);
}

static void expect_end(const struct sim *s, const char *what) {
    struct error e;
    if (sim_check_end(s->world, &s->log, &s->paths, &e) != 0)
        fail_msg("%s: %s", what, e.text);
}

static void history(struct sim *s, const struct memory_traits *traits, uint64_t seed, int64_t n) {
    sim_init(s, traits, seed);
    struct fake_random r;
    fake_random_init(&r, seed);
    sim_log_generate(&s->log, &r.random, n);
    s->log_end = n;
}

/* One history with a crash after `first` effects, another after `second` more. Returns how many of
 * these crashes came before the end. */
static int crash_at(const struct memory_traits *traits, uint64_t seed, bool emit, int first,
                    int second) {
    struct sim s;
    char what[96];
    (void)snprintf(what, sizeof what, "seed %d, crashes after %d and %d effects", (int)seed, first,
                   second);
    history(&s, traits, seed, 40);
    s.config.emit_checkpoint = emit;
    int points[] = {first, second, NEVER}, crashes = 0;
    for (bool ended = false; !ended; crashes += !ended) {
        struct sim_process *pr = sim_process_new(&s);
        int left = points[crashes < 2 ? crashes : 2];
        ended = run_until(pr, &left);
        crash(pr);
        expect_consistent(&s, what);
    }
    expect_end(&s, what);
    sim_free(&s);
    return crashes;
}

static int crash_everywhere(const struct memory_traits *traits, uint64_t seed, bool emit) {
    int first = 0;
    while (crash_at(traits, seed, emit, first, NEVER) == 1)
        first++;
    return first;
}

static void test_rules_1_to_8_crash_after_every_effect_s3(void **state) {
    (void)state;
    int points = 0;
    for (uint64_t seed = 1; seed <= 4; seed++)
        for (int emit = 0; emit < 2; emit++)
            points += crash_everywhere(&small_parts, seed, emit) +
                      crash_everywhere(&small_parts_aws, seed, emit);
    print_message("%d crash points\n", points);
    assert_true(points > 500);
}

static void test_rule_11_crash_after_every_effect_directory(void **state) {
    (void)state;
    int points = 0;
    for (uint64_t seed = 1; seed <= 4; seed++)
        for (int emit = 0; emit < 2; emit++)
            points += crash_everywhere(&memory_like_directory, seed, emit);
    print_message("%d crash points\n", points);
    assert_true(points > 500);
}

static void crash_twice(const struct memory_traits *traits, uint64_t seed, int stride) {
    int pairs = 0;
    for (int first = 0; crash_at(traits, seed, false, first, NEVER) == 1; first += stride)
        for (int second = first % stride; crash_at(traits, seed, false, first, second) == 2;
             second += stride)
            pairs++;
    print_message("%d pairs of crash points\n", pairs);
    assert_true(pairs > 400);
}

static void test_rule_5_crash_during_recovery_s3(void **state) {
    (void)state;
    crash_twice(&small_parts, 1, 3);
}

static void test_rule_5_crash_during_recovery_directory(void **state) {
    (void)state;
    crash_twice(&memory_like_directory, 1, 3);
}

/* ---- Zombies ------------------------------------------------------------------------------------ */

/* A process stops for a while after some effects; another claims and works on, or to its end; then
 * the first wakes up. It must notice, and what it does until then must change nothing. */
static bool zombie_at(const struct memory_traits *traits, uint64_t seed, int first, int second) {
    struct sim s;
    char what[96];
    (void)snprintf(what, sizeof what, "seed %d, asleep after %d effects for %d", (int)seed, first,
                   second);
    history(&s, traits, seed, 40);
    struct sim_process *zombie = sim_process_new(&s);
    int left = first;
    bool ended = run_until(zombie, &left);
    if (!ended) {
        bool claimed = zombie->p->status == PARTITION_RUNNING;
        struct sim_process *other = sim_process_new(&s);
        left = second;
        bool other_ended = run_until(other, &left);
        enum partition_status end = sim_process_finish(zombie, false);
        /* STOPPED: its clean last checkpoint stood before the other's claim. */
        bool done = end == PARTITION_STOPPED && checkpoint_is_clean(chain_newest(zombie->p->chain));
        if (claimed && chain_newest(other->p->chain) && end != PARTITION_LOST && !done)
            fail_msg("%s: it ends as %s", what, text_of(end));
        expect_consistent(&s, what);
        sim_process_kill(zombie);
        if (!other_ended)
            (void)sim_process_finish(other, false);
        sim_process_kill(other);
        zombie = sim_process_new(&s); /* whoever comes last has the log to its end */
        assert_int_equal(sim_process_finish(zombie, false), PARTITION_STOPPED);
    }
    sim_process_kill(zombie);
    expect_end(&s, what);
    sim_free(&s);
    return !ended;
}

static void zombie_everywhere(const struct memory_traits *traits) {
    static const int seconds[] = {3, 8, 30, 60, NEVER};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
        for (int first = 0; zombie_at(traits, 2, first, seconds[i]);)
            first++;
}

static void test_rules_1_and_2_zombie_s3(void **state) {
    (void)state;
    zombie_everywhere(&small_parts);
}

static void test_rules_1_and_2_zombie_directory(void **state) {
    (void)state;
    zombie_everywhere(&memory_like_directory);
}

/* ---- Random histories --------------------------------------------------------------------------- */

enum { PROCESSES_MAX = 4 };

struct play {
    struct sim sim;
    uint64_t seed;
    struct fake_random dice;
    struct sim_process *processes[PROCESSES_MAX];
    bool asleep[PROCESSES_MAX];
    bool uploads_drop, faults;
    size_t crashes, losses, reclaims, dropped, operator_calls;
};

static uint64_t roll(struct play *g, uint64_t n) {
    return random_below(&g->dice.random, n);
}

static int64_t pick(struct play *g, int64_t low, int64_t high) {
    return low + (int64_t)roll(g, (uint64_t)(high - low + 1));
}

static void say(const struct play *g, const char *what) {
    fail_msg("SIM_SEED=%" PRIu64 ": %s", g->seed, what);
}

static void check(struct play *g) {
    struct error e;
    if (memory_world_count(g->sim.world, g->sim.paths.chain) > 0 &&
        sim_check_always(g->sim.world, &g->sim.log, &g->sim.paths, &e) != 0)
        say(g, e.text);
}

static void draw_settings(struct play *g) {
    static const struct memory_traits *const traits[] = {&small_parts, &small_parts_aws,
                                                         &memory_like_directory};
    struct sim *s = &g->sim;
    history(s, traits[roll(g, 3)], g->seed, pick(g, 5, 150));
    struct partition_config *c = &s->config;
    s->log_end = pick(g, 0, s->log.n);
    s->reserve = roll(g, 3) ? CHUNK_MAX : 1;
    c->emit_checkpoint = roll(g, 3) == 0;
    c->max_file_size = (uint64_t)pick(g, 30, 600);
    c->max_file_age_ms = pick(g, 1000, 60000);
    c->max_replay = (uint64_t)pick(g, 3, 200);
    c->interval_ms = pick(g, 200, 2000);
    c->min_pause_ms = pick(g, 0, 500);
    c->idle_flush_ms = pick(g, 500, 10000);
    c->part_size = (uint64_t)pick(g, 24, 100);
    g->uploads_drop = roll(g, 3) == 0;
    g->faults = roll(g, 3) != 0;
}

/* Rule 1 and 8's habits of stores; retries on top hide those of other requests. */
static void script_fault(struct play *g, struct sim_process *pr) {
    static const enum store_kind kinds[] = {STORE_PUT_IF_ABSENT,
                                            STORE_PUT_IF_ABSENT,
                                            STORE_UPLOAD_COMPLETE,
                                            STORE_UPLOAD_COMPLETE,
                                            STORE_GET,
                                            STORE_HEAD,
                                            STORE_LIST,
                                            STORE_UPLOAD_CREATE,
                                            STORE_UPLOAD_PART,
                                            STORE_UPLOAD_SYNC,
                                            STORE_DELETE};
    static const enum error_code codes[] = {ERR_UNKNOWN, ERR_UNKNOWN, ERR_CONFLICT,
                                            ERR_UNAVAILABLE};
    enum error_code code = codes[roll(g, 4)];
    enum memory_fault when = code == ERR_UNKNOWN && roll(g, 2) ? FAULT_AFTER : FAULT_BEFORE;
    memory_store_fail(pr->inner, kinds[roll(g, sizeof kinds / sizeof *kinds)], (int)pick(g, 1, 3),
                      code, when);
}

static size_t living(const struct play *g) {
    size_t n = 0;
    for (size_t i = 0; i < PROCESSES_MAX; i++)
        n += g->processes[i] != NULL;
    return n;
}

static void kill_one(struct play *g, size_t i) {
    sim_process_kill(g->processes[i]);
    g->processes[i] = NULL;
    check(g);
}

/* A power cut takes all of a directory's processes with it: they are on one machine. */
static void crash_some(struct play *g, size_t i) {
    g->crashes++;
    if (roll(g, 2)) {
        kill_one(g, i);
        return;
    }
    for (size_t k = 0; k < PROCESSES_MAX; k++)
        if (g->processes[k])
            kill_one(g, k);
    memory_world_power_cut(g->sim.world);
    check(g);
}

static void start_one(struct play *g) {
    for (size_t i = 0; i < PROCESSES_MAX; i++)
        if (!g->processes[i]) {
            g->processes[i] = sim_process_new(&g->sim);
            g->asleep[i] = false;
            return;
        }
}

static void drop_upload(struct play *g) {
    char id[32];
    (void)snprintf(id, sizeof id, "upload-%06d", (int)pick(g, 1, 60));
    g->dropped += memory_world_drop_upload(g->sim.world, id);
}

/* A partition's end. Where uploads vanish, rule 9 may ask the operator, who has them rebuilt. */
static void follow(struct play *g, size_t i) {
    struct sim_process *pr = g->processes[i];
    switch (pr->p->status) {
    case PARTITION_CLAIMING:
    case PARTITION_CLAIMED:
    case PARTITION_RUNNING:
        break;
    case PARTITION_STOPPED:
        kill_one(g, i);
        break;
    case PARTITION_LOST:
        g->losses++;
        if (roll(g, 2))
            sim_process_claim_again(pr);
        else
            kill_one(g, i);
        break;
    case PARTITION_RECLAIM:
        if (!g->dropped)
            say(g, "RECLAIM without a lost upload");
        g->reclaims++;
        sim_process_claim_again(pr);
        break;
    case PARTITION_FAILED:
        if (pr->p->error.code == ERR_UNAVAILABLE) { /* it slept through its time-outs (rule 13) */
            kill_one(g, i);
            break;
        }
        if (pr->p->error.code != ERR_NO_SUCH_UPLOAD || !g->dropped)
            say(g, pr->p->error.text);
        g->operator_calls++;
        kill_one(g, i);
        g->sim.config.lost = LOST_REBUILD;
        break;
    }
}

static void work(struct play *g, size_t i) {
    struct sim_process *pr = g->processes[i];
    struct error e;
    if (sim_process_run(pr, pick(g, 0, 8), &e) != 0)
        say(g, e.text);
    if (pr->p->status == PARTITION_RUNNING && roll(g, 20) == 0) {
        struct file *f = partition_largest(pr->p);
        if (f)
            partition_relieve(pr->p, f);
    }
    for (uint64_t k = roll(g, 10); k > 0; k--) {
        size_t pending = memory_store_pending(pr->inner);
        if (pending)
            (void)sim_process_effect(pr, roll(g, pending));
    }
    sim_process_poll(pr);
    follow(g, i);
}

static void happen(struct play *g, size_t i) {
    uint64_t event = roll(g, 200);
    if (event < 3) {
        crash_some(g, i);
    } else if (event < 6) {
        g->asleep[i] = true; /* a zombie, if another starts meanwhile */
    } else if (event < 12) {
        start_one(g);
    } else if (event < 30) {
        for (size_t k = 0; k < PROCESSES_MAX; k++)
            g->asleep[k] = false;
    } else if (event < 45 && g->faults) {
        script_fault(g, g->processes[i]);
    } else if (event < 50 && g->uploads_drop) {
        drop_upload(g);
    } else if (event < 53) {
        fake_clock_advance(&g->sim.clock, pick(g, 1000, 20000));
    } else if (event < 60) {
        g->sim.log_end = pick(g, g->sim.log_end, g->sim.log.n);
    } else if (event < 62 && g->processes[i]->p->status == PARTITION_RUNNING) {
        partition_savepoint(g->processes[i]->p);
    } else if (event < 63 && g->processes[i]->p->status == PARTITION_RUNNING) {
        g->processes[i]->stopping = true;
        partition_stop(g->processes[i]->p, STOP_KEEP);
    }
}

static void finish(struct play *g) {
    g->sim.log_end = g->sim.log.n;
    for (int tries = 0; tries < 5; tries++) {
        struct sim_process *pr = sim_process_new(&g->sim);
        enum partition_status status = sim_process_finish(pr, true);
        struct error e = pr->p->error;
        sim_process_kill(pr);
        if (status == PARTITION_STOPPED)
            break;
        if (status != PARTITION_FAILED || e.code != ERR_NO_SUCH_UPLOAD || !g->dropped) {
            (void)error_wrap(&e, "the last process ends as %s", text_of(status));
            say(g, e.text);
        }
        g->operator_calls++;
        g->sim.config.lost = LOST_REBUILD;
    }
    struct error e;
    if (sim_check_end(g->sim.world, &g->sim.log, &g->sim.paths, &e) != 0)
        say(g, e.text);
}

/* Any of the processes works a little, then something may happen to it. */
static void play(struct play *g) {
    draw_settings(g);
    for (int64_t turns = pick(g, 50, 600); turns > 0; turns--) {
        if (living(g) == 0)
            start_one(g);
        size_t i = roll(g, PROCESSES_MAX);
        if (g->processes[i] && !g->asleep[i])
            work(g, i);
        if (g->processes[i])
            happen(g, i);
        fake_clock_advance(&g->sim.clock, pick(g, 0, 100));
    }
    for (size_t i = 0; i < PROCESSES_MAX; i++)
        if (g->processes[i])
            kill_one(g, i);
    finish(g);
    sim_free(&g->sim);
}

#ifdef __SANITIZE_ADDRESS__ /* ten times as slow */
enum { HISTORIES = 300 };
#else
enum { HISTORIES = 2000 };
#endif

/* SIM_SEEDS=100000 plays more of them. */
static void test_random_histories(void **state) {
    (void)state;
    const char *one = getenv("SIM_SEED"), *many = getenv("SIM_SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    uint64_t n = one ? 1 : many ? strtoull(many, NULL, 10) : HISTORIES;
    size_t crashes = 0, losses = 0, reclaims = 0, operator_calls = 0;
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct play *g = xcalloc(1, sizeof *g);
        g->seed = seed;
        fake_random_init(&g->dice, seed * 7919);
        play(g);
        crashes += g->crashes;
        losses += g->losses;
        reclaims += g->reclaims;
        operator_calls += g->operator_calls;
        free(g);
    }
    print_message("%d histories: %zu crashes, %zu losses, %zu reclaims, %zu operator calls\n",
                  (int)n, crashes, losses, reclaims, operator_calls);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_1_to_8_crash_after_every_effect_s3),
        cmocka_unit_test(test_rule_11_crash_after_every_effect_directory),
        cmocka_unit_test(test_rule_5_crash_during_recovery_s3),
        cmocka_unit_test(test_rule_5_crash_during_recovery_directory),
        cmocka_unit_test(test_rules_1_and_2_zombie_s3),
        cmocka_unit_test(test_rules_1_and_2_zombie_directory),
        cmocka_unit_test(test_random_histories),
    };
    if (!getenv("SIM_SEED"))
        log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1)); /* losses and retries are the point */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
