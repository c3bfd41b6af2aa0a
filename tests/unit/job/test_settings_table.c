/* The table itself, and what is printed from it. */
#include "job/test_settings_fixture.h"

#include <inttypes.h>

static void every_row_is_whole(void **state) {
    (void)state;
    for (size_t i = 0; i < settings_rows; i++) {
        const struct setting *row = &settings_table[i];
        assert_true(row->min <= row->max);
        assert_non_null(row->unit);
        assert_true(row->initial || row->derived);
        assert_true(row->meaning && strlen(row->meaning) > 20);
        assert_true(row->reason && strlen(row->reason) > 10);
        assert_int_equal(row->meaning[strlen(row->meaning) - 1], '.');
        assert_int_equal(row->reason[strlen(row->reason) - 1], '.');
        if (strchr(row->key, '.')) { /* each section can be named as the nearest */
            char *section = xstrndup(row->key, strcspn(row->key, "."));
            assert_string_equal(nearest_key(section), section);
            free(section);
        }
        assert_int_equal(row->kind == SETTING_TEXT, row->accept != NULL);
        assert_int_equal(row->kind == SETTING_CHOICE, row->choices != NULL);
        bool number = row->kind == SETTING_DURATION || row->kind == SETTING_SIZE ||
                      row->kind == SETTING_COUNT;
        assert_true(!number || row->max > 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(row->key, settings_table[j].key);
    }
}

/* A default parses, which also means that it lies between minimum and maximum. */
static void every_default_parses(void **state) {
    (void)state;
    struct settings s = {0};
    struct buffer text;
    buffer_init(&text, 1024);
    for (size_t i = 0; i < settings_rows; i++) {
        const struct setting *row = &settings_table[i];
        char why[SETTING_WHY_MAX] = "";
        if (!row->initial)
            continue;
        if (setting_parse(row, row->initial, &s, why) != 0)
            fail_msg("%s: %s", row->key, why);
        buffer_reset(&text);
        setting_format(row, &s, &text);
        assert_int_equal(setting_parse(row, buffer_text(&text), &s, why), 0);
        setting_release(row, &s);
    }
    buffer_free(&text);
}

static void bounds_are_inside(void **state) {
    (void)state;
    struct settings s = {0};
    for (size_t i = 0; i < settings_rows; i++) {
        const struct setting *row = &settings_table[i];
        static const char *const units[] = {[SETTING_DURATION] = "ms", [SETTING_SIZE] = "B"};
        char text[40], why[SETTING_WHY_MAX];
        if (row->kind != SETTING_DURATION && row->kind != SETTING_SIZE &&
            row->kind != SETTING_COUNT)
            continue;
        const char *unit = row->kind == SETTING_COUNT ? "" : units[row->kind];
        for (int64_t beyond = 0; beyond < 2; beyond++) {
            (void)snprintf(text, sizeof text, "%" PRId64 "%s", row->max + beyond, unit);
            assert_int_equal(setting_parse(row, text, &s, why), beyond ? -1 : 0);
            (void)snprintf(text, sizeof text, "%" PRId64 "%s", row->min - beyond, unit);
            assert_int_equal(setting_parse(row, text, &s, why), beyond ? -1 : 0);
        }
    }
}

/* The keys, defaults and variables that people rely on. */
static void row_is(const char *key, const char *initial, const char *first, const char *second) {
    const struct setting *row = settings_row(key);
    assert_non_null(row);
    const char *const have[] = {row->initial, row->environment[0], row->environment[1]};
    const char *const want_these[] = {initial, first, second};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(have[i] == NULL, want_these[i] == NULL);
        if (have[i])
            assert_string_equal(have[i], want_these[i]);
    }
}

static void promised_rows(void **state) {
    (void)state;
    row_is("name", "clickstream", "JOB_NAME", NULL);
    row_is("kafka.bootstrap_servers", "localhost:9092", "KAFKA_BOOTSTRAP_SERVERS", NULL);
    row_is("kafka.topic", "clickstream", "KAFKA_TOPIC", NULL);
    row_is("kafka.group_id", NULL, "KAFKA_GROUP_ID", NULL);
    row_is("kafka.start", "earliest", NULL, NULL);
    row_is("kafka.fetcher", "direct", NULL, NULL);
    row_is("kafka.assignment", "group", NULL, NULL);
    row_is("event.key_field", "user_id", NULL, NULL);
    row_is("event.timestamp_field", "timestamp", NULL, NULL);
    row_is("event.timestamp_format", "epoch_ms", NULL, NULL);
    row_is("event.max_future", "1h", NULL, NULL);
    row_is("window.size", "5m", NULL, NULL);
    row_is("window.offset", "0s", NULL, NULL);
    row_is("window.out_of_orderness", "10m", NULL, NULL);
    row_is("window.allowed_lateness", "0s", NULL, NULL);
    row_is("window.idle_flush", NULL, NULL, NULL);
    row_is("output.path", "s3://lakehouse/clickstream-events/", "OUTPUT_PATH", NULL);
    row_is("output.partition_by", "dt=%Y-%m-%d/hour=%H", NULL, NULL);
    row_is("output.compression", "none", NULL, NULL);
    row_is("output.part_size", "8MiB", NULL, NULL);
    row_is("output.max_file_size", "1GiB", NULL, NULL);
    row_is("output.max_file_age", "1h", NULL, NULL);
    row_is("output.emit", "on_close", NULL, NULL);
    row_is("checkpoint.path", "s3://checkpoints/clickstream-events/", "CHECKPOINT_PATH", NULL);
    row_is("checkpoint.interval", "30s", NULL, NULL);
    row_is("checkpoint.min_pause", "5s", NULL, NULL);
    row_is("checkpoint.timeout", "60s", NULL, NULL);
    row_is("checkpoint.tolerable_failures", "3", NULL, NULL);
    row_is("checkpoint.max_replay", "10000000", NULL, NULL);
    row_is("restart.attempts", "3", NULL, NULL);
    row_is("restart.delay", "10s", NULL, NULL);
    row_is("s3.endpoint", NULL, "S3_ENDPOINT", "AWS_ENDPOINT_URL_S3");
    row_is("s3.region", "us-east-1", "AWS_REGION", NULL);
    row_is("s3.path_style", NULL, NULL, NULL);
    row_is("s3.access_key", NULL, "AWS_ACCESS_KEY_ID", "S3_ACCESS_KEY");
    row_is("s3.secret_key", NULL, "AWS_SECRET_ACCESS_KEY", "S3_SECRET_KEY");
    row_is("s3.session_token", NULL, "AWS_SESSION_TOKEN", NULL);
    row_is("parallelism", "1", NULL, NULL);
    row_is("memory.limit", "256MiB", NULL, NULL);
    row_is("http.listen", "127.0.0.1:8081", NULL, NULL);
    row_is("http.token", NULL, NULL, NULL);
    row_is("log.format", NULL, NULL, NULL);
    row_is("log.level", "info", NULL, NULL);
    assert_int_equal(settings_rows, 43);
}

/* ---- Printed ------------------------------------------------------------------------------- */

static char *printed(void (*print)(FILE *f)) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    print(f);
    assert_int_equal(fclose(f), 0);
    return text;
}

static void help_fits_80_columns(void **state) {
    (void)state;
    char *text = printed(settings_print_text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 80);
    free(text);
}

static void help_names_every_key(void **state) {
    (void)state;
    char *text = printed(settings_print_text), *markdown = printed(settings_print_markdown);
    for (size_t i = 0; i < settings_rows; i++) {
        assert_non_null(strstr(text, settings_table[i].key));
        assert_non_null(strstr(markdown, settings_table[i].key));
    }
    assert_non_null(strstr(text, "kafka.properties.*"));
    free(text);
    free(markdown);
}

static void reference_is_up_to_date(void **state) {
    (void)state;
    FILE *f = fopen("docs/settings.md", "r");
    if (!f)
        fail_msg("docs/settings.md is missing; `make docs` writes it");
    char *file = xcalloc(1, 256 * 1024);
    assert_true(fread(file, 1, 256 * 1024 - 1, f) > 0);
    (void)fclose(f);
    char *text = printed(settings_print_markdown);
    if (strcmp(file, text) != 0)
        fail_msg("docs/settings.md is not what the table says; `make docs` writes it anew");
    free(text);
    free(file);
}

/* ---- Nearest ------------------------------------------------------------------------------- */

static void nearest(void **state) {
    (void)state;
    assert_string_equal(nearest_key("window.sise"), "window.size");
    assert_string_equal(nearest_key("window.szie"), "window.size");
    assert_string_equal(nearest_key("window_size"), "window.size");
    assert_string_equal(nearest_key("compression"), "output.compression");
    assert_string_equal(nearest_key("s3.accesskey"), "s3.access_key");
    assert_string_equal(nearest_key("jobname"), "name");
    assert_string_equal(nearest_key("windwo"), "window");
    assert_string_equal(nearest_key("chekpoint"), "checkpoint");
    assert_non_null(nearest_key(""));
    char word[1000];
    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    assert_non_null(nearest_key(word));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),      cmocka_unit_test(every_default_parses),
        cmocka_unit_test(bounds_are_inside),       cmocka_unit_test(promised_rows),
        cmocka_unit_test(help_fits_80_columns),    cmocka_unit_test(help_names_every_key),
        cmocka_unit_test(reference_is_up_to_date), cmocka_unit_test(nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
