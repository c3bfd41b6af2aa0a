/* Objects of the directory store: what is put can be read, once, and listed as S3 would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/memory.h"
#include "support/directory_fixture.h"

static struct directory_fixture f;
static char out[4096];

static int set_up(void **state) {
    (void)state;
    directory_fixture_open(&f);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    directory_fixture_close(&f);
    return 0;
}

/* ---- Opening ------------------------------------------------------------------------------------ */

static void test_traits(void **state) {
    (void)state;
    assert_true(f.store->sync_parts);
    assert_int_equal(f.store->min_part, 0);
    assert_true(f.store->max_parts >= 10000);
    assert_int_equal(f.store->path[strlen(f.store->path) - 1], '/');
}

static struct store *open_below(const char *relative, struct error *e) {
    char *path = xasprintf("%s/%s", f.root, relative);
    struct store *s = store_directory_open(path, clock_system(), random_system(), e);
    free(path);
    return s;
}

static void test_missing_directories_are_made(void **state) {
    (void)state;
    struct error e;
    struct store *s = open_below("a//b/c", &e);
    assert_non_null(s);
    assert_int_equal(try_put(s, "k", "v"), ERR_NONE);
    store_free(s);
    assert_int_equal(try_get(f.store, "a/b/c/k", out, sizeof out), ERR_NONE);
}

static void test_a_file_is_no_directory(void **state) {
    (void)state;
    struct error e;
    assert_int_equal(try_put(f.store, "file", ""), ERR_NONE);
    assert_null(open_below("file", &e));
    assert_non_null(strstr(e.text, "a file stands where a directory is needed"));
    assert_null(open_below("file/below", &e));
}

static void test_an_empty_path_is_refused(void **state) {
    (void)state;
    struct error e;
    assert_null(store_directory_open("", clock_system(), random_system(), &e));
    assert_int_equal(e.code, ERR_USAGE);
}

/* ---- Put, get, head, delete --------------------------------------------------------------------- */

static void test_what_is_put_can_be_read(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, "dt=2024-10-22/hour=21/a.jsonl", "hello\n"), ERR_NONE);
    assert_int_equal(try_get(f.store, "dt=2024-10-22/hour=21/a.jsonl", out, sizeof out), ERR_NONE);
    assert_string_equal(out, "hello\n");
    uint64_t size;
    assert_int_equal(try_head(f.store, "dt=2024-10-22/hour=21/a.jsonl", &size), ERR_NONE);
    assert_int_equal(size, 6);
    assert_int_equal(count_files(&f, "", ".tmp-"), 0);
}

static void test_an_empty_object(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, "empty", ""), ERR_NONE);
    assert_int_equal(try_get(f.store, "empty", out, sizeof out), ERR_NONE);
    assert_string_equal(out, "");
}

static void test_a_second_put_loses(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, "k", "first"), ERR_NONE);
    assert_int_equal(try_put(f.store, "k", "second"), ERR_EXISTS);
    assert_int_equal(try_get(f.store, "k", out, sizeof out), ERR_NONE);
    assert_string_equal(out, "first");
    assert_int_equal(count_files(&f, "", ".tmp-"), 0);
}

static void test_another_process_sees_it_and_loses_too(void **state) {
    (void)state;
    struct store *other = directory_fixture_other(&f);
    assert_int_equal(try_put(f.store, "d/k", "first"), ERR_NONE);
    assert_int_equal(try_put(other, "d/k", "second"), ERR_EXISTS);
    assert_int_equal(try_get(other, "d/k", out, sizeof out), ERR_NONE);
    assert_string_equal(out, "first");
    store_free(other);
}

static void test_what_is_absent_is_not_found(void **state) {
    (void)state;
    uint64_t size;
    assert_int_equal(try_put(f.store, "d/file", "x"), ERR_NONE);
    const char *const absent[] = {"k", "a/b/c", "d", "d/file/below"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        assert_int_equal(try_get(f.store, absent[i], out, sizeof out), ERR_NOT_FOUND);
        assert_int_equal(try_head(f.store, absent[i], &size), ERR_NOT_FOUND);
        assert_int_equal(try_delete(f.store, absent[i]), ERR_NONE);
    }
}

static void test_delete(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, "d/k", "x"), ERR_NONE);
    assert_int_equal(try_delete(f.store, "d/k"), ERR_NONE);
    assert_int_equal(try_get(f.store, "d/k", out, sizeof out), ERR_NOT_FOUND);
    assert_int_equal(try_delete(f.store, "d/k"), ERR_NONE);
    assert_int_equal(try_put(f.store, "d/k", "again"), ERR_NONE);
}

static void test_an_answer_has_a_cap(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, "k", "123456"), ERR_NONE);
    assert_int_equal(try_get(f.store, "k", out, 7), ERR_NONE);
    assert_int_equal(try_get(f.store, "k", out, 6), ERR_LIMIT);
}

static void check_range(uint64_t start, uint64_t len, const char *want) {
    struct store_op op = {
        .kind = STORE_GET, .key = "k", .max_bytes = 6, .range_start = start, .range_len = len};
    assert_int_equal(store_call(f.store, &op), 0);
    assert_string_equal(buffer_text(&op.answer), want);
    store_op_clear(&op);
}

static void test_ranges(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, "k", "0123456789"), ERR_NONE);
    check_range(0, 4, "0123");
    check_range(4, 0, "456789");
    check_range(8, 6, "89");
    check_range(10, 1, "");
    check_range(99, 0, "");
}

static void test_keys_stay_below_the_root(void **state) {
    (void)state;
    const char *const bad[] = {"",  "/etc/passwd", "a//b",        "a/", "..", "../x", "a/../../x",
                               ".", ".uploads/x",  "a/.tmp-1234", "a/."};
    uint64_t size;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(try_put(f.store, bad[i], "x"), ERR_USAGE);
        assert_int_equal(try_get(f.store, bad[i], out, sizeof out), ERR_USAGE);
        assert_int_equal(try_head(f.store, bad[i], &size), ERR_USAGE);
        assert_int_equal(try_delete(f.store, bad[i]), ERR_USAGE);
        struct test_upload u;
        assert_int_equal(try_create(f.store, &u, bad[i]), ERR_USAGE);
    }
    assert_int_equal(try_list(f.store, "../", out, sizeof out), ERR_USAGE);
    assert_int_equal(try_list(f.store, "/", out, sizeof out), ERR_USAGE);
}

static void test_a_name_too_long_is_said_clearly(void **state) {
    (void)state;
    char key[300];
    memset(key, 'x', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    assert_int_not_equal(try_put(f.store, key, "x"), ERR_NONE);
    assert_non_null(strstr(said, "File name too long; shorten"));
    assert_int_equal(count_files(&f, "", ""), 0);
}

/* Consumers clear away empty directories. */
static void test_a_directory_that_vanished_is_made_again(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, "a/b/1", "x"), ERR_NONE);
    assert_int_equal(try_delete(f.store, "a/b/1"), ERR_NONE);
    char *path = xasprintf("%s/a/b", f.root);
    assert_int_equal(rmdir(path), 0);
    free(path);
    assert_int_equal(try_put(f.store, "a/b/2", "x"), ERR_NONE);
}

static void test_a_root_that_vanished_is_an_error(void **state) {
    (void)state;
    assert_int_equal(rmdir(f.root), 0);
    assert_int_equal(try_list(f.store, "dt=", out, sizeof out), ERR_IO);
    assert_int_equal(try_put(f.store, "a/b", "x"), ERR_IO);
    assert_non_null(strstr(said, "removed or unmounted"));
}

/* ---- Listing ------------------------------------------------------------------------------------ */

static void check_list(const char *prefix, const char *want) {
    assert_int_equal(try_list(f.store, prefix, out, sizeof out), ERR_NONE);
    assert_string_equal(out, want);
}

static void put_all(const char *const *keys) {
    for (; *keys; keys++)
        assert_int_equal(try_put(f.store, *keys, *keys), ERR_NONE);
}

static void test_a_list_is_sorted_bytewise(void **state) {
    (void)state;
    const char *const keys[] = {"b", "a/z", "a.txt", "a0", "_late/x", "Z", "a/b/c", NULL};
    put_all(keys);
    check_list("", "Z _late/x a.txt a/b/c a/z a0 b");
}

static void test_a_prefix_is_a_string(void **state) {
    (void)state;
    const char *const keys[] = {
        "dt=1/hour=20/a", "dt=1/hour=21/a", "dt=1/hour=3/a", "dt=10/hour=2/a", "dt", NULL};
    put_all(keys);
    check_list("dt=1/hour=2", "dt=1/hour=20/a dt=1/hour=21/a");
    check_list("dt=1/", "dt=1/hour=20/a dt=1/hour=21/a dt=1/hour=3/a");
    check_list("dt=10/hour=2/a", "dt=10/hour=2/a");
    check_list("dt=10/hour=2/ab", "");
    check_list("absent/", "");
    check_list("dt/x", "");
    check_list("d", "dt dt=1/hour=20/a dt=1/hour=21/a dt=1/hour=3/a dt=10/hour=2/a");
}

static void check_list_after(const char *prefix, const char *start_after, const char *want) {
    assert_int_equal(try_list_after(f.store, prefix, start_after, out, sizeof out), ERR_NONE);
    assert_string_equal(out, want);
}

static void test_a_list_begins_behind_a_key(void **state) {
    (void)state;
    const char *const keys[] = {"m/p0/c1", "m/p0/c2", "m/p0/c3", "m/p0/d/x", "m/p1/c4", NULL};
    put_all(keys);
    check_list_after("m/p0/", "m/p0/c2", "m/p0/c3 m/p0/d/x");
    check_list_after("m/p0/c", "m/p0/c1x", "m/p0/c2 m/p0/c3");
    check_list_after("m/p0/c", "m/p0/c3", "");
    check_list_after("m/p0/c", "m/p0/", "m/p0/c1 m/p0/c2 m/p0/c3");
    check_list_after("m/", "m/p0/d", "m/p0/d/x m/p1/c4");
    check_list_after("m/", "n", "");
}

static void test_hidden_names_and_directories_are_not_listed(void **state) {
    (void)state;
    struct test_upload u;
    assert_int_equal(try_create(f.store, &u, "dt=1/x"), ERR_NONE);
    assert_int_equal(try_put(f.store, "dt=1/k", "x"), ERR_NONE);
    append_file(&f, "dt=1/.tmp-0123456789abcdef", "half");
    append_file(&f, "dt=1/.hidden", "");
    check_list("", "dt=1/k");
}

static void test_links_are_followed_to_files_only(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, "d/k", "x"), ERR_NONE);
    char *loop = xasprintf("%s/d/loop", f.root), *file = xasprintf("%s/d/file", f.root),
         *gone = xasprintf("%s/d/gone", f.root);
    assert_int_equal(symlink("..", loop), 0);
    assert_int_equal(symlink("k", file), 0);
    assert_int_equal(symlink("nowhere", gone), 0);
    check_list("", "d/file d/k");
    free(loop);
    free(file);
    free(gone);
}

static void test_sizes_and_times_are_listed(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, "k", "12345"), ERR_NONE);
    struct store_op op = {.kind = STORE_LIST, .key = ""};
    assert_int_equal(store_call(f.store, &op), 0);
    assert_int_equal(op.n_entries, 1);
    assert_int_equal(op.entries[0].size, 5);
    assert_null(op.entries[0].upload);
    int64_t age = clock_wall(clock_system()) - op.entries[0].modified;
    assert_in_range(age + 60000, 0, 120000);
    assert_int_equal(op.store_time, f.clock.wall);
    store_op_clear(&op);
}

/* ---- Threads ------------------------------------------------------------------------------------ */

enum { RACES = 50 };

static void *race(void *arg) {
    struct store *s = arg;
    uintptr_t won = 0;
    for (int i = 0; i < RACES; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "race=%d/chk", i);
        struct store_op op = {.kind = STORE_PUT_IF_ABSENT, .key = key, .body = "x", .body_len = 1};
        won += store_call(s, &op) == 0;
        if (op.error.code && op.error.code != ERR_EXISTS)
            won += 1000;
        store_op_clear(&op);
    }
    return (void *)won;
}

static void test_of_two_racing_processes_one_wins(void **state) {
    (void)state;
    struct store *other = directory_fixture_other(&f);
    pthread_t thread;
    void *theirs;
    assert_int_equal(pthread_create(&thread, NULL, race, other), 0);
    uintptr_t mine = (uintptr_t)race(f.store);
    assert_int_equal(pthread_join(thread, &theirs), 0);
    assert_int_equal(mine + (uintptr_t)theirs, RACES);
    store_free(other);
    assert_int_equal(count_files(&f, "", "chk"), RACES);
    assert_int_equal(count_files(&f, "", ".tmp-"), 0);
}

static int order[64], n_order;

static void note(struct store_op *op) {
    order[n_order++] = *(int *)op->ctx;
}

static void test_answers_come_in_order_of_submission(void **state) {
    (void)state;
    struct store_op ops[50];
    int numbers[50];
    n_order = 0;
    for (int i = 0; i < 50; i++) {
        numbers[i] = i;
        ops[i] =
            (struct store_op){.kind = STORE_HEAD, .key = "k", .done = note, .ctx = &numbers[i]};
        store_submit(f.store, &ops[i]);
    }
    while (n_order < 50)
        (void)store_poll(f.store, 1000);
    for (int i = 0; i < 50; i++)
        assert_int_equal(order[i], i);
    assert_int_equal(store_poll(f.store, 0), 0);
    assert_int_equal(store_poll(f.store, 5), 0);
}

static _Atomic int wakes;

static void wake(void *ctx) {
    (void)ctx;
    wakes++;
}

static void test_the_owner_is_woken(void **state) {
    (void)state;
    int number = 7;
    wakes = n_order = 0;
    f.store->ops->set_wake(f.store, wake, NULL);
    struct store_op op = {.kind = STORE_HEAD, .key = "k", .done = note, .ctx = &number};
    store_submit(f.store, &op);
    while (!wakes)
        (void)usleep(100);
    assert_int_equal(n_order, 0);
    assert_int_equal(store_poll(f.store, 0), 1);
    assert_int_equal(order[0], 7);
}

static void test_closing_gives_up_what_is_under_way(void **state) {
    (void)state;
    struct store *other = directory_fixture_other(&f);
    static struct store_op ops[20];
    int number = 0;
    n_order = 0;
    for (int i = 0; i < 20; i++) {
        ops[i] = (struct store_op){.kind = STORE_LIST, .key = "", .done = note, .ctx = &number};
        store_submit(other, &ops[i]);
    }
    store_free(other);
    assert_int_equal(n_order, 0);
    for (int i = 0; i < 20; i++)
        store_op_clear(&ops[i]);
}

#define directory_test(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        directory_test(test_traits),
        directory_test(test_missing_directories_are_made),
        directory_test(test_a_file_is_no_directory),
        directory_test(test_an_empty_path_is_refused),
        directory_test(test_what_is_put_can_be_read),
        directory_test(test_an_empty_object),
        directory_test(test_a_second_put_loses),
        directory_test(test_another_process_sees_it_and_loses_too),
        directory_test(test_what_is_absent_is_not_found),
        directory_test(test_delete),
        directory_test(test_an_answer_has_a_cap),
        directory_test(test_ranges),
        directory_test(test_keys_stay_below_the_root),
        directory_test(test_a_name_too_long_is_said_clearly),
        directory_test(test_a_directory_that_vanished_is_made_again),
        directory_test(test_a_root_that_vanished_is_an_error),
        directory_test(test_a_list_is_sorted_bytewise),
        directory_test(test_a_prefix_is_a_string),
        directory_test(test_a_list_begins_behind_a_key),
        directory_test(test_hidden_names_and_directories_are_not_listed),
        directory_test(test_links_are_followed_to_files_only),
        directory_test(test_sizes_and_times_are_listed),
        directory_test(test_of_two_racing_processes_one_wins),
        directory_test(test_answers_come_in_order_of_submission),
        directory_test(test_the_owner_is_woken),
        directory_test(test_closing_gives_up_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
