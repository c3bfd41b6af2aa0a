/* Which class a record is of: every reason, their order, and the edges of each. */
#include "event/event_testing.h"

static const struct event_rules rules = DEFAULT_RULES;

#define must_reject(reason, value) check_reason(&rules, "" value, sizeof(value) - 1, reason)
#define must_accept(value) must_reject(REJECT_NONE, value)

static bool is_null(const char *value, size_t len) {
    struct result r = run_value(&rules, value, len);
    return r.ev.null && r.ev.reason == REJECT_NONE;
}

static void nulls(void **state) {
    (void)state;
    assert_true(is_null(NULL, 0));
    assert_true(is_null("", 0));
    assert_true(is_null("null", 4));
    assert_true(is_null(" \r\n\tnull ", 9));
    assert_false(is_null(" ", 1));
    assert_false(is_null("\"null\"", 6));
    assert_false(is_null("[null]", 6));
    assert_false(is_null("Null", 4));
    assert_false(is_null("null,", 5));
}

static void invalid_json(void **state) {
    (void)state;
    must_reject(REJECT_INVALID_JSON, " ");
    must_reject(REJECT_INVALID_JSON, "\n");
    must_reject(REJECT_INVALID_JSON, "x");
    must_reject(REJECT_INVALID_JSON, "\0");
    must_reject(REJECT_INVALID_JSON, "{\"user_id\":\"u\",\"timestamp\":1");
    must_reject(REJECT_INVALID_JSON, "{\"user_id\":\"u\",\"timestamp\":1}}");
    must_reject(REJECT_INVALID_JSON, "{\"user_id\":\"u\",\"timestamp\":1}\0");
    must_reject(REJECT_INVALID_JSON, "{\"user_id\":\"u\",\"timestamp\":01}");
    must_reject(REJECT_INVALID_JSON, "{\"user_id\":\"\xff\",\"timestamp\":1}");
    must_reject(REJECT_INVALID_JSON, "\xef\xbb\xbf{\"user_id\":\"u\",\"timestamp\":1}");
    must_reject(REJECT_INVALID_JSON, "nul");
}

static void not_object(void **state) {
    (void)state;
    must_reject(REJECT_NOT_OBJECT, "[]");
    must_reject(REJECT_NOT_OBJECT, "[{\"user_id\":\"u\",\"timestamp\":1}]");
    must_reject(REJECT_NOT_OBJECT, "1");
    must_reject(REJECT_NOT_OBJECT, "\"x\"");
    must_reject(REJECT_NOT_OBJECT, "true");
    must_reject(REJECT_NOT_OBJECT, " false ");
}

static void duplicate_field(void **state) {
    (void)state;
    must_reject(REJECT_DUPLICATE_FIELD, "{\"user_id\":\"u\",\"user_id\":\"u\",\"timestamp\":1}");
    must_reject(REJECT_DUPLICATE_FIELD, "{\"user_id\":\"u\",\"timestamp\":1,\"timestamp\":1}");
    must_reject(REJECT_DUPLICATE_FIELD, "{\"user_id\":null,\"user_id\":null}");
    must_reject(REJECT_DUPLICATE_FIELD, "{\"timestamp\":null,\"timestamp\":1}");
    must_reject(REJECT_DUPLICATE_FIELD, "{\"user\\u005fid\":\"u\",\"user_id\":1,\"timestamp\":1}");
    must_reject(REJECT_DUPLICATE_FIELD, "{\"timestamp\":1,\"\\u0074imestamp\":1}");
    must_accept("{\"user_id\":\"u\",\"timestamp\":1,\"a\":1,\"a\":1}");
    must_accept("{\"user_id\":\"u\",\"timestamp\":1,\"a\":{\"user_id\":1,\"timestamp\":2}}");
    must_accept("{\"user_id\":\"u\",\"timestamp\":1,\"a\":[{\"timestamp\":1},{\"timestamp\":1}]}");
    must_accept("{\"user_id\":\"u\",\"timestamp\":1,\"event_timestamp\":1,\"event_timestamp\":2}");
}

static void no_key(void **state) {
    (void)state;
    must_reject(REJECT_NO_KEY, "{}");
    must_reject(REJECT_NO_KEY, "{\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id\":null,\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id\":\"\",\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id\":true,\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id\":false,\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id\":{},\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id\":[],\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id\":[\"u\"],\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id\":1.0,\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id\":1e3,\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id\":1E0,\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id\":-1.5,\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"User_id\":\"u\",\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user_id \":\"u\",\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"a\":{\"user_id\":\"u\"},\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"user\\\\u005fid\":\"u\",\"timestamp\":1}");
}

static void keys(void **state) {
    (void)state;
    must_accept("{\"user_id\":\"u\",\"timestamp\":1}");
    must_accept("{\"user_id\":\" \",\"timestamp\":1}");
    must_accept("{\"user_id\":\"\\u0000\",\"timestamp\":1}");
    must_accept("{\"user_id\":\"\\ud800\",\"timestamp\":1}");
    must_accept("{\"user_id\":\"null\",\"timestamp\":1}");
    must_accept("{\"user_id\":0,\"timestamp\":1}");
    must_accept("{\"user_id\":-0,\"timestamp\":1}");
    must_accept("{\"user_id\":-17,\"timestamp\":1}");
    must_accept("{\"user_id\":123456789012345678901234567890123456789,\"timestamp\":1}");
    must_accept("{\"user\\u005fid\":\"u\",\"timestamp\":1}");
    must_accept("{\"\\u0075\\u0073\\u0065\\u0072\\u005F\\u0069\\u0064\":1,\"timestamp\":1}");
}

static void no_timestamp(void **state) {
    (void)state;
    must_reject(REJECT_NO_TIMESTAMP, "{\"user_id\":\"u\"}");
    must_reject(REJECT_NO_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":null}");
    must_reject(REJECT_NO_TIMESTAMP, "{\"user_id\":\"u\",\"event_timestamp\":1}");
    must_reject(REJECT_NO_TIMESTAMP, "{\"user_id\":\"u\",\"Timestamp\":1}");
    must_reject(REJECT_NO_TIMESTAMP, "{\"user_id\":\"u\",\"a\":{\"timestamp\":1}}");
}

static void bad_timestamp(void **state) {
    (void)state;
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":\"1729630800000\"}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":\"\"}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":true}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":[1]}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":{}}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":1.5}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":1729630800000.0001}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":1e-1}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":9223372036854775808}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":-9223372036854775808}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":9223372036854775807}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":1e999999999}");
    must_reject(REJECT_BAD_TIMESTAMP, "{\"user_id\":\"u\",\"timestamp\":1e18}");
}

static void timestamp_is(const struct event_rules *r, const char *text, int64_t want) {
    char value[256];
    int n = snprintf(value, sizeof value, "{\"user_id\":\"u\",\"timestamp\":%s}", text);
    struct result result = run_value(r, value, (size_t)n);
    assert_string_equal(result.ev.detail, "");
    if (result.ev.timestamp != want)
        fail_msg("%s is %lld", text, (long long)result.ev.timestamp);
}

static void timestamp_is_bad(const struct event_rules *r, const char *text) {
    char value[256];
    int n = snprintf(value, sizeof value, "{\"user_id\":\"u\",\"timestamp\":%s}", text);
    check_reason(r, value, (size_t)n, REJECT_BAD_TIMESTAMP);
}

static void timestamps(void **state) {
    (void)state;
    timestamp_is(&rules, "1729630800000", 1729630800000);
    timestamp_is(&rules, "1729630800000.0", 1729630800000);
    timestamp_is(&rules, "1.7e12", 1700000000000);
    timestamp_is(&rules, "17296308e5", 1729630800000);
    timestamp_is(&rules, "1729630800000000e-3", 1729630800000);
    timestamp_is(&rules, "1E+3", 1000);
    timestamp_is(&rules, "0", 0);
    timestamp_is(&rules, "-0", 0);
    timestamp_is(&rules, "0.0", 0);
    timestamp_is(&rules, "0e999999999", 0);
    timestamp_is(&rules, "-1", -1);
}

static void windows_reach_to_the_ends_of_time(void **state) {
    (void)state;
    timestamp_is(&rules, "-62135596800000", TIME_MIN_MS);
    timestamp_is_bad(&rules, "-62135596800001");
    /* The last window ends in the year 10000, so its events are out of range. */
    timestamp_is(&rules, "253402300499999", TIME_END_MS - 300001);
    timestamp_is_bad(&rules, "253402300500000");
    timestamp_is_bad(&rules, "253402300799999");
    timestamp_is_bad(&rules, "253402300800000");
    struct event_rules shifted = rules;
    shifted.window.offset = 1;
    timestamp_is_bad(&shifted, "-62135596800000");
    timestamp_is(&shifted, "-62135596799999", TIME_MIN_MS + 1);
    timestamp_is(&shifted, "253402300500000", TIME_END_MS - 300000);
    timestamp_is_bad(&shifted, "253402300500001");
}

static void seconds(void **state) {
    (void)state;
    struct event_rules r = rules;
    r.timestamp_format = TIMESTAMP_EPOCH_S;
    timestamp_is(&r, "1729630800", 1729630800000);
    timestamp_is(&r, "1729630800.0", 1729630800000);
    timestamp_is(&r, "1.7e9", 1700000000000);
    timestamp_is(&r, "-1", -1000);
    timestamp_is_bad(&r, "1729630800.5");
    timestamp_is_bad(&r, "1729630800.123");
    timestamp_is_bad(&r, "1729630800000");
    timestamp_is_bad(&r, "9223372036854775");
    timestamp_is_bad(&r, "9223372036854775807");
    timestamp_is_bad(&r, "-9223372036854775808");
    timestamp_is_bad(&r, "9223372036854775808");
    timestamp_is_bad(&r, "\"1729630800\"");
}

static void iso8601(void **state) {
    (void)state;
    struct event_rules r = rules;
    r.timestamp_format = TIMESTAMP_ISO8601;
    timestamp_is(&r, "\"2024-10-22T21:00:00Z\"", 1729630800000);
    timestamp_is(&r, "\"2024-10-22T23:00:00.123+02:00\"", 1729630800123);
    timestamp_is(&r, "\"2024-10-22\\u005421:00:00\\u005a\"", 1729630800000);
    timestamp_is(&r, "\"\\u0032\\u0030\\u0032\\u0034-10-22T21:00:00.000+00:00\"", 1729630800000);
    timestamp_is_bad(&r, "\"2024-10-22T21:00:00\"");
    timestamp_is_bad(&r, "\"2024-10-22T21:00:00.0001Z\"");
    timestamp_is_bad(&r, "\"2024-10-22T21:00:60Z\"");
    timestamp_is_bad(&r, "\"\"");
    timestamp_is_bad(&r, "\"now\\n\"");
    timestamp_is_bad(&r, "\"\\ud83d\\ude00\"");
    timestamp_is_bad(&r, "\"2024-10-22T21:00:00.000+00:00\\n\"");
    timestamp_is_bad(&r, "\"2024-10-22T21:00:00.000+00:00 and more than ever fits\"");
    timestamp_is_bad(&r, "\"2024-10-22T21:00:00.000+00:0\\ud83d\\ude00\"");
    timestamp_is_bad(&r, "1729630800000");
    timestamp_is_bad(&r, "true");
    check_reason(&r, "{\"user_id\":1,\"timestamp\":null}", 30, REJECT_NO_TIMESTAMP);
}

static void the_order_of_reasons(void **state) {
    (void)state;
    must_reject(REJECT_INVALID_JSON, "[1,]");
    must_reject(REJECT_INVALID_JSON, "{\"user_id\":1,\"user_id\":1,}");
    must_reject(REJECT_DUPLICATE_FIELD, "{\"user_id\":null,\"user_id\":1}");
    must_reject(REJECT_DUPLICATE_FIELD, "{\"timestamp\":\"x\",\"timestamp\":1}");
    must_reject(REJECT_NO_KEY, "{\"timestamp\":null}");
    must_reject(REJECT_NO_KEY, "{\"timestamp\":\"x\",\"user_id\":1.0}");
    must_reject(REJECT_NO_TIMESTAMP, "{\"user_id\":1,\"timestamp\":null}");
    struct record r = {.timestamp = 0};
    r.value = "{\"user_id\":1,\"timestamp\":253402300799999}";
    r.value_len = strlen(r.value);
    assert_int_equal(run_record(&rules, &r).ev.reason, REJECT_BAD_TIMESTAMP);
}

/* ---- The record's own timestamp and key --------------------------------------------------------- */

static enum reject_reason with_record_time(const struct event_rules *use, int64_t event,
                                           int64_t record) {
    char value[128];
    struct record r = {.timestamp = record, .value = value};
    r.value_len = (size_t)snprintf(value, sizeof value, "{\"user_id\":1,\"timestamp\":%lld}",
                                   (long long)event);
    return run_record(use, &r).ev.reason;
}

static void future(void **state) {
    (void)state;
    assert_int_equal(with_record_time(&rules, 3600000, 0), REJECT_NONE);
    assert_int_equal(with_record_time(&rules, 3600001, 0), REJECT_FUTURE);
    assert_int_equal(with_record_time(&rules, 0, -3600000), REJECT_NONE);
    assert_int_equal(with_record_time(&rules, 0, -3600001), REJECT_FUTURE);
    assert_int_equal(with_record_time(&rules, -1000000, 0), REJECT_NONE);
    assert_int_equal(with_record_time(&rules, 1729630800000, 0), REJECT_FUTURE);
    assert_int_equal(with_record_time(&rules, 1729630800000, RECORD_NO_TIMESTAMP), REJECT_NONE);
    assert_int_equal(with_record_time(&rules, 1729630800000, INT64_MAX), REJECT_NONE);
    assert_int_equal(with_record_time(&rules, 1729630800000, INT64_MIN + 1), REJECT_FUTURE);
    struct event_rules r = rules;
    r.max_future_ms = 0;
    assert_int_equal(with_record_time(&r, 5, 5), REJECT_NONE);
    assert_int_equal(with_record_time(&r, 6, 5), REJECT_FUTURE);
    r.max_future_ms = INT64_MAX;
    assert_int_equal(with_record_time(&r, 1729630800000, 5), REJECT_NONE);
}

static bool mismatch(const char *key, size_t key_len, const char *user_id) {
    char value[256];
    struct record r = {.timestamp = RECORD_NO_TIMESTAMP, .key = key, .key_len = key_len};
    r.value = value;
    r.value_len =
        (size_t)snprintf(value, sizeof value, "{\"timestamp\":1,\"user_id\":%s}", user_id);
    struct result result = run_record(&rules, &r);
    assert_int_equal(result.ev.reason, REJECT_NONE);
    return result.ev.key_mismatch;
}

static void key_mismatch(void **state) {
    (void)state;
    assert_false(mismatch(NULL, 0, "\"u\""));
    assert_false(mismatch("u", 1, "\"u\""));
    assert_false(mismatch("u", 1, "\"\\u0075\""));
    assert_false(mismatch("a\nb", 3, "\"a\\nb\""));
    assert_false(mismatch("\"\\/", 3, "\"\\\"\\\\\\/\""));
    assert_false(mismatch("\0", 1, "\"\\u0000\""));
    assert_false(mismatch("\xc3\xa9", 2, "\"\\u00e9\""));
    assert_false(mismatch("\xe2\x82\xac", 3, "\"\\u20AC\""));
    assert_false(mismatch("\xf0\x9f\x98\x80", 4, "\"\\ud83d\\ude00\""));
    assert_false(mismatch("\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\""));
    assert_false(mismatch("42", 2, "42"));
    assert_false(mismatch("-0", 2, "-0"));
    assert_false(mismatch("42", 2, "\"42\""));
    assert_true(mismatch("", 0, "\"u\""));
    assert_true(mismatch("u", 1, "\"uu\""));
    assert_true(mismatch("uu", 2, "\"u\""));
    assert_true(mismatch("U", 1, "\"u\""));
    assert_true(mismatch("uu", 2, "\"\\u0075\""));
    assert_true(mismatch("\\u0075", 6, "\"\\u0075\""));
    assert_true(mismatch("\"u\"", 3, "\"u\""));
    assert_true(mismatch("0", 1, "-0"));
    assert_true(mismatch("?", 1, "\"\\ud800\""));
    assert_true(mismatch("\xef\xbf\xbd", 3, "\"\\ud83d\\u0041\""));
}

/* ---- Rules -------------------------------------------------------------------------------------- */

static void other_names(void **state) {
    (void)state;
    struct event_rules r = rules;
    r.key_field = "\xc3\xa9\"";
    r.timestamp_field = "t";
    const char *raw = "{\"\xc3\xa9\\\"\":1,\"t\":1}", *escaped = "{\"\\u00e9\\u0022\":1,\"t\":1}";
    const char *usual = "{\"user_id\":1,\"timestamp\":1}";
    check_reason(&r, raw, strlen(raw), REJECT_NONE);
    check_reason(&r, escaped, strlen(escaped), REJECT_NONE);
    check_reason(&r, usual, strlen(usual), REJECT_NO_KEY);
}

static void refused(const char *key, const char *timestamp, const char *hint) {
    struct event_rules r = rules;
    struct error e;
    r.key_field = key;
    r.timestamp_field = timestamp;
    assert_null(event_parser_new(&r, &e));
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.text, hint));
}

static void rules_that_cannot_work(void **state) {
    (void)state;
    refused("a", "a", "\"a\"");
    refused("event_timestamp", "t", "event.key_field");
    refused("event_timestamp_start", "t", "event.key_field");
    refused("event_timestamp_end", "t", "event.key_field");
    refused("k", "event_timestamp", "event.timestamp_field");
    refused("k", "event_timestamp_end", "event.timestamp_field");
}

static void rules_are_copied(void **state) {
    (void)state;
    char key[] = "user_id", timestamp[] = "timestamp";
    struct event_rules r = rules;
    r.key_field = key;
    r.timestamp_field = timestamp;
    struct event_parser *p = event_parser_new(&r, NULL);
    memset(key, 'x', strlen(key));
    memset(timestamp, 'x', strlen(timestamp));
    struct record record = {.timestamp = 1, .value = "{\"user_id\":1,\"timestamp\":1}"};
    record.value_len = strlen(record.value);
    struct event ev;
    event_parse(p, &record, &ev);
    assert_int_equal(ev.reason, REJECT_NONE);
    event_parser_free(p);
    event_parser_free(NULL);
}

static void results_do_not_leak_into_the_next(void **state) {
    (void)state;
    struct event_parser *p = event_parser_new(&rules, NULL);
    struct event ev;
    const char *values[] = {"{\"user_id\":1,\"timestamp\":5}", "{", "null",
                            "{\"user_id\":1,\"timestamp\":7}", "[]"};
    const enum reject_reason reasons[] = {REJECT_NONE, REJECT_INVALID_JSON, REJECT_NONE,
                                          REJECT_NONE, REJECT_NOT_OBJECT};
    for (size_t i = 0; i < 5; i++) {
        struct record r = {.timestamp = 1,
                           .key = i == 0 ? "x" : NULL,
                           .key_len = 1,
                           .value = values[i],
                           .value_len = strlen(values[i])};
        event_parse(p, &r, &ev);
        assert_int_equal(ev.reason, reasons[i]);
        assert_int_equal(ev.null, i == 2);
        assert_int_equal(ev.key_mismatch, i == 0);
        assert_int_equal(ev.detail[0] != '\0', reasons[i] != REJECT_NONE);
    }
    event_parser_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nulls),
        cmocka_unit_test(invalid_json),
        cmocka_unit_test(not_object),
        cmocka_unit_test(duplicate_field),
        cmocka_unit_test(no_key),
        cmocka_unit_test(keys),
        cmocka_unit_test(no_timestamp),
        cmocka_unit_test(bad_timestamp),
        cmocka_unit_test(timestamps),
        cmocka_unit_test(windows_reach_to_the_ends_of_time),
        cmocka_unit_test(seconds),
        cmocka_unit_test(iso8601),
        cmocka_unit_test(the_order_of_reasons),
        cmocka_unit_test(future),
        cmocka_unit_test(key_mismatch),
        cmocka_unit_test(other_names),
        cmocka_unit_test(rules_that_cannot_work),
        cmocka_unit_test(rules_are_copied),
        cmocka_unit_test(results_do_not_leak_into_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
