/* Rings of what has happened, written by one thread and read by others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "control/journal.h"
#include "support/fake_clock.h"

struct fixture {
    struct fake_clock clock;
    struct journal *journal;
};

static int set_up(void **state) {
    static struct fixture f;
    fake_clock_init(&f.clock);
    f.journal = journal_new(&f.clock.clock);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    journal_free(f->journal);
    return 0;
}

static void test_empty(void **state) {
    struct fixture *f = *state;
    struct journal_file files[1];
    uint64_t ever = 99;
    assert_int_equal(journal_files(f->journal, files, 1, &ever), 0);
    assert_int_equal(ever, 0);
    assert_int_equal(journal_errors(f->journal, NULL, 0, NULL), 0);
}

/* The newest first, with their numbers and when they came; no more than are asked for. */
static void test_newest_first(void **state) {
    struct fixture *f = *state;
    int64_t start = f->clock.wall;
    for (uint64_t i = 1; i <= 3; i++) {
        fake_clock_advance(&f->clock, 1000);
        journal_add_checkpoint(
            f->journal, &(struct journal_checkpoint){.number = 10 * i, .id = 77, .at_ms = 5});
    }
    struct journal_checkpoint c[3];
    uint64_t ever;
    assert_int_equal(journal_checkpoints(f->journal, c, 2, &ever), 2);
    assert_int_equal(ever, 3);
    assert_int_equal(c[0].number, 30);
    assert_int_equal(c[0].id, 3);
    assert_int_equal(c[0].at_ms, start + 3000);
    assert_int_equal(c[1].number, 20);
    assert_int_equal(c[1].id, 2);
    assert_int_equal(c[1].at_ms, start + 2000);
}

/* Beyond the ring's size the oldest goes. */
static void test_ring_goes_round(void **state) {
    struct fixture *f = *state;
    enum { ADDED = 3 * JOURNAL_FILES + 7 };
    for (uint64_t i = 1; i <= ADDED; i++)
        journal_add_file(f->journal, &(struct journal_file){.events = i});
    struct journal_file files[JOURNAL_FILES + 1];
    uint64_t ever;
    assert_int_equal(journal_files(f->journal, files, JOURNAL_FILES + 1, &ever), JOURNAL_FILES);
    assert_int_equal(ever, ADDED);
    for (uint64_t i = 0; i < JOURNAL_FILES; i++) {
        assert_int_equal(files[i].events, ADDED - i);
        assert_int_equal(files[i].id, ADDED - i);
    }
}

/* Long texts are cut, never run over. */
static void test_error_texts(void **state) {
    struct fixture *f = *state;
    char kind[100], text[2 * JOURNAL_TEXT_MAX];
    memset(kind, 'k', sizeof kind - 1);
    kind[sizeof kind - 1] = '\0';
    memset(text, 't', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    journal_add_error(f->journal, 4, "partition_lost", "why");
    journal_add_error(f->journal, -1, kind, text);
    struct journal_error e[2];
    assert_int_equal(journal_errors(f->journal, e, 2, NULL), 2);
    assert_int_equal(e[0].partition, -1);
    assert_int_equal(strlen(e[0].kind), sizeof e[0].kind - 1);
    assert_int_equal(strlen(e[0].text), JOURNAL_TEXT_MAX - 1);
    assert_int_equal(e[1].partition, 4);
    assert_string_equal(e[1].kind, "partition_lost");
    assert_string_equal(e[1].text, "why");
}

/* Late and rejected ones do not push each other out. */
static void test_samples_are_of_two_kinds(void **state) {
    struct fixture *f = *state;
    for (int64_t i = 0; i < 2 * JOURNAL_SAMPLES; i++)
        journal_add_sample(f->journal, true, &(struct journal_sample){.offset = i});
    journal_add_sample(
        f->journal, false,
        &(struct journal_sample){.offset = 5, .reason = "future", .kept = 1, .value = "\xff"});
    struct journal_sample s[JOURNAL_SAMPLES];
    uint64_t ever;
    assert_int_equal(journal_samples(f->journal, false, s, JOURNAL_SAMPLES, &ever), 1);
    assert_int_equal(ever, 1);
    assert_int_equal(s[0].offset, 5);
    assert_string_equal(s[0].reason, "future");
    assert_memory_equal(s[0].value, "\xff", 1);
    assert_int_equal(journal_samples(f->journal, true, s, JOURNAL_SAMPLES, &ever), JOURNAL_SAMPLES);
    assert_int_equal(ever, 2 * JOURNAL_SAMPLES);
    assert_int_equal(s[0].offset, 2 * JOURNAL_SAMPLES - 1);
}

static void test_no_journal(void **state) {
    (void)state;
    journal_add_checkpoint(NULL, &(struct journal_checkpoint){0});
    journal_add_file(NULL, &(struct journal_file){0});
    journal_add_error(NULL, 0, "kind", "text");
    journal_add_sample(NULL, true, &(struct journal_sample){0});
    journal_free(NULL);
}

/* ---- Threads ------------------------------------------------------------------------------------- */

enum { WRITTEN = 5000 };

/* Every field of one entry tells the same number, so that half an entry would be seen. */
static void *write_files(void *ctx) {
    for (uint64_t i = 1; i <= WRITTEN; i++) {
        struct journal_file file = {.events = i, .bytes = i, .partition = (int32_t)i};
        (void)snprintf(file.key, sizeof file.key, "%d", (int)i);
        journal_add_file(ctx, &file);
    }
    return NULL;
}

struct reader {
    struct journal *journal;
    const char *wrong;
};

static void *read_files(void *ctx) {
    struct reader *r = ctx;
    struct journal_file files[JOURNAL_FILES];
    uint64_t ever = 0, before = 0;
    while (ever < WRITTEN) {
        size_t n = journal_files(r->journal, files, JOURNAL_FILES, &ever);
        if (ever < before || n != (ever < JOURNAL_FILES ? ever : JOURNAL_FILES))
            r->wrong = "the count went back";
        before = ever;
        for (size_t i = 0; i < n; i++) {
            char key[16];
            (void)snprintf(key, sizeof key, "%d", (int)(ever - i));
            if (files[i].id != ever - i || files[i].events != ever - i ||
                files[i].bytes != ever - i || strcmp(files[i].key, key) != 0)
                r->wrong = "an entry is not whole";
        }
    }
    return NULL;
}

static void test_readers_see_whole_entries(void **state) {
    struct fixture *f = *state;
    pthread_t writer, threads[2];
    struct reader readers[2] = {{f->journal, NULL}, {f->journal, NULL}};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_files, &readers[i]), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_files, f->journal), 0);
    (void)pthread_join(writer, NULL);
    for (int i = 0; i < 2; i++) {
        (void)pthread_join(threads[i], NULL);
        if (readers[i].wrong)
            fail_msg("%s", readers[i].wrong);
    }
}

#define journal_test(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        journal_test(test_empty),
        journal_test(test_newest_first),
        journal_test(test_ring_goes_round),
        journal_test(test_error_texts),
        journal_test(test_samples_are_of_two_kinds),
        cmocka_unit_test(test_no_journal),
        journal_test(test_readers_see_whole_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
