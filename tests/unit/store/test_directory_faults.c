/* Every system call of the directory store fails in turn (rule 11): the request says so clearly, no
 * half object becomes visible, and another process can do it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "support/directory_fixture.h"

#define KEY "dt=1/hour=2/k"
#define BYTES "all of the bytes\n"

static struct directory_fixture f;
static struct test_upload u;
static char out[4096];

/* One request: `prepare` runs undisturbed, `act` meets the fault, `again` finishes the work as a new
 * process would, and then the object, where there is to be one, is whole. */
struct scenario {
    void (*prepare)(void);
    enum error_code (*act)(struct store *s);
    enum error_code (*again)(struct store *s);
    bool object;
};

/* A failed sync is ERR_IO whatever its reason: the file or directory is not trusted any more. */
static enum error_code expected_code(int call, int errnum) {
    if (call == CALL_FSYNC || call == CALL_FDATASYNC)
        return ERR_IO;
    return errnum == ENOSPC ? ERR_NO_SPACE : errnum == EACCES ? ERR_DENIED : ERR_IO;
}

static void check_error(enum error_code code, int call, int errnum) {
    assert_int_equal(code, expected_code(call, errnum));
    if (!strstr(said, strerror(errnum)) || !strstr(said, "/tmp/"))
        print_error("unclear: %s\n", said);
    assert_non_null(strstr(said, strerror(errnum)));
    assert_non_null(strstr(said, "/tmp/"));
    assert_null(strchr(said, '\n'));
}

/* A file's fd, or a name that is not needed any more: the request has done its work. */
static bool may_be_ignored(int call) {
    return call == CALL_CLOSE || call == CALL_UNLINK;
}

/* True where the nth call exists. */
static bool fail_nth(const struct scenario *sc, int nth, int errnum) {
    directory_fixture_open(&f);
    u = (struct test_upload){.key = KEY};
    if (sc->prepare)
        sc->prepare();
    faulty_io_set(&f.io, ANY_CALL, nth, errnum);
    enum error_code code = sc->act(f.store);
    int failed = f.io.failed;
    faulty_io_set(&f.io, ANY_CALL, 0, 0);
    if (code)
        check_error(code, failed, errnum);
    else
        assert_true(failed == ANY_CALL || may_be_ignored(failed));
    if (sc->object && try_get(f.store, KEY, out, sizeof out) == ERR_NONE)
        assert_string_equal(out, BYTES);
    struct store *other = directory_fixture_other(&f);
    assert_int_equal(sc->again(other), ERR_NONE);
    if (sc->object) {
        assert_int_equal(try_get(other, KEY, out, sizeof out), ERR_NONE);
        assert_string_equal(out, BYTES);
    }
    store_free(other);
    directory_fixture_close(&f);
    return failed != ANY_CALL;
}

static void fail_each(struct scenario sc) {
    const int errnums[] = {EIO, ENOSPC, EACCES};
    for (size_t i = 0; i < sizeof errnums / sizeof *errnums; i++) {
        int n = 1;
        while (fail_nth(&sc, n, errnums[i]))
            n++;
        assert_true(n > 1);
    }
}

/* ---- One scenario a request --------------------------------------------------------------------- */

static enum error_code put(struct store *s) {
    return try_put(s, KEY, BYTES);
}

static enum error_code put_again(struct store *s) {
    enum error_code code = put(s);
    return code == ERR_EXISTS ? ERR_NONE : code;
}

static void test_put(void **state) {
    (void)state;
    fail_each((struct scenario){.act = put, .again = put_again, .object = true});
}

static void prepare_object(void) {
    assert_int_equal(put(f.store), ERR_NONE);
}

static enum error_code get(struct store *s) {
    return try_get(s, KEY, out, sizeof out);
}

static void test_get(void **state) {
    (void)state;
    fail_each((struct scenario){prepare_object, get, get, true});
}

static enum error_code head(struct store *s) {
    uint64_t size;
    return try_head(s, KEY, &size);
}

static void test_head(void **state) {
    (void)state;
    fail_each((struct scenario){prepare_object, head, head, true});
}

static enum error_code delete_again(struct store *s) {
    enum error_code code = try_delete(s, KEY);
    assert_int_equal(try_get(s, KEY, out, sizeof out), ERR_NOT_FOUND);
    return code;
}

static enum error_code list(struct store *s) {
    return try_list(s, "", out, sizeof out);
}

static void test_list(void **state) {
    (void)state;
    fail_each((struct scenario){prepare_object, list, list, true});
}

static void prepare_upload(void) {
    assert_int_equal(try_create(f.store, &u, KEY), ERR_NONE);
    assert_int_equal(try_part(f.store, &u, "all of "), ERR_NONE);
    assert_int_equal(try_part(f.store, &u, "the bytes\n"), ERR_NONE);
    assert_int_equal(try_sync(f.store, &u), ERR_NONE);
}

static void prepare_unsynced(void) {
    assert_int_equal(try_create(f.store, &u, KEY), ERR_NONE);
    assert_int_equal(try_part(f.store, &u, BYTES), ERR_NONE);
}

static enum error_code list_uploads(struct store *s) {
    return try_list_uploads(s, "", out, sizeof out);
}

static void test_list_uploads(void **state) {
    (void)state;
    fail_each((struct scenario){prepare_upload, list_uploads, list_uploads, false});
}

static enum error_code create(struct store *s) {
    struct test_upload created;
    return try_create(s, &created, KEY);
}

static void test_create(void **state) {
    (void)state;
    fail_each((struct scenario){NULL, create, create, false});
}

static enum error_code complete_own(struct store *s) {
    return try_complete(s, &u, false);
}

static enum error_code complete_inherited(struct store *s) {
    return try_complete(s, &u, true);
}

static void test_complete(void **state) {
    (void)state;
    fail_each((struct scenario){prepare_upload, complete_own, complete_inherited, true});
    fail_each((struct scenario){prepare_unsynced, complete_own, complete_inherited, true});
}

static void test_complete_inherited(void **state) {
    (void)state;
    fail_each((struct scenario){prepare_upload, complete_inherited, complete_inherited, true});
}

static void test_delete(void **state) {
    (void)state;
    for (int nth = 1; nth <= 3; nth++) { /* unlink, open and fsync of the directory */
        directory_fixture_open(&f);
        prepare_object();
        faulty_io_set(&f.io, ANY_CALL, nth, EIO);
        enum error_code code = try_delete(f.store, KEY);
        check_error(code, f.io.failed, EIO);
        assert_int_equal(delete_again(f.store), ERR_NONE);
        directory_fixture_close(&f);
    }
}

static void test_abort(void **state) {
    (void)state;
    directory_fixture_open(&f);
    prepare_upload();
    faulty_io_set(&f.io, CALL_UNLINK, 1, EIO);
    check_error(try_abort(f.store, u.key, u.id), CALL_UNLINK, EIO);
    assert_int_equal(try_abort(f.store, u.key, u.id), ERR_NONE);
    assert_int_equal(count_files(&f, ".uploads", ""), 0);
    directory_fixture_close(&f);
}

static void test_opening(void **state) {
    (void)state;
    int nth = 1;
    for (bool met = true; met; nth++) {
        directory_fixture_open(&f);
        char *path = xasprintf("%s/a/b", f.root);
        struct faulty_io io;
        struct error e;
        faulty_io_init(&io);
        faulty_io_set(&io, ANY_CALL, nth, EIO);
        struct store *s =
            store_directory_open_with_io(path, clock_system(), random_system(), &io.io, &e);
        met = io.failed != ANY_CALL;
        assert_true(s || met);
        if (!s) {
            memcpy(said, e.text, sizeof said);
            check_error(e.code, io.failed, EIO);
        }
        store_free(s);
        free(path);
        directory_fixture_close(&f);
    }
    assert_true(nth > 5);
}

/* ---- What stays after a failure ----------------------------------------------------------------- */

static int set_up(void **state) {
    (void)state;
    directory_fixture_open(&f);
    u = (struct test_upload){.key = KEY};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    directory_fixture_close(&f);
    return 0;
}

static void check_untrusted(enum error_code code) {
    assert_int_equal(code, ERR_IO);
    assert_non_null(strstr(said, "not trusted any more"));
}

static void test_a_failed_sync_is_never_forgotten(void **state) {
    (void)state;
    const int errnums[] = {EIO, ENOSPC};
    for (int i = 0; i < 2; i++) {
        prepare_unsynced();
        faulty_io_set(&f.io, CALL_FDATASYNC, 1, errnums[i]);
        check_untrusted(try_sync(f.store, &u));
        assert_non_null(strstr(said, strerror(errnums[i])));
        check_untrusted(try_sync(f.store, &u)); /* though this fdatasync would succeed */
        check_untrusted(try_part(f.store, &u, "more"));
        check_untrusted(try_complete(f.store, &u, false));
        check_untrusted(try_complete(f.store, &u, true));
        assert_int_equal(try_get(f.store, KEY, out, sizeof out), ERR_NOT_FOUND);
    }
    assert_int_equal(try_put(f.store, "another", "x"), ERR_NONE);
}

static void test_a_failed_write_is_never_forgotten(void **state) {
    (void)state;
    prepare_upload();
    faulty_io_set(&f.io, CALL_PWRITE, 1, EIO);
    assert_int_equal(try_part(f.store, &u, "more"), ERR_IO);
    check_untrusted(try_part(f.store, &u, "more"));
}

static void test_a_full_disk_may_be_cleared(void **state) {
    (void)state;
    prepare_upload();
    faulty_io_set(&f.io, CALL_PWRITE, 2, ENOSPC); /* in the middle of the part */
    assert_int_equal(try_part(f.store, &u, " and more"), ERR_NO_SPACE);
    assert_non_null(strstr(said, "free space"));
    assert_int_equal(try_part(f.store, &u, " and more"), ERR_NONE);
    assert_int_equal(try_complete(f.store, &u, false), ERR_NONE);
    assert_int_equal(try_get(f.store, KEY, out, sizeof out), ERR_NONE);
    assert_string_equal(out, BYTES " and more");
}

static void test_after_a_failed_directory_sync_nothing_is_written(void **state) {
    (void)state;
    prepare_upload();
    assert_int_equal(try_put(f.store, "before", "x"), ERR_NONE);
    faulty_io_set(&f.io, CALL_FSYNC, 2, EIO); /* the file, then its directory */
    assert_int_equal(try_put(f.store, "k", "x"), ERR_IO);
    assert_int_equal(try_put(f.store, "k2", "x"), ERR_IO);
    assert_non_null(strstr(said, "nothing more is written"));
    assert_int_equal(try_part(f.store, &u, "x"), ERR_IO);
    assert_int_equal(try_sync(f.store, &u), ERR_IO);
    assert_int_equal(try_complete(f.store, &u, false), ERR_IO);
    assert_int_equal(create(f.store), ERR_IO);
    assert_int_equal(try_get(f.store, "before", out, sizeof out), ERR_NONE);
}

static void test_a_failed_file_sync_leaves_no_name(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, "before", "x"), ERR_NONE);
    faulty_io_set(&f.io, CALL_FSYNC, 1, EIO);
    assert_int_equal(try_put(f.store, "k", "x"), ERR_IO);
    assert_int_equal(try_get(f.store, "k", out, sizeof out), ERR_NOT_FOUND);
    assert_int_equal(count_files(&f, "", ".tmp-"), 0);
    assert_int_equal(try_put(f.store, "k", "x"), ERR_NONE);
}

/* What to do about it, for each reason that somebody can do something about. */
static void test_advice(void **state) {
    (void)state;
    static const struct {
        int call, errnum;
        const char *advice;
    } cases[] = {
        {CALL_PWRITE, ENOSPC, "free space (or inodes)"},
        {CALL_PWRITE, EDQUOT, "raise the quota"},
        {CALL_PWRITE, EIO, "kernel's log"},
        {CALL_OPEN, EROFS, "remount"},
        {CALL_OPEN, EACCES, "the right to read and write"},
        {CALL_OPEN, EPERM, "the right to read and write"},
        {CALL_OPEN, EISDIR, "a directory stands where a file is needed"},
        {CALL_OPEN, EMFILE, "limit of open files"},
        {CALL_OPEN, ENFILE, "limit of open files"},
        {CALL_LINK, EXDEV, "one local file system"},
        {CALL_LINK, EMLINK, "one local file system"},
        {CALL_OPEN, ENXIO, "/tmp/"}, /* none */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        faulty_io_set(&f.io, cases[i].call, 1, cases[i].errnum);
        assert_int_not_equal(try_put(f.store, "k", "x"), ERR_NONE);
        assert_non_null(strstr(said, strerror(cases[i].errnum)));
        assert_non_null(strstr(said, cases[i].advice));
        assert_int_equal(try_get(f.store, "k", out, sizeof out), ERR_NOT_FOUND);
    }
    assert_int_equal(try_put(f.store, "k", "x"), ERR_NONE);
}

static void test_a_leftover_is_found_by_gc(void **state) {
    (void)state;
    faulty_io_set(&f.io, CALL_UNLINK, 1, EIO);
    assert_int_equal(try_put(f.store, KEY, BYTES), ERR_NONE);
    assert_int_equal(count_files(&f, "", ".tmp-"), 1);
    assert_int_equal(list_uploads(f.store), ERR_NONE);
    char *id = strchr(out, '=');
    id = strstr(out, "k=") ? id : strstr(out, "=dt=1/hour=2/.tmp-");
    assert_non_null(id);
    char *key = xstrndup(out, (size_t)(id - out));
    assert_int_equal(try_abort(f.store, key, id + 1), ERR_NONE);
    free(key);
    assert_int_equal(count_files(&f, "", ".tmp-"), 0);
    assert_int_equal(get(f.store), ERR_NONE);
}

static void test_signals_and_short_writes(void **state) {
    (void)state;
    f.io.interrupted = true;
    f.io.short_write = 2;
    prepare_upload();
    assert_int_equal(complete_own(f.store), ERR_NONE);
    assert_int_equal(get(f.store), ERR_NONE);
    assert_string_equal(out, BYTES);
    assert_int_equal(try_put(f.store, "k", BYTES), ERR_NONE);
    u = (struct test_upload){.key = "copied"};
    assert_int_equal(try_create(f.store, &u, "copied"), ERR_NONE);
    assert_int_equal(try_part(f.store, &u, BYTES), ERR_NONE);
    assert_int_equal(complete_inherited(f.store), ERR_NONE);
    assert_int_equal(try_get(f.store, "copied", out, sizeof out), ERR_NONE);
    assert_string_equal(out, BYTES);
}

/* What is durable needs: the file, its directory and each directory above it, once. */
static void test_what_a_put_syncs(void **state) {
    (void)state;
    assert_int_equal(try_put(f.store, "a/b/1", "x"), ERR_NONE);
    assert_int_equal(f.io.calls[CALL_FSYNC], 4); /* root (for a), a (for b), the file, b */
    assert_int_equal(try_put(f.store, "a/b/2", "x"), ERR_NONE);
    assert_int_equal(f.io.calls[CALL_FSYNC], 6);
    assert_int_equal(f.io.calls[CALL_MKDIR], 2);
    assert_int_equal(try_put(f.store, "a/b/2", "x"), ERR_EXISTS);
    assert_int_equal(f.io.calls[CALL_FSYNC], 8); /* what EXISTS tells of is durable */
}

#define after_test(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_uploads),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_complete_inherited),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_opening),
        after_test(test_a_failed_sync_is_never_forgotten),
        after_test(test_a_failed_write_is_never_forgotten),
        after_test(test_a_full_disk_may_be_cleared),
        after_test(test_after_a_failed_directory_sync_nothing_is_written),
        after_test(test_a_failed_file_sync_leaves_no_name),
        after_test(test_advice),
        after_test(test_a_leftover_is_found_by_gc),
        after_test(test_signals_and_short_writes),
        after_test(test_what_a_put_syncs),
    };
    log_init(LOG_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
