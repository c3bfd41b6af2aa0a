/* Exactly once, wherever the process stops: short histories are stopped before each change that they
 * make to the store (for a directory: before each system call that changes something), and what comes
 * after is stopped before each of its changes again. Whether an answer was still on its way makes no
 * difference to what is left, so these are all the points there are. */
#include <errno.h>
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
#include "shapes.h"

/* For programs that are ten times as slow. */
#ifdef SIM_SHORT
enum { SIM_STRIDE = 100, SIM_FIRST_STRIDE = 11, SIM_FAULT_STRIDE = 19 };
#else
enum { SIM_STRIDE = 1, SIM_FIRST_STRIDE = 1, SIM_FAULT_STRIDE = 1 };
#endif

/* One process's work, from its claim on. */
struct run {
    const struct shape *shape;
    struct rules rules;
    struct world *world;
    int depth;             /* crashes before it */
    uint64_t first_stride; /* of the points of depth 0 */
    int stride;            /* of the points at which its work is stopped; 0: at none */
    int phase;
    int *points; /* crash points played, of all runs */
};

static void play(struct run *r);

static void crash_here(struct run *r, enum crash how) {
    struct world *w = world_clone(r->world);
    world_crash(w, how);
    ++*r->points;
    struct run next = *r;
    next.world = w;
    next.depth++;
    if (next.depth == 2)
        next.stride = 0;
    else
        next.phase = (int)(r->world->changes % (uint64_t)next.stride);
    if (!*w->failure)
        play(&next);
    if (*w->failure)
        world_fail(r->world, "[%s before change %" PRIu64 "] %.900s", crash_names[how],
                   r->world->changes, w->failure);
    world_free(w);
}

static void before_change(void *ctx) {
    struct run *r = ctx;
    struct world *w = r->world;
    if (*w->failure)
        return;
    if (r->depth == 0 && w->changes % r->first_stride != 0)
        return;
    if (r->depth == 0) {
        crash_here(r, CRASH_KILL);
        for (int how = CRASH_POWER_DROP; w->fs && how <= CRASH_POWER_TEAR; how++)
            crash_here(r, (enum crash)how);
    } else if ((int)(w->changes % (uint64_t)r->stride) == r->phase) {
        crash_here(r, w->fs ? (enum crash)(w->changes / (uint64_t)r->stride % 3) : CRASH_KILL);
    }
}

static void play(struct run *r) {
    struct world *w = r->world;
    if (r->stride) {
        w->before_change = before_change;
        w->ctx = r;
    }
    struct player *pr = player_new(w, &r->rules, r->depth + 1);
    bool ended = player_finish(pr, r->shape->batch, r->shape->newest_first);
    if (ended && pr->p->status != PARTITION_STOPPED)
        world_fail(w, "process %d ends as %s: %s", pr->name, player_status(pr), pr->p->error.text);
    w->before_change = NULL;
    player_kill(pr);
    if (!*w->failure)
        oracle_end(w);
    if (!*w->failure && w->fs && r->depth == 1) { /* what was found there was made durable */
        simfs_power_cut(w->fs, CUT_DROP, &w->random.random);
        oracle_end(w);
    }
}

static int total;

static int number(const char *name, int otherwise) {
    const char *given = getenv(name);
    return given ? (int)strtol(given, NULL, 10) : otherwise;
}

static void crash_everywhere(const struct shape *shape, int traits, int stride) {
    struct sim_log log;
    shape_log(shape, &log, 1);
    int points = 0;
    struct run r = {
        .shape = shape, .rules = shape_rules(shape), .stride = stride, .points = &points};
    int first = number("SIM_FIRST_STRIDE", traits == TRAITS_DIRECTORY ? SIM_FIRST_STRIDE : 1);
    r.first_stride = (uint64_t)first;
    r.world = world_new(traits, &log, 1);
    r.world->consumer = shape->consumer;
    play(&r);
    char failure[1024];
    memcpy(failure, r.world->failure, sizeof failure);
    world_free(r.world);
    sim_log_free(&log);
    total += points;
    if (getenv("SIM_VERBOSE"))
        print_message("%s, %s: %d\n", traits_names[traits], shape->name, points);
    if (*failure)
        fail_msg("%s, %s: %s", traits_names[traits], shape->name, failure);
}

static int stride_for(int traits) {
    int stride = number("SIM_STRIDE", SIM_STRIDE);
    return traits == TRAITS_DIRECTORY ? stride * 20 : stride;
}

static void crash_all_shapes(int traits) {
    for (size_t i = 0; i < n_shapes; i++)
        crash_everywhere(&shapes[i], traits, stride_for(traits));
}

static void test_crashes_on_s3(void **state) {
    (void)state;
    crash_all_shapes(TRAITS_S3);
}

static void test_crashes_on_s3_where_complete_repeats(void **state) {
    (void)state;
    crash_all_shapes(TRAITS_AWS);
}

static void test_crashes_and_power_cuts_in_a_directory(void **state) {
    (void)state;
    crash_all_shapes(TRAITS_DIRECTORY);
}

/* ---- One fault at each change ------------------------------------------------------------------- */

static const struct fault faults[] = {
    {.name = "answer lost", .code = ERR_UNKNOWN, .applied = true, .disk_errno = EIO},
    {.name = "request lost", .code = ERR_UNKNOWN, .disk_errno = ENOSPC},
    {.name = "409", .code = ERR_CONFLICT},
    {.name = "503", .code = ERR_UNAVAILABLE},
    {.name = "200 with an error inside, done", .code = ERR_UNAVAILABLE, .applied = true},
};

/* Returns whether the history got so far. On S3 the process goes on; in a directory it may stop with
 * an error, and the next one begins after a power cut. */
static bool fault_at(const struct shape *shape, int traits, const struct fault *fault,
                     uint64_t at) {
    struct sim_log log;
    shape_log(shape, &log, 2);
    struct rules rules = shape_rules(shape);
    struct world *w = world_new(traits, &log, at);
    w->consumer = shape->consumer;
    w->fail_at = at;
    w->fault = fault;
    if (w->fs) {
        w->fs->fail_at = at;
        w->fs->fail_errno = fault->disk_errno;
    }
    struct player *pr = player_new(w, &rules, 1);
    bool ended = player_finish(pr, shape->batch, shape->newest_first);
    bool reached = w->fs ? w->fs->failed : w->changes >= at;
    bool stopped = pr->p->status == PARTITION_STOPPED;
    if (ended && !stopped && !(w->fs && pr->p->status == PARTITION_FAILED && *pr->p->error.text))
        world_fail(w, "it ends as %s: %s", player_status(pr), pr->p->error.text);
    player_kill(pr);
    if (w->fs && ended) {
        w->fs->fail_at = 0;
        world_crash(w, at % 2 ? CRASH_POWER_DROP : CRASH_POWER_TEAR);
        pr = player_new(w, &rules, 2);
        (void)player_finish(pr, shape->batch, false);
        player_kill(pr);
    }
    if (!*w->failure)
        oracle_end(w);
    char failure[1024];
    memcpy(failure, w->failure, sizeof failure);
    world_free(w);
    sim_log_free(&log);
    if (*failure)
        fail_msg("%s, %s: %s at change %" PRIu64 ": %.900s", traits_names[traits], shape->name,
                 fault->name, at, failure);
    return reached;
}

static void fault_everywhere(int traits) {
    for (size_t i = 0; i < n_shapes; i++)
        for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
            if (traits == TRAITS_DIRECTORY && !faults[f].disk_errno)
                continue;
            uint64_t at = 1;
            while (fault_at(&shapes[i], traits, &faults[f], at))
                at += (uint64_t)number("SIM_FAULT_STRIDE", SIM_FAULT_STRIDE);
        }
}

static void test_a_fault_at_each_change_on_s3(void **state) {
    (void)state;
    fault_everywhere(TRAITS_S3);
    fault_everywhere(TRAITS_AWS);
}

static void test_a_disk_fault_at_each_call_in_a_directory(void **state) {
    (void)state;
    fault_everywhere(TRAITS_DIRECTORY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crashes_on_s3),
        cmocka_unit_test(test_crashes_on_s3_where_complete_repeats),
        cmocka_unit_test(test_crashes_and_power_cuts_in_a_directory),
        cmocka_unit_test(test_a_fault_at_each_change_on_s3),
        cmocka_unit_test(test_a_disk_fault_at_each_call_in_a_directory),
    };
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1)); /* losses and retries are the point */
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("# crash points: %d\n", total);
    return failed;
}
