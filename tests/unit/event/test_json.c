/* The scanner's own rules: strictness, depth, white space, where an error is, watched members. */
#include "event/json_testing.h"

static void values(void **state) {
    (void)state;
    must_parse("{}");
    must_parse("[]");
    must_parse("null");
    must_parse("true");
    must_parse("false");
    must_parse("0");
    must_parse("\"\"");
    must_parse(" \t\r\n{ \t\r\n} \t\r\n");
    must_parse("{\"a\":{\"b\":[{},[],{\"c\":null}]}}");
    must_not_parse("");
    must_not_parse(" ");
    must_not_parse("\n\n\t");
    must_not_parse("nul");
    must_not_parse("nullx");
    must_not_parse("truefalse");
    must_not_parse("True");
    must_not_parse("{}{}");
    must_not_parse("{} x");
    must_not_parse("{},");
    must_not_parse("'a'");
    must_not_parse("NaN");
    must_not_parse("undefined");
}

static void objects(void **state) {
    (void)state;
    must_parse("{\"\":1}");
    must_parse("{\"a\":1,\"a\":2}");
    must_not_parse("{");
    must_not_parse("{\"");
    must_not_parse("{\"a\"");
    must_not_parse("{\"a\":");
    must_not_parse("{\"a\":1");
    must_not_parse("{\"a\":1,");
    must_not_parse("{\"a\":1,}");
    must_not_parse("{,}");
    must_not_parse("{\"a\" 1}");
    must_not_parse("{\"a\"::1}");
    must_not_parse("{\"a\":1 \"b\":2}");
    must_not_parse("{\"a\":1,,\"b\":2}");
    must_not_parse("{a:1}");
    must_not_parse("{1:1}");
    must_not_parse("{\"a\":1]");
    must_not_parse("{\"a\":}");
    must_not_parse("{\"a\"}");
    must_not_parse("{\"a\":1}}");
    must_not_parse("{\"x\":{\"a\":1,}}");
    must_not_parse("{\"x\":{,}}");
    must_not_parse("{\"x\":{\"a\"}}");
}

static void arrays(void **state) {
    (void)state;
    must_parse("[1]");
    must_parse("[ 1 , [ 2 ] , { } ]");
    must_not_parse("[");
    must_not_parse("[1");
    must_not_parse("[1,");
    must_not_parse("[1,]");
    must_not_parse("[,1]");
    must_not_parse("[1 2]");
    must_not_parse("[1}");
    must_not_parse("[\"a\":1]");
    must_not_parse("]");
    must_not_parse("[]]");
    must_not_parse("[[]");
}

static void numbers(void **state) {
    (void)state;
    must_parse("-0");
    must_parse("0.0");
    must_parse("0e0");
    must_parse("0e+00");
    must_parse("1E-999999999999999999999");
    must_parse("-123456789012345678901234567890.123456789e+12");
    must_not_parse("-");
    must_not_parse("+1");
    must_not_parse("01");
    must_not_parse("-01");
    must_not_parse("00");
    must_not_parse("1.");
    must_not_parse(".1");
    must_not_parse("1.e1");
    must_not_parse("1e");
    must_not_parse("1e+");
    must_not_parse("1e1.0");
    must_not_parse("1.0.0");
    must_not_parse("--1");
    must_not_parse("0x1");
    must_not_parse("1_000");
    must_not_parse("1a");
    must_not_parse("Infinity");
    must_not_parse("-Infinity");
    must_not_parse("1\0");
}

static void strings(void **state) {
    (void)state;
    must_parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uFfFf\"");
    must_parse("\"\x7f\"");
    must_parse("\"\\ud800\"");
    must_parse("\"\\udc00\\ud800\"");
    must_parse("\"\\ud83d\\ude00\"");
    must_not_parse("\"");
    must_not_parse("\"\\");
    must_not_parse("\"\\\"");
    must_not_parse("\"\\a\"");
    must_not_parse("\"\\'\"");
    must_not_parse("\"\\x41\"");
    must_not_parse("\"\\U0041\"");
    must_not_parse("\"\\u\"");
    must_not_parse("\"\\u12\"");
    must_not_parse("\"\\u123\"");
    must_not_parse("\"\\u123g\"");
    must_not_parse("\"\\u 123\"");
    must_not_parse("\"\\u1234");
    must_not_parse("\"\\u12");
    must_not_parse("\"\n\"");
    must_not_parse("\"\t\"");
    must_not_parse("\"\x1f\"");
    must_not_parse("\"\0\"");
    must_not_parse("\"a\0");
}

static void every_control_character_is_refused(void **state) {
    (void)state;
    for (int c = 0; c < 0x20; c++)
        assert_false(parses((char[]){'"', (char)c, '"'}, 3));
}

static void every_escape_but_eight_is_refused(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool known = c != 0 && c != 'u' && strchr("\"\\/bfnrt", c) != NULL;
        assert_int_equal(parses((char[]){'"', '\\', (char)c, '"'}, 4), known);
    }
}

static void every_white_space_but_four_is_refused(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool known = c != 0 && strchr(" \t\r\n", c) != NULL;
        assert_int_equal(parses((char[]){'[', (char)c, ']'}, 3), known || (c >= '0' && c <= '9'));
    }
}

static void utf8(void **state) {
    (void)state;
    must_parse("\"\xc2\x80\xdf\xbf\"");
    must_parse("\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"");
    must_parse("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"");
    must_parse("{\"\xe5\x90\x8d\":\"\xf0\x9f\x98\x80\"}");
    must_not_parse("\"\x80\"");
    must_not_parse("\"\xc0\x80\"");
    must_not_parse("\"\xc1\xbf\"");
    must_not_parse("\"\xc2\"");
    must_not_parse("\"\xc2\x41\"");
    must_not_parse("\"\xe0\x9f\xbf\"");
    must_not_parse("\"\xed\xa0\x80\"");
    must_not_parse("\"\xed\xbf\xbf\"");
    must_not_parse("\"\xe1\x80\"");
    must_not_parse("\"\xe1\x80\x41\"");
    must_not_parse("\"\xf0\x8f\xbf\xbf\"");
    must_not_parse("\"\xf4\x90\x80\x80\"");
    must_not_parse("\"\xf5\x80\x80\x80\"");
    must_not_parse("\"\xf1\x80\x80\"");
    must_not_parse("\"\xff\"");
    must_not_parse("\"\xf1\x80\x80");
    must_not_parse("\"\xe1\x80");
    must_not_parse("\"\xc2");
    must_not_parse("{\"\xff\":1}");
    must_not_parse("\xef\xbb\xbf{}");
    must_not_parse("\xc2\xa0{}");
    must_not_parse("[\xe2\x80\xa8]");
}

/* An array or object `depth` deep. */
static bool nested(size_t depth, const char *open, const char *close) {
    size_t o = strlen(open), c = strlen(close);
    char *text = xmalloc(depth * (o + c) + 1);
    for (size_t i = 0; i < depth; i++) {
        memcpy(text + i * o, open, o);
        memcpy(text + depth * o + i * c, close, c);
    }
    size_t len = depth * (o + c);
    if (open[o - 1] == ':') { /* the innermost object needs a value */
        memmove(text + depth * o + 1, text + depth * o, depth * c);
        text[depth * o] = '0';
        len++;
    }
    bool ok = parses(text, len);
    free(text);
    return ok;
}

static void depth(void **state) {
    (void)state;
    assert_true(nested(1, "[", "]"));
    assert_true(nested(1024, "[", "]"));
    assert_false(nested(1025, "[", "]"));
    assert_true(nested(1024, "{\"a\":", "}"));
    assert_false(nested(1025, "{\"a\":", "}"));
    assert_true(nested(512, "[{\"a\":", "}]"));
    assert_false(nested(513, "[{\"a\":", "}]"));
    assert_false(nested(1000000, "[", "]"));
}

static void check_minified(const char *text, const char *want) {
    struct outcome o = scan_all(text, strlen(text));
    assert_true(o.ok);
    assert_string_equal(o.out, want);
    outcome_free(&o);
}

static void white_space_goes(void **state) {
    (void)state;
    check_minified("{}", "{}");
    check_minified(" [ ] ", "[]");
    check_minified(" { \"a\" : 1 , \"b\" : [ 1 , 2 , { } ] } ", "{\"a\":1,\"b\":[1,2,{}]}");
    check_minified("{\n\t\"a b\"\r\n:\t\" c  d \"\n}", "{\"a b\":\" c  d \"}");
    check_minified("{\"a\":\"\\\" , \"}", "{\"a\":\"\\\" , \"}");
    check_minified(" -1.50E+007 ", "-1.50E+007");
    check_minified("\n\n\"\\u0041\\/\"", "\"\\u0041\\/\"");
    check_minified("  null  ", "null");
}

static void long_runs_and_gaps(void **state) {
    (void)state;
    for (size_t n = 0; n < 300; n++) {
        char text[1000], want[400];
        int len = snprintf(text, sizeof text, "{\"a\":%*s\"%0*d\"%*s}", (int)n, "", (int)n + 1, 0,
                           (int)n, "");
        (void)snprintf(want, sizeof want, "{\"a\":\"%0*d\"}", (int)n + 1, 0);
        assert_in_range(len, 1, sizeof text - 1);
        check_minified(text, want);
    }
}

/* Strings that end, and escapes that begin, at every place of a window of stops. */
enum { WINDOW = JSON_WINDOW_BLOCKS * JSON_BLOCK };

static void windows_do_not_show(void **state) {
    (void)state;
    for (size_t n = WINDOW - 80; n < WINDOW + 80; n++) {
        char *text = xmalloc(n + 64);
        size_t len = (size_t)sprintf(text, "{\"");
        memset(text + len, 'x', n);
        len += n;
        len += (size_t)sprintf(text + len, "\\n\xc3\xa9\\\"\":\"\\ud83d\",\n\"b\":\"\"}");
        struct outcome o = scan_all(text, len);
        assert_true(o.ok);
        assert_int_equal(o.out_len, len - 1);
        outcome_free(&o);
        text[len - 2] = 'x';
        assert_false(parses(text, len));
        free(text);
    }
}

static void check_error(const char *text, enum json_error error, size_t at) {
    struct outcome o = scan_all(text, strlen(text));
    assert_false(o.ok);
    assert_int_equal(o.error, error);
    assert_int_equal(o.error_at, at);
    outcome_free(&o);
}

static void errors_say_where(void **state) {
    (void)state;
    check_error("", JSON_NOTHING, 0);
    check_error("  ", JSON_NOTHING, 2);
    check_error("\xef\xbb\xbf{}", JSON_BYTE_ORDER_MARK, 0);
    check_error("{\"a\":}", JSON_EXPECTED_VALUE, 5);
    check_error("{\"a\":1,}", JSON_EXPECTED_NAME, 7);
    check_error("{\"a\"=1}", JSON_EXPECTED_COLON, 4);
    check_error("{\"a\":1;", JSON_EXPECTED_END_OF_OBJECT, 6);
    check_error("{\"a\":{\"b\":1;", JSON_EXPECTED_END_OF_OBJECT, 11);
    check_error("[1;", JSON_EXPECTED_END_OF_ARRAY, 2);
    check_error("-x", JSON_EXPECTED_DIGIT, 1);
    check_error("[1.]", JSON_EXPECTED_DIGIT, 3);
    check_error("\"\\q\"", JSON_BAD_ESCAPE, 2);
    check_error("\"\\u00g0\"", JSON_BAD_ESCAPE, 5);
    check_error("\"ab\n\"", JSON_CONTROL_CHARACTER, 3);
    check_error("\"ab\xff\"", JSON_BAD_UTF8, 3);
    check_error("\"abc", JSON_OPEN_STRING, 4);
    check_error("\"abc\\", JSON_OPEN_STRING, 5);
    check_error("{} {}", JSON_TRAILING, 3);
    for (int e = 0; e < JSON_ERROR_COUNT; e++)
        assert_non_null(json_error_text((enum json_error)e));
}

/* ---- Watched members ---------------------------------------------------------------------------- */

static struct json_scanner scanner;

static int watching(void **state) {
    (void)state;
    json_scanner_init(&scanner, json_simd_best());
    json_scanner_watch(&scanner, "a", false);
    json_scanner_watch(&scanner, "", false);
    json_scanner_watch(&scanner, "drop", true);
    json_scanner_watch(&scanner, "\xf0\x9f\x98\x80", false);
    return 0;
}

static int stop_watching(void **state) {
    (void)state;
    json_scanner_free(&scanner);
    return 0;
}

static const struct json_found *find(const char *text, size_t watch) {
    assert_true(json_scan(&scanner, text, strlen(text)));
    return &scanner.found[watch];
}

static void check_found(const struct json_found *f, enum json_type type, const char *text) {
    assert_int_equal(f->count, 1);
    assert_int_equal(f->type, type);
    assert_int_equal(f->len, strlen(text));
    assert_memory_equal(f->text, text, f->len);
}

static void finds_each_type(void **state) {
    (void)state;
    check_found(find("{\"a\":null}", 0), JSON_TYPE_NULL, "null");
    check_found(find("{\"a\":true}", 0), JSON_TYPE_BOOL, "true");
    check_found(find("{\"a\":-1.5e3}", 0), JSON_TYPE_NUMBER, "-1.5e3");
    check_found(find("{\"a\":\"x\"}", 0), JSON_TYPE_STRING, "x");
    check_found(find("{\"a\":\"\"}", 0), JSON_TYPE_STRING, "");
    check_found(find("{\"a\":[1, 2]}", 0), JSON_TYPE_ARRAY, "[1, 2]");
    check_found(find("{\"a\":{\"a\":1}}", 0), JSON_TYPE_OBJECT, "{\"a\":1}");
    check_found(find("{\"\":1}", 1), JSON_TYPE_NUMBER, "1");
}

static void finds_by_meaning(void **state) {
    (void)state;
    check_found(find("{\"\\u0061\":1}", 0), JSON_TYPE_NUMBER, "1");
    check_found(find("{\"\\ud83d\\uDE00\":1}", 3), JSON_TYPE_NUMBER, "1");
    check_found(find("{\"\xf0\x9f\x98\x80\":1}", 3), JSON_TYPE_NUMBER, "1");
    assert_int_equal(find("{\"\\ud83d\":1}", 3)->count, 0);
    assert_int_equal(find("{\"\\\\u0061\":1}", 0)->count, 0);
    assert_int_equal(find("{\"b\":{\"a\":1}}", 0)->count, 0);
    assert_int_equal(find("{\"aa\":1,\"A\":1}", 0)->count, 0);
    assert_int_equal(find("[{\"a\":1}]", 0)->count, 0);
    assert_int_equal(find("{\"a\":1,\"a\":2,\"\\u0061\":3}", 0)->count, 3);
}

static void tells_whether_a_value_is_escaped(void **state) {
    (void)state;
    assert_false(find("{\"\\u0061\":\"x\"}", 0)->escaped);
    assert_true(find("{\"a\":\"\\n\"}", 0)->escaped);
    assert_false(find("{\"\\u0061\":1}", 0)->escaped);
}

static void tells_where_a_value_ends(void **state) {
    (void)state;
    static const char text[] = "{ \"b\" : 1 , \"a\" : 22 , \"c\" : 3 }";
    assert_int_equal(find(text, 0)->end, strstr(text, "22") + 2 - text);
    assert_int_equal(find("{\"a\":\"x\"}", 0)->end, strlen("{\"a\":\"x\""));
}

static void check_packed(size_t from, size_t to, const char *want) {
    char *out = xmalloc(to - from + JSON_PACK_SLACK);
    assert_int_equal(json_minify(&scanner, from, to, out) - out, strlen(want));
    assert_memory_equal(out, want, strlen(want));
    free(out);
}

static void check_dropped(const char *text, const char *want) {
    assert_true(json_scan(&scanner, text, strlen(text)));
    check_packed(0, strlen(text), want);
}

static void packs_a_part(void **state) {
    (void)state;
    static const char text[] = "{ \"drop\": 0, \"a\": 22 , \"b c\" :[ 1 ], \"drop\":1 }";
    size_t split = find(text, 0)->end;
    check_packed(0, split, "{\"a\":22");
    check_packed(split, strlen(text), ",\"b c\":[1]}");
    check_packed(split, split, "");
    check_packed(strlen(text), strlen(text), "");
}

/* Members that begin, end and lie beyond what is indexed at once. */
static void drops_long_members(void **state) {
    (void)state;
    enum { LONG = 3 * JSON_WINDOW_BLOCKS * JSON_BLOCK };
    char *text = xmalloc(2 * LONG), *want = xmalloc(2 * LONG);
    for (int digits = LONG - 200; digits < LONG; digits++) {
        (void)snprintf(text, 2 * LONG, "{\"b\":2,\"drop\":1 ,\"c\":\"%*s\", \"drop\": 1}", digits,
                       "x");
        (void)snprintf(want, 2 * LONG, "{\"b\":2,\"c\":\"%*s\"}", digits, "x");
        check_dropped(text, want);
        char *zeros = xmalloc((size_t)digits + 1); /* a number is not indexed on the way */
        memset(zeros, '1', (size_t)digits);
        zeros[digits] = '\0';
        (void)snprintf(text, 2 * LONG, "{\"b\":2,\"drop\":%s,\"c\":3 }", zeros);
        check_dropped(text, "{\"b\":2,\"c\":3}");
        (void)snprintf(text, 2 * LONG, "{\"b\":2,\"drop\":%s}", zeros);
        check_dropped(text, "{\"b\":2}");
        free(zeros);
    }
    free(text);
    free(want);
}

static void drops_members(void **state) {
    (void)state;
    check_dropped("{\"drop\":1}", "{}");
    check_dropped("{ \"drop\" : 1 }", "{}");
    check_dropped("{\"drop\":1,\"b\":2}", "{\"b\":2}");
    check_dropped("{\"b\":2,\"drop\":1}", "{\"b\":2}");
    check_dropped("{\"b\":2 , \"drop\" : 1 , \"c\" : 3}", "{\"b\":2,\"c\":3}");
    check_dropped("{\"drop\":1,\"drop\":2}", "{}");
    check_dropped("{\"drop\":1, \"drop\":2, \"drop\":[]}", "{}");
    check_dropped("{\"drop\":1,\"b\":2,\"drop\":3}", "{\"b\":2}");
    check_dropped("{\"b\":2,\"drop\":1,\"drop\":3}", "{\"b\":2}");
    check_dropped("{\"b\":2,\"drop\":{\"x\": [1, 2]},\"c\":3}", "{\"b\":2,\"c\":3}");
    check_dropped("{\"b\":\",\",\"drop\":\",\"}", "{\"b\":\",\"}");
    check_dropped("{\"b\":2,\"dr\\u006fp\":1,\"c\":3}", "{\"b\":2,\"c\":3}");
    check_dropped("{\"b\":{\"drop\":1}}", "{\"b\":{\"drop\":1}}");
    check_dropped("{\"dropped\":1}", "{\"dropped\":1}");
    assert_false(json_scan(&scanner, "{\"drop\":1,}", 11));
    assert_false(json_scan(&scanner, "{\"drop\":1,", 10));
    assert_false(json_scan(&scanner, "{\"b\":1,\"drop\":1", 15));
}

static void gives_scratch_memory_back(void **state) {
    (void)state;
    size_t len = 3 * 1024 * 1024;
    char *text = xmalloc(len);
    memset(text, ' ', len);
    text[0] = '1';
    assert_true(json_scan(&scanner, text, len));
    assert_true(scanner.capacity >= len);
    assert_true(json_scan(&scanner, text, 1));
    assert_true(scanner.capacity <= 1024 * 1024);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(objects),
        cmocka_unit_test(arrays),
        cmocka_unit_test(numbers),
        cmocka_unit_test(strings),
        cmocka_unit_test(every_control_character_is_refused),
        cmocka_unit_test(every_escape_but_eight_is_refused),
        cmocka_unit_test(every_white_space_but_four_is_refused),
        cmocka_unit_test(utf8),
        cmocka_unit_test(depth),
        cmocka_unit_test(white_space_goes),
        cmocka_unit_test(long_runs_and_gaps),
        cmocka_unit_test(windows_do_not_show),
        cmocka_unit_test(errors_say_where),
        cmocka_unit_test_setup_teardown(finds_each_type, watching, stop_watching),
        cmocka_unit_test_setup_teardown(finds_by_meaning, watching, stop_watching),
        cmocka_unit_test_setup_teardown(tells_whether_a_value_is_escaped, watching, stop_watching),
        cmocka_unit_test_setup_teardown(tells_where_a_value_ends, watching, stop_watching),
        cmocka_unit_test_setup_teardown(packs_a_part, watching, stop_watching),
        cmocka_unit_test_setup_teardown(drops_members, watching, stop_watching),
        cmocka_unit_test_setup_teardown(drops_long_members, watching, stop_watching),
        cmocka_unit_test_setup_teardown(gives_scratch_memory_back, watching, stop_watching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
