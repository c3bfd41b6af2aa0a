/* Values as people write them: one line for each rule. */
#include "job/test_settings_fixture.h"

#include "job/settings_values.h"

/* ---- Durations ----------------------------------------------------------------------------- */

static void duration(const char *text, int64_t ms, const char *printed) {
    int64_t got = -1;
    assert_int_equal(parse_duration(text, &got), 0);
    assert_int_equal(got, ms);
    struct buffer out;
    buffer_init(&out, 64);
    format_duration(got, &out);
    assert_string_equal(buffer_text(&out), printed);
    assert_int_equal(parse_duration(printed, &got), 0);
    assert_int_equal(got, ms);
    buffer_free(&out);
}

static void no_duration(const char *text) {
    int64_t got;
    assert_int_equal(parse_duration(text, &got), -1);
}

static void durations(void **state) {
    (void)state;
    duration("500ms", 500, "500ms");
    duration("30s", 30000, "30s");
    duration("5m", 300000, "5m");
    duration("1h", 3600000, "1h");
    duration("1d", 86400000, "1d");
    duration("0", 0, "0s");
    duration("-0", 0, "0s");
    duration("0s", 0, "0s");
    duration("90m", 5400000, "1h30m");
    duration("1h30m", 5400000, "1h30m");
    duration("1d2h3m4s5ms", 93784005, "1d2h3m4s5ms");
    duration("-90s", -90000, "-1m30s");
    duration("1500ms", 1500, "1s500ms");
    duration("007s", 7000, "7s");
    duration("106751991167d", INT64_C(9223372036828800000), "106751991167d");
    no_duration("");
    no_duration("-");
    no_duration("5");
    no_duration("5 m");
    no_duration("5 minuts");
    no_duration("5M");
    no_duration("1.5h");
    no_duration("m");
    no_duration("--5m");
    no_duration("+5m");
    no_duration("1m-5s");
    no_duration("30m1h");
    no_duration("1m1m");
    no_duration("1h30");
    no_duration("5m ");
    no_duration("5w");
    no_duration("106751991168d");
    no_duration("9223372036854775808ms");
    no_duration("99999999999999999999999999ms");
}

/* ---- Sizes --------------------------------------------------------------------------------- */

static void size(const char *text, uint64_t bytes, const char *printed) {
    uint64_t got = 1;
    assert_int_equal(parse_size(text, &got), 0);
    assert_int_equal(got, bytes);
    struct buffer out;
    buffer_init(&out, 64);
    format_size(got, &out);
    assert_string_equal(buffer_text(&out), printed);
    buffer_free(&out);
}

static void no_size(const char *text) {
    uint64_t got;
    assert_int_equal(parse_size(text, &got), -1);
}

static void sizes(void **state) {
    (void)state;
    size("0", 0, "0B");
    size("100B", 100, "100B");
    size("64KiB", 65536, "64KiB");
    size("8MiB", 8388608, "8MiB");
    size("1GiB", 1073741824, "1GiB");
    size("5TiB", UINT64_C(5) << 40, "5TiB");
    size("1024MiB", 1073741824, "1GiB");
    size("1KB", 1000, "1000B");
    size("8MB", 8000000, "8000000B");
    size("1GB", 1000000000, "1000000000B");
    size("1024KB", 1024000, "1000KiB");
    no_size("");
    no_size("8");
    no_size("8M");
    no_size("8 MiB");
    no_size("8mib");
    no_size("-8MiB");
    no_size("1.5GiB");
    no_size("MiB");
    no_size("8388608TiB");
}

/* ---- The rest ------------------------------------------------------------------------------ */

static void counts(void **state) {
    int64_t n;
    (void)state;
    assert_int_equal(parse_count("10000000", &n), 0);
    assert_int_equal(n, 10000000);
    assert_int_equal(parse_count("-3", &n), 0);
    assert_int_equal(n, -3);
    assert_int_equal(parse_count("9223372036854775807", &n), 0);
    assert_int_equal(n, INT64_MAX);
    assert_int_equal(parse_count("9223372036854775808", &n), -1);
    assert_int_equal(parse_count("", &n), -1);
    assert_int_equal(parse_count("1e6", &n), -1);
    assert_int_equal(parse_count("0x10", &n), -1);
    assert_int_equal(parse_count("1 ", &n), -1);
}

static void booleans(void **state) {
    bool b;
    (void)state;
    assert_int_equal(parse_bool("true", &b), 0);
    assert_true(b);
    assert_int_equal(parse_bool("yes", &b), 0);
    assert_true(b);
    assert_int_equal(parse_bool("false", &b), 0);
    assert_false(b);
    assert_int_equal(parse_bool("no", &b), 0);
    assert_false(b);
    assert_int_equal(parse_bool("True", &b), -1);
    assert_int_equal(parse_bool("1", &b), -1);
    assert_int_equal(parse_bool("", &b), -1);
}

static void decimals(void **state) {
    double d;
    (void)state;
    assert_int_equal(parse_decimal("1000", &d), 0);
    assert_true(d == 1000);
    assert_int_equal(parse_decimal("0.25", &d), 0);
    assert_true(d == 0.25);
    assert_int_equal(parse_decimal("", &d), -1);
    assert_int_equal(parse_decimal(".5", &d), -1);
    assert_int_equal(parse_decimal("5.", &d), -1);
    assert_int_equal(parse_decimal("1e3", &d), -1);
    assert_int_equal(parse_decimal("-1", &d), -1);
    assert_int_equal(parse_decimal("nan", &d), -1);
    assert_int_equal(parse_decimal("1.2.3", &d), -1);
}

/* Parses text as the setting and gives what is wrong with it ("" for nothing). */
static const char *wrong(const char *key, const char *text) {
    static char why[SETTING_WHY_MAX];
    struct settings s = {0};
    why[0] = '\0';
    int rc = setting_parse(settings_row(key), text, &s, why);
    assert_int_equal(rc == 0, why[0] == '\0');
    setting_release(settings_row(key), &s);
    return why;
}

static void accepts(const char *key, const char *text) {
    assert_string_equal(wrong(key, text), "");
}

static void names(void **state) {
    (void)state;
    char name[102];
    memset(name, 'a', sizeof name);
    name[101] = '\0';
    assert_string_equal(wrong("name", name), "is longer than 100 characters");
    name[100] = '\0';
    accepts("name", name);
    accepts("name", "clicks-2.eu_west");
    assert_string_equal(wrong("name", "a/b"), "has a character other than A-Z a-z 0-9 . _ - in it");
    assert_string_equal(wrong("name", "_a"), "begins with '.' or '_'");
    assert_string_equal(wrong("name", ".a"), "begins with '.' or '_'");
    accepts("kafka.topic", "_schemas");
    assert_string_equal(wrong("kafka.topic", ".."),
                        "is not a topic's name (A-Z a-z 0-9 . _ - only)");
    assert_string_equal(wrong("kafka.bootstrap_servers", "a:9092, b:9092"),
                        "has a space in it (write host:port,host:port)");
    assert_string_equal(wrong("kafka.bootstrap_servers", "a:9092,"),
                        "has an empty entry (write host:port,host:port)");
    accepts("event.key_field", "användare id");
    assert_string_equal(wrong("event.key_field", "a\nb"), "has a control character in it");
    assert_string_equal(wrong("event.key_field", "\xff"), "is not valid UTF-8");
    assert_string_equal(wrong("s3.secret_key", "a b"),
                        "has a character in it that is not printable ASCII");
}

static void paths(void **state) {
    (void)state;
    accepts("output.path", "s3://lakehouse/clicks/");
    accepts("output.path", "s3://lakehouse");
    accepts("output.path", "out");
    accepts("output.path", "../out/");
    accepts("output.path", "/");
    assert_string_equal(wrong("output.path", "s3:///clicks"),
                        "does not name a bucket (write s3://bucket/prefix/)");
    assert_string_equal(wrong("output.path", "s3://a?b/clicks"),
                        "does not name a bucket (write s3://bucket/prefix/)");
    assert_string_equal(wrong("output.path", "s3://a//b"),
                        "has an empty segment in it (two slashes in a row)");
    assert_string_equal(wrong("output.path", "s3://a/../b"), "has a segment . or .. in it");
    assert_string_equal(wrong("output.path", "s3://a/b/."), "has a segment . or .. in it");
    assert_string_equal(wrong("output.path", "s3a://lakehouse/"),
                        "is neither s3://bucket/prefix/ nor a directory");
    assert_string_equal(wrong("output.path", "file:///out"),
                        "is neither s3://bucket/prefix/ nor a directory");
}

static void partition_by(void **state) {
    (void)state;
    const char *key = "output.partition_by";
    const char *empty = "has an empty segment in it (no '/' first, last or twice in a row)";
    const char *hidden = "has a segment that begins with '.' or '_', which readers skip";
    const char *conversion = "has a conversion other than %Y %m %d %H %M %S %j in it";
    char text[202];
    accepts(key, "dt=%Y-%m-%d/hour=%H");
    accepts(key, "%Y/%j/%H%M%S");
    accepts(key, "all");
    assert_string_equal(wrong(key, "/%Y"), empty);
    assert_string_equal(wrong(key, "%Y/"), empty);
    assert_string_equal(wrong(key, "%Y//%m"), empty);
    assert_string_equal(wrong(key, "../%Y"), hidden);
    assert_string_equal(wrong(key, "a/.%Y"), hidden);
    assert_string_equal(wrong(key, "_late"), hidden);
    assert_string_equal(wrong(key, "%B"), conversion);
    assert_string_equal(wrong(key, "%%"), conversion);
    assert_string_equal(wrong(key, "%"), conversion);
    assert_string_equal(wrong(key, "a\\b"), "has a backslash in it");
    assert_string_equal(wrong(key, "a\tb"), "has a control character in it");
    memset(text, 'a', sizeof text);
    text[199] = '\0';
    accepts(key, text);
    memcpy(text + 195, "%Y", 3); /* 195 + 4 */
    accepts(key, text);
    memcpy(text + 195, "%Yb", 4);
    assert_string_equal(wrong(key, text), "makes names of 200 bytes or more");
}

static void addresses(void **state) {
    (void)state;
    const char *listen = "is not host:port (write 127.0.0.1:8081 or [::1]:8081)";
    accepts("http.listen", "127.0.0.1:8081");
    accepts("http.listen", "localhost:0");
    accepts("http.listen", "[::1]:8081");
    assert_string_equal(wrong("http.listen", "8081"), listen);
    assert_string_equal(wrong("http.listen", ":8081"), listen);
    assert_string_equal(wrong("http.listen", "a:65536"), listen);
    assert_string_equal(wrong("http.listen", "a:-1"), listen);
    assert_string_equal(wrong("http.listen", "a:"), listen);
    assert_string_equal(wrong("http.listen", "::1:8081"), listen);
    assert_string_equal(wrong("http.listen", "[::1]"), listen);
    assert_string_equal(wrong("http.listen", "a/b:80"), listen);
    accepts("s3.endpoint", "http://127.0.0.1:9000");
    accepts("s3.endpoint", "https://s3.example.org/");
    assert_string_equal(wrong("s3.endpoint", "127.0.0.1:9000"),
                        "is not an address (write http://host:port or https://host)");
    assert_string_equal(wrong("s3.endpoint", "http://a:b@host"),
                        "holds a user (use s3.access_key and s3.secret_key)");
    assert_string_equal(wrong("s3.endpoint", "http://host/bucket"),
                        "is more than an address (write http://host:port or https://host)");
}

static void starts(void **state) {
    (void)state;
    const char *none = "is no start (write earliest, latest or a time such as "
                       "2024-10-22T21:00:00Z)";
    accepts("kafka.start", "earliest");
    accepts("kafka.start", "latest");
    accepts("kafka.start", "2024-10-22T23:00:00+02:00");
    assert_string_equal(wrong("kafka.start", "yesterday"), none);
    assert_string_equal(wrong("kafka.start", "2024-10-22"), none);
    assert_string_equal(wrong("kafka.start", "1969-12-31T23:59:59Z"),
                        "lies before 1970, where Kafka has no records");
}

static void assignments(void **state) {
    (void)state;
    const char *key = "kafka.assignment";
    const char *none = "is no assignment (write group, all or a list such as 0,2)";
    accepts(key, "group");
    accepts(key, "all");
    accepts(key, "0");
    accepts(key, "99999,0");
    assert_string_equal(wrong(key, "some"), none);
    assert_string_equal(wrong(key, "0,"), none);
    assert_string_equal(wrong(key, ",0"), none);
    assert_string_equal(wrong(key, "0 2"), none);
    assert_string_equal(wrong(key, "-1"), none);
    assert_string_equal(wrong(key, "100000"), "names a partition above 99999");
    assert_string_equal(wrong(key, "99999999999999999999"), "names a partition above 99999");
    assert_string_equal(wrong(key, "1,0,1"), "names a partition twice");
}

static void numbers(void **state) {
    (void)state;
    assert_string_equal(wrong("window.size", "5 minuts"),
                        "is not a duration (write 500ms, 30s, 5m, 1h or 1d)");
    assert_string_equal(wrong("window.size", "999ms"), "is out of range (1s to 366d)");
    assert_string_equal(wrong("window.size", "-5m"), "is out of range (1s to 366d)");
    accepts("window.offset", "-5m");
    assert_string_equal(wrong("output.part_size", "8"),
                        "is not a size (write 64KiB, 8MiB, 1GiB, or 8MB for 8,000,000 bytes)");
    assert_string_equal(wrong("memory.limit", "63MiB"), "is out of range (64MiB to 1TiB)");
    assert_string_equal(wrong("restart.attempts", "-1"), "is out of range (0 to 1000000)");
    assert_string_equal(wrong("restart.attempts", "three"), "is not a whole number");
    assert_string_equal(wrong("parallelism", "0"), "is out of range (1)");
    assert_string_equal(wrong("s3.path_style", "maybe"), "is neither true nor false");
    assert_string_equal(wrong("output.compression", "lz4"),
                        "is none of its values (write none, gzip or zstd)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations), cmocka_unit_test(sizes),        cmocka_unit_test(counts),
        cmocka_unit_test(booleans),  cmocka_unit_test(decimals),     cmocka_unit_test(names),
        cmocka_unit_test(paths),     cmocka_unit_test(partition_by), cmocka_unit_test(addresses),
        cmocka_unit_test(starts),    cmocka_unit_test(assignments),  cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
