/* The line: minified, byte for byte, three members behind the timestamp, old ones gone. */
#include "event/event_testing.h"

static const struct event_rules rules = DEFAULT_RULES;

#define must_write(value, want) check_line(&rules, value, want)

#define ADDED                                             \
    ",\"event_timestamp\":\"2024-10-22T21:00:00Z\""       \
    ",\"event_timestamp_start\":\"2024-10-22T21:00:00Z\"" \
    ",\"event_timestamp_end\":\"2024-10-22T21:05:00Z\""
#define TS "\"timestamp\":1729630800000"

static void places(void **state) {
    (void)state;
    must_write("{\"user_id\":\"u\"," TS "}", "{\"user_id\":\"u\"," TS ADDED "}");
    must_write("{" TS ",\"user_id\":\"u\"}", "{" TS ADDED ",\"user_id\":\"u\"}");
    must_write("{\"a\":1," TS ",\"user_id\":2,\"b\":3}",
               "{\"a\":1," TS ADDED ",\"user_id\":2,\"b\":3}");
}

static void white_space(void **state) {
    (void)state;
    must_write(" { \"user_id\" : \"u  v\" ,\r\n\t" TS " , \"a\" : [ 1 , { } ] } ",
               "{\"user_id\":\"u  v\"," TS ADDED ",\"a\":[1,{}]}");
    must_write("{\"user_id\":1,\"timestamp\" \n:\n 1729630800000 \n}",
               "{\"user_id\":1," TS ADDED "}");
}

static void bytes_stay(void **state) {
    (void)state;
    must_write("{\"user\\u005fid\":\"\\u0075\\/\",\"time\\u0073tamp\":1729630800000.0}",
               "{\"user\\u005fid\":\"\\u0075\\/\",\"time\\u0073tamp\":1729630800000.0" ADDED "}");
    must_write("{\"user_id\":-0," TS ",\"x\":1.50E+007,\"y\":123456789012345678901234567890}",
               "{\"user_id\":-0," TS ADDED
               ",\"x\":1.50E+007,\"y\":123456789012345678901234567890}");
    must_write("{\"user_id\":1," TS ",\"\xc3\xa9\":\"\xf0\x9f\x98\x80\\ud83d\x7f\"}",
               "{\"user_id\":1," TS ADDED ",\"\xc3\xa9\":\"\xf0\x9f\x98\x80\\ud83d\x7f\"}");
    must_write("{\"user_id\":1," TS ",\"a\":1,\"a\":2}",
               "{\"user_id\":1," TS ADDED ",\"a\":1,\"a\":2}");
}

static void old_fields_go(void **state) {
    (void)state;
    const char *want = "{\"user_id\":1," TS ADDED "}";
    must_write("{\"event_timestamp\":0,\"user_id\":1," TS "}", want);
    must_write("{\"user_id\":1,\"event_timestamp_start\":null," TS "}", want);
    must_write("{\"user_id\":1," TS ",\"event_timestamp_end\":[1, 2]}", want);
    must_write("{\"event_timestamp\":0,\"event_timestamp\":1,\"user_id\":1," TS "}", want);
    must_write("{\"user_id\":1," TS ",\"event_timestamp\":0,\"event_timestamp_end\":{} }", want);
    must_write("{\"event_timestamp_end\":0,\"user_id\":1,\"event_timestamp\":0," TS
               ",\"event_timestamp_start\":0}",
               want);
    must_write("{ \"event\\u005ftimestamp\" : 0 , \"user_id\" : 1 , " TS
               " , \"event_timestamp_\\u0065nd\" : 0 }",
               want);
    must_write("{\"user_id\":1," TS ",\"event_timestamp\":0,\"b\":2}",
               "{\"user_id\":1," TS ADDED ",\"b\":2}");
    must_write("{\"user_id\":1," TS ",\"a\":{\"event_timestamp\":0}}",
               "{\"user_id\":1," TS ADDED ",\"a\":{\"event_timestamp\":0}}");
    must_write("{\"user_id\":1," TS ",\"event_timestamps\":0}",
               "{\"user_id\":1," TS ADDED ",\"event_timestamps\":0}");
}

static void lines_of_lines(void **state) {
    (void)state;
    must_write("{\"user_id\":1," TS ADDED ",\"b\":2}", "{\"user_id\":1," TS ADDED ",\"b\":2}");
}

static void instants(void **state) {
    (void)state;
    must_write("{\"user_id\":1,\"timestamp\":1729630800007}",
               "{\"user_id\":1,\"timestamp\":1729630800007"
               ",\"event_timestamp\":\"2024-10-22T21:00:00.007Z\""
               ",\"event_timestamp_start\":\"2024-10-22T21:00:00Z\""
               ",\"event_timestamp_end\":\"2024-10-22T21:05:00Z\"}");
    must_write("{\"user_id\":1,\"timestamp\":-1}",
               "{\"user_id\":1,\"timestamp\":-1"
               ",\"event_timestamp\":\"1969-12-31T23:59:59.999Z\""
               ",\"event_timestamp_start\":\"1969-12-31T23:55:00Z\""
               ",\"event_timestamp_end\":\"1970-01-01T00:00:00Z\"}");
    must_write("{\"user_id\":1,\"timestamp\":-62135596800000}",
               "{\"user_id\":1,\"timestamp\":-62135596800000"
               ",\"event_timestamp\":\"0001-01-01T00:00:00Z\""
               ",\"event_timestamp_start\":\"0001-01-01T00:00:00Z\""
               ",\"event_timestamp_end\":\"0001-01-01T00:05:00Z\"}");
}

static void bounds_with_milliseconds(void **state) {
    (void)state;
    struct event_rules r = rules;
    r.window.offset = 250;
    check_line(&r, "{\"user_id\":1," TS "}",
               "{\"user_id\":1," TS ",\"event_timestamp\":\"2024-10-22T21:00:00Z\""
               ",\"event_timestamp_start\":\"2024-10-22T20:55:00.250Z\""
               ",\"event_timestamp_end\":\"2024-10-22T21:00:00.250Z\"}");
}

static void other_formats(void **state) {
    (void)state;
    struct event_rules r = rules;
    r.timestamp_format = TIMESTAMP_ISO8601;
    check_line(&r, "{\"timestamp\":\"2024-10-22 23:00:00.000\\u002B02:00\",\"user_id\":1}",
               "{\"timestamp\":\"2024-10-22 23:00:00.000\\u002B02:00\"" ADDED ",\"user_id\":1}");
    r.timestamp_format = TIMESTAMP_EPOCH_S;
    check_line(&r, "{\"timestamp\":1729630800,\"user_id\":1}",
               "{\"timestamp\":1729630800" ADDED ",\"user_id\":1}");
}

/* One parser, many windows: the text of the bounds that is kept must be that of this window. */
static void windows_in_turn(void **state) {
    (void)state;
    struct event_parser *p = event_parser_new(&rules, NULL);
    for (int64_t i = 0; i < 1000; i++) {
        char value[128], want[512], line[512];
        int64_t ts = (i * 7919 % 13) * 300000;
        struct record r = {.timestamp = RECORD_NO_TIMESTAMP, .value = value};
        r.value_len = (size_t)snprintf(value, sizeof value, "{\"user_id\":1,\"timestamp\":%lld}",
                                       (long long)ts);
        int minute = (int)(ts / 60000);
        (void)snprintf(want, sizeof want,
                       "{\"user_id\":1,\"timestamp\":%lld,"
                       "\"event_timestamp\":\"1970-01-01T%02d:%02d:00Z\","
                       "\"event_timestamp_start\":\"1970-01-01T%02d:%02d:00Z\","
                       "\"event_timestamp_end\":\"1970-01-01T%02d:%02d:00Z\"}\n",
                       (long long)ts, minute / 60, minute % 60, minute / 60, minute % 60,
                       (minute + 5) / 60, (minute + 5) % 60);
        struct event ev;
        event_parse(p, &r, &ev);
        size_t n = event_write_line(p, ts, ts + 300000, line);
        assert_int_equal(n, strlen(want));
        assert_memory_equal(line, want, n);
    }
    event_parser_free(p);
}

static void a_large_event(void **state) {
    (void)state;
    enum { SIZE = 2 * 1024 * 1024 };
    char *value = xmalloc(SIZE + 100);
    size_t n = (size_t)sprintf(value, "{\"user_id\":1," TS ",\"x\":\"");
    memset(value + n, 'x', SIZE);
    n += SIZE;
    n += (size_t)sprintf(value + n, "\"}");
    struct event_parser *p = event_parser_new(&rules, NULL);
    struct record r = {.timestamp = RECORD_NO_TIMESTAMP, .value = value, .value_len = n};
    struct event ev;
    event_parse(p, &r, &ev);
    assert_int_equal(ev.reason, REJECT_NONE);
    char *line = xmalloc(ev.line_max);
    size_t written = event_write_line(p, 1729630800000, 1729631100000, line);
    assert_int_equal(written, n + strlen(ADDED) + 1);
    assert_true(written <= ev.line_max);
    free(line);
    free(value);
    event_parser_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(white_space),
        cmocka_unit_test(bytes_stay),
        cmocka_unit_test(old_fields_go),
        cmocka_unit_test(lines_of_lines),
        cmocka_unit_test(instants),
        cmocka_unit_test(bounds_with_milliseconds),
        cmocka_unit_test(other_formats),
        cmocka_unit_test(windows_in_turn),
        cmocka_unit_test(a_large_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
