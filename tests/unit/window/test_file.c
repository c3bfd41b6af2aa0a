/* An output file on its way to the store: chunks, parts, acknowledgement (rules 7 and 11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "support/memory_store.h"
#include "window/file.h"

enum { LINE_MAX_BYTES = 64 };

struct fixture {
    struct memory_world *world;
    struct store *store;
    struct budget budget;
    size_t inflight;
    struct file_shared shared;
    struct file *file;
    int failures, progress;
    struct error error;
};

static struct fixture f;

static void on_progress(void *ctx) {
    ((struct fixture *)ctx)->progress++;
}

static void on_failed(void *ctx, const struct error *e) {
    struct fixture *x = ctx;
    x->failures++;
    x->error = *e;
}

static int begin(const struct memory_traits *traits) {
    f = (struct fixture){0};
    f.world = memory_world_new(traits, NULL);
    f.store = memory_store_open(f.world);
    memory_store_hold(f.store, true);
    budget_init(&f.budget, SIZE_MAX);
    f.shared = (struct file_shared){.store = f.store,
                                    .budget = &f.budget,
                                    .ship_bytes = 40,
                                    .inflight = &f.inflight,
                                    .progress = on_progress,
                                    .failed = on_failed,
                                    .ctx = &f};
    f.file = file_new(&f.shared, CLASS_EVENT, 1000, xstrdup("k"), 100, 7, 5);
    return 0;
}

static int s3(void **state) {
    (void)state;
    static const struct memory_traits traits = {.min_part = 20, .max_parts = 100};
    return begin(&traits);
}

static int directory(void **state) {
    (void)state;
    return begin(&memory_like_directory);
}

static int tear_down(void **state) {
    (void)state;
    store_free(f.store);
    file_free(f.file);
    memory_world_free(f.world);
    assert_int_equal(f.budget.used, 0); /* every chunk was given back */
    return 0;
}

/* A line of ten bytes; with CHUNK_MAX reserved each line is a chunk of its own. */
static void append_reserving(size_t reserve, int64_t offset) {
    char *line = file_reserve(f.file, reserve);
    memcpy(line, "123456789\n", 10);
    file_appended(f.file, 10, offset, offset * 10);
}

static void append(int64_t offset) {
    append_reserving(CHUNK_MAX, offset);
}

/* The only request of this kind that is under way, or -1. */
static int pending(enum store_kind kind) {
    const struct store_op *op;
    for (int i = 0; (op = memory_store_pending_op(f.store, (size_t)i)); i++)
        if (op->kind == kind)
            return i;
    return -1;
}

static void answer(enum store_kind kind) {
    int i = pending(kind);
    assert_true(i >= 0);
    assert_true(memory_store_step(f.store, (size_t)i));
}

/* A part may be on its way again, behind a SYNC that was sent after it. */
static void test_rule_11_sync_waits_for_the_parts_that_it_covers(void **state) {
    (void)state;
    append(100);
    file_sync(f.file);
    answer(STORE_UPLOAD_CREATE);
    assert_int_equal(pending(STORE_UPLOAD_SYNC), -1);
    answer(STORE_UPLOAD_PART);
    assert_int_equal(f.file->unacknowledged, 1);
    answer(STORE_UPLOAD_SYNC);
    assert_int_equal(f.file->unacknowledged, 0);
    assert_false(f.file->want_sync || f.file->syncing);
}

static void test_rule_11_sync_acknowledges_no_part_that_came_later(void **state) {
    (void)state;
    append(100);
    file_sync(f.file);
    answer(STORE_UPLOAD_CREATE);
    answer(STORE_UPLOAD_PART);
    append(101);
    file_sync(f.file); /* the first SYNC is under way */
    answer(STORE_UPLOAD_SYNC);
    assert_int_equal(f.file->unacknowledged, 1);
    answer(STORE_UPLOAD_PART);
    answer(STORE_UPLOAD_SYNC);
    assert_int_equal(f.file->unacknowledged, 0);
    assert_int_equal(f.file->entry.last, 101);
}

static void test_rule_11_a_failed_part_is_never_acknowledged(void **state) {
    (void)state;
    memory_store_fail(f.store, STORE_UPLOAD_PART, 1, ERR_IO, FAULT_BEFORE);
    append(100);
    file_sync(f.file);
    (void)memory_store_drain(f.store);
    assert_int_equal(f.file->unacknowledged, 1);
    assert_int_equal(f.file->entry.n_parts, 0);
    assert_int_equal(f.failures, 1);
    assert_int_equal(f.error.code, ERR_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rule_11_sync_waits_for_the_parts_that_it_covers,
                                        directory, tear_down),
        cmocka_unit_test_setup_teardown(test_rule_11_sync_acknowledges_no_part_that_came_later,
                                        directory, tear_down),
        cmocka_unit_test_setup_teardown(test_rule_11_a_failed_part_is_never_acknowledged, directory,
                                        tear_down),
    };
    (void)s3;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
