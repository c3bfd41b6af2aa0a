/* When a bounded run in a group may end: not before every partition of its bounds is published, by
 * whomever. */
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
#include "checkpoint/codec.h"
#include "support/worker_world.h"

static const struct process_options bounded = {.bounded = true};

static void must_be_done(struct process *p) {
    if (process_run(p) != WORKER_DONE)
        fail_msg("it is not done: %s", p->error.text);
    process_free(p);
}

static void give(struct process *p, const int32_t *list, size_t n) {
    fake_source_take(p->source);
    fake_source_give_list(p->source, list, n);
}

static const int32_t first[] = {0}, second[] = {1}, both[] = {0, 1};

/* Another member reads partition 1 up to its present end, and publishes it. */
static void another_publishes(struct worker_world *w) {
    struct process *p =
        process_new(w, &(struct process_options){.bounded = true, .sets = {"kafka.assignment=1"}});
    fake_source_give_list(p->source, second, 1);
    must_be_done(p);
}

static uint64_t newest_number(const struct worker_world *w, int32_t partition) {
    struct checkpoint k = worker_world_newest(w, partition);
    uint64_t number = k.number;
    checkpoint_clear(&k);
    return number;
}

/* ---- A member that died keeps its share for a while --------------------------------------------- */

/* The process has had partition 0 for so long that it is at its end, and gets both now. */
static void expel_the_dead(void *ctx, int n) {
    struct process *p = ctx;
    if (n != 400)
        return;
    assert_int_equal(worker_world_count(p->world, 1, 0), 0);
    worker_world_check_all(p->world, 0);
    *(uint64_t *)p->test = newest_number(p->world, 0);
    give(p, both, 2);
}

static void test_waits_for_what_a_dead_member_holds(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 500, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    uint64_t number = 0;
    p->test = &number;
    fake_source_give_list(p->source, first, 1);
    process_on_poll(p, expel_the_dead);
    must_be_done(p);
    worker_world_check_all(&w, 0);
    worker_world_check_all(&w, 1);
    assert_true(number > 0); /* and what was at its end already is not even claimed again */
    assert_int_equal(newest_number(&w, 0), number);
    worker_world_free(&w);
}

/* More members than partitions: it has nothing, and still the topic must be read when it says so. */
static void give_it_all(void *ctx, int n) {
    if (n == 400)
        give(ctx, both, 2);
}

static void test_a_member_without_partitions_waits_too(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_directory, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 500, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    fake_source_give_list(p->source, NULL, 0);
    process_on_poll(p, give_it_all);
    must_be_done(p);
    worker_world_check_all(&w, 0);
    worker_world_check_all(&w, 1);
    worker_world_free(&w);
}

static void stop_at_poll_400(void *ctx, int n) {
    if (n == 400)
        ((struct process *)ctx)->command = JOB_STOP;
    assert_in_range(n, 0, 600);
}

static void test_a_stop_ends_the_wait(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 500, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    fake_source_give_list(p->source, first, 1);
    process_on_poll(p, stop_at_poll_400);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    worker_world_free(&w);
}

/* It waits: a second goes by in twenty polls, each of them as long as a poll may be. */
static void look_at_the_clock(void *ctx, int n) {
    struct process *p = ctx;
    static int64_t then;
    if (n == 300)
        then = p->world->fake.monotonic;
    if (n == 400) {
        assert_in_range(p->world->fake.monotonic - then, 100 * 40, 100 * 60);
        p->command = JOB_STOP;
    }
}

static void test_waiting_is_no_busy_loop(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 500, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    fake_source_give_list(p->source, first, 1);
    process_on_poll(p, look_at_the_clock);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    worker_world_free(&w);
}

/* ---- What the store says of the others ---------------------------------------------------------- */

/* Ends only where it must: a test that waits for ever says so. */
static void give_up_at_poll_1000(void *ctx, int n) {
    if (n == 1000)
        ((struct process *)ctx)->command = JOB_STOP;
}

static enum worker_end run_with_first_only(struct worker_world *w, const char *set) {
    struct process *p = process_new(w, &(struct process_options){.bounded = true, .sets = {set}});
    fake_source_give_list(p->source, first, 1);
    process_on_poll(p, give_up_at_poll_1000);
    enum worker_end end = process_run(p);
    process_free(p);
    return end;
}

static void test_ends_when_another_has_published_the_rest(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 500, T0, 1000);
    another_publishes(&w);
    assert_int_equal(run_with_first_only(&w, NULL), WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_check_all(&w, 1);
    worker_world_free(&w);
}

static void drain_the_other(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 400)
        another_publishes(p->world);
    if (n == 1000)
        p->command = JOB_STOP;
}

static void test_ends_once_another_has_published_the_rest(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 500, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    fake_source_give_list(p->source, first, 1);
    process_on_poll(p, drain_the_other);
    must_be_done(p);
    worker_world_check_all(&w, 1);
    worker_world_free(&w);
}

/* As a live member does: it reads partition 1 on, and has files open when it is looked at. */
static void another_reads_on(struct worker_world *w) {
    struct process *p = process_new(w, &(struct process_options){.sets = {"kafka.assignment=1"}});
    fake_source_give_list(p->source, second, 1);
    process_on_poll(p, stop_at_poll_400);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    struct checkpoint k = worker_world_newest(w, 1);
    assert_int_equal(k.next, fake_topic_end(w->topic, 1));
    assert_false(checkpoint_is_clean(&k));
    checkpoint_clear(&k);
}

static void test_open_files_of_another_are_not_published(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 100, T0, 1000);
    another_reads_on(&w);
    assert_int_equal(run_with_first_only(&w, NULL), WORKER_STOPPED);
    worker_world_free(&w);
}

static void test_a_checkpoint_below_the_end_is_not_the_end(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 100, T0, 1000);
    another_publishes(&w);
    worker_world_add_many(&w, 1, 1, T0, 1000);
    assert_int_equal(run_with_first_only(&w, "checkpoint.interval=1h"), WORKER_STOPPED);
    worker_world_free(&w);
}

/* On a topic that goes on a live member has files open at any time. */
static void publish_and_read_on(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 400) {
        another_publishes(p->world);
        worker_world_add_many(p->world, 1, 100, T0 + 7200000, 1000);
        another_reads_on(p->world);
    }
    if (n == 1000)
        p->command = JOB_STOP;
}

static void test_what_another_has_open_beyond_the_end_does_not_count(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 100, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    fake_source_give_list(p->source, first, 1);
    process_on_poll(p, publish_and_read_on);
    must_be_done(p);
    worker_world_free(&w);
}

static void test_an_empty_partition_needs_no_checkpoint(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    assert_int_equal(run_with_first_only(&w, NULL), WORKER_DONE);
    worker_world_free(&w);
    worker_world_init(&w, &memory_like_s3, 2); /* nothing of it is wanted: kafka.start is the end */
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 100, T0, 1000);
    assert_int_equal(run_with_first_only(&w, "kafka.start=latest"), WORKER_DONE);
    worker_world_free(&w);
}

static void test_only_its_own_count_where_they_are_listed(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 100, T0, 1000);
    assert_int_equal(run_with_first_only(&w, "kafka.assignment=0"), WORKER_DONE);
    worker_world_check_all(&w, 0);
    assert_int_equal(worker_world_count(&w, 1, 0), 0);
    worker_world_free(&w);
}

/* Another topic of the same name, whose partition 1 is read by nobody yet. */
static void test_a_checkpoint_of_an_earlier_topic_does_not_count(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    worker_world_add_many(&w, 1, 200, T0, 1000);
    another_publishes(&w);
    fake_topic_empty(w.topic, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    worker_world_add_many(&w, 1, 100, T0, 2000);
    struct process *p = process_new(&w, &bounded);
    fake_source_give_list(p->source, first, 1);
    process_on_poll(p, give_up_at_poll_1000);
    assert_int_equal(process_run(p), WORKER_FAILED);
    assert_int_equal(p->error.code, ERR_MISMATCH);
    assert_non_null(strstr(p->error.text, "recreated or truncated"));
    process_free(p);
    worker_world_free(&w);
}

static void test_an_unreadable_checkpoint_of_another_fails_it(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 100, T0, 1000);
    char *key = worker_world_chain_key(1, 7);
    memory_world_plant(w.store, key, "{}", 2);
    struct process *p = process_new(&w, &bounded);
    fake_source_give_list(p->source, first, 1);
    process_on_poll(p, give_up_at_poll_1000);
    assert_int_equal(process_run(p), WORKER_FAILED);
    assert_int_equal(p->error.code, ERR_CORRUPT);
    assert_non_null(strstr(p->error.text, key));
    process_free(p);
    free(key);
    worker_world_free(&w);
}

/* ---- Several bounded runs at once --------------------------------------------------------------- */

/* Each of two has ended its partition below what the other one needs (the topic grows, and both looked
 * at their start): neither may wait for the other for ever. */
static void grow_the_first(void *ctx, int n) {
    struct process *p = ctx;
    struct checkpoint k;
    if (n == 400)
        worker_world_add_many(p->world, 0, 20, T0 + 500000, 1000);
    if (n < 2000)
        return;
    k = worker_world_newest(p->world, 0);
    if (k.next == 120 && checkpoint_is_clean(&k) && !p->test) {
        p->test = p; /* by now the other has what it needs, and reads on itself */
        another_publishes(p->world);
    }
    checkpoint_clear(&k);
    assert_in_range(n, 0, 5000); /* two minutes */
}

static void test_two_that_wait_for_each_other_read_on(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    for (int32_t i = 0; i < 2; i++)
        worker_world_add_many(&w, i, 100, T0, 1000);
    another_publishes(&w);
    worker_world_add_many(&w, 1, 10, T0 + 100000, 1000);
    struct process *p = process_new(&w, &bounded);
    fake_source_give_list(p->source, first, 1);
    process_on_poll(p, grow_the_first);
    must_be_done(p);
    worker_world_check_all(&w, 0);
    worker_world_check_all(&w, 1);
    worker_world_free(&w);
}

/* ---- A partition that is at its end, on a topic that goes on ------------------------------------- */

static void grow_what_has_ended(void *ctx, int n) {
    struct process *p = ctx;
    if (n == 400)
        worker_world_add_many(p->world, 0, 10, T0 + 500000, 1000);
    p->source->batch = n < 2000 ? 1 : 0;
    if (n == 1900) { /* a second and more later */
        assert_false(fake_source_reads(p->source, 0));
        assert_true(fake_source_reads(p->source, 1));
    }
}

static void test_an_ended_partition_is_not_fetched_any_more(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 2);
    worker_world_add_many(&w, 0, 10, T0, 1000);
    worker_world_add_many(&w, 1, 5000, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    process_on_poll(p, grow_what_has_ended);
    must_be_done(p);
    worker_world_check_all(&w, 1);
    assert_int_equal(worker_world_count(&w, 0, 9), 1);
    assert_int_equal(worker_world_count(&w, 0, 10), 0);
    worker_world_free(&w);
}

int main(void) {
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_for_what_a_dead_member_holds),
        cmocka_unit_test(test_a_member_without_partitions_waits_too),
        cmocka_unit_test(test_a_stop_ends_the_wait),
        cmocka_unit_test(test_waiting_is_no_busy_loop),
        cmocka_unit_test(test_ends_when_another_has_published_the_rest),
        cmocka_unit_test(test_ends_once_another_has_published_the_rest),
        cmocka_unit_test(test_open_files_of_another_are_not_published),
        cmocka_unit_test(test_a_checkpoint_below_the_end_is_not_the_end),
        cmocka_unit_test(test_what_another_has_open_beyond_the_end_does_not_count),
        cmocka_unit_test(test_an_empty_partition_needs_no_checkpoint),
        cmocka_unit_test(test_only_its_own_count_where_they_are_listed),
        cmocka_unit_test(test_a_checkpoint_of_an_earlier_topic_does_not_count),
        cmocka_unit_test(test_an_unreadable_checkpoint_of_another_fails_it),
        cmocka_unit_test(test_two_that_wait_for_each_other_read_on),
        cmocka_unit_test(test_an_ended_partition_is_not_fetched_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
