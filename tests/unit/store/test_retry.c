#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "base/log.h"
#include "store/retry.h"
#include "store/stats.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/memory_store.h"

struct fixture {
    struct fake_clock clock;
    struct fake_random random;
    struct memory_world *world;
    struct store *inner, *store;
    int done;     /* calls of count_done */
    int order[8]; /* ctx values in the order of delivery */
};

static struct fixture f;

static int set_up(void **state) {
    (void)state;
    memset(&f, 0, sizeof f);
    fake_clock_init(&f.clock);
    fake_random_init(&f.random, 1);
    f.world = memory_world_new(&memory_like_s3, &f.clock.clock);
    f.inner = memory_store_open(f.world);
    f.store = store_retry_new(f.inner, &f.clock.clock, &f.random.random);
    memory_world_plant(f.world, "k", "value", 5);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    store_free(f.store);
    memory_world_free(f.world);
    return 0;
}

static void count_done(struct store_op *op) {
    f.order[f.done++] = *(int *)op->ctx;
}

static int numbers[] = {0, 1, 2, 3, 4, 5, 6, 7};

static struct store_op get(int64_t retry_ms) {
    return (struct store_op){.kind = STORE_GET,
                             .key = "k",
                             .max_bytes = 100,
                             .retry_ms = retry_ms,
                             .done = count_done,
                             .ctx = &numbers[0]};
}

static void refuse(int nth, enum error_code code) {
    memory_store_fail(f.inner, STORE_GET, nth, code, FAULT_BEFORE);
}

static struct store_counters counters(void) {
    struct store_counters c;
    store_counters_read(f.store, &c);
    return c;
}

/* Attempts, those under way included: one at a time in these tests. */
static size_t requests(enum store_kind kind) {
    struct store_counters c = counters();
    size_t n = c.under_way;
    for (int o = 0; o < STORE_OUTCOMES; o++)
        n += c.outcomes[kind][o];
    return n;
}

/* Polls in steps of 10 ms until the op is done or the time is over. Returns the time it took. */
static int64_t run_for(int64_t ms) {
    int64_t start = f.clock.monotonic;
    (void)store_poll(f.store, 0);
    while (!f.done && f.clock.monotonic < start + ms) {
        fake_clock_advance(&f.clock, 10);
        (void)store_poll(f.store, 0);
    }
    return f.clock.monotonic - start;
}

static void test_success_needs_one_attempt(void **state) {
    (void)state;
    struct store_op op = get(1000);
    assert_int_equal(store_call(f.store, &op), 0);
    assert_string_equal(buffer_text(&op.answer), "value");
    assert_int_equal(requests(STORE_GET), 1);
    store_op_clear(&op);
}

static void test_traits_and_path_are_the_inner_ones(void **state) {
    (void)state;
    assert_string_equal(f.store->path, f.inner->path);
    assert_int_equal(f.store->min_part, f.inner->min_part);
    assert_int_equal(f.store->max_parts, f.inner->max_parts);
    assert_true(f.store->sync_parts == f.inner->sync_parts);
}

static void test_a_retriable_error_is_repeated_with_back_off(void **state) {
    (void)state;
    refuse(1, ERR_UNAVAILABLE);
    struct store_op op = get(10000);
    store_submit(f.store, &op);
    assert_int_equal(store_poll(f.store, 0), 0);
    assert_int_equal(f.done, 0);
    fake_clock_advance(&f.clock, 49); /* the first delay is 50 to 100 ms */
    assert_int_equal(store_poll(f.store, 0), 0);
    assert_int_equal(requests(STORE_GET), 1);
    fake_clock_advance(&f.clock, 51);
    assert_int_equal(store_poll(f.store, 0), 1);
    assert_int_equal(op.error.code, ERR_NONE);
    assert_string_equal(buffer_text(&op.answer), "value");
    assert_ptr_equal(op.ctx, &numbers[0]);
    struct store_counters c = counters();
    assert_int_equal(c.retries[STORE_GET], 1);
    assert_int_equal(c.outcomes[STORE_GET][ERR_UNAVAILABLE], 1);
    assert_int_equal(c.outcomes[STORE_GET][ERR_NONE], 1);
    store_op_clear(&op);
}

static void test_delays_double_up_to_ten_seconds(void **state) {
    (void)state;
    memory_store_fail_all(f.inner, ERR_UNAVAILABLE);
    static struct store_op op; /* under way until the store is freed */
    op = get(-1);
    store_submit(f.store, &op);
    (void)run_for(60000);
    /* 50..100 + 100..200 + ... + 3,200..6,400, then 5 to 10 s each */
    size_t n = requests(STORE_GET);
    assert_in_range(n, 7 + 4, 7 + 12);
    (void)run_for(100000);
    assert_in_range(requests(STORE_GET) - n, 10, 20);
    assert_int_equal(f.done, 0);
}

static void test_it_gives_up_in_time_and_says_so(void **state) {
    (void)state;
    memory_store_fail_all(f.inner, ERR_UNAVAILABLE);
    struct store_op op = get(1000);
    store_submit(f.store, &op);
    assert_true(run_for(5000) <= 1000);
    assert_int_equal(f.done, 1);
    assert_int_equal(op.error.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(op.error.text, "gave up after "));
    assert_non_null(strstr(op.error.text, " attempts in 0."));
    assert_non_null(strstr(op.error.text, "scripted"));
    store_op_clear(&op);
}

static void test_zero_means_one_attempt(void **state) {
    (void)state;
    memory_store_fail_all(f.inner, ERR_UNAVAILABLE);
    struct store_op op = get(0);
    assert_int_equal(store_call(f.store, &op), -1);
    assert_int_equal(requests(STORE_GET), 1);
    assert_null(strstr(op.error.text, "gave up"));
    store_op_clear(&op);
}

static void test_an_error_that_lasts_is_not_repeated(void **state) {
    (void)state;
    const enum error_code codes[] = {ERR_DENIED, ERR_NO_SPACE, ERR_IO, ERR_LIMIT};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        refuse(1, codes[i]);
        struct store_op op = get(-1);
        assert_int_equal(store_call(f.store, &op), -1);
        assert_int_equal(op.error.code, codes[i]);
        store_op_clear(&op);
    }
    assert_int_equal(requests(STORE_GET), 4);
}

static void test_absence_is_no_error(void **state) {
    (void)state;
    struct store_op op = get(-1);
    op.key = "absent";
    assert_int_equal(store_call(f.store, &op), -1);
    assert_int_equal(op.error.code, ERR_NOT_FOUND);
    assert_int_equal(counters().outcomes[STORE_GET][ERR_NOT_FOUND], 1);
    store_op_clear(&op);
}

/* Rules 1 and 8: what these failures mean is for the middle to say. */
static void test_put_and_complete_are_never_repeated(void **state) {
    (void)state;
    const enum store_kind kinds[] = {STORE_PUT_IF_ABSENT, STORE_UPLOAD_COMPLETE};
    for (size_t i = 0; i < 2; i++) {
        memory_store_fail(f.inner, kinds[i], 1, ERR_UNKNOWN, FAULT_AFTER);
        struct store_op op = {.kind = kinds[i],
                              .key = "new",
                              .body = "x",
                              .body_len = 1,
                              .upload = "none",
                              .retry_ms = -1};
        assert_int_equal(store_call(f.store, &op), -1);
        assert_int_equal(op.error.code, ERR_UNKNOWN);
        assert_int_equal(requests(kinds[i]), 1);
        store_op_clear(&op);
    }
}

static void test_every_harmless_kind_is_repeated(void **state) {
    (void)state;
    for (int kind = 0; kind < STORE_KIND_COUNT; kind++) {
        if (kind == STORE_PUT_IF_ABSENT || kind == STORE_UPLOAD_COMPLETE)
            continue;
        memory_store_fail(f.inner, (enum store_kind)kind, 1, ERR_UNKNOWN, FAULT_BEFORE);
        f.done = 0;
        struct store_op op = {.kind = (enum store_kind)kind,
                              .key = "k",
                              .upload = "none",
                              .max_bytes = 100,
                              .part = 1,
                              .retry_ms = 1000,
                              .done = count_done,
                              .ctx = &numbers[0]};
        store_submit(f.store, &op);
        (void)run_for(1000);
        assert_int_equal(f.done, 1);
        assert_int_equal(requests((enum store_kind)kind), 2);
        store_op_clear(&op);
    }
}

/* A CREATE whose answer was lost leaves an upload behind, which gc removes; the op has one id. */
static void test_the_answer_is_cleared_between_attempts(void **state) {
    (void)state;
    memory_store_fail(f.inner, STORE_UPLOAD_CREATE, 1, ERR_UNKNOWN, FAULT_AFTER);
    struct store_op op = {.kind = STORE_UPLOAD_CREATE,
                          .key = "new",
                          .retry_ms = 1000,
                          .done = count_done,
                          .ctx = &numbers[0]};
    store_submit(f.store, &op);
    (void)run_for(1000);
    assert_int_equal(op.error.code, ERR_NONE);
    assert_string_equal(op.error.text, "");
    assert_string_equal(op.upload_id, "upload-000002");
    assert_int_equal(memory_world_uploads(f.world), 2);
    store_op_clear(&op);
}

static void test_others_are_not_held_up_by_one_that_waits(void **state) {
    (void)state;
    refuse(1, ERR_UNAVAILABLE);
    struct store_op ops[3];
    for (int i = 0; i < 3; i++) {
        ops[i] = get(1000);
        ops[i].ctx = &numbers[i];
        store_submit(f.store, &ops[i]);
    }
    assert_int_equal(store_poll(f.store, 0), 2);
    fake_clock_advance(&f.clock, 100);
    assert_int_equal(store_poll(f.store, 0), 1);
    assert_int_equal(f.order[0], 1);
    assert_int_equal(f.order[1], 2);
    assert_int_equal(f.order[2], 0);
    for (int i = 0; i < 3; i++)
        store_op_clear(&ops[i]);
}

static void submit_another(struct store_op *op) {
    struct store_op *other = op->ctx;
    f.done++;
    if (other)
        store_submit(f.store, other);
}

static void test_done_may_submit(void **state) {
    (void)state;
    struct store_op second = get(1000), first = get(1000);
    first.ctx = &second;
    first.done = submit_another;
    store_submit(f.store, &first);
    while (f.done < 2)
        (void)store_poll(f.store, 0);
    store_op_clear(&first);
    store_op_clear(&second);
}

static void test_freeing_gives_ops_back_as_they_came(void **state) {
    (void)state;
    struct store *inner = memory_store_open(f.world);
    struct store *s = store_retry_new(inner, &f.clock.clock, &f.random.random);
    memory_store_fail(inner, STORE_GET, 1, ERR_UNAVAILABLE, FAULT_BEFORE);
    struct store_op waiting = get(1000), held = get(1000);
    store_submit(s, &waiting);
    (void)store_poll(s, 0);
    memory_store_hold(inner, true);
    store_submit(s, &held);
    store_free(s);
    assert_int_equal(f.done, 0);
    assert_ptr_equal(waiting.ctx, &numbers[0]);
    assert_ptr_equal(held.ctx, &numbers[0]);
    assert_true(held.done == count_done);
}

static void woken(void *ctx) {
    ++*(int *)ctx;
}

static void test_wake_passes_through(void **state) {
    (void)state;
    int wakes = 0;
    f.store->ops->set_wake(f.store, woken, &wakes);
    struct store_op op = get(0);
    store_submit(f.store, &op);
    assert_int_equal(wakes, 1);
    (void)store_poll(f.store, 0);
    store_op_clear(&op);
}

/* ---- How long poll() sleeps --------------------------------------------------------------------- */

static int slept;

static size_t note_timeout(struct store *s, int timeout_ms) {
    (void)s;
    slept = timeout_ms;
    return 0;
}

static void test_poll_wakes_for_what_is_due(void **state) {
    (void)state;
    refuse(1, ERR_UNAVAILABLE);
    struct store_op op = get(1000);
    store_submit(f.store, &op);
    (void)store_poll(f.store, 0);
    const struct store_ops *ops = f.inner->ops;
    struct store_ops noting = *ops;
    noting.poll = note_timeout;
    f.inner->ops = &noting;
    (void)store_poll(f.store, 5000);
    assert_in_range(slept, 50, 100);
    (void)store_poll(f.store, 20);
    assert_int_equal(slept, 20);
    f.inner->ops = ops;
    (void)run_for(1000);
    store_op_clear(&op);
}

static void test_other_stores_have_no_stats(void **state) {
    (void)state;
    struct store_counters c;
    store_counters_read(f.inner, &c);
    assert_int_equal(c.under_way, 0);
    assert_int_equal(c.outcomes[STORE_GET][ERR_NONE], 0);
}

#define retry_test(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        retry_test(test_success_needs_one_attempt),
        retry_test(test_traits_and_path_are_the_inner_ones),
        retry_test(test_a_retriable_error_is_repeated_with_back_off),
        retry_test(test_delays_double_up_to_ten_seconds),
        retry_test(test_it_gives_up_in_time_and_says_so),
        retry_test(test_zero_means_one_attempt),
        retry_test(test_an_error_that_lasts_is_not_repeated),
        retry_test(test_absence_is_no_error),
        retry_test(test_put_and_complete_are_never_repeated),
        retry_test(test_every_harmless_kind_is_repeated),
        retry_test(test_the_answer_is_cleared_between_attempts),
        retry_test(test_others_are_not_held_up_by_one_that_waits),
        retry_test(test_done_may_submit),
        retry_test(test_freeing_gives_ops_back_as_they_came),
        retry_test(test_wake_passes_through),
        retry_test(test_poll_wakes_for_what_is_due),
        retry_test(test_other_stores_have_no_stats),
    };
    log_init(LOG_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
