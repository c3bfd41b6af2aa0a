/* Where settings come from, what follows from them and what must not go together. */
#include "job/test_settings_fixture.h"

#include <unistd.h>

/* ---- Sources ------------------------------------------------------------------------------- */

static void precedence(void **state) {
    (void)state;
    struct given_texts t = {0};
    is(t, "kafka.topic", "clickstream", "default");
    t.yaml = "name: a\nkafka.topic: of-yaml\n";
    is(t, "kafka.topic", "of-yaml", "job.yaml:2");
    t.environment[0] = "KAFKA_TOPIC=of-environment";
    is(t, "kafka.topic", "of-environment", "environment KAFKA_TOPIC");
    t.sets[0] = "kafka.topic=of-set";
    is(t, "kafka.topic", "of-set", "--set");
    /* Empty is unset, in every place. */
    t.sets[0] = "kafka.topic=";
    is(t, "kafka.topic", "of-environment", "environment KAFKA_TOPIC");
    t.environment[0] = "KAFKA_TOPIC=";
    is(t, "kafka.topic", "of-yaml", "job.yaml:2");
    t.yaml = "kafka.topic: ''\n";
    is(t, "kafka.topic", "clickstream", "default");
}

static void environment_names(void **state) {
    (void)state;
    is(ENV("JOB_NAME=a"), "name", "a", "environment JOB_NAME");
    is(ENV("KAFKA_BOOTSTRAP_SERVERS=k:1"), "kafka.bootstrap_servers", "k:1",
       "environment KAFKA_BOOTSTRAP_SERVERS");
    is(ENV("KAFKA_GROUP_ID=g"), "kafka.group_id", "g", "environment KAFKA_GROUP_ID");
    is(ENV("OUTPUT_PATH=s3://a/b"), "output.path", "s3://a/b/", "environment OUTPUT_PATH");
    is(ENV("CHECKPOINT_PATH=s3://a/c/"), "checkpoint.path", "s3://a/c/",
       "environment CHECKPOINT_PATH");
    is(ENV("AWS_REGION=eu-north-1"), "s3.region", "eu-north-1", "environment AWS_REGION");
    is(ENV("KAFKA_PROPERTIES_SECURITY_PROTOCOL=ssl"), "kafka.properties.security.protocol", "ssl",
       "environment KAFKA_PROPERTIES_SECURITY_PROTOCOL");
    is(ENV("KAFKA_PROPERTIES_CLIENT_ID="), "kafka.properties.client.id", "(not visited)", "");
    is(ENV("KAFKA_PROPERTIES_=x"), "name", "clickstream", "default");
}

static void first_variable_wins(void **state) {
    (void)state;
    const char *aws = "AWS_ENDPOINT_URL_S3=http://aws", *s3 = "S3_ENDPOINT=http://s3";
    is(ENV(aws, s3), "s3.endpoint", "http://s3", "environment S3_ENDPOINT");
    is(ENV(aws, "S3_ENDPOINT="), "s3.endpoint", "http://aws", "environment AWS_ENDPOINT_URL_S3");
    struct given_texts t =
        ENV("S3_ACCESS_KEY=b", "S3_SECRET_KEY=d", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=c");
    is(t, "s3.access_key", "***", "environment AWS_ACCESS_KEY_ID");
    struct settings s = load(t);
    assert_string_equal(s.s3.access_key, "a");
    assert_string_equal(s.s3.secret_key, "c");
    settings_free(&s);
}

static void set_errors(void **state) {
    (void)state;
    refuses(SET("name"), "--set takes KEY=VALUE, and what it got has no '='");
    refuses(SET("=a"), "--set takes KEY=VALUE, and what it got has no KEY");
    refuses(SET("nane=a"), "--set: unknown setting \"nane\"; the nearest is name");
    refuses(SET("name=a", "name=b"), "--set: name stands here again (first: --set)");
    refuses(SET("name=a/b"),
            "--set: name: \"a/b\" has a character other than A-Z a-z 0-9 . _ - in it");
    refuses(SET("window=5m"), "--set: window holds further settings, not a value");
    refuses(SET("name.first=a"), "--set: unknown setting \"name.first\"; the nearest is name");
    refuses(SET("kafka.properties.=a"),
            "--set: unknown setting \"kafka.properties.\"; the nearest is kafka.properties "
            "(librdkafka's own stand below kafka.properties)");
    refuses(ENV("OUTPUT_PATH=hdfs://a"), "environment OUTPUT_PATH: output.path: \"hdfs://a\" is "
                                         "neither s3://bucket/prefix/ nor a directory");
    refuses(SET("parallelism=2"),
            "--set: parallelism: \"2\" asks for too many: only 1 worker is built so far");
    /* A value that another source overrides is not looked at. */
    struct given_texts t = {.yaml = "window.size: 5 minuts\n", .sets = {"window.size=1m"}};
    is(t, "window.size", "1m", "--set");
}

static void value_from_file(void **state) {
    (void)state;
    char path[] = "/tmp/tidemark-test-XXXXXX", set[64], origin[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)snprintf(set, sizeof set, "kafka.topic=@%s", path);
    (void)snprintf(origin, sizeof origin, "--set @%s", path);
    assert_int_equal(write(fd, "clicks", 6), 6);
    is(SET(set), "kafka.topic", "clicks", origin);
    assert_int_equal(write(fd, "\n", 1), 1);
    is(SET(set), "kafka.topic", "clicks", origin);
    assert_int_equal(write(fd, "\n", 1), 1); /* of two newlines one stays */
    struct settings s;
    struct error e;
    struct given_texts t = SET(set);
    assert_int_equal(try_load(&s, &t, &e), -1);
    assert_int_equal(ftruncate(fd, 0), 0);
    is(SET(set), "kafka.topic", "clickstream", "default");
    assert_int_equal(pwrite(fd, "a\0b", 3, 0), 3);
    assert_int_equal(try_load(&s, &t, &e), -1);
    assert_non_null(strstr(e.text, "holds a NUL character"));
    assert_int_equal(ftruncate(fd, 100 * 1024), 0);
    assert_int_equal(try_load(&s, &t, &e), -1);
    assert_non_null(strstr(e.text, "larger than 64 KiB"));
    (void)close(fd);
    (void)unlink(path);
    assert_int_equal(try_load(&s, &t, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.text, "No such file"));
}

static void yaml_file(void **state) {
    (void)state;
    char path[] = "/tmp/tidemark-test-XXXXXX", origin[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "name: a\n", 8), 8);
    struct settings_source src = {.yaml = path};
    struct settings s;
    struct error e = {0};
    assert_int_equal(settings_load(&s, &src, &e), 0);
    (void)snprintf(origin, sizeof origin, "%s:1", path);
    assert_string_equal(settings_origin(&s, "name"), origin);
    settings_free(&s);
    assert_int_equal(ftruncate(fd, 1024 * 1024 + 1), 0);
    assert_int_equal(settings_load(&s, &src, &e), -1);
    assert_non_null(strstr(e.text, "larger than 1024 KiB"));
    (void)close(fd);
    (void)unlink(path);
    assert_int_equal(settings_load(&s, &src, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
}

/* Linux reads nothing from the first page of a process's memory: EIO, after a good open. */
static void files_that_cannot_be_read(void **state) {
    (void)state;
    static const char *const files[][2] = {{"/proc/self/mem", "Input/output error"},
                                           {"/tmp", "Is a directory"},
                                           {"/dev/zero", "larger than "},
                                           {"/etc/passwd/job.yaml", "Not a directory"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char set[64];
        (void)snprintf(set, sizeof set, "s3.secret_key=@%s", files[i][0]);
        const char *sets[] = {set};
        const struct settings_source sources[] = {{.yaml = files[i][0]},
                                                  {.sets = sets, .n_sets = 1}};
        for (size_t k = 0; k < 2; k++) {
            struct settings s;
            struct error e = {0};
            assert_int_equal(settings_load(&s, &sources[k], &e), -1);
            assert_int_equal(e.code, ERR_USAGE);
            assert_non_null(strstr(e.text, files[i][0]));
            assert_non_null(strstr(e.text, files[i][1]));
            if (k == 1)
                assert_non_null(strstr(e.text, "--set: s3.secret_key"));
        }
    }
}

/* ---- kafka.properties ---------------------------------------------------------------------- */

static void properties_merge(void **state) {
    (void)state;
    struct given_texts t = {
        .yaml = "kafka.properties: {sasl.username: a, client.id: a, client.rack: a}\n",
        .environment = {"KAFKA_PROPERTIES_SASL_USERNAME=b", "KAFKA_PROPERTIES_CLIENT_ID=b"},
        .sets = {"kafka.properties.client.id=c", "kafka.properties.client.rack="},
    };
    struct settings s = load(t);
    assert_int_equal(s.kafka.n_properties, 3);
    assert_string_equal(s.kafka.properties[0].name, "client.id");
    assert_string_equal(s.kafka.properties[0].value, "c");
    assert_string_equal(s.kafka.properties[1].name, "client.rack");
    assert_string_equal(s.kafka.properties[1].value, "a");
    assert_string_equal(s.kafka.properties[2].name, "sasl.username");
    assert_string_equal(s.kafka.properties[2].value, "b");
    settings_free(&s);
}

static void properties_refused(void **state) {
    (void)state;
    static const char *const names[] = {"isolation.level",
                                        "auto.offset.reset",
                                        "enable.auto.commit",
                                        "check.crcs",
                                        "enable.partition.eof",
                                        "bootstrap.servers",
                                        "group.id",
                                        "partition.assignment.strategy"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char set[128];
        (void)snprintf(set, sizeof set, "kafka.properties.%s=x", names[i]);
        struct given_texts t = SET(set);
        struct settings s;
        struct error e;
        assert_int_equal(try_load(&s, &t, &e), -1);
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strstr(e.text, names[i]));
    }
}

/* ---- Secrets ------------------------------------------------------------------------------- */

static void no_secret(void *ctx, const char *key, const char *value, const char *origin) {
    size_t *seen = ctx;
    (void)key;
    assert_null(strstr(value, "hunter2"));
    assert_null(strstr(origin, "hunter2"));
    *seen += strcmp(value, "***") == 0;
}

static void secrets_are_not_printed(void **state) {
    (void)state;
    struct settings s =
        load((struct given_texts){.yaml = "kafka.properties:\n"
                                          "  sasl.password: hunter2\n"
                                          "  ssl.key.password: hunter2\n"
                                          "  sasl.oauthbearer.config: hunter2\n"
                                          "  ssl.key.pem: hunter2\n"
                                          "  sasl.oauthbearer.client.secret: hunter2\n",
                                  .sets = {"s3.access_key=hunter2", "s3.secret_key=hunter2",
                                           "s3.session_token=hunter2", "http.token=hunter2"}});
    size_t seen = 0;
    settings_visit(&s, no_secret, &seen);
    assert_int_equal(seen, 9);
    settings_free(&s);
    is(SET("name=a"), "http.token", "", "default");
}

static void secrets_are_not_in_errors(void **state) {
    (void)state;
    refuses(SET("s3.secret_key=hunter2 "),
            "--set: s3.secret_key: \"***\" has a character in it that is not printable ASCII");
    refuses(SET("hunter2"), "--set takes KEY=VALUE, and what it got has no '='");
    refuses(SET("s3.secretkey=hunter2"),
            "--set: unknown setting \"s3.secretkey\"; the nearest is s3.secret_key");
    refuses(YAML("http.tokn: hunter2\n"),
            "job.yaml:1:1: unknown setting \"http.tokn\"; the nearest is http.token");
}

static void long_values_are_clipped(void **state) {
    (void)state;
    char set[200] = "window.size=";
    memset(set + 12, 'x', 180);
    struct given_texts t = SET(set);
    struct settings s;
    struct error e;
    assert_int_equal(try_load(&s, &t, &e), -1);
    assert_non_null(strstr(e.text, "xxx...\" is not a duration"));
    refuses(SET("window.size=a\nb\x1b"),
            "--set: window.size: \"a?b?\" is not a duration (write 500ms, 30s, 5m, 1h or 1d)");
}

/* ---- What follows -------------------------------------------------------------------------- */

static void derived(void **state) {
    (void)state;
    is(SET("name=a"), "kafka.group_id", "tidemark-a", "default");
    is(SET("kafka.group_id=g"), "kafka.group_id", "g", "--set");
    is(SET("window.size=1m"), "window.idle_flush", "11m", "default");
    is(SET("window.idle_flush=1m"), "window.idle_flush", "1m", "--set");
    is(SET("name=a"), "s3.path_style", "false", "default");
    is(SET("s3.endpoint=http://a"), "s3.path_style", "true", "default");
    is(SET("s3.endpoint=http://a", "s3.path_style=no"), "s3.path_style", "false", "--set");
    is(SET("s3.endpoint=http://a/"), "s3.endpoint", "http://a", "--set");
    is(SET("name=a"), "log.format", "json", "default");
    is((struct given_texts){.terminal = true}, "log.format", "text", "default");
    is((struct given_texts){.terminal = true, .sets = {"log.format=json"}}, "log.format", "json",
       "--set");
    is(SET("name=a"), "checkpoint.path", "s3://checkpoints/clickstream-events/", "default");
    is(SET("output.path=s3://a/b"), "checkpoint.path", "s3://checkpoints/clickstream-events/",
       "default");
    is(SET("output.path=out"), "checkpoint.path", "out/_checkpoints/", "default");
    is(SET("output.path=out"), "output.path", "out/", "--set");
    is(SET("output.path=out", "checkpoint.path=chk"), "checkpoint.path", "chk/", "--set");
}

static void together(void **state) {
    (void)state;
    refuses(SET("event.key_field=timestamp"),
            "--set: event.key_field: event.key_field and event.timestamp_field name the same "
            "field");
    refuses(SET("event.timestamp_field=user_id"),
            "--set: event.timestamp_field: event.key_field and event.timestamp_field name the "
            "same field");
    refuses(SET("event.timestamp_field=event_timestamp"),
            "--set: event.timestamp_field: this field is added to each event, so it cannot be "
            "read");
    refuses(SET("window.offset=5m"),
            "--set: window.offset: window.offset must be smaller than window.size");
    refuses(SET("window.offset=-5m"),
            "--set: window.offset: window.offset must be smaller than window.size");
    is(SET("window.offset=-299s"), "window.offset", "-4m59s", "--set");
    refuses(SET("s3.access_key=a"), "--set: s3.access_key: s3.secret_key is missing");
    refuses(SET("s3.secret_key=a"), "--set: s3.secret_key: s3.access_key is missing");
    refuses(SET("s3.session_token=a"),
            "--set: s3.session_token: s3.access_key and s3.secret_key are missing");
}

static void sizes_together(void **state) {
    (void)state;
    refuses(SET("output.part_size=5242879B"),
            "--set: output.part_size: S3 takes no parts smaller than 5MiB");
    is(SET("output.part_size=1MiB", "output.path=out"), "output.part_size", "1MiB", "--set");
    is(SET("output.max_file_size=80000MiB"), "output.max_file_size", "80000MiB", "--set");
    refuses(SET("output.max_file_size=80001MiB"),
            "--set: output.max_file_size: output.max_file_size needs more than 10,000 parts of "
            "output.part_size, and S3 takes no more");
    is(SET("output.max_file_size=80001MiB", "output.path=out"), "output.max_file_size", "80001MiB",
       "--set");
    is(SET("output.part_size=64MiB"), "output.part_size", "64MiB", "--set");
    refuses(SET("output.part_size=65MiB"),
            "--set: output.part_size: output.part_size must not be more than a quarter of "
            "memory.limit, because parts are held in memory until the store has them");
    is(SET("memory.limit=64MiB"), "output.part_size", "8MiB", "default");
}

static void paths_together(void **state) {
    (void)state;
    const char *why = "--set: checkpoint.path: checkpoint.path lies where readers look for data; "
                      "below output.path it must begin with '_', such as _checkpoints/";
    refuses(SET("output.path=s3://a/b", "checkpoint.path=s3://a/b"), why);
    refuses(SET("output.path=s3://a/b", "checkpoint.path=s3://a/b/chk"), why);
    refuses(SET("output.path=s3://a/b", "checkpoint.path=s3://a/b/_late/x"), why);
    is(SET("output.path=s3://a/b", "checkpoint.path=s3://a/b/_chk"), "checkpoint.path",
       "s3://a/b/_chk/", "--set");
    is(SET("output.path=s3://a/b", "checkpoint.path=s3://a/bc"), "checkpoint.path", "s3://a/bc/",
       "--set");
}

/* ---- Views --------------------------------------------------------------------------------- */

static void hash_of(struct given_texts t, char hex[17]) {
    struct settings s = load(t);
    settings_hash(&s, hex);
    settings_free(&s);
}

static void identity(void **state) {
    (void)state;
    char standard[17], other[17];
    hash_of((struct given_texts){0}, standard);
    /* Written down: it stands in checkpoints, so it must not change by itself. */
    assert_string_equal(standard, "9a568c25aa9f3f08");
    hash_of(SET("window.size=300s", "window.idle_flush=1m", "name=b", "output.path=out"), other);
    assert_string_equal(other, standard);
    static const char *const different[] = {"window.size=6m",
                                            "window.offset=1m",
                                            "window.out_of_orderness=9m",
                                            "window.allowed_lateness=1m",
                                            "event.key_field=id",
                                            "event.timestamp_field=ts",
                                            "event.timestamp_format=epoch_s",
                                            "event.max_future=2h"};
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        hash_of(SET(different[i]), other);
        assert_string_not_equal(other, standard);
    }
    hash_of(SET("window.offset=-1m"), other);
    hash_of(SET("window.offset=4m"), standard);
    assert_string_equal(other, standard);
}

static void views(void **state) {
    (void)state;
    struct settings s = load(
        (struct given_texts){.yaml = "kafka: {assignment: [1, 0], topic: t}\nwindow.offset: 10s\n",
                             .sets = {"s3.endpoint=http://127.0.0.1:9000", "event.max_future=2h",
                                      "http.listen=[::1]:8082"}});
    struct kafka_config kafka;
    settings_kafka_config(&s, &kafka);
    assert_string_equal(kafka.topic, "t");
    assert_string_equal(kafka.group_id, "tidemark-clickstream");
    assert_false(kafka.use_group);
    assert_false(kafka.all);
    assert_int_equal(kafka.n_partitions, 2);
    assert_int_equal(kafka.partitions[0], 0);
    assert_int_equal(kafka.fetch_queue_bytes, 32 << 20);
    struct event_rules rules;
    settings_event_rules(&s, &rules);
    assert_string_equal(rules.key_field, "user_id");
    assert_int_equal(rules.max_future_ms, 7200000);
    assert_int_equal(rules.window.size, 300000);
    assert_int_equal(rules.window.offset, 10000);
    assert_int_equal(rules.window.out_of_orderness, 600000);
    struct s3_config s3;
    settings_s3_config(&s, &s3);
    assert_string_equal(s3.endpoint, "http://127.0.0.1:9000");
    assert_string_equal(s3.region, "us-east-1");
    assert_true(s3.path_style);
    assert_null(s3.access_key);
    char host[64];
    uint16_t port;
    assert_int_equal(settings_listen(&s, host, sizeof host, &port), 0);
    assert_string_equal(host, "::1");
    assert_int_equal(port, 8082);
    assert_int_equal(settings_listen(&s, host, 3, &port), -1);
    settings_free(&s);
}

static void start_time(void **state) {
    (void)state;
    is(SET("kafka.start=2024-10-22T23:00:00+02:00"), "kafka.start", "2024-10-22T21:00:00Z",
       "--set");
    struct settings s = load(SET("kafka.start=2024-10-22T21:00:00.001Z"));
    assert_int_equal(s.kafka.start.kind, START_TIME);
    assert_int_equal(s.kafka.start.time_ms, INT64_C(1729630800001));
    settings_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precedence),
        cmocka_unit_test(environment_names),
        cmocka_unit_test(first_variable_wins),
        cmocka_unit_test(set_errors),
        cmocka_unit_test(value_from_file),
        cmocka_unit_test(yaml_file),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(properties_merge),
        cmocka_unit_test(properties_refused),
        cmocka_unit_test(secrets_are_not_printed),
        cmocka_unit_test(secrets_are_not_in_errors),
        cmocka_unit_test(long_values_are_clipped),
        cmocka_unit_test(derived),
        cmocka_unit_test(together),
        cmocka_unit_test(sizes_together),
        cmocka_unit_test(paths_together),
        cmocka_unit_test(identity),
        cmocka_unit_test(views),
        cmocka_unit_test(start_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
