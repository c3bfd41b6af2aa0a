/* One partition in a simulated world, for short cases: events are added to the log, run() lets the
 * process do all it can without time passing, pass() lets time pass in small steps. */
#ifndef TIDEMARK_TESTS_WINDOW_PARTITION_FIXTURE_H
#define TIDEMARK_TESTS_WINDOW_PARTITION_FIXTURE_H

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
#include "checkpoint/codec.h"
#include "support/sim_process.h"

#define T INT64_C(1729630800000) /* start of a window */

struct fixture {
    struct sim sim;
    struct sim_process *pr;
};

static struct fixture f;

static inline int begin(const struct memory_traits *traits) {
    memset(&f, 0, sizeof f);
    sim_init(&f.sim, traits, 7);
    f.sim.endless = true;
    f.sim.config.interval_ms = 1000000; /* nothing by time but where a test wants it */
    f.sim.config.min_pause_ms = 1000000;
    f.sim.config.idle_flush_ms = 100000000;
    f.sim.config.max_file_age_ms = 100000000;
    f.sim.config.max_file_size = 1000000;
    f.sim.config.max_replay = 1000000;
    return 0;
}

static inline int set_up(void **state) {
    (void)state;
    static const struct memory_traits traits = {.min_part = 24, .max_parts = 10000};
    return begin(&traits);
}

static inline int set_up_directory(void **state) {
    (void)state;
    return begin(&memory_like_directory);
}

static inline int tear_down(void **state) {
    (void)state;
    if (f.pr)
        sim_process_kill(f.pr);
    sim_free(&f.sim);
    return 0;
}

static inline void add(enum record_kind kind, int64_t timestamp) {
    sim_log_add(&f.sim.log, kind, timestamp);
    f.sim.log_end = f.sim.log.n;
}

static inline void event(int64_t timestamp) {
    add(RECORD_EVENT, timestamp);
}

static inline int try_run(struct error *e) {
    if (!f.pr)
        f.pr = sim_process_new(&f.sim);
    int rc = 0;
    for (int i = 0; i < 20 && rc == 0; i++) {
        rc = sim_process_run(f.pr, 1000, e);
        while (sim_process_effect(f.pr, 0))
            ;
        sim_process_poll(f.pr);
    }
    return rc;
}

static inline void run(void) {
    struct error e;
    if (try_run(&e) != 0)
        fail_msg("%s", e.text);
}

/* Time passes; the partition is ticked, but nothing of its store is answered. */
static inline void pass_silently(int64_t ms) {
    struct error e;
    for (int64_t end = f.sim.clock.monotonic + ms; f.sim.clock.monotonic < end;) {
        fake_clock_advance(&f.sim.clock, ms / 20 ? ms / 20 : 1);
        assert_int_equal(sim_process_run(f.pr, 1000, &e), 0);
    }
}

static inline void pass(int64_t ms) {
    for (int64_t end = f.sim.clock.monotonic + ms; f.sim.clock.monotonic < end;) {
        fake_clock_advance(&f.sim.clock, ms / 20 ? ms / 20 : 1);
        run();
    }
}

static inline void savepoint(void) {
    partition_savepoint(f.pr->p);
    run();
}

static inline void crash_and_claim(void) {
    sim_process_kill(f.pr);
    f.pr = NULL;
    run();
}

static inline const struct checkpoint *newest(void) {
    return chain_newest(f.pr->p->chain);
}

static inline size_t visible(const char *prefix) {
    return memory_world_count(f.sim.world, prefix);
}

static inline void expect_consistent(void) {
    struct error e;
    if (sim_check_always(f.sim.world, &f.sim.log, &f.sim.paths, &e) != 0)
        fail_msg("%s", e.text);
}

static inline void expect_drained(void) {
    struct error e;
    partition_stop(f.pr->p, STOP_DRAIN);
    pass(10000);
    assert_int_equal(f.pr->p->status, PARTITION_STOPPED);
    if (sim_check_end(f.sim.world, &f.sim.log, &f.sim.paths, &e) != 0)
        fail_msg("%s", e.text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define DIRECTORY_CASE(name) cmocka_unit_test_setup_teardown(name, set_up_directory, tear_down)

#endif
