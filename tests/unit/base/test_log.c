/* The log's lines, as they arrive on stderr. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char text[8192];
static int real_stderr;
static FILE *file;

/* From here on stderr is a file. */
static void listen(enum log_format format, enum log_level level) {
    log_init(format, level);
    (void)fflush(stderr);
    file = tmpfile();
    assert_non_null(file);
    real_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
}

/* What was written meanwhile. */
static const char *heard(void) {
    (void)fflush(stderr);
    assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
    (void)close(real_stderr);
    rewind(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    return text;
}

static json_t *heard_json(void) {
    const char *line = heard();
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    json_t *j = json_loads(line, 0, NULL);
    if (!j)
        fail_msg("%s", line);
    return j;
}

static const char *member(const json_t *j, const char *name) {
    return json_string_value(json_object_get(j, name));
}

static void check_stamp(const char *stamp) {
    static const char form[] = "0000-00-00T00:00:00.000Z";
    assert_int_equal(strlen(stamp), strlen(form));
    for (size_t i = 0; form[i]; i++)
        assert_true(form[i] == '0' ? stamp[i] >= '0' && stamp[i] <= '9' : stamp[i] == form[i]);
}

static void json(void **state) {
    (void)state;
    listen(LOG_JSON, LOG_INFO);
    log_warn("disk_full", "%d bytes left on %s", 7, "/data");
    json_t *j = heard_json();
    assert_string_equal(member(j, "level"), "warn");
    assert_string_equal(member(j, "event"), "disk_full");
    assert_string_equal(member(j, "message"), "7 bytes left on /data");
    check_stamp(member(j, "time"));
    json_decref(j);
}

static void json_escapes_everything_that_needs_it(void **state) {
    (void)state;
    char all[0x80];
    for (int c = 1; c < 0x80; c++)
        all[c - 1] = (char)c;
    all[0x7f] = '\0';
    listen(LOG_JSON, LOG_INFO);
    log_info("x", "%s", all);
    json_t *j = heard_json();
    assert_string_equal(member(j, "message"), all);
    json_decref(j);
}

static void json_keeps_other_languages(void **state) {
    (void)state;
    listen(LOG_JSON, LOG_INFO);
    log_error("x", "%s", "\xc3\xa9\xf0\x9f\x98\x80");
    json_t *j = heard_json();
    assert_string_equal(member(j, "message"), "\xc3\xa9\xf0\x9f\x98\x80");
    json_decref(j);
}

/* Text from a server need not be UTF-8, and a long message may be cut inside a character. */
static void json_survives_what_is_not_utf8(void **state) {
    (void)state;
    listen(LOG_JSON, LOG_INFO);
    log_info("x", "a\xff"
                  "b\xe4");
    json_t *j = heard_json();
    assert_string_equal(member(j, "message"), "a\xef\xbf\xbd"
                                              "b\xef\xbf\xbd");
    json_decref(j);
}

static void text_is_one_line(void **state) {
    (void)state;
    listen(LOG_TEXT, LOG_INFO);
    log_error("x", "a\nb\r\nc");
    const char *line = heard();
    assert_non_null(strstr(line, "Z error x: a b  c\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void long_messages_are_cut(void **state) {
    (void)state;
    char longest[6000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    listen(LOG_JSON, LOG_INFO);
    log_info("x", "%s", longest);
    json_t *j = heard_json();
    assert_in_range(strlen(member(j, "message")), 1000, 5000);
    json_decref(j);
}

/* A pipe of packets tells one write from several. */
static void a_line_is_one_write(void **state) {
    (void)state;
    static char message[2048], line[16384];
    memset(message, '\1', sizeof message - 1); /* as long as it can get */
    int fds[2], real = dup(STDERR_FILENO);
    for (int format = 0; format < 2; format++) {
        assert_int_equal(pipe2(fds, O_DIRECT | O_NONBLOCK), 0);
        (void)fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
        log_init(format ? LOG_JSON : LOG_TEXT, LOG_INFO);
        assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
        log_info("short", "some words");
        log_info("long", "%s", message);
        assert_true(dup2(real, STDERR_FILENO) >= 0);
        (void)close(fds[1]);
        ssize_t n = read(fds[0], line, sizeof line);
        assert_true(n > 30 && line[n - 1] == '\n');
        n = 0;
        for (ssize_t packet; (packet = read(fds[0], line + n, sizeof line - (size_t)n)) > 0;) {
            n += packet;
            assert_true(line[n - 1] == '\n' || packet == 4096); /* a packet is a page at most */
        }
        assert_true(n > 2047 && line[n - 1] == '\n');
        (void)close(fds[0]);
    }
    (void)close(real);
}

static void levels(void **state) {
    (void)state;
    listen(LOG_TEXT, LOG_WARN);
    log_debug("a", "1");
    log_info("b", "2");
    log_warn("c", "3");
    log_error("d", "4");
    const char *lines = heard();
    assert_null(strstr(lines, "a: 1"));
    assert_null(strstr(lines, "b: 2"));
    assert_non_null(strstr(lines, "warn  c: 3\n"));
    assert_non_null(strstr(lines, "error d: 4\n"));
    assert_false(log_enabled(LOG_INFO));
    assert_true(log_enabled(LOG_WARN));
}

static void clear_progress(void) {
    (void)fputs("<cleared>", stderr);
}

static void before_line_is_called(void **state) {
    (void)state;
    listen(LOG_TEXT, LOG_INFO);
    log_set_before_line(clear_progress);
    log_debug("a", "1");
    log_info("b", "2");
    log_set_before_line(NULL);
    log_info("c", "3");
    const char *lines = heard();
    assert_memory_equal(lines, "<cleared>", 9);
    assert_null(strstr(lines + 9, "<cleared>"));
}

static void json_says_job_and_partition(void **state) {
    (void)state;
    listen(LOG_JSON, LOG_INFO);
    log_set_job("clicks \"a\"");
    log_warn_of(7, "test_of", "partition 7: so");
    log_set_job(NULL);
    json_t *j = heard_json();
    assert_string_equal(member(j, "job"), "clicks \"a\"");
    assert_string_equal(member(j, "event"), "test_of");
    assert_int_equal(json_integer_value(json_object_get(j, "partition")), 7);
    json_decref(j);
    listen(LOG_JSON, LOG_INFO);
    log_warn("test_of_none", "so");
    j = heard_json();
    assert_null(json_object_get(j, "job"));
    assert_null(json_object_get(j, "partition"));
    json_decref(j);
}

static unsigned count(const char *words, const char *in) {
    unsigned n = 0;
    for (const char *p = in; (p = strstr(p, words)) != NULL; p++)
        n++;
    return n;
}

static void repeats_are_held_back_and_counted(void **state) {
    (void)state;
    listen(LOG_TEXT, LOG_INFO);
    for (int i = 0; i < LOG_BURST + 7; i++)
        log_warn("test_repeats", "number %d", i);
    log_warn("test_another", "passes");
    log_flush(false); /* the burst is not over */
    log_flush(true);
    log_flush(true); /* told once */
    const char *t = heard();
    assert_int_equal(count("test_repeats: number", t), LOG_BURST);
    assert_int_equal(count("test_another: passes", t), 1);
    assert_int_equal(count("warn  test_repeats: 7 more lines of this event in ", t), 1);
}

static void errors_are_never_held_back(void **state) {
    (void)state;
    listen(LOG_TEXT, LOG_INFO);
    for (int i = 0; i < 2 * LOG_BURST; i++)
        log_error("test_errors", "number %d", i);
    log_flush(true);
    assert_int_equal(count("test_errors: ", heard()), 2 * LOG_BURST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json),
        cmocka_unit_test(json_escapes_everything_that_needs_it),
        cmocka_unit_test(json_keeps_other_languages),
        cmocka_unit_test(json_survives_what_is_not_utf8),
        cmocka_unit_test(text_is_one_line),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(a_line_is_one_write),
        cmocka_unit_test(levels),
        cmocka_unit_test(before_line_is_called),
        cmocka_unit_test(json_says_job_and_partition),
        cmocka_unit_test(repeats_are_held_back_and_counted),
        cmocka_unit_test(errors_are_never_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
