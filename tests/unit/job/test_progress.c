/* The line that says how it goes, as a log line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "job/progress.h"

enum { TEXT_MAX = 4096 };

/* What is written to stderr between these two. */
static int saved;
static FILE *captured;

static void capture(void) {
    (void)fflush(stderr);
    captured = tmpfile();
    saved = dup(STDERR_FILENO);
    assert_true(captured && saved >= 0);
    assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
}

static void captured_text(char text[TEXT_MAX]) {
    (void)fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    rewind(captured);
    text[fread(text, 1, TEXT_MAX - 1, captured)] = '\0';
    (void)fclose(captured);
}

static struct partition_metrics partition(uint64_t events) {
    return (struct partition_metrics){.state = "running",
                                      .count = {.events = {events, 5, 3, 0}, .files_published = 7},
                                      .watermark = 1729630800999,
                                      .max_ts = 1729631401000,
                                      .open_windows = 4,
                                      .checkpoint_number = 12};
}

static void show(struct progress *p, uint64_t events, int64_t watermark) {
    struct partition_metrics m = partition(events);
    m.watermark = watermark;
    progress_show(p, &(struct job_metrics){.running = true, .partitions = &m, .n_partitions = 1});
}

static void test_log_line(void **state) {
    (void)state;
    struct progress p;
    char text[TEXT_MAX];
    progress_init(&p, false);
    capture();
    show(&p, 0, 1729630800999); /* the first has no rate yet */
    p.last_ms -= 20000;
    show(&p, 2000, 1729630800999);
    captured_text(text);
    progress_end(&p);
    const char *line = " events/s, watermark 2024-10-22T21:00:00Z, 4 open windows, 7 files "
                       "published, late 5, rejected 3, checkpoint 12\n";
    assert_non_null(strstr(text, "info  progress: "));
    assert_non_null(strstr(text, line));
    long rate = strtol(strstr(text, "progress: ") + strlen("progress: "), NULL, 10);
    assert_in_range(rate, 90, 100);
    assert_string_equal(strchr(text, '\n') + 1, ""); /* one line */
}

static void test_not_too_often(void **state) {
    (void)state;
    struct progress p;
    char text[TEXT_MAX];
    progress_init(&p, false);
    capture();
    for (uint64_t i = 0; i < 100; i++)
        show(&p, i, 0);
    captured_text(text);
    assert_string_equal(text, "");
}

/* A restart begins to count at zero again, and a job without events has no watermark. */
static void test_restart_and_no_watermark(void **state) {
    (void)state;
    struct progress p;
    char text[TEXT_MAX];
    progress_init(&p, false);
    capture();
    show(&p, 1000, TS_NONE);
    p.last_ms -= 20000;
    show(&p, 10, TS_NONE); /* no line with a wrong rate */
    p.last_ms -= 20000;
    show(&p, 10, TS_NONE);
    captured_text(text);
    assert_non_null(strstr(text, "progress: 0 events/s, watermark none yet"));
}

/* position and end of one partition that began at 1,000 */
static void show_offsets(struct progress *p, bool bounded, int64_t position, int64_t end) {
    struct partition_metrics m = partition((uint64_t)position);
    m.begin = 1000;
    m.position = position;
    m.end = end;
    progress_show(p, &(struct job_metrics){
                         .running = true, .bounded = bounded, .partitions = &m, .n_partitions = 1});
}

static void test_share_of_a_bounded_run(void **state) {
    (void)state;
    struct progress p;
    char text[TEXT_MAX];
    progress_init(&p, false);
    capture();
    show_offsets(&p, true, 1000, 11000);
    p.last_ms -= 20000;
    show_offsets(&p, true, 3000, 11000); /* 2,000 of 10,000 in 20 s */
    captured_text(text);
    assert_non_null(strstr(text, "progress: 20.0 % done, 1m2")); /* 80 s, and a few ms */
    assert_non_null(strstr(text, "s left, "));
}

static void test_share_of_a_backlog_only(void **state) {
    (void)state;
    struct progress p;
    char text[TEXT_MAX];
    progress_init(&p, false);
    capture();
    show_offsets(&p, false, 1000, 11000);
    p.last_ms -= 20000;
    show_offsets(&p, false, 3000, 11000);
    captured_text(text);
    assert_non_null(strstr(text, "progress: 20.0 % done"));
    capture();
    p.last_ms -= 20000;
    show_offsets(&p, false, 11900, 12000); /* less than ten seconds' worth is none */
    captured_text(text);
    assert_null(strstr(text, "done"));
    assert_non_null(strstr(text, "events/s"));
}

/* Without an end that is known there is no share. */
static void test_no_share_of_the_unknown(void **state) {
    (void)state;
    struct progress p;
    char text[TEXT_MAX];
    progress_init(&p, false);
    capture();
    show_offsets(&p, true, 1000, -1);
    p.last_ms -= 20000;
    show_offsets(&p, true, 3000, -1);
    captured_text(text);
    assert_null(strstr(text, "done"));
}

static void test_a_bar_on_a_terminal(void **state) {
    (void)state;
    struct progress p;
    char text[TEXT_MAX];
    progress_init(&p, true);
    capture();
    show_offsets(&p, true, 1000, 11000);
    p.last_ms -= 20000;
    show_offsets(&p, true, 6000, 11000);
    captured_text(text);
    progress_end(&p);
    assert_non_null(strstr(text, "[##########..........] 50.0 % done, "));
}

int main(void) {
    log_init(LOG_TEXT, LOG_INFO);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_line),
        cmocka_unit_test(test_not_too_often),
        cmocka_unit_test(test_restart_and_no_watermark),
        cmocka_unit_test(test_share_of_a_bounded_run),
        cmocka_unit_test(test_share_of_a_backlog_only),
        cmocka_unit_test(test_no_share_of_the_unknown),
        cmocka_unit_test(test_a_bar_on_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
