/* Counts of a store's requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "store/retry.h"
#include "store/stats.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/memory_store.h"

static void test_buckets(void **state) {
    (void)state;
    struct store_counters c = {0};
    for (int b = 0; b < STORE_LATENCY_BUCKETS; b++) {
        assert_true(b == 0 || store_latency_bounds[b] > store_latency_bounds[b - 1]);
        int64_t ms = (int64_t)(store_latency_bounds[b] * 1000 + 0.5);
        store_counters_answered(&c, STORE_GET, ERR_NONE, ms);
        assert_int_equal(c.latency[STORE_GET][b], b == 0 ? 1 : 2); /* a bound is its bucket's own */
        store_counters_answered(&c, STORE_GET, ERR_NONE, ms + 1);
        assert_int_equal(c.latency[STORE_GET][b + 1], 1);
    }
    assert_int_equal(c.outcomes[STORE_GET][ERR_NONE], 2 * STORE_LATENCY_BUCKETS);
    assert_int_equal(c.outcomes[STORE_HEAD][ERR_NONE], 0);
}

/* A clock that went back counts as no time at all. */
static void test_sum(void **state) {
    (void)state;
    struct store_counters c = {0};
    store_counters_answered(&c, STORE_LIST, ERR_DENIED, 30);
    store_counters_answered(&c, STORE_LIST, ERR_NONE, -7);
    assert_int_equal(c.latency_ms[STORE_LIST], 30);
    assert_int_equal(c.latency[STORE_LIST][0], 1);
    assert_int_equal(c.outcomes[STORE_LIST][ERR_DENIED], 1);
    assert_int_equal(c.outcomes[STORE_LIST][ERR_NONE], 1);
}

/* Every field is added: one that is forgotten would stay at what it was. */
static void test_counters_add_up(void **state) {
    (void)state;
    struct store_counters one, sum;
    _Static_assert(sizeof one % sizeof(uint64_t) == 0, "counters only");
    enum { FIELDS = sizeof one / sizeof(uint64_t) };
    uint64_t numbers[FIELDS];
    for (uint64_t i = 0; i < FIELDS; i++)
        numbers[i] = i + 1;
    memcpy(&one, numbers, sizeof one);
    sum = one;
    store_counters_add(&sum, &one);
    memcpy(numbers, &sum, sizeof sum);
    for (uint64_t i = 0; i < FIELDS; i++)
        assert_int_equal(numbers[i], 2 * (i + 1));
}

/* ---- As retry.c counts --------------------------------------------------------------------------- */

struct fixture {
    struct fake_clock clock;
    struct fake_random random;
    struct memory_world *world;
    struct store *inner, *store;
};

static int set_up(void **state) {
    static struct fixture f;
    fake_clock_init(&f.clock);
    fake_random_init(&f.random, 1);
    f.world = memory_world_new(&memory_like_s3, &f.clock.clock);
    f.inner = memory_store_open(f.world);
    f.store = store_retry_new(f.inner, &f.clock.clock, &f.random.random);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    store_free(f->store);
    memory_world_free(f->world);
    return 0;
}

static void on_done(struct store_op *op) {
    ++*(int *)op->ctx;
}

/* Each attempt counts by its own outcome and its own time, not with the wait between two. */
static void test_attempts(void **state) {
    struct fixture *f = *state;
    struct store_counters c;
    int done = 0;
    memory_store_hold(f->inner, true);
    memory_store_fail(f->inner, STORE_GET, 1, ERR_UNAVAILABLE, FAULT_BEFORE);
    memory_world_plant(f->world, "key", "12345", 5);
    struct store_op op = {
        .kind = STORE_GET, .key = "key", .max_bytes = 100, .retry_ms = -1, .done = on_done};
    op.ctx = &done;
    store_submit(f->store, &op);
    store_counters_read(f->store, &c);
    assert_int_equal(c.under_way, 1);
    fake_clock_advance(&f->clock, 40);
    assert_true(memory_store_step(f->inner, 0)); /* refused */
    store_counters_read(f->store, &c);
    assert_int_equal(c.outcomes[STORE_GET][ERR_UNAVAILABLE], 1);
    assert_int_equal(c.retries[STORE_GET], 1);
    assert_int_equal(c.under_way, 0);
    assert_int_equal(done, 0);
    fake_clock_advance(&f->clock, 10000);
    (void)store_poll(f->store, 0); /* sends it again */
    fake_clock_advance(&f->clock, 7);
    assert_true(memory_store_step(f->inner, 0));
    assert_int_equal(done, 1);
    store_counters_read(f->store, &c);
    assert_int_equal(c.outcomes[STORE_GET][ERR_NONE], 1);
    assert_int_equal(c.latency_ms[STORE_GET], 47);
    assert_int_equal(c.busy_ms, 47);
    assert_int_equal(c.bytes_in, 5);
    assert_int_equal(c.bytes_out, 0);
    store_op_clear(&op);
}

/* Two at a time are busy once; one that is under way counts up to now. */
static void test_busy(void **state) {
    struct fixture *f = *state;
    struct store_counters c;
    int done = 0;
    memory_store_hold(f->inner, true);
    struct store_op ops[2];
    for (int i = 0; i < 2; i++)
        ops[i] = (struct store_op){.kind = STORE_PUT_IF_ABSENT,
                                   .key = i ? "b" : "a",
                                   .body = "xyz",
                                   .body_len = 3,
                                   .done = on_done,
                                   .ctx = &done};
    store_submit(f->store, &ops[0]);
    fake_clock_advance(&f->clock, 10);
    store_submit(f->store, &ops[1]);
    fake_clock_advance(&f->clock, 10);
    assert_true(memory_store_step(f->inner, 0));
    fake_clock_advance(&f->clock, 10);
    store_counters_read(f->store, &c);
    assert_int_equal(c.busy_ms, 30);
    assert_int_equal(c.under_way, 1);
    assert_true(memory_store_step(f->inner, 0));
    fake_clock_advance(&f->clock, 1000);
    store_counters_read(f->store, &c);
    assert_int_equal(c.busy_ms, 30);
    assert_int_equal(c.bytes_out, 6);
    assert_int_equal(done, 2);
}

/* Another store has no counts. */
static void test_plain_store(void **state) {
    struct fixture *f = *state;
    struct store_counters c, none = {0};
    memset(&c, 7, sizeof c);
    store_counters_read(f->inner, &c);
    assert_memory_equal(&c, &none, sizeof c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_sum),
        cmocka_unit_test(test_counters_add_up),
        cmocka_unit_test_setup_teardown(test_attempts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_busy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_plain_store, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
