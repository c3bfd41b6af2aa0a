/* RFC 4648's own examples, and the whole alphabet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"

static void becomes(const char *bytes, size_t len, const char *expected) {
    struct buffer b;
    buffer_init(&b, 1000);
    assert_int_equal(base64_append(&b, bytes, len), 0);
    assert_string_equal(buffer_text(&b), expected);
    buffer_free(&b);
}

static void test_examples(void **state) {
    (void)state;
    becomes("", 0, "");
    becomes("f", 1, "Zg==");
    becomes("fo", 2, "Zm8=");
    becomes("foo", 3, "Zm9v");
    becomes("foob", 4, "Zm9vYg==");
    becomes("fooba", 5, "Zm9vYmE=");
    becomes("foobar", 6, "Zm9vYmFy");
    becomes("\xff\xff\xfe\0\x10\x83", 6, "///+ABCD");
}

static void test_the_whole_alphabet(void **state) {
    (void)state;
    unsigned char bytes[48];
    for (unsigned i = 0; i < 16; i++) { /* four digits of six bits in three bytes */
        unsigned v = (4 * i) << 18 | (4 * i + 1) << 12 | (4 * i + 2) << 6 | (4 * i + 3);
        bytes[3 * i] = (unsigned char)(v >> 16);
        bytes[3 * i + 1] = (unsigned char)(v >> 8);
        bytes[3 * i + 2] = (unsigned char)v;
    }
    becomes((const char *)bytes, sizeof bytes,
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
}

static void test_all_or_nothing(void **state) {
    (void)state;
    struct buffer b;
    buffer_init(&b, 7);
    assert_int_equal(buffer_puts(&b, "xyz"), 0);
    assert_int_equal(base64_append(&b, "foob", 4), -1);
    assert_string_equal(buffer_text(&b), "xyz");
    assert_int_equal(base64_append(&b, "foo", 3), 0);
    assert_string_equal(buffer_text(&b), "xyzZm9v");
    buffer_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_the_whole_alphabet),
        cmocka_unit_test(test_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
