/* What is said about a rejected record, and the line that keeps it. */
#include "event/event_testing.h"

#include <jansson.h>

static const struct event_rules rules = DEFAULT_RULES;

static void check_detail_by(const struct event_rules *r, const char *value, const char *want) {
    struct result result = run_value(r, value, strlen(value));
    assert_string_equal(result.ev.detail, want);
}

static void check_detail(const char *value, const char *want) {
    check_detail_by(&rules, value, want);
}

static void details(void **state) {
    (void)state;
    check_detail("{\"user_id\" 1}", "byte 11: expected ':' after a field name, found '1'");
    check_detail("{\"user_id\":1",
                 "byte 12: expected ',' or '}' after a field's value, found the end");
    check_detail("\xff", "byte 0: expected a value, found 0xFF");
    check_detail("[\"\n\"]", "byte 2: a control character in a string must be escaped, found 0x0A");
    check_detail("[]", "the value is an array; an event is an object");
    check_detail("{\"user_id\":1,\"user_id\":1,\"user_id\":2}", "field \"user_id\" stands 3 times");
    check_detail("{}", "field \"user_id\" is absent; it must be a string or an integer");
    check_detail("{\"user_id\":null}",
                 "field \"user_id\" is null; it must be a string or an integer");
    check_detail("{\"user_id\":\"\"}",
                 "field \"user_id\" is an empty string; it must be a string or an integer");
    check_detail("{\"user_id\":1.5}",
                 "field \"user_id\" is a number with a fraction or an exponent; "
                 "it must be a string or an integer");
    check_detail("{\"user_id\":1}", "field \"timestamp\" is absent");
    check_detail("{\"user_id\":1,\"timestamp\":null}", "field \"timestamp\" is null");
    check_detail("{\"user_id\":1,\"timestamp\":\"x\"}",
                 "field \"timestamp\" is a string; epoch_ms wants a number");
    check_detail("{\"user_id\":1,\"timestamp\":1.5}", "field \"timestamp\" is 1.5: not an integer");
    check_detail("{\"user_id\":1,\"timestamp\":1e99}",
                 "field \"timestamp\" is 1e99: far outside the years 0001 to 9999");
    check_detail(
        "{\"user_id\":1,\"timestamp\":253402300799999}",
        "field \"timestamp\" is 253402300799999: its window is not within the years 0001 to "
        "9999");
}

static void details_of_other_formats(void **state) {
    (void)state;
    struct event_rules r = rules;
    r.timestamp_format = TIMESTAMP_ISO8601;
    check_detail_by(&r, "{\"user_id\":1,\"timestamp\":5}",
                    "field \"timestamp\" is a number; iso8601 wants a string");
    check_detail_by(&r, "{\"user_id\":1,\"timestamp\":\"\xc3\xa9\x7f\"}",
                    "field \"timestamp\" is \xc3\xa9?: not RFC 3339 with a zone, at most "
                    "milliseconds, in the years 0001 to 9999");
    r.timestamp_format = TIMESTAMP_EPOCH_S;
    check_detail_by(&r, "{\"user_id\":1,\"timestamp\":{}}",
                    "field \"timestamp\" is an object; epoch_s wants a number");
}

static void future_says_both_times(void **state) {
    (void)state;
    struct record r = {.timestamp = 1729630800000,
                       .value = "{\"user_id\":1,\"timestamp\":1729634400001}"};
    r.value_len = strlen(r.value);
    assert_string_equal(run_record(&rules, &r).ev.detail,
                        "2024-10-22T22:00:00.001Z is more than 3600000 ms after the record's own "
                        "timestamp, 1729630800000");
}

/* However long and odd the input, a detail is whole UTF-8 (run_record checks it). */
static void long_details_are_cut(void **state) {
    (void)state;
    struct event_rules r = rules;
    char field[400], value[1200];
    for (size_t n = 0; n < 300; n++) {
        memset(field, 'f', n);
        (void)snprintf(field + n, sizeof field - n, "\xf0\x9f\x98\x80\xf0\x9f\x98\x80");
        r.key_field = field;
        (void)run_value(&r, "{}", 2);
    }
    r.key_field = "k";
    r.timestamp_format = TIMESTAMP_ISO8601;
    for (size_t n = 0; n < 300; n++) {
        int len = snprintf(value, sizeof value, "{\"k\":1,\"timestamp\":\"%0*d", (int)n + 1, 0);
        for (int i = 0; i < 20; i++)
            len += snprintf(value + len, sizeof value - (size_t)len, "\xf0\x9f\x98\x80");
        len += snprintf(value + len, sizeof value - (size_t)len, "\"}");
        assert_int_equal(run_value(&r, value, (size_t)len).ev.reason, REJECT_BAD_TIMESTAMP);
    }
}

static void names(void **state) {
    (void)state;
    static const char *const want[REJECT_COUNT] = {
        "none",   "invalid_json", "not_object",    "duplicate_field",
        "no_key", "no_timestamp", "bad_timestamp", "future"};
    for (int i = 0; i < REJECT_COUNT; i++)
        assert_string_equal(reject_reason_name((enum reject_reason)i), want[i]);
}

/* ---- The line ----------------------------------------------------------------------------------- */

static struct buffer out;

static int set_up(void **state) {
    (void)state;
    buffer_init(&out, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    buffer_free(&out);
    return 0;
}

static struct record record(const char *key, size_t key_len, const char *value, size_t len) {
    return (struct record){.offset = 17,
                           .timestamp = 1729630800000,
                           .key = key,
                           .key_len = key_len,
                           .value = value,
                           .value_len = len};
}

static void check_rejected(const struct record *r, const char *want) {
    buffer_reset(&out);
    assert_int_equal(event_rejected_line(r, "t", 2, REJECT_NO_KEY, "why", &out), 0);
    assert_string_equal(buffer_text(&out), want);
}

#define HEAD "{\"topic\":\"t\",\"partition\":2,\"offset\":17,\"timestamp\":1729630800000,"
#define MIDDLE ",\"reason\":\"no_key\",\"detail\":\"why\","

static void lines(void **state) {
    (void)state;
    struct record r = record("k", 1, "{}", 2);
    check_rejected(&r, HEAD "\"key\":\"k\"" MIDDLE "\"value\":\"{}\"}\n");
    r = record(NULL, 0, "{}", 2);
    check_rejected(&r, HEAD "\"key\":null" MIDDLE "\"value\":\"{}\"}\n");
    r = record("", 0, "{}", 2);
    check_rejected(&r, HEAD "\"key\":\"\"" MIDDLE "\"value\":\"{}\"}\n");
    r.timestamp = RECORD_NO_TIMESTAMP;
    check_rejected(&r, "{\"topic\":\"t\",\"partition\":2,\"offset\":17,\"timestamp\":null,"
                       "\"key\":\"\"" MIDDLE "\"value\":\"{}\"}\n");
    r.timestamp = -5;
    r.offset = INT64_MAX;
    check_rejected(&r, "{\"topic\":\"t\",\"partition\":2,\"offset\":9223372036854775807,"
                       "\"timestamp\":-5,\"key\":\"\"" MIDDLE "\"value\":\"{}\"}\n");
}

static void strings_are_escaped_no_more_than_needed(void **state) {
    (void)state;
    const char value[] = "\"\\/\b\f\n\r\t\0\x01\x1f\x7f\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80'<";
    struct record r = record("a\nb", 3, value, sizeof value - 1);
    check_rejected(&r, HEAD "\"key\":\"a\\nb\"" MIDDLE
                            "\"value\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001\\u001f\x7f"
                            "\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80'<\"}\n");
}

static void other_bytes_are_base64(void **state) {
    (void)state;
    struct record r = record("\xff", 1, "\xff\xfe", 2);
    check_rejected(&r, HEAD "\"key_base64\":\"/w==\"" MIDDLE "\"value_base64\":\"//4=\"}\n");
    r = record("\xfb\xff\x00", 3, "a\xed\xa0\x80", 4);
    check_rejected(&r, HEAD "\"key_base64\":\"+/8A\"" MIDDLE "\"value_base64\":\"Ye2ggA==\"}\n");
    r = record("k", 1, "\xc3", 1);
    check_rejected(&r, HEAD "\"key\":\"k\"" MIDDLE "\"value_base64\":\"ww==\"}\n");
}

static void detail_and_topic_are_escaped(void **state) {
    (void)state;
    struct record r = record("k", 1, "x", 1);
    assert_int_equal(event_rejected_line(&r, "a\"b", 0, REJECT_INVALID_JSON, "\"x\"", &out), 0);
    assert_string_equal(buffer_text(&out),
                        "{\"topic\":\"a\\\"b\",\"partition\":0,\"offset\":17,"
                        "\"timestamp\":1729630800000,\"key\":\"k\",\"reason\":\"invalid_json\","
                        "\"detail\":\"\\\"x\\\"\",\"value\":\"x\"}\n");
}

static void lines_are_appended(void **state) {
    (void)state;
    struct record r = record("k", 1, "x", 1);
    assert_int_equal(event_rejected_line(&r, "t", 0, REJECT_FUTURE, "d", &out), 0);
    size_t one = out.len;
    assert_int_equal(event_rejected_line(&r, "t", 0, REJECT_FUTURE, "d", &out), 0);
    assert_int_equal(out.len, 2 * one);
    assert_memory_equal(out.data, out.data + one, one);
}

/* At every maximum, a line is there as a whole or not at all. */
static void half_a_line_is_never_left(void **state) {
    (void)state;
    struct record r = record("\xff", 1, "a\nb\xff", 4);
    struct record text = record("k", 1, "a\nb", 3);
    for (size_t max = 0; max < 400; max++) {
        struct buffer b;
        buffer_init(&b, max);
        if (max >= 2)
            assert_int_equal(buffer_puts(&b, "x\n"), 0);
        size_t before = b.len;
        const struct record *which = max % 2 ? &r : &text;
        if (event_rejected_line(which, "t", 0, REJECT_FUTURE, "d", &b) != 0) {
            assert_int_equal(b.len, before);
            assert_int_equal(strlen(buffer_text(&b)), before);
        } else {
            assert_true(b.len > before + 100);
            assert_int_equal(b.data[b.len - 1], '\n');
        }
        buffer_free(&b);
    }
}

/* Whatever the bytes, jansson reads the line and finds them again. */
static void any_bytes_come_back(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        char value[] = {'<', (char)c, '>'};
        struct record r = record(NULL, 0, value, 3);
        buffer_reset(&out);
        assert_int_equal(event_rejected_line(&r, "t", 0, REJECT_INVALID_JSON, "d", &out), 0);
        json_t *line = json_loadb(out.data, out.len, JSON_ALLOW_NUL, NULL);
        assert_non_null(line);
        const json_t *v = json_object_get(line, "value");
        assert_int_equal(v != NULL, c < 0x80);
        assert_int_equal(json_object_get(line, "value_base64") != NULL, c >= 0x80);
        if (v) {
            assert_int_equal(json_string_length(v), 3);
            assert_memory_equal(json_string_value(v), value, 3);
        }
        json_decref(line);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(details),
        cmocka_unit_test(details_of_other_formats),
        cmocka_unit_test(future_says_both_times),
        cmocka_unit_test(long_details_are_cut),
        cmocka_unit_test(names),
        cmocka_unit_test_setup_teardown(lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strings_are_escaped_no_more_than_needed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_bytes_are_base64, set_up, tear_down),
        cmocka_unit_test_setup_teardown(detail_and_topic_are_escaped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_are_appended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_a_line_is_never_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_bytes_come_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
