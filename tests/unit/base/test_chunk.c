/* Chunks are charged to their budget while they live, and the budget remembers its peak. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "base/chunk.h"

static struct budget b;

static int set_up(void **state) {
    (void)state;
    budget_init(&b, 1 << 20);
    return 0;
}

static void a_new_chunk_is_empty(void **state) {
    (void)state;
    struct chunk *c = chunk_new(&b, CHUNK_MIN);
    assert_null(c->next);
    assert_int_equal(c->len, 0);
    assert_true(c->cap >= CHUNK_MIN);
    assert_ptr_equal(c->budget, &b);
    memset(c->data, 'x', c->cap);
    chunk_free(c);
}

static void chunks_are_charged(void **state) {
    (void)state;
    assert_int_equal(b.used, 0);
    struct chunk *c = chunk_new(&b, CHUNK_MIN);
    size_t one = b.used;
    assert_true(one >= CHUNK_MIN);
    assert_true(one < CHUNK_MIN + 256);
    struct chunk *d = chunk_new(&b, CHUNK_MAX);
    assert_true(b.used >= one + CHUNK_MAX);
    chunk_free(c);
    chunk_free(d);
    assert_int_equal(b.used, 0);
}

static void the_peak_stays(void **state) {
    (void)state;
    struct chunk *c = chunk_new(&b, CHUNK_MAX);
    size_t peak = b.used;
    chunk_free(c);
    c = chunk_new(&b, CHUNK_MIN);
    assert_int_equal(b.peak, peak);
    chunk_free(c);
}

static void the_limit_is_the_callers_question(void **state) {
    (void)state;
    budget_init(&b, 10);
    struct chunk *c = chunk_new(&b, CHUNK_MAX);
    assert_non_null(c);
    assert_true(b.used > b.limit);
    chunk_free(c);
}

static void chains_go_as_a_whole(void **state) {
    (void)state;
    struct chunk *first = NULL;
    for (int i = 0; i < 10; i++) {
        struct chunk *c = chunk_new(&b, CHUNK_MIN);
        c->next = first;
        first = c;
    }
    chunk_free_chain(first);
    chunk_free_chain(NULL);
    assert_int_equal(b.used, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_new_chunk_is_empty, set_up),
        cmocka_unit_test_setup(chunks_are_charged, set_up),
        cmocka_unit_test_setup(the_peak_stays, set_up),
        cmocka_unit_test_setup(the_limit_is_the_callers_question, set_up),
        cmocka_unit_test_setup(chains_go_as_a_whole, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
