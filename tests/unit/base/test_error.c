/* Errors: code, text, retriable; wrapped on the way up, never longer than their field. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"

static struct error e;

static void sets(void **state) {
    (void)state;
    assert_int_equal(error_set(&e, ERR_DENIED, "key %s: %d", "a", 403), -1);
    assert_int_equal(e.code, ERR_DENIED);
    assert_false(e.retriable);
    assert_string_equal(e.text, "key a: 403");
}

static void some_codes_are_retriable(void **state) {
    (void)state;
    for (int code = ERR_NONE; code <= ERR_INTERNAL; code++) {
        (void)error_set(&e, (enum error_code)code, "x");
        assert_int_equal(e.retriable,
                         code == ERR_UNKNOWN || code == ERR_UNAVAILABLE || code == ERR_CONFLICT);
    }
}

static void nobody_has_to_listen(void **state) {
    (void)state;
    assert_int_equal(error_set(NULL, ERR_IO, "x"), -1);
    assert_int_equal(error_wrap(NULL, "x"), -1);
    assert_int_equal(error_errno(NULL, EIO, "x"), -1);
}

static void wraps(void **state) {
    (void)state;
    (void)error_set(&e, ERR_UNKNOWN, "time-out");
    assert_int_equal(error_wrap(&e, "part %d", 3), -1);
    assert_int_equal(error_wrap(&e, "file %s", "f"), -1);
    assert_string_equal(e.text, "file f: part 3: time-out");
    assert_int_equal(e.code, ERR_UNKNOWN);
    assert_true(e.retriable);
}

static void texts_are_one_line(void **state) {
    (void)state;
    (void)error_set(&e, ERR_IO, "%s", "a\r\nb\n");
    assert_null(strpbrk(e.text, "\r\n"));
}

static void texts_are_cut(void **state) {
    (void)state;
    char longest[2000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    (void)error_set(&e, ERR_IO, "%s", longest);
    assert_int_equal(strlen(e.text), ERROR_TEXT_MAX - 1);
    (void)error_wrap(&e, "%s", "context");
    assert_int_equal(strlen(e.text), ERROR_TEXT_MAX - 1);
    assert_memory_equal(e.text, "context: xxx", 12);
    (void)error_wrap(&e, "%s", longest);
    assert_true(strlen(e.text) < ERROR_TEXT_MAX);
    (void)error_errno(&e, EIO, "%s", longest);
    assert_true(strlen(e.text) < ERROR_TEXT_MAX);
}

static void errno_has_a_code(void **state) {
    (void)state;
    static const struct {
        int errnum;
        enum error_code code;
    } cases[] = {
        {ENOSPC, ERR_NO_SPACE}, {EDQUOT, ERR_NO_SPACE},  {EACCES, ERR_DENIED},
        {EPERM, ERR_DENIED},    {EROFS, ERR_DENIED},     {ENOENT, ERR_NOT_FOUND},
        {EEXIST, ERR_EXISTS},   {ENOMEM, ERR_NO_MEMORY}, {EIO, ERR_IO},
        {EINVAL, ERR_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(error_errno(&e, cases[i].errnum, "open %s", "f"), -1);
        assert_int_equal(e.code, cases[i].code);
    }
    (void)error_errno(&e, ENOENT, "open %s", "f");
    assert_string_equal(e.text, "open f: No such file or directory");
}

static void clears(void **state) {
    (void)state;
    (void)error_set(&e, ERR_UNKNOWN, "x");
    error_clear(&e);
    assert_int_equal(e.code, ERR_NONE);
    assert_false(e.retriable);
    assert_string_equal(e.text, "");
}

static void each_code_has_a_name_of_its_own(void **state) {
    (void)state;
    for (int a = ERR_NONE; a <= ERR_INTERNAL; a++) {
        assert_non_null(error_name((enum error_code)a));
        for (int b = ERR_NONE; b < a; b++)
            assert_string_not_equal(error_name((enum error_code)a), error_name((enum error_code)b));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets),
        cmocka_unit_test(some_codes_are_retriable),
        cmocka_unit_test(nobody_has_to_listen),
        cmocka_unit_test(wraps),
        cmocka_unit_test(texts_are_one_line),
        cmocka_unit_test(texts_are_cut),
        cmocka_unit_test(errno_has_a_code),
        cmocka_unit_test(clears),
        cmocka_unit_test(each_code_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
