/* Uploads of the directory store: nothing is visible before Complete, which may be repeated, taken
 * over by another process, and meet a former owner that is still writing (rules 8 and 11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/memory.h"
#include "store/directory_internal.h"
#include "support/directory_fixture.h"

#define KEY "dt=2024-10-22/hour=21/a%b.jsonl"

static struct directory_fixture f;
static struct test_upload u;
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

/* An upload with two synced parts, "hello " and "world\n". */
static void upload_hello(struct store *s) {
    assert_int_equal(try_create(s, &u, KEY), ERR_NONE);
    assert_int_equal(try_part(s, &u, "hello "), ERR_NONE);
    assert_int_equal(try_part(s, &u, "world\n"), ERR_NONE);
    assert_int_equal(try_sync(s, &u), ERR_NONE);
}

static void check_object(const char *want) {
    assert_int_equal(try_get(f.store, KEY, out, sizeof out), ERR_NONE);
    assert_string_equal(out, want);
}

static void check_nothing_left(void) {
    assert_int_equal(count_files(&f, ".uploads", ""), 0);
    assert_int_equal(count_files(&f, "", ".tmp-"), 0);
}

/* ---- An upload of this process ------------------------------------------------------------------ */

static void test_complete_makes_it_visible(void **state) {
    (void)state;
    upload_hello(f.store);
    assert_int_equal(try_get(f.store, KEY, out, sizeof out), ERR_NOT_FOUND);
    assert_int_equal(try_list(f.store, "", out, sizeof out), ERR_NONE);
    assert_string_equal(out, "");
    assert_int_equal(try_complete(f.store, &u, false), ERR_NONE);
    check_object("hello world\n");
    check_nothing_left();
}

static void test_complete_syncs_what_is_not(void **state) {
    (void)state;
    assert_int_equal(try_create(f.store, &u, KEY), ERR_NONE);
    assert_int_equal(try_part(f.store, &u, "x"), ERR_NONE);
    assert_int_equal(f.io.calls[CALL_FDATASYNC], 0);
    assert_int_equal(try_complete(f.store, &u, false), ERR_NONE);
    assert_int_equal(f.io.calls[CALL_FDATASYNC], 1);
}

static void test_sync_is_done_once(void **state) {
    (void)state;
    upload_hello(f.store);
    assert_int_equal(try_sync(f.store, &u), ERR_NONE);
    assert_int_equal(f.io.calls[CALL_FDATASYNC], 1);
}

static void test_a_repeat_succeeds(void **state) {
    (void)state;
    upload_hello(f.store);
    for (int i = 0; i < 3; i++)
        assert_int_equal(try_complete(f.store, &u, i == 2), ERR_NONE);
    check_object("hello world\n");
}

static void test_a_key_with_other_bytes_is_not_replaced(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, KEY, "other"), ERR_NONE);
    upload_hello(f.store);
    assert_int_equal(try_complete(f.store, &u, false), ERR_EXISTS);
    assert_int_equal(try_complete(f.store, &u, true), ERR_EXISTS);
    assert_non_null(strstr(said, "exists with 5 bytes instead of 12"));
    check_object("other");
    assert_int_equal(count_files(&f, ".uploads", ""), 1);
}

static void test_a_part_may_be_sent_again(void **state) {
    (void)state;
    assert_int_equal(try_create(f.store, &u, KEY), ERR_NONE);
    assert_int_equal(try_part(f.store, &u, "hello "), ERR_NONE);
    u.n_parts = 0;
    u.bytes = 0;
    assert_int_equal(try_part(f.store, &u, "hello "), ERR_NONE);
    assert_int_equal(try_complete(f.store, &u, false), ERR_NONE);
    check_object("hello ");
}

static void test_a_file_of_another_size_is_not_completed(void **state) {
    (void)state;
    upload_hello(f.store);
    char *file = upload_file(&u);
    append_file(&f, file, "!");
    assert_int_equal(try_complete(f.store, &u, false), ERR_INTERNAL);
    truncate_file(&f, file, 11);
    assert_int_equal(try_complete(f.store, &u, false), ERR_INVALID_PART);
    free(file);
    assert_int_equal(try_get(f.store, KEY, out, sizeof out), ERR_NOT_FOUND);
}

static void test_an_upload_that_somebody_removed(void **state) {
    (void)state;
    upload_hello(f.store);
    char *file = upload_file(&u);
    char *path = xasprintf("%s/%s", f.root, file);
    assert_int_equal(unlink(path), 0);
    free(path);
    free(file);
    assert_int_equal(try_complete(f.store, &u, false), ERR_NO_SUCH_UPLOAD);
    assert_int_equal(try_complete(f.store, &u, true), ERR_NO_SUCH_UPLOAD);
}

static void test_an_unknown_upload(void **state) {
    (void)state;
    u = (struct test_upload){.key = KEY, .id = "0123456789abcdef"};
    assert_int_equal(try_part(f.store, &u, "x"), ERR_NO_SUCH_UPLOAD);
    assert_int_equal(try_sync(f.store, &u), ERR_NO_SUCH_UPLOAD);
    assert_int_equal(try_complete(f.store, &u, false), ERR_NO_SUCH_UPLOAD);
    assert_int_equal(try_complete(f.store, &u, true), ERR_NO_SUCH_UPLOAD);
    (void)snprintf(u.id, sizeof u.id, "%s", "../../etc/passwd");
    assert_int_equal(try_complete(f.store, &u, true), ERR_NO_SUCH_UPLOAD);
}

static void test_an_upload_belongs_to_its_key(void **state) {
    (void)state;
    upload_hello(f.store);
    u.key = "another";
    assert_int_equal(try_part(f.store, &u, "x"), ERR_NO_SUCH_UPLOAD);
    assert_int_equal(try_complete(f.store, &u, true), ERR_NO_SUCH_UPLOAD);
}

static void test_more_uploads_than_files_kept_open(void **state) {
    (void)state;
    enum { MANY = 300 };
    static struct test_upload many[MANY];
    static char keys[MANY][32];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "many/%03d", i);
        assert_int_equal(try_create(f.store, &many[i], keys[i]), ERR_NONE);
        assert_int_equal(try_part(f.store, &many[i], "one "), ERR_NONE);
    }
    assert_in_range(f.io.calls[CALL_FDATASYNC], MANY - 128, MANY); /* those that were closed */
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(try_part(f.store, &many[i], "two"), ERR_NONE);
        assert_int_equal(try_complete(f.store, &many[i], false), ERR_NONE);
        assert_int_equal(try_get(f.store, keys[i], out, sizeof out), ERR_NONE);
        assert_string_equal(out, "one two");
    }
    check_nothing_left();
}

/* The descriptor of `u` is given up for those of others. */
static void close_file_of_u(void) {
    enum { OTHERS = 128 };
    static struct test_upload others[OTHERS];
    static char keys[OTHERS][32];
    for (int i = 0; i < OTHERS; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "others/%03d", i);
        assert_int_equal(try_create(f.store, &others[i], keys[i]), ERR_NONE);
    }
}

static void test_a_closed_file_is_opened_again(void **state) {
    (void)state;
    upload_hello(f.store);
    close_file_of_u();
    faulty_io_set(&f.io, CALL_OPEN, 1, EMFILE);
    assert_int_equal(try_part(f.store, &u, "again\n"), ERR_IO);
    assert_non_null(strstr(said, "Too many open files"));
    faulty_io_set(&f.io, CALL_FSTAT, 1, EIO);
    assert_int_equal(try_part(f.store, &u, "again\n"), ERR_IO);
    assert_int_equal(try_part(f.store, &u, "again\n"), ERR_NONE);
    assert_int_equal(try_complete(f.store, &u, false), ERR_NONE);
    check_object("hello world\nagain\n");
}

static void test_a_closed_file_that_is_gone_or_another(void **state) {
    (void)state;
    char path[256], moved[256], *file;
    upload_hello(f.store);
    close_file_of_u();
    file = upload_file(&u);
    (void)snprintf(path, sizeof path, "%s/%s", f.root, file);
    (void)snprintf(moved, sizeof moved, "%s/moved", f.root);
    assert_int_equal(rename(path, moved), 0); /* it exists, so no other gets its inode number */
    assert_int_equal(try_part(f.store, &u, "x"), ERR_NO_SUCH_UPLOAD);
    append_file(&f, file, "hello world\n"); /* the same bytes, but not ours */
    assert_int_equal(try_part(f.store, &u, "x"), ERR_NO_SUCH_UPLOAD);
    free(file);
}

/* Its failure to write back would be told to nobody after the close. */
static void test_a_file_whose_sync_fails_when_it_is_closed_is_not_trusted(void **state) {
    (void)state;
    assert_int_equal(try_create(f.store, &u, KEY), ERR_NONE);
    assert_int_equal(try_part(f.store, &u, "hello"), ERR_NONE);
    faulty_io_set(&f.io, CALL_FDATASYNC, 1, EIO);
    close_file_of_u();
    assert_int_equal(f.io.failed, CALL_FDATASYNC);
    assert_int_equal(try_sync(f.store, &u), ERR_IO);
    assert_non_null(strstr(said, "not trusted"));
    assert_int_equal(try_complete(f.store, &u, false), ERR_IO);
    assert_int_equal(try_get(f.store, KEY, out, sizeof out), ERR_NOT_FOUND);
}

static void part_of_other_size(uint64_t bytes) {
    struct budget budget;
    budget_init(&budget, SIZE_MAX);
    struct chunk *c = chunk_new(&budget, 5);
    memcpy(c->data, "hello", 5);
    c->len = 5;
    struct store_op op = {.kind = STORE_UPLOAD_PART,
                          .key = KEY,
                          .upload = u.id,
                          .part = 1,
                          .chunks = c,
                          .bytes = bytes};
    assert_int_equal(store_call(f.store, &op), -1);
    assert_int_equal(op.error.code, ERR_INTERNAL);
    store_op_clear(&op);
    chunk_free(c);
}

static void test_a_part_whose_chunks_do_not_add_up(void **state) {
    (void)state;
    assert_int_equal(try_create(f.store, &u, KEY), ERR_NONE);
    part_of_other_size(4);
    assert_int_equal(f.io.calls[CALL_PWRITE],
                     0); /* it would have gone into the next part's place */
    part_of_other_size(6);
}

/* As after a copy or a restore that left hidden directories out, though a checkpoint still lists the
 * file as to be published. */
static void test_a_repeat_without_a_directory_of_uploads(void **state) {
    (void)state;
    upload_hello(f.store);
    assert_int_equal(try_complete(f.store, &u, false), ERR_NONE);
    char path[256];
    (void)snprintf(path, sizeof path, "%s/.uploads", f.root);
    assert_int_equal(rmdir(path), 0);
    struct store *heir = directory_fixture_other(&f);
    assert_int_equal(try_complete(heir, &u, true), ERR_NONE);
    check_object("hello world\n");
    store_free(heir);
}

/* A consumer took the object away between the link that failed and the look at it. */
static void test_a_key_that_appears_and_vanishes(void **state) {
    (void)state;
    struct store *heir = directory_fixture_other(&f);
    upload_hello(f.store);
    faulty_io_set(&f.io, CALL_LINK, 1, EEXIST);
    assert_int_equal(try_complete(f.store, &u, false), ERR_EXISTS);
    assert_non_null(strstr(said, "appeared and vanished again"));
    faulty_io_set(&f.io, CALL_LINK, 1, EEXIST);
    assert_int_equal(try_complete(f.store, &u, true), ERR_EXISTS);
    assert_non_null(strstr(said, "appeared and vanished again"));
    assert_int_equal(try_complete(heir, &u, true), ERR_NONE);
    check_object("hello world\n");
    check_nothing_left();
    store_free(heir);
}

/* ---- An upload of another claim ----------------------------------------------------------------- */

static void test_an_inherited_upload_is_completed_by_copy(void **state) {
    (void)state;
    struct store *heir = directory_fixture_other(&f);
    upload_hello(f.store);
    assert_int_equal(try_complete(heir, &u, true), ERR_NONE);
    check_object("hello world\n");
    check_nothing_left();
    assert_int_equal(try_complete(heir, &u, true), ERR_NONE);
    assert_int_equal(try_complete(f.store, &u, false), ERR_NONE); /* the former owner's repeat */
    store_free(heir);
}

/* Holds whoever reads, which here is a copy, as long as a test keeps the gate. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool at_gate;
static ssize_t (*ungated_pread)(struct directory_io *io, int fd, void *buf, size_t n, off_t offset);

static ssize_t gated_pread(struct directory_io *io, int fd, void *buf, size_t n, off_t offset) {
    atomic_store(&at_gate, true);
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    return ungated_pread(io, fd, buf, n, offset);
}

static bool copied;

static void on_copied(struct store_op *op) {
    (void)op;
    copied = true;
}

/* A copy to be submitted, with the gate closed. */
static struct store_op begin_copy(void) {
    ungated_pread = f.io.io.pread;
    f.io.io.pread = gated_pread;
    atomic_store(&at_gate, false);
    copied = false;
    (void)pthread_mutex_lock(&gate);
    struct store_op copy = complete_op(&u, true);
    copy.done = on_copied;
    return copy;
}

static void wait_at_gate(void) {
    while (!atomic_load(&at_gate))
        (void)sched_yield();
}

static void test_nothing_waits_for_a_copy(void **state) {
    (void)state;
    struct test_upload other;
    upload_hello(f.store);
    struct store_op copy = begin_copy();
    store_submit(f.store, &copy);
    wait_at_gate();
    assert_int_equal(try_put(f.store, "meanwhile", "text"), ERR_NONE);
    assert_int_equal(try_create(f.store, &other, "other"), ERR_NONE);
    assert_int_equal(try_part(f.store, &other, "line\n"), ERR_NONE);
    assert_int_equal(try_sync(f.store, &other), ERR_NONE);
    assert_int_equal(try_complete(f.store, &other, false), ERR_NONE);
    assert_false(copied);
    (void)pthread_mutex_unlock(&gate);
    while (!copied)
        (void)store_poll(f.store, 1000);
    assert_int_equal(copy.error.code, ERR_NONE);
    check_object("hello world\n");
}

/* While it is copied, what is found out about a directory concerns the copy, too. */
static void test_a_copy_is_not_published_where_a_directory_is_not_trusted(void **state) {
    (void)state;
    upload_hello(f.store);
    struct store_op copy = begin_copy();
    store_submit(f.store, &copy);
    wait_at_gate();
    faulty_io_set(&f.io, CALL_FSYNC, 2, EIO); /* the file's, then its directory's */
    assert_int_equal(try_put(f.store, "meanwhile", "text"), ERR_IO);
    (void)pthread_mutex_unlock(&gate);
    while (!copied)
        (void)store_poll(f.store, 1000);
    assert_int_equal(copy.error.code, ERR_IO);
    assert_non_null(strstr(copy.error.text, "could not be synced before"));
    uint64_t size;
    assert_int_equal(try_head(f.store, KEY, &size), ERR_NOT_FOUND);
}

static void *free_it(void *store) {
    store_free(store);
    return NULL;
}

/* Gigabytes may be left, and an orderly stop has ten seconds. */
static void test_a_copy_ends_when_the_store_is_freed(void **state) {
    (void)state;
    upload_hello(f.store);
    struct store_op copy = begin_copy();
    store_submit(f.store, &copy);
    wait_at_gate();
    struct directory *d = (struct directory *)f.store;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, free_it, f.store), 0);
    while (!directory_is_stopping(d))
        (void)sched_yield();
    (void)pthread_mutex_unlock(&gate);
    assert_int_equal(pthread_join(thread, NULL), 0);
    f.io.io.pread = ungated_pread;
    f.store = directory_fixture_other(&f);
    uint64_t size;
    assert_int_equal(try_head(f.store, KEY, &size), ERR_NOT_FOUND);
    assert_int_equal(count_files(&f, "dt=2024-10-22/hour=21", ""), 0);
    assert_false(copied);
    assert_int_equal(try_complete(f.store, &u, true), ERR_NONE);
    check_object("hello world\n");
}

static void test_only_the_listed_bytes_are_inherited(void **state) {
    (void)state;
    struct store *heir = directory_fixture_other(&f);
    upload_hello(f.store);
    struct test_upload listed = u;
    assert_int_equal(try_part(f.store, &u, "not listed"), ERR_NONE);
    assert_int_equal(try_complete(heir, &listed, true), ERR_NONE);
    check_object("hello world\n");
    store_free(heir);
}

/* The former owner does not know yet that it lost: what it appends must not reach the object. */
static void test_a_zombie_appends_to_its_own_inode_only(void **state) {
    (void)state;
    struct store *heir = directory_fixture_other(&f);
    upload_hello(f.store);
    struct test_upload listed = u;
    assert_int_equal(try_complete(heir, &listed, true), ERR_NONE);
    assert_int_equal(try_part(f.store, &u, "late"), ERR_NONE);
    (void)try_sync(f.store, &u);
    check_object("hello world\n");
    assert_int_equal(try_complete(f.store, &u, false), ERR_EXISTS);
    check_object("hello world\n");
    store_free(heir);
}

static void *append_parts(void *arg) {
    struct test_upload zombie = *(struct test_upload *)arg;
    for (int i = 0; i < 200 && zombie.n_parts < 8; i++) {
        if (try_part(f.store, &zombie, "zombie") == ERR_NONE)
            zombie.n_parts--; /* appends for ever */
    }
    return NULL;
}

static void test_a_zombie_appends_during_completion(void **state) {
    (void)state;
    struct store *heir = directory_fixture_other(&f);
    upload_hello(f.store);
    pthread_t thread;
    struct store_op complete = complete_op(&u, true);
    assert_int_equal(pthread_create(&thread, NULL, append_parts, &u), 0);
    (void)usleep(1000);
    int rc = store_call(heir, &complete);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rc, 0);
    store_op_clear(&complete);
    check_object("hello world\n");
    store_free(heir);
}

static void test_a_shorter_file_is_an_invalid_part(void **state) {
    (void)state;
    struct store *heir = directory_fixture_other(&f);
    upload_hello(f.store);
    char *file = upload_file(&u);
    truncate_file(&f, file, 11);
    free(file);
    assert_int_equal(try_complete(heir, &u, true), ERR_INVALID_PART);
    assert_int_equal(try_get(f.store, KEY, out, sizeof out), ERR_NOT_FOUND);
    store_free(heir);
}

static void test_changed_bytes_are_corrupt(void **state) {
    (void)state;
    struct store *heir = directory_fixture_other(&f);
    upload_hello(f.store);
    char *file = upload_file(&u);
    truncate_file(&f, file, 11);
    append_file(&f, file, "?");
    assert_int_equal(try_complete(heir, &u, true), ERR_CORRUPT);
    assert_non_null(strstr(said, file));
    assert_non_null(strstr(said, "part 2"));
    assert_int_equal(try_get(f.store, KEY, out, sizeof out), ERR_NOT_FOUND);
    assert_int_equal(count_files(&f, "", ".tmp-"), 0);
    assert_int_equal(count_files(&f, ".uploads", ""), 1);
    free(file);
    store_free(heir);
}

static void test_parts_that_do_not_add_up(void **state) {
    (void)state;
    upload_hello(f.store);
    u.n_parts = 1;
    assert_int_equal(try_complete(f.store, &u, true), ERR_INTERNAL);
}

/* A claim of the same process after a lost one: its fd is known, yet the bytes are frozen. */
static void test_inheriting_from_oneself(void **state) {
    (void)state;
    upload_hello(f.store);
    struct test_upload listed = u;
    assert_int_equal(try_part(f.store, &u, "more"), ERR_NONE);
    assert_int_equal(try_complete(f.store, &listed, true), ERR_NONE);
    check_object("hello world\n");
    check_nothing_left();
    assert_int_equal(try_part(f.store, &u, "late"), ERR_NO_SUCH_UPLOAD);
}

/* ---- Uploads for gc ----------------------------------------------------------------------------- */

static void test_uploads_are_listed_with_their_keys(void **state) {
    (void)state;
    upload_hello(f.store);
    char *want = xasprintf("%s=%s", KEY, u.id);
    assert_int_equal(try_list_uploads(f.store, "", out, sizeof out), ERR_NONE);
    assert_string_equal(out, want);
    assert_int_equal(try_list_uploads(f.store, "dt=2024-10-22/h", out, sizeof out), ERR_NONE);
    assert_string_equal(out, want);
    assert_int_equal(try_list_uploads(f.store, "dt=2025", out, sizeof out), ERR_NONE);
    assert_string_equal(out, "");
    free(want);
}

static void test_what_is_no_upload_is_not_listed(void **state) {
    (void)state;
    static const char *const names[] = {".uploads/README", ".uploads/0123456789abcdef_k",
                                        ".uploads/0123456789abcdeg-k"};
    upload_hello(f.store);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        append_file(&f, names[i], "x");
    char only[128];
    (void)snprintf(only, sizeof only, "%s=%s", KEY, u.id);
    assert_int_equal(try_list_uploads(f.store, "", out, sizeof out), ERR_NONE);
    assert_string_equal(out, only);
    assert_int_equal(try_list_uploads(f.store, "/etc", out, sizeof out), ERR_USAGE);
    assert_int_equal(try_head(f.store, NULL, &u.bytes), ERR_USAGE);
}

static void test_an_aborted_upload_is_gone(void **state) {
    (void)state;
    upload_hello(f.store);
    for (int i = 0; i < 2; i++)
        assert_int_equal(try_abort(f.store, u.key, u.id), ERR_NONE);
    assert_int_equal(try_list_uploads(f.store, "", out, sizeof out), ERR_NONE);
    assert_string_equal(out, "");
    assert_int_equal(try_part(f.store, &u, "x"), ERR_NO_SUCH_UPLOAD);
    assert_int_equal(try_complete(f.store, &u, false), ERR_NO_SUCH_UPLOAD);
}

static void test_leftovers_are_listed_and_aborted(void **state) {
    (void)state;
#define LEFTOVER "dt=1/.tmp-0123456789abcdef"
    assert_int_equal(try_put(f.store, "dt=1/k", "x"), ERR_NONE);
    append_file(&f, LEFTOVER, "half");
    append_file(&f, "dt=1/.somebody-elses", "");
    assert_int_equal(try_list_uploads(f.store, "", out, sizeof out), ERR_NONE);
    assert_string_equal(out, LEFTOVER "=" LEFTOVER);
    assert_int_equal(try_abort(f.store, LEFTOVER, LEFTOVER), ERR_NONE);
    assert_int_equal(count_files(&f, "", ".tmp-"), 0);
    assert_int_equal(try_list(f.store, "", out, sizeof out), ERR_NONE);
    assert_string_equal(out, "dt=1/k");
}

static void test_abort_stays_below_the_root(void **state) {
    (void)state;
    const char *const bad[] = {"../.tmp-x", "a/../../.tmp-x", "/tmp/.tmp-x", "../../x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(try_abort(f.store, "k", bad[i]), ERR_USAGE);
    assert_int_equal(try_abort(f.store, "k", "unknown"), ERR_NONE);
}

static void test_closing_keeps_uploads(void **state) {
    (void)state;
    struct store *other = directory_fixture_other(&f);
    upload_hello(other);
    store_free(other);
    assert_int_equal(try_complete(f.store, &u, true), ERR_NONE);
    check_object("hello world\n");
}

#define upload_test(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        upload_test(test_complete_makes_it_visible),
        upload_test(test_complete_syncs_what_is_not),
        upload_test(test_sync_is_done_once),
        upload_test(test_a_repeat_succeeds),
        upload_test(test_a_key_with_other_bytes_is_not_replaced),
        upload_test(test_a_part_may_be_sent_again),
        upload_test(test_a_file_of_another_size_is_not_completed),
        upload_test(test_an_upload_that_somebody_removed),
        upload_test(test_an_unknown_upload),
        upload_test(test_an_upload_belongs_to_its_key),
        upload_test(test_more_uploads_than_files_kept_open),
        upload_test(test_a_closed_file_is_opened_again),
        upload_test(test_a_closed_file_that_is_gone_or_another),
        upload_test(test_a_file_whose_sync_fails_when_it_is_closed_is_not_trusted),
        upload_test(test_a_part_whose_chunks_do_not_add_up),
        upload_test(test_a_repeat_without_a_directory_of_uploads),
        upload_test(test_a_key_that_appears_and_vanishes),
        upload_test(test_an_inherited_upload_is_completed_by_copy),
        upload_test(test_nothing_waits_for_a_copy),
        upload_test(test_a_copy_is_not_published_where_a_directory_is_not_trusted),
        upload_test(test_a_copy_ends_when_the_store_is_freed),
        upload_test(test_only_the_listed_bytes_are_inherited),
        upload_test(test_a_zombie_appends_to_its_own_inode_only),
        upload_test(test_a_zombie_appends_during_completion),
        upload_test(test_a_shorter_file_is_an_invalid_part),
        upload_test(test_changed_bytes_are_corrupt),
        upload_test(test_parts_that_do_not_add_up),
        upload_test(test_inheriting_from_oneself),
        upload_test(test_uploads_are_listed_with_their_keys),
        upload_test(test_what_is_no_upload_is_not_listed),
        upload_test(test_an_aborted_upload_is_gone),
        upload_test(test_leftovers_are_listed_and_aborted),
        upload_test(test_abort_stays_below_the_root),
        upload_test(test_closing_keeps_uploads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
