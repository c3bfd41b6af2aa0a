/* Buffers: they grow, stay terminated, and never pass their maximum. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "base/buffer.h"

static struct buffer b;

static void set_max(size_t max) {
    buffer_init(&b, max);
}

static int tear_down(void **state) {
    (void)state;
    buffer_free(&b);
    return 0;
}

static void empty(void **state) {
    (void)state;
    set_max(10);
    assert_string_equal(buffer_text(&b), "");
    buffer_reset(&b);
    assert_int_equal(buffer_append(&b, NULL, 0), 0);
    assert_string_equal(buffer_text(&b), "");
    assert_int_equal(b.len, 0);
}

static void appends(void **state) {
    (void)state;
    set_max(100);
    assert_int_equal(buffer_append(&b, "abc", 2), 0);
    assert_int_equal(buffer_puts(&b, "-"), 0);
    assert_int_equal(buffer_printf(&b, "%d%%", 42), 0);
    assert_string_equal(buffer_text(&b), "ab-42%");
    assert_int_equal(b.len, 6);
}

static void grows(void **state) {
    (void)state;
    set_max(1 << 20);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buffer_puts(&b, "0123456789"), 0);
    assert_int_equal(b.len, 1000000);
    assert_int_equal(strlen(buffer_text(&b)), 1000000);
    assert_memory_equal(b.data + 999990, "0123456789", 10);
}

static void gives_back_what_is_more_than_kept(void **state) {
    (void)state;
    set_max(1000);
    assert_int_equal(buffer_puts(&b, "0123456789"), 0);
    size_t cap = b.cap;
    const char *data = b.data;
    buffer_recycle(&b, cap);
    assert_ptr_equal(b.data, data);
    assert_int_equal(b.len, 0);
    buffer_recycle(&b, cap - 1);
    assert_null(b.data);
    assert_int_equal(b.cap, 0);
    assert_int_equal(b.max, 1000);
    assert_int_equal(buffer_puts(&b, "again"), 0);
    assert_string_equal(buffer_text(&b), "again");
}

static void fills_up_to_its_maximum(void **state) {
    (void)state;
    set_max(5);
    assert_int_equal(buffer_puts(&b, "123"), 0);
    assert_int_equal(buffer_puts(&b, "45"), 0);
    assert_false(b.overflow);
    assert_int_equal(buffer_puts(&b, "6"), -1);
    assert_true(b.overflow);
    assert_string_equal(buffer_text(&b), "12345");
}

static void what_does_not_fit_is_left_out(void **state) {
    (void)state;
    set_max(5);
    assert_int_equal(buffer_puts(&b, "123"), 0);
    assert_int_equal(buffer_puts(&b, "4567"), -1);
    assert_int_equal(buffer_printf(&b, "%s", "4567"), -1);
    assert_null(buffer_reserve(&b, 3));
    assert_null(buffer_reserve(&b, SIZE_MAX));
    assert_string_equal(buffer_text(&b), "123");
    assert_true(b.overflow);
}

static void maximum_of_nothing(void **state) {
    (void)state;
    set_max(0);
    assert_int_equal(buffer_puts(&b, ""), 0);
    assert_int_equal(buffer_puts(&b, "x"), -1);
}

static void reserves(void **state) {
    (void)state;
    set_max(1000);
    char *p = buffer_reserve(&b, 500);
    assert_non_null(p);
    memset(p, 'x', 500);
    b.len += 500;
    assert_int_equal(buffer_puts(&b, "y"), 0);
    assert_int_equal(strlen(buffer_text(&b)), 501);
}

static void starts_over(void **state) {
    (void)state;
    set_max(4);
    assert_int_equal(buffer_puts(&b, "12345"), -1);
    assert_int_equal(buffer_puts(&b, "1234"), 0);
    buffer_reset(&b);
    assert_false(b.overflow);
    assert_int_equal(b.len, 0);
    assert_string_equal(buffer_text(&b), "");
    assert_int_equal(buffer_puts(&b, "1234"), 0);
}

static void can_be_used_after_it_was_freed(void **state) {
    (void)state;
    set_max(4);
    assert_int_equal(buffer_puts(&b, "1234"), 0);
    buffer_free(&b);
    assert_int_equal(b.max, 4);
    assert_int_equal(buffer_puts(&b, "1234"), 0);
    assert_int_equal(buffer_puts(&b, "5"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(empty, tear_down),
        cmocka_unit_test_teardown(appends, tear_down),
        cmocka_unit_test_teardown(grows, tear_down),
        cmocka_unit_test_teardown(gives_back_what_is_more_than_kept, tear_down),
        cmocka_unit_test_teardown(fills_up_to_its_maximum, tear_down),
        cmocka_unit_test_teardown(what_does_not_fit_is_left_out, tear_down),
        cmocka_unit_test_teardown(maximum_of_nothing, tear_down),
        cmocka_unit_test_teardown(reserves, tear_down),
        cmocka_unit_test_teardown(starts_over, tear_down),
        cmocka_unit_test_teardown(can_be_used_after_it_was_freed, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
