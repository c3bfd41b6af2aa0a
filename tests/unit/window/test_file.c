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

/* ---- Parts (rule 7) ----------------------------------------------------------------------------- */

static void test_rule_7_a_part_is_cut_once_enough_waits(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++)
        append(100 + i);
    assert_int_equal(memory_store_pending(f.store), 0);
    append(104); /* the fourth chunk is full by then */
    (void)memory_store_drain(f.store);
    assert_int_equal(f.file->entry.n_parts, 1);
    assert_int_equal(f.file->entry.bytes, 40);
    assert_int_equal(f.file->entry.last, 103);
    assert_int_equal(f.file->unacknowledged, 1);
}

static void test_rule_7_the_rest_is_the_last_part(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++)
        append(100 + i);
    file_seal(f.file);
    (void)memory_store_drain(f.store);
    assert_int_equal(f.file->entry.n_parts, 2);
    assert_int_equal(f.file->entry.parts[1].n, 2);
    assert_int_equal(f.file->entry.parts[1].bytes, 10);
    assert_int_equal(f.file->entry.bytes, 50);
    assert_int_equal(f.file->entry.count.events, 5);
    assert_true(file_acknowledged(f.file));
    assert_int_equal(f.inflight, 0);
}

static void test_rule_7_entry_covers_its_acknowledged_parts(void **state) {
    (void)state;
    uint64_t hash = 0;
    uint32_t crc = 0;
    for (int i = 0; i < 10; i++) {
        append(100 + 3 * i);
        hash += offset_hash(100 + 3 * i);
        crc = crc32c(crc, "123456789\n", 10);
    }
    file_seal(f.file);
    (void)memory_store_drain(f.store);
    assert_true(f.file->entry.count.hash == hash);
    assert_int_equal(f.file->entry.crc32c, crc);
    assert_int_equal(f.file->entry.first, 100);
    assert_int_equal(f.file->entry.first_max_ts, 7);
    assert_int_equal(f.file->entry.last, 127);
}

/* Acknowledged parts are a contiguous prefix, whatever the order of answers. */
static void test_rule_7_a_part_behind_an_open_one_does_not_count(void **state) {
    (void)state;
    int64_t first, max_ts;
    for (int i = 0; i < 9; i++)
        append(100 + i);
    answer(STORE_UPLOAD_CREATE);
    assert_int_equal(memory_store_pending(f.store), 2);
    assert_true(memory_store_step(f.store, 1));
    assert_int_equal(f.file->entry.n_parts, 0);
    assert_true(file_first_unacknowledged(f.file, &first, &max_ts));
    assert_int_equal(first, 100);
    assert_int_equal(f.file->unacknowledged, 9);
    assert_true(memory_store_step(f.store, 0));
    assert_int_equal(f.file->entry.n_parts, 2);
    assert_int_equal(f.file->entry.parts[0].n, 1);
    assert_true(file_first_unacknowledged(f.file, &first, &max_ts));
    assert_int_equal(first, 108);
    assert_int_equal(max_ts, 1080);
}

static void test_rule_7_a_line_that_is_larger_than_a_chunk(void **state) {
    (void)state;
    append_reserving(100, 100);
    char *line = file_reserve(f.file, 3 * CHUNK_MAX);
    memset(line, 'x', 3 * CHUNK_MAX);
    file_appended(f.file, 3 * CHUNK_MAX, 101, 0);
    append_reserving(100, 102);
    file_seal(f.file);
    (void)memory_store_drain(f.store);
    assert_int_equal(f.file->entry.bytes, 3 * CHUNK_MAX + 20);
}

/* Room for a line that then was not written, and too little for the file's first one. */
static void test_room_that_is_not_used_is_given_back(void **state) {
    (void)state;
    (void)file_reserve(f.file, 10);
    uint64_t small = f.budget.used;
    append_reserving(3 * CHUNK_MAX, 100);
    assert_true(f.budget.used >= 3 * CHUNK_MAX && f.budget.used < 3 * CHUNK_MAX + small);
    (void)file_reserve(f.file, 3 * CHUNK_MAX);
    file_seal(f.file);
    (void)memory_store_drain(f.store);
    assert_int_equal(f.budget.used, 0);
    assert_int_equal(f.file->entry.n_parts, 1);
    assert_int_equal(f.file->entry.bytes, 10);
    assert_int_equal(f.file->entry.count.events, 1);
    assert_int_equal(f.file->entry.first, 100);
}

static void test_rule_7_small_lines_share_a_chunk(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++)
        append_reserving(10, 100 + i);
    assert_int_equal(f.file->full.count.events, 0);
    assert_int_equal(file_waiting_bytes(f.file), 1000);
    assert_int_equal(file_size(f.file), 1000);
}

static void test_a_create_that_fails_fails_the_file_once(void **state) {
    (void)state;
    memory_store_fail(f.store, STORE_UPLOAD_CREATE, 1, ERR_DENIED, FAULT_BEFORE);
    for (int i = 0; i < 5; i++)
        append(100 + i);
    (void)memory_store_drain(f.store);
    assert_int_equal(f.failures, 1);
    assert_int_equal(f.error.code, ERR_DENIED);
    assert_non_null(strstr(f.error.text, "s3://memory/k"));
    assert_int_equal(f.inflight, 0);
}

static void test_rule_7_a_compressed_part_ends_at_a_frame(void **state) {
    (void)state;
    f.shared.compressor = compressor_new(COMPRESSION_ZSTD);
    f.shared.ship_bytes = 1;
    for (int i = 0; i < 3; i++)
        append(100 + i);
    file_seal(f.file);
    (void)memory_store_drain(f.store);
    assert_int_equal(f.file->entry.n_parts, 3); /* a chunk, a frame, a part */
    assert_int_equal(f.file->entry.count.events, 3);
    assert_int_equal(f.file->entry.bytes, f.file->entry.parts[0].bytes +
                                              f.file->entry.parts[1].bytes +
                                              f.file->entry.parts[2].bytes);
    compressor_free(f.shared.compressor);
}

/* ---- Directory (rule 11) ------------------------------------------------------------------------ */

static void test_rule_11_parts_stand_as_one(void **state) {
    (void)state;
    uint32_t crc = 0;
    for (int i = 0; i < 10; i++) {
        append(100 + i);
        file_sync(f.file);
        (void)memory_store_drain(f.store);
        crc = crc32c(crc, "123456789\n", 10);
    }
    assert_int_equal(f.file->entry.n_parts, 1);
    assert_int_equal(f.file->entry.parts[0].n, 1);
    assert_int_equal(f.file->entry.parts[0].bytes, 100);
    assert_int_equal(f.file->entry.parts[0].crc32c, crc);
}

static void test_rule_11_nothing_to_sync_sends_nothing(void **state) {
    (void)state;
    file_sync(f.file);
    assert_int_equal(memory_store_pending(f.store), 0);
    append(100);
    file_sync(f.file);
    (void)memory_store_drain(f.store);
    file_sync(f.file);
    assert_int_equal(memory_store_pending(f.store), 0);
    assert_false(f.file->want_sync);
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
#define CASE(name) cmocka_unit_test_setup_teardown(name, s3, tear_down)
#define DIRECTORY_CASE(name) cmocka_unit_test_setup_teardown(name, directory, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_rule_7_a_part_is_cut_once_enough_waits),
        CASE(test_rule_7_the_rest_is_the_last_part),
        CASE(test_rule_7_entry_covers_its_acknowledged_parts),
        CASE(test_rule_7_a_part_behind_an_open_one_does_not_count),
        CASE(test_rule_7_a_line_that_is_larger_than_a_chunk),
        CASE(test_room_that_is_not_used_is_given_back),
        CASE(test_rule_7_small_lines_share_a_chunk),
        CASE(test_a_create_that_fails_fails_the_file_once),
        CASE(test_rule_7_a_compressed_part_ends_at_a_frame),
        DIRECTORY_CASE(test_rule_11_parts_stand_as_one),
        DIRECTORY_CASE(test_rule_11_nothing_to_sync_sends_nothing),
        DIRECTORY_CASE(test_rule_11_sync_waits_for_the_parts_that_it_covers),
        DIRECTORY_CASE(test_rule_11_sync_acknowledges_no_part_that_came_later),
        DIRECTORY_CASE(test_rule_11_a_failed_part_is_never_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
