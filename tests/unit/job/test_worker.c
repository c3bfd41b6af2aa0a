/* The worker in a world of its own: bounded runs, stops, rebalances, losses, memory. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "checkpoint/codec.h"
#include "support/worker_world.h"

#define MIN INT64_C(60000)

static const struct process_options bounded = {.bounded = true};
static const struct process_options unbounded = {0};

/* ---- Bounded runs -------------------------------------------------------------------------------- */

static void test_bounded_run_publishes_everything(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 3);
    for (int32_t p = 0; p < 3; p++)
        worker_world_add_many(&w, p, 2500, T0, 1000);
    process_must_end(&w, &bounded, WORKER_DONE);
    for (int32_t p = 0; p < 3; p++) {
        worker_world_check_all(&w, p);
        struct checkpoint k = worker_world_newest(&w, p);
        assert_int_equal(k.next, 2500);
        assert_true(checkpoint_is_clean(&k));
        checkpoint_clear(&k);
        assert_int_equal(fake_topic_committed(w.topic, p), 2500);
    }
    worker_world_free(&w);
}

static void test_bounded_run_of_an_empty_topic_ends(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    process_must_end(&w, &bounded, WORKER_DONE);
    assert_int_equal(worker_world_lines(&w, "dt="), 0);
    worker_world_free(&w);
}

/* Records beyond the end seen at the start are for the next run. */
static void grow_at_second_poll(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 2)
        worker_world_add_many(p->world, 0, 50, T0 + 100000, 1000);
}

static void test_bounded_run_ends_at_the_first_end(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    process_on_poll(p, grow_at_second_poll);
    assert_int_equal(process_run(p), WORKER_DONE);
    process_free(p);
    struct checkpoint k = worker_world_newest(&w, 0);
    assert_int_equal(k.next, 100);
    checkpoint_clear(&k);
    assert_int_equal(worker_world_lines(&w, "dt="), 100);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void stop_once_records_are_read(void *ctx, int n) {
    struct process *p = ctx;
    (void)n;
    if (p->source->delivered > 0)
        p->command = JOB_STOP;
}

/* Each step of a claim follows on the answer before it, not on a tick. */
static void test_records_are_read_soon_after_the_start(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 3);
    worker_world_add_many(&w, 0, 10, T0, 1000);
    int64_t begun = w.fake.monotonic;
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, stop_once_records_are_read);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    assert_true(p->worker->told);
    assert_in_range(w.fake.monotonic - begun, 1, 19); /* its last checkpoint included */
    process_free(p);
    worker_world_free(&w);
}

/* The end lies behind a control record, and newer records hide the partition's EOF. */
static void test_bounded_run_passes_control_records_before_its_end(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 10, T0, 1000);
    fake_topic_skip(w.topic, 0, 2);
    struct process *p = process_new(&w, &bounded);
    process_on_poll(p, grow_at_second_poll);
    assert_int_equal(process_run(p), WORKER_DONE);
    process_free(p);
    struct checkpoint k = worker_world_newest(&w, 0);
    assert_int_equal(k.next, 12);
    checkpoint_clear(&k);
    worker_world_free(&w);
}

static void stop_at_poll_100(void *ctx, int n) {
    if (n == 100)
        ((struct process *)ctx)->command = JOB_STOP;
}

static void grow_at_every_poll(void *ctx, int n) {
    struct process *p = ctx;
    assert_in_range(n, 1, 1000);
    worker_world_add_many(p->world, 0, n == 1 ? 0 : 1, T0 + 100000, 1000);
}

/* The same while the records before it are being read a second time, and the topic goes on growing. */
static void test_bounded_replay_passes_control_records_before_its_end(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 10, T0, 1000);
    fake_topic_skip(w.topic, 0, 2);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, stop_at_poll_100);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    struct checkpoint k = worker_world_newest(&w, 0);
    assert_int_equal(k.next, 12);
    assert_int_equal(k.replay_from, 0);
    checkpoint_clear(&k);

    p = process_new(&w, &bounded);
    process_on_poll(p, grow_at_every_poll);
    p->source->batch = 1;
    assert_int_equal(process_run(p), WORKER_DONE);
    process_free(p);
    k = worker_world_newest(&w, 0);
    assert_int_equal(k.next, 12);
    assert_true(checkpoint_is_clean(&k));
    checkpoint_clear(&k);
    assert_int_equal(worker_world_lines(&w, "dt="), 10);
    worker_world_free(&w);
}

/* Another member of the group has read past the end that this process saw at its start. */
static void other_member_runs_first(void *ctx, int n) {
    struct process *p = ctx;
    if (n != 1)
        return;
    worker_world_add_many(p->world, 0, 50, T0 + 100000, 1000);
    process_must_end(p->world, &bounded, WORKER_DONE);
}

static void test_bounded_end_below_what_others_have_read(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    process_on_poll(p, other_member_runs_first);
    if (process_run(p) != WORKER_DONE)
        fail_msg("%s", p->error.text);
    process_free(p);
    struct checkpoint k = worker_world_newest(&w, 0);
    assert_int_equal(k.next, 150);
    checkpoint_clear(&k);
    worker_world_free(&w);
}

/* A partition that did not exist at the start has nothing that a bounded run is to read. */
static void add_partition(void *ctx, int n) {
    struct process *p = ctx;
    if (n != 3)
        return;
    worker_world_add_many(p->world, fake_topic_grow(p->world->topic), 10, T0, 1000);
    fake_source_give(p->source, 2);
}

static void test_bounded_run_leaves_new_partitions(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 3000, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    process_on_poll(p, add_partition);
    p->source->batch = 10;
    assert_int_equal(process_run(p), WORKER_DONE);
    process_free(p);
    worker_world_check_all(&w, 0);
    assert_int_equal(worker_world_count(&w, 1, 0), 0);
    worker_world_free(&w);
}

/* ---- Stops --------------------------------------------------------------------------------------- */

static void test_stop_keeps_open_files(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    worker_world_add_many(&w, 1, 3000, T0, 1000); /* closes some windows */
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, stop_at_poll_100);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    assert_int_equal(worker_world_count(&w, 0, 0), 0); /* not published */
    assert_int_equal(worker_world_count(&w, 1, 0), 1);
    struct checkpoint k = worker_world_newest(&w, 0);
    assert_int_equal(k.next, 100);
    assert_int_equal(k.n_gaps, 1);
    checkpoint_clear(&k);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_check_all(&w, 1);
    worker_world_free(&w);
}

static void drain_at_poll_100(void *ctx, int n) {
    if (n == 100)
        ((struct process *)ctx)->command = JOB_DRAIN;
}

static void test_drain_publishes_all(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 100, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, drain_at_poll_100);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    for (int32_t i = 0; i < 2; i++) {
        worker_world_check_all(&w, i);
        struct checkpoint k = worker_world_newest(&w, i);
        assert_true(checkpoint_is_clean(&k));
        checkpoint_clear(&k);
    }
    worker_world_free(&w);
}

/* Changed settings are taken after a drained end, with --accept-changes only. */
static void test_changed_settings(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 10, T0, 1000);
    process_must_end(&w, &bounded, WORKER_DONE);
    struct process_options changed = {.sets = {"window.size=10m"}, .bounded = true};
    process_must_fail(&w, &changed, ERR_MISMATCH, "accept-changes", NULL);
    changed.accept_changes = true;
    worker_world_add_many(&w, 0, 10, T0 + 10000, 1000);
    process_must_end(&w, &changed, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static int64_t stop_duration(struct process *p, int64_t *from) {
    (void)process_run(p);
    return p->world->fake.monotonic - *from;
}

static int64_t stopped_at;

static void stop_and_hold(void *ctx, int n) {
    struct process *p = ctx;
    if (n != 50)
        return;
    memory_store_hold(p->output, true);
    memory_store_hold(p->checkpoints, true);
    p->command = JOB_STOP;
    stopped_at = p->world->fake.monotonic;
}

static void test_stop_ends_though_the_store_does_not_answer(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 100, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, stop_and_hold);
    assert_in_range(stop_duration(p, &stopped_at), 1, 10000);
    process_free(p);
    process_must_end(&w, &bounded, WORKER_DONE);
    for (int32_t i = 0; i < 2; i++)
        worker_world_check_all(&w, i);
    worker_world_free(&w);
}

/* A drain may take long; a stop that is asked for meanwhile is still heard. */
static void drain_hold_stop(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 50) {
        memory_store_hold(p->output, true);
        p->command = JOB_DRAIN;
    } else if (n == 400) {
        assert_int_equal(p->command, JOB_DRAIN);
        p->command = JOB_STOP;
        stopped_at = p->world->fake.monotonic;
    }
}

static void test_stop_cuts_a_drain_short(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, drain_hold_stop);
    assert_in_range(stop_duration(p, &stopped_at), 1, 10000);
    process_free(p);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void hold_then_stop(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 1)
        memory_store_hold(p->checkpoints, true);
    if (n == 20)
        p->command = p->test ? JOB_DRAIN : JOB_STOP;
}

static void stops_while_claiming(bool drain) {
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 10, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    p->test = drain ? p : NULL;
    process_on_poll(p, hold_then_stop);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    assert_in_range(p->source->polls, 20, 30);
    process_free(p);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void test_stop_while_claiming(void **state) {
    (void)state;
    stops_while_claiming(false);
    stops_while_claiming(true);
}

static void stop_at_once(void *ctx, int n) {
    (void)n;
    ((struct process *)ctx)->command = JOB_STOP;
}

static void test_stop_before_anything_is_assigned(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, stop_at_once);
    p->source->given = false;
    assert_int_equal(process_run(p), WORKER_STOPPED);
    assert_false(p->ran);
    process_free(p);
    worker_world_free(&w);
}

/* While it stops, records that wait must not keep poll() from waiting. */
static int polls_at_stop;

static void stop_with_records(void *ctx, int n) {
    struct process *p = ctx;
    if (n != 50)
        return;
    memory_store_hold(p->checkpoints, true);
    worker_world_add_many(p->world, 0, 100, T0, 1000);
    p->command = JOB_STOP;
    polls_at_stop = n;
}

static void test_stopping_does_not_spin(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 10, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, stop_with_records);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    assert_in_range(p->source->polls - polls_at_stop, 1, 400);
    process_free(p);
    worker_world_free(&w);
}

/* ---- Rebalances ---------------------------------------------------------------------------------- */

static void take_and_give(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 60) {
        fake_source_take(p->source);
    } else if (n == 61) {
        struct checkpoint k = worker_world_newest(p->world, 1);
        assert_false(k.claim);
        assert_int_equal(k.next, 100);
        checkpoint_clear(&k);
        assert_int_equal(p->worker->n_tasks, 0);
        worker_world_add_many(p->world, 1, 100, T0 + 100000, 1000);
        fake_source_give_list(p->source, &(int32_t){1}, 1);
    } else if (n == 120) {
        assert_int_equal(p->worker->n_tasks, 1);
        p->command = JOB_STOP;
    }
}

static void test_revoked_puts_a_checkpoint_and_goes_on_when_given_again(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 100, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, take_and_give);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    struct checkpoint k = worker_world_newest(&w, 1);
    assert_int_equal(k.next, 200);
    checkpoint_clear(&k);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_check_all(&w, 1);
    worker_world_free(&w);
}

static int64_t revoked_at, given_up_at;

static void hold_and_take(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 60) {
        memory_store_hold(p->checkpoints, true);
        p->world->creep_ms = 1;
        revoked_at = p->world->fake.monotonic;
        fake_source_take(p->source);
    } else if (n == 61) {
        given_up_at = p->world->fake.monotonic;
        p->command = JOB_STOP;
    }
}

static void test_revoked_lets_go_though_the_store_does_not_answer(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, hold_and_take);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    assert_in_range(given_up_at - revoked_at, 1000, 5000);
    process_free(p);
    w.creep_ms = 0;
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

/* The last checkpoint of a revoked partition is lost to another process: nothing is claimed again
 * on the way out. */
static void fence_and_take(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 60) {
        char *key = worker_world_chain_key(0, 2);
        memory_world_plant(p->world->store, key, "{}", 2);
        free(key);
        p->world->creep_ms = 1;
        revoked_at = p->world->fake.monotonic;
        fake_source_take(p->source);
    } else if (n == 61) {
        given_up_at = p->world->fake.monotonic;
        p->command = JOB_STOP;
    }
}

static void test_revoked_and_lost_lets_go_at_once(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, fence_and_take);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    assert_in_range(given_up_at - revoked_at, 1, 1000);
    process_free(p);
    worker_world_free(&w);
}

static void grow_live(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 30) {
        worker_world_add_many(p->world, fake_topic_grow(p->world->topic), 100, T0, 1000);
        worker_world_add_many(p->world, 0, 100, T0 + 100000, 1000);
        fake_source_give(p->source, 2);
    } else if (n == 200) {
        p->command = JOB_DRAIN;
    }
}

static void test_partitions_added_live(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &(struct process_options){.sets = {"kafka.start=latest"}});
    worker_world_add_many(&w, 0, 0, T0, 1000);
    process_on_poll(p, grow_live);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    assert_int_equal(worker_world_count(&w, 0, 99), 0); /* latest: not read */
    assert_int_equal(worker_world_count(&w, 0, 100), 1);
    worker_world_check_all(&w, 1); /* new ones begin at their earliest offset */
    worker_world_free(&w);
}

/* ---- Losing a partition to another process ------------------------------------------------------- */

static void other_process_takes_it(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 50) {
        process_must_end(p->world, &bounded, WORKER_DONE);
        worker_world_add_many(p->world, 0, 100, T0 + 100000, 1000);
    } else if (n == 2000) {
        p->command = JOB_DRAIN;
    }
}

static void test_lost_partition_is_claimed_again(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, other_process_takes_it);
    if (process_run(p) != WORKER_STOPPED)
        fail_msg("%s", p->error.text);
    process_free(p);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void five_losses(bool after_a_long_time) {
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p =
        process_new(&w, &(struct process_options){.sets = {"checkpoint.interval=2m"}});
    p->test = after_a_long_time ? p : NULL;
    process_on_poll(p, process_always_outrun);
    assert_int_equal(process_run(p), WORKER_FAILED);
    assert_int_equal(p->error.code, ERR_FENCED);
    assert_false(p->error.retriable);
    assert_non_null(strstr(p->error.text, "5 times in a row"));
    assert_non_null(strstr(p->error.text, "kafka.assignment"));
    assert_non_null(strstr(p->error.text, "another process runs this job"));
    process_free(p);
    worker_world_free(&w);
}

static void test_five_losses_fail(void **state) {
    (void)state;
    five_losses(false);
}

/* The claim stood for two minutes; what is lost afterwards, before a claim stands, counts. */
static void test_five_losses_after_a_long_claim_fail(void **state) {
    (void)state;
    five_losses(true);
}

/* ---- Errors of single messages ------------------------------------------------------------------- */

static void test_message_error_is_read_again(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    fake_topic_break(w.topic, 0, 50, 1);
    struct process *p = process_new(&w, &bounded);
    assert_int_equal(process_run(p), WORKER_DONE);
    assert_int_equal(p->restart.count, 1);
    process_free(p);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void test_same_message_error_twice_fails(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    fake_topic_break(w.topic, 0, 50, 2);
    struct process *p = process_new(&w, &bounded);
    assert_int_equal(process_run(p), WORKER_FAILED);
    assert_false(p->error.retriable);
    assert_non_null(strstr(p->error.text, "twice at offset 50 of partition 0"));
    assert_non_null(strstr(p->error.text, "bad CRC"));
    process_free(p);
    worker_world_free(&w);
}

static void test_message_errors_use_up_restart_attempts(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    for (int64_t i = 0; i < 4; i++)
        fake_topic_break(w.topic, 0, 10 * i, 1);
    struct process *p = process_new(&w, &bounded);
    assert_int_equal(process_run(p), WORKER_FAILED);
    assert_int_equal(p->restart.count, 3);
    assert_false(p->error.retriable);
    assert_non_null(strstr(p->error.text, "no restart attempts left"));
    process_free(p);
    worker_world_free(&w);
}

/* ---- Kafka and the store in trouble -------------------------------------------------------------- */

static void break_poll(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 50)
        p->source->fails[FAKE_POLL] = ERR_KAFKA;
}

static void test_trouble_with_kafka_may_be_tried_again(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 10, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, break_poll);
    assert_int_equal(process_run(p), WORKER_FAILED);
    assert_true(p->ran);
    assert_true(p->error.retriable);
    process_free(p);
    worker_world_free(&w);
}

/* A claim that fails is told at once: nothing has ever run. */
static void test_failed_first_claim_has_not_run(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, NULL);
    memory_store_fail(p->checkpoints, STORE_LIST, 1, ERR_UNAVAILABLE, FAULT_BEFORE);
    assert_int_equal(process_run(p), WORKER_FAILED);
    assert_false(p->ran);
    process_free(p);
    worker_world_free(&w);
}

static void hold_checkpoints(void *ctx, int n) {
    if (n == 50)
        memory_store_hold(((struct process *)ctx)->checkpoints, true);
}

static void test_store_that_does_not_answer_fails_after_the_tolerable(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 10, T0, 1000);
    struct process *p = process_new(&w, &unbounded);
    process_on_poll(p, hold_checkpoints);
    int64_t from = w.fake.monotonic;
    assert_int_equal(process_run(p), WORKER_FAILED);
    assert_true(p->error.retriable);
    assert_in_range(w.fake.monotonic - from, 4 * MIN, 5 * MIN + 10000);
    process_free(p);
    worker_world_free(&w);
}

/* ---- Memory -------------------------------------------------------------------------------------- */

/* What fetching and a few new chunks add at most before the limit is looked at again. */
static void check_peak(const struct process *p, size_t divisor) {
    size_t limit = p->worker->budget.limit;
    assert_in_range(p->worker->budget.peak, limit / divisor, limit + limit / 16);
}

static void add_padded(struct worker_world *w, int64_t timestamp, const char *padding) {
    char *value = xasprintf("{\"user_id\":\"u\",\"timestamp\":%" PRId64 ",\"p\":0,\"o\":%" PRId64
                            ",\"x\":\"%s\"}",
                            timestamp, fake_topic_end(w->topic, 0), padding);
    (void)fake_topic_add(w->topic, 0, timestamp, "u", value);
    free(value);
}

/* 2,000 windows are open at a time, and each gets events as long as the limit is not reached. */
static void test_many_windows_stay_within_memory(void **state) {
    (void)state;
    enum { WINDOWS = 2000, ROUNDS = 12 };
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    char *padding = xcalloc(4001, 1);
    memset(padding, 'x', 4000);
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < WINDOWS; i++)
            add_padded(&w, T0 + i * INT64_C(1000), padding);

    free(padding);
    struct process *p =
        process_new(&w, &(struct process_options){.bounded = true,
                                                  .sets = {"memory.limit=64MiB", "window.size=1s",
                                                           "window.out_of_orderness=2h"}});
    if (process_run(p) != WORKER_DONE)
        fail_msg("%s", p->error.text);
    check_peak(p, 2);
    assert_int_equal(p->worker->budget.used, 0);
    process_free(p);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

/* A chunk that one line fills by little more than half: the memory that it holds counts, not its
 * bytes, or nothing would ever be sealed and nothing read. */
static void test_wasteful_lines_do_not_block(void **state) {
    (void)state;
    enum { EVENTS = 300, WINDOWS = 12, LENGTH = 140000 };
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    char *padding = xcalloc(LENGTH + 1, 1);
    memset(padding, 'x', LENGTH);
    for (int i = 0; i < EVENTS; i++)
        add_padded(&w, T0 + i % WINDOWS * 5 * MIN, padding);
    free(padding);
    struct process *p = process_new(
        &w, &(struct process_options){
                .bounded = true, .sets = {"memory.limit=64MiB", "window.out_of_orderness=2h"}});
    int64_t from = w.fake.monotonic;
    if (process_run(p) != WORKER_DONE)
        fail_msg("%s", p->error.text);
    assert_in_range(w.fake.monotonic - from, 0, MIN);
    check_peak(p, 2);
    process_free(p);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

/* The store is slow: fetching stops while much is under way and goes on when there is room. */
static void slow_store(void *ctx, int n) {
    struct process *p = ctx;
    memory_store_hold(p->output, n % 100 != 0);
}

static void test_slow_store_suspends_fetching(void **state) {
    (void)state;
    enum { EVENTS = 30000 };
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    char *padding = xcalloc(4001, 1);
    memset(padding, 'x', 4000);
    for (int i = 0; i < EVENTS; i++) {
        char *value =
            xasprintf("{\"user_id\":\"u\",\"timestamp\":%" PRId64 ",\"p\":0,\"o\":%d,\"x\":\"%s\"}",
                      T0 + i, i, padding);
        (void)fake_topic_add(w.topic, 0, T0, "u", value);
        free(value);
    }
    free(padding);
    struct process *p =
        process_new(&w, &(struct process_options){.bounded = true, .sets = {"memory.limit=64MiB"}});
    process_on_poll(p, slow_store);
    if (process_run(p) != WORKER_DONE)
        fail_msg("%s", p->error.text);
    assert_in_range(p->source->suspensions, 1, 1000);
    check_peak(p, 4); /* a quarter may be under way */
    process_free(p);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

/* ---- What the outside is told --------------------------------------------------------------------- */

static void look_at_metrics(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 100) {
        const struct partition_metrics *m = &p->last.partitions[0];
        assert_true(p->last.running);
        assert_string_equal(m->state, "running");
        assert_int_equal(m->position, 3001);
        assert_int_equal(m->count.events[CLASS_EVENT], 3000);
        assert_int_equal(m->count.events[CLASS_NULL], 1);
        assert_int_equal(m->count.records, 3001);
        assert_int_equal(m->count.lines_out, 3000);
        assert_int_equal(m->watermark, T0 + 2999 * 1000 - 600000 - 1);
        assert_int_equal(m->count.key_mismatches, 0);
        assert_int_equal(m->end, 3001);
        assert_int_equal(p->consumed, 3001);
        p->command = JOB_STOP;
    }
}

static void test_published_metrics(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 3000, T0, 1000);
    fake_topic_add(w.topic, 0, T0, "u", NULL);
    struct metrics *metrics = metrics_new(&w.clock);
    struct process *p = process_new(&w, &(struct process_options){.metrics = metrics});
    process_on_poll(p, look_at_metrics);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    metrics_free(metrics);
    worker_world_free(&w);
}

/* A savepoint that the store holds up is seen to be under way. */
static void look_at_checkpoints(void *ctx, int n) {
    struct process *p = ctx;
    const struct partition_metrics *m = n >= 50 ? &p->last.partitions[0] : NULL;
    char id[REQUEST_ID_MAX];
    if (n == 50) {
        assert_false(m->checkpoint_pending);
        memory_store_hold(p->checkpoints, true);
        requests_add(p->test, REQUEST_SAVEPOINT, id);
    } else if (n == 100) {
        assert_true(m->checkpoint_pending);
        assert_int_equal(m->count.checkpoints, 0);
        memory_store_hold(p->checkpoints, false);
    } else if (n == 150) {
        assert_false(m->checkpoint_pending);
        assert_int_equal(m->count.checkpoints, 1);
        p->command = JOB_STOP;
    }
}

enum { MANY_PARTITIONS = 200 };

/* Records come in every turn, which takes 1 ms then. */
static void look_at_beginnings(void *ctx, int n) {
    struct process *p = ctx;
    worker_world_add(p->world, n % MANY_PARTITIONS, T0);
    int together = 0, durable = 0;
    for (size_t i = 0; i < p->worker->n_tasks; i++) {
        const struct partition *at = p->worker->tasks[i]->partition;
        if (!at || at->status != PARTITION_RUNNING)
            return;
        durable += at->stats.checkpoints == 1;
        together += chain_busy(at->chain) && at->started_ms == p->world->fake.monotonic;
    }
    assert_true(together <= 1);
    if (durable == MANY_PARTITIONS)
        p->command = JOB_STOP;
}

/* All are due at once, and what each takes would add up to one long pause. 200 in 1 s are few enough to
 * begin one in a turn. */
static void test_checkpoints_of_many_partitions_are_spread(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, MANY_PARTITIONS);
    for (int32_t i = 0; i < MANY_PARTITIONS; i++)
        worker_world_add(&w, i, T0);
    struct process *p =
        process_new(&w, &(struct process_options){.sets = {"checkpoint.interval=5s"}});
    process_on_poll(p, look_at_beginnings);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    worker_world_free(&w);
}

static void look_at_restored(void *ctx, int n) {
    struct process *p = ctx;
    if (n != 100)
        return;
    const struct partition_metrics *m = &p->last.partitions[0];
    assert_int_equal(m->checkpoint_number - m->restored, 1); /* its claim */
    assert_int_equal(m->count.restores, 1);
    assert_in_range(m->restored_at_ms, T0, p->world->fake.wall);
    p->command = JOB_STOP;
}

static void test_checkpoints_under_way_and_restored(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    _Atomic int command = 0;
    struct requests *requests = requests_new(&command, JOB_STOP, JOB_DRAIN);
    struct process *p = process_new(&w, &(struct process_options){.requests = requests});
    p->test = requests;
    process_on_poll(p, look_at_checkpoints);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    assert_int_equal(p->last.partitions[0].count.restores, 0);
    assert_int_equal(p->last.partitions[0].restored, 0);
    process_free(p);
    p = process_new(&w, &unbounded);
    process_on_poll(p, look_at_restored);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    requests_free(requests);
    worker_world_free(&w);
}

static void look_at_consumed(void *ctx, int n) {
    struct process *p = ctx;
    if (n != 100)
        return;
    assert_int_equal(p->consumed, 1000);
    p->command = JOB_STOP;
}

/* The demo's generator waits by it: records that are read a second time do not count twice, and those
 * that are not read again still count. */
static void test_consumed_goes_on_after_a_restart(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 1000, T0, 1000);
    for (int i = 0; i < 2; i++) {
        struct process *p = process_new(&w, &unbounded);
        process_on_poll(p, look_at_consumed);
        assert_int_equal(process_run(p), WORKER_STOPPED);
        assert_int_equal(p->source->delivered, i == 0 ? 1000 : 700); /* a window was closed */
        process_free(p);
    }
    worker_world_free(&w);
}

int main(void) {
    log_init(LOG_TEXT, getenv("TEST_LOG") ? LOG_INFO : LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounded_run_publishes_everything),
        cmocka_unit_test(test_bounded_run_of_an_empty_topic_ends),
        cmocka_unit_test(test_bounded_run_ends_at_the_first_end),
        cmocka_unit_test(test_records_are_read_soon_after_the_start),
        cmocka_unit_test(test_bounded_run_passes_control_records_before_its_end),
        cmocka_unit_test(test_bounded_replay_passes_control_records_before_its_end),
        cmocka_unit_test(test_bounded_end_below_what_others_have_read),
        cmocka_unit_test(test_bounded_run_leaves_new_partitions),
        cmocka_unit_test(test_stop_keeps_open_files),
        cmocka_unit_test(test_drain_publishes_all),
        cmocka_unit_test(test_changed_settings),
        cmocka_unit_test(test_stop_ends_though_the_store_does_not_answer),
        cmocka_unit_test(test_stop_cuts_a_drain_short),
        cmocka_unit_test(test_stop_while_claiming),
        cmocka_unit_test(test_stop_before_anything_is_assigned),
        cmocka_unit_test(test_stopping_does_not_spin),
        cmocka_unit_test(test_revoked_puts_a_checkpoint_and_goes_on_when_given_again),
        cmocka_unit_test(test_revoked_lets_go_though_the_store_does_not_answer),
        cmocka_unit_test(test_revoked_and_lost_lets_go_at_once),
        cmocka_unit_test(test_partitions_added_live),
        cmocka_unit_test(test_lost_partition_is_claimed_again),
        cmocka_unit_test(test_five_losses_fail),
        cmocka_unit_test(test_five_losses_after_a_long_claim_fail),
        cmocka_unit_test(test_message_error_is_read_again),
        cmocka_unit_test(test_same_message_error_twice_fails),
        cmocka_unit_test(test_message_errors_use_up_restart_attempts),
        cmocka_unit_test(test_trouble_with_kafka_may_be_tried_again),
        cmocka_unit_test(test_failed_first_claim_has_not_run),
        cmocka_unit_test(test_store_that_does_not_answer_fails_after_the_tolerable),
        cmocka_unit_test(test_many_windows_stay_within_memory),
        cmocka_unit_test(test_wasteful_lines_do_not_block),
        cmocka_unit_test(test_slow_store_suspends_fetching),
        cmocka_unit_test(test_published_metrics),
        cmocka_unit_test(test_checkpoints_under_way_and_restored),
        cmocka_unit_test(test_checkpoints_of_many_partitions_are_spread),
        cmocka_unit_test(test_consumed_goes_on_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
