/* Seeded histories of several processes on one partition: they crash, freeze and wake, requests of the
 * dead arrive late, the store refuses, loses and repeats, uploads expire, disks fail, power goes, Kafka
 * forgets, consumers take files away. A seed that fails prints the line that plays it again; with
 * SIM_TRACE=1 that tells what happens. SIM_SEEDS=n plays n seeds, SIM_SECONDS=n as many as fit,
 * SIM_FIRST=n begins there. */
#include <errno.h>
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
#include "shapes.h"
#include "support/sim_process.h"

#ifdef SIM_SHORT
enum { SEEDS = 200 };
#else
enum { SEEDS = 6000 };
#endif
enum { PLAYERS_MAX = 4 };

enum state { LIVES, ASLEEP, DEAD /* its requests under way still arrive */ };

struct tally {
    uint64_t crashes, power_cuts, losses, reclaims, operator_calls, disk_faults, data_losses, taken,
        bursts, late;
};

struct game {
    uint64_t seed;
    struct fake_random dice;
    struct sim_log log;
    struct rules rules;
    struct world *world;
    struct player *players[PLAYERS_MAX];
    enum state state[PLAYERS_MAX];
    int n_players, dropped;
    bool faults, uploads_drop, disk_faults, retention, consumers;
    int64_t burst_ms; /* until then the store answers 503 to all */
    struct tally tally;
};

static uint64_t roll(struct game *g, uint64_t n) {
    return random_below(&g->dice.random, n);
}

static int64_t pick(struct game *g, int64_t low, int64_t high) {
    return low + (int64_t)roll(g, (uint64_t)(high - low + 1));
}

/* ---- The beginning ------------------------------------------------------------------------------ */

static void draw_rules(struct game *g) {
    struct partition_config *c = &g->rules.config;
    g->rules = player_rules();
    g->rules.reserve = roll(g, 3) ? CHUNK_MAX : 1;
    c->emit_checkpoint = roll(g, 3) == 0;
    c->max_file_size = (uint64_t)pick(g, 30, 600);
    c->max_file_age_ms = pick(g, 1000, 60000);
    c->max_replay = (uint64_t)pick(g, 3, 200);
    c->interval_ms = pick(g, 200, 2000);
    c->min_pause_ms = pick(g, 0, 500);
    c->idle_flush_ms = pick(g, 500, 10000);
    c->part_size = (uint64_t)pick(g, 24, 100);
}

/* Retention changes which records are seen, and with them watermarks: only without disorder does that
 * leave all other records' classes as they were. What consumers take away and what the store drops
 * look the same, so a history has one or the other. */
static void draw_world(struct game *g) {
    int traits = (int)roll(g, TRAITS_COUNT);
    enum log_kind kind = (enum log_kind)roll(g, 5);
    g->retention = roll(g, 6) == 0;
    if (g->retention)
        kind = roll(g, 2) ? LOG_ORDERED : LOG_ONE;
    sim_log_init(&g->log, &sim_rules);
    fill_log(&g->log, kind, pick(g, 4, 150), &g->dice.random);
    g->world = world_new(traits, &g->log, g->seed);
    g->world->log_end = pick(g, 0, g->log.n);
    g->world->trace = getenv("SIM_TRACE") != NULL;
    g->faults = roll(g, 3) != 0;
    g->uploads_drop = traits != TRAITS_DIRECTORY && roll(g, 3) == 0;
    g->consumers = !g->uploads_drop && roll(g, 3) == 0;
    g->disk_faults = traits == TRAITS_DIRECTORY && roll(g, 2) == 0;
    if (g->consumers && traits == TRAITS_DIRECTORY) /* a power cut may undo a manifest: */
        g->rules.config.lost = LOST_REMOVED;        /* the operator knows */
    g->rules.config.allow_data_loss = g->retention && roll(g, 2);
    world_trace(g->world, "%s, %" PRId64 " records of kind %d", traits_names[traits], g->log.n,
                (int)kind);
}

/* ---- What happens ------------------------------------------------------------------------------- */

static void kill_one(struct game *g, size_t i) {
    world_trace(g->world, "p%d  dies", g->players[i]->name);
    player_kill(g->players[i]);
    g->players[i] = NULL;
}

static void start_one(struct game *g) {
    for (size_t i = 0; i < PLAYERS_MAX; i++)
        if (!g->players[i]) {
            g->players[i] = player_new(g->world, &g->rules, ++g->n_players);
            g->state[i] = LIVES;
            return;
        }
}

/* kill -9; on S3 what it has sent may still arrive. A directory's process has nothing on the way. */
static void crash_one(struct game *g, size_t i) {
    g->tally.crashes++;
    if (!g->world->fs && handle_pending(g->players[i]->handle) > 0 && roll(g, 2)) {
        g->state[i] = DEAD;
        world_trace(g->world, "p%d  dies, its requests are on their way", g->players[i]->name);
        return;
    }
    kill_one(g, i);
}

/* All of a directory's processes are on one machine. */
static void cut_power(struct game *g) {
    struct world *w = g->world;
    if (!w->fs)
        return;
    for (size_t i = 0; i < PLAYERS_MAX; i++)
        if (g->players[i])
            kill_one(g, i);
    w->fs->fail_at = 0;
    w->fs->failed = false;
    g->tally.power_cuts++;
    world_trace(w, "the power is cut");
    world_crash(w, roll(g, 2) ? CRASH_POWER_DROP : CRASH_POWER_TEAR);
}

static void drop_upload(struct game *g) {
    size_t n = memory_world_uploads(g->world->memory);
    if (n == 0)
        return;
    const char *id = memory_world_upload(g->world->memory, roll(g, n));
    world_trace(g->world, "%s expires", id);
    g->dropped++;
    (void)memory_world_drop_upload(g->world->memory, id);
}

static void move_log_start(struct game *g) {
    struct world *w = g->world;
    int64_t to = pick(g, w->log_start, w->log_end);
    if (to == w->log_start)
        return;
    w->log_start = to;
    world_trace(w, "Kafka's log begins at %" PRId64, to);
}

static void jump(struct game *g) {
    g->world->clock.wall += pick(g, -100000000, 100000000);
}

/* ---- What the processes make of it -------------------------------------------------------------- */

static const struct fault faults[] = {
    {.name = "answer lost", .code = ERR_UNKNOWN, .applied = true},
    {.name = "request lost", .code = ERR_UNKNOWN},
    {.name = "409", .code = ERR_CONFLICT},
    {.name = "503", .code = ERR_UNAVAILABLE},
    {.name = "500, but done", .code = ERR_UNAVAILABLE, .applied = true},
    {.name = "no answer yet", .code = ERR_UNKNOWN, .late = true},
};
static const struct fault burst = {.name = "503 SlowDown", .code = ERR_UNAVAILABLE};
static const struct fault disk_faults[] = {
    {.name = "EIO", .code = ERR_IO, .disk_errno = EIO},
    {.name = "ENOSPC", .code = ERR_NO_SPACE, .disk_errno = ENOSPC}};

static const struct fault *draw_fault(struct game *g) {
    struct world *w = g->world;
    if (g->disk_faults && w->fs && roll(g, 150) == 0)
        return &disk_faults[roll(g, 2)];
    if (!w->fs && w->clock.monotonic < g->burst_ms)
        return &burst;
    if (g->faults && !w->fs && roll(g, 12) == 0)
        return &faults[roll(g, sizeof faults / sizeof *faults)];
    return NULL;
}

/* The errors that a history explains. */
static bool may_fail(struct game *g, const struct error *e) {
    switch (e->code) {
    case ERR_UNAVAILABLE: /* it slept through its time-outs (rule 13) */
        return true;
    case ERR_NO_SUCH_UPLOAD: /* rule 9: the operator decides */
        if (!g->dropped)
            return false;
        g->tally.operator_calls++;
        g->rules.config.lost = LOST_REBUILD;
        return true;
    case ERR_DATA_LOSS: /* rule 12 */
        if (g->world->log_start == 0)
            return false;
        g->tally.data_losses++;
        if (!g->rules.config.allow_data_loss)
            g->world->log_start = 0; /* restored */
        return true;
    case ERR_IO: /* rule 11 */
    case ERR_NO_SPACE:
    case ERR_DENIED: /* read-only since */
        g->tally.disk_faults++;
        return g->disk_faults;
    default:
        return false;
    }
}

static void follow(struct game *g, size_t i) {
    struct player *pr = g->players[i];
    if (player_at_work(pr))
        return;
    world_trace(g->world, "p%d  is %s: %s", pr->name, player_status(pr),
                pr->p->status == PARTITION_STOPPED ? "" : pr->p->error.text);
    switch (pr->p->status) {
    case PARTITION_LOST:
        g->tally.losses++;
        if (roll(g, 2))
            player_claim_again(pr);
        else
            kill_one(g, i);
        break;
    case PARTITION_RECLAIM:
        if (!g->dropped)
            world_fail(g->world, "it claims again without a lost upload: %s", pr->p->error.text);
        g->tally.reclaims++;
        player_claim_again(pr);
        break;
    case PARTITION_FAILED:
        if (!may_fail(g, &pr->p->error))
            world_fail(g->world, "p%d fails: %s", pr->name, pr->p->error.text);
        kill_one(g, i);
        if (g->world->fs && (g->world->fs->read_only || (g->world->fs->failed && roll(g, 2))))
            cut_power(g);
        if (g->world->fs)
            g->world->fs->failed = false;
        break;
    default:
        kill_one(g, i);
    }
}

static void serve(struct game *g, size_t i) {
    struct player *pr = g->players[i];
    for (uint64_t k = roll(g, 10); k > 0 && !*g->world->failure; k--) {
        size_t pending = handle_pending(pr->handle);
        if (pending == 0)
            return;
        (void)handle_step(pr->handle, roll(g, pending), draw_fault(g));
    }
}

/* A dead process's requests arrive, each or not; nobody hears the answers. */
static void serve_dead(struct game *g, size_t i) {
    struct handle *h = g->players[i]->handle;
    size_t n = handle_pending(h), at = roll(g, n + 1);
    if (at < n && handle_op(h, at)->attempt == 0)
        handle_apply(h, at, NULL);
    else if (roll(g, 8) == 0)
        kill_one(g, i);
}

static void work(struct game *g, size_t i) {
    struct player *pr = g->players[i];
    player_run(pr, pick(g, 0, 8));
    if (pr->p->status == PARTITION_RUNNING && roll(g, 20) == 0) {
        struct file *f = partition_largest(pr->p);
        if (f)
            partition_relieve(pr->p, f);
    }
    serve(g, i);
    player_poll(pr);
    follow(g, i);
}

static void happen(struct game *g, size_t i) {
    struct world *w = g->world;
    struct player *pr = g->players[i];
    uint64_t event = roll(g, 200);
    bool runs = g->state[i] == LIVES && pr->p->status == PARTITION_RUNNING;
    if (event < 3)
        crash_one(g, i);
    else if (event < 4)
        cut_power(g);
    else if (event < 7)
        g->state[i] = g->state[i] == LIVES ? ASLEEP : g->state[i];
    else if (event < 13)
        start_one(g);
    else if (event < 31)
        for (size_t k = 0; k < PLAYERS_MAX; k++)
            g->state[k] = g->state[k] == ASLEEP ? LIVES : g->state[k];
    else if (event < 36 && g->uploads_drop)
        drop_upload(g);
    else if (event < 39)
        fake_clock_advance(&w->clock, pick(g, 1000, 20000));
    else if (event < 46)
        w->log_end = pick(g, w->log_end, g->log.n);
    else if (event < 48 && runs)
        partition_savepoint(pr->p);
    else if (event < 49 && runs) {
        pr->stopping = true;
        partition_stop(pr->p, STOP_KEEP);
    } else if (event < 52)
        jump(g);
    else if (event < 54 && g->retention)
        move_log_start(g);
    else if (event < 58 && g->consumers)
        g->tally.taken += world_take_listed(w, roll(g, 5));
    else if (event < 68)
        g->tally.late += world_arrive(w, roll(g, 3));
    else if (event < 70 && g->faults) {
        g->burst_ms = w->clock.monotonic + pick(g, 100, 5000);
        g->tally.bursts++;
    }
}

/* ---- From the beginning to the end -------------------------------------------------------------- */

static size_t living(const struct game *g) {
    size_t n = 0;
    for (size_t i = 0; i < PLAYERS_MAX; i++)
        n += g->players[i] && g->state[i] != DEAD;
    return n;
}

static void turn(struct game *g) {
    if (living(g) == 0)
        start_one(g);
    size_t i = roll(g, PLAYERS_MAX);
    if (!g->players[i])
        return;
    if (g->state[i] == LIVES)
        work(g, i);
    else if (g->state[i] == DEAD)
        serve_dead(g, i);
    if (g->players[i])
        happen(g, i);
    fake_clock_advance(&g->world->clock, pick(g, 0, 100));
}

/* Whoever comes last works to the log's end without faults. */
static void finish(struct game *g) {
    struct world *w = g->world;
    w->log_end = g->log.n;
    if (w->fs)
        w->fs->fail_at = 0;
    for (int tries = 0; tries < 8 && !*w->failure; tries++) {
        struct player *pr = player_new(w, &g->rules, ++g->n_players);
        while (player_finish(pr, 5, false) && pr->p->status == PARTITION_RECLAIM)
            player_claim_again(pr);
        bool stopped = pr->p->status == PARTITION_STOPPED;
        if (!stopped && !*w->failure && !may_fail(g, &pr->p->error))
            world_fail(w, "the last process is %s: %s", player_status(pr), pr->p->error.text);
        player_kill(pr);
        if (stopped) {
            while (world_arrive(w, 0)) /* changes nothing any more */
                g->tally.late++;
            oracle_end(w);
            return;
        }
    }
    world_fail(w, "nobody comes to the end");
}

static void play(struct game *g) {
    struct world *w = g->world;
    for (int64_t turns = pick(g, 50, 600); turns > 0 && !*w->failure; turns--)
        turn(g);
    for (size_t i = 0; i < PLAYERS_MAX; i++)
        if (g->players[i])
            kill_one(g, i);
    if (w->fs && w->fs->read_only)
        cut_power(g);
    if (!*w->failure) {
        oracle_look(w);
        finish(g);
    }
}

static void add(struct tally *sum, const struct tally *t) {
    sum->crashes += t->crashes;
    sum->power_cuts += t->power_cuts;
    sum->losses += t->losses;
    sum->reclaims += t->reclaims;
    sum->operator_calls += t->operator_calls;
    sum->disk_faults += t->disk_faults;
    sum->data_losses += t->data_losses;
    sum->taken += t->taken;
    sum->bursts += t->bursts;
    sum->late += t->late;
}

static const char *program;
static struct tally sum;

static void play_seed(uint64_t seed) {
    struct game *g = xcalloc(1, sizeof *g);
    char failure[1024];
    g->seed = seed;
    fake_random_init(&g->dice, seed * 7919);
    draw_rules(g);
    draw_world(g);
    play(g);
    memcpy(failure, g->world->failure, sizeof failure);
    add(&sum, &g->tally);
    world_free(g->world);
    sim_log_free(&g->log);
    free(g);
    if (*failure)
        fail_msg("%s\nSIM_SEED=%" PRIu64 " SIM_TRACE=1 %s", failure, seed, program);
}

static uint64_t number(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t played;

static void test_random_histories(void **state) {
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
    setvbuf(stdout, NULL, _IOLBF, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_histories)};
    log_init(LOG_TEXT, (enum log_level)(getenv("SIM_TRACE") ? LOG_WARN : LOG_ERROR + 1));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("# %" PRIu64 " crashes, %" PRIu64 " power cuts, %" PRIu64 " losses, %" PRIu64
           " reclaims, %" PRIu64 " operator calls, %" PRIu64 " disk faults, %" PRIu64
           " data losses, %" PRIu64 " files taken, %" PRIu64 " bursts of 503, %" PRIu64
           " late requests\n",
           sum.crashes, sum.power_cuts, sum.losses, sum.reclaims, sum.operator_calls,
           sum.disk_faults, sum.data_losses, sum.taken, sum.bursts, sum.late);
    printf("# seeds: %" PRIu64 "\n", played);
    return failed;
}
