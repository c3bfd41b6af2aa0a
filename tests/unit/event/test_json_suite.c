/* JSONTestSuite: what must be accepted is, what must be refused is, and what implementations may
 * decide for themselves is written down here. */
#include "event/json_testing.h"

struct suite_case {
    const char *name, *text;
    size_t len;
};

#define CASE(name, text) {name, text, sizeof(text) - 1},
static const struct suite_case cases[] = {
#include "event/JSONTestSuite/cases.inc"
};
#undef CASE

enum { CASES = sizeof cases / sizeof *cases };

/* The i_ cases that are refused, all for bytes that are not UTF-8 (which includes UTF-16) or for a
 * byte order mark. The others are accepted: numbers of any size, and escapes that are half a
 * surrogate pair, which RFC 8259's grammar allows. */
static const char *const refused[] = {
    "i_string_UTF-16LE_with_BOM",
    "i_string_UTF-8_invalid_sequence",
    "i_string_UTF8_surrogate_U+D800",
    "i_string_invalid_utf-8",
    "i_string_iso_latin_1",
    "i_string_lone_utf8_continuation_byte",
    "i_string_not_in_unicode_range",
    "i_string_overlong_sequence_2_bytes",
    "i_string_overlong_sequence_6_bytes",
    "i_string_overlong_sequence_6_bytes_null",
    "i_string_truncated-utf-8",
    "i_string_utf16BE_no_BOM",
    "i_string_utf16LE_no_BOM",
    "i_structure_UTF-8_BOM_empty_object",
};

static bool expected(const struct suite_case *c) {
    if (c->name[0] != 'i')
        return c->name[0] == 'y';
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcmp(refused[i], c->name) == 0)
            return false;
    return true;
}

static void check_kind(char kind, size_t count) {
    size_t seen = 0;
    for (size_t i = 0; i < CASES; i++) {
        if (cases[i].name[0] != kind)
            continue;
        seen++;
        if (parses(cases[i].text, cases[i].len) != expected(&cases[i]))
            fail_msg("%s", cases[i].name);
    }
    assert_int_equal(seen, count);
}

static void accepts_what_is_json(void **state) {
    (void)state;
    check_kind('y', 95);
}

static void refuses_what_is_not(void **state) {
    (void)state;
    check_kind('n', 186);
}

static void decides_the_rest_as_written_down(void **state) {
    (void)state;
    check_kind('i', 34);
}

/* `unit` n times over, then `tail`. */
static bool parses_repeated(const char *unit, size_t n, const char *tail) {
    size_t unit_len = strlen(unit), tail_len = strlen(tail);
    char *text = xmalloc(unit_len * n + tail_len);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * unit_len, unit, unit_len);
    memcpy(text + n * unit_len, tail, tail_len);
    bool ok = parses(text, unit_len * n + tail_len);
    free(text);
    return ok;
}

static void n_structure_100000_opening_arrays(void **state) {
    (void)state;
    assert_false(parses_repeated("[", 100000, ""));
}

static void n_structure_open_array_object(void **state) {
    (void)state;
    assert_false(parses_repeated("[{\"\":", 50000, "\n"));
}

static void i_structure_500_nested_arrays(void **state) {
    (void)state;
    char closing[501] = "";
    memset(closing, ']', 500);
    assert_true(parses_repeated("[", 500, closing));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_json),
        cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(decides_the_rest_as_written_down),
        cmocka_unit_test(n_structure_100000_opening_arrays),
        cmocka_unit_test(n_structure_open_array_object),
        cmocka_unit_test(i_structure_500_nested_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
