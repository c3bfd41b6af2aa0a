/* gc removes what nobody will complete, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "checkpoint/codec.h"
#include "job/gc.h"
#include "support/verify_world.h"

struct run {
    char *text;
    int rc;
    struct error error;
};

static struct run gc(bool dry_run) {
    struct run r = {0};
    size_t len;
    struct gc_config cfg = {.checkpoints = w.checkpoints,
                            .output = w.output,
                            .dry_run = dry_run,
                            .out = open_memstream(&r.text, &len)};
    r.rc = gc_run(&cfg, &r.error);
    (void)fclose(cfg.out);
    return r;
}

static void must_say(bool dry_run, const char *text) {
    struct run r = gc(dry_run);
    if (r.rc != 0 || !strstr(r.text, text))
        print_message("%s%s\nwanted: %s\n", r.text, r.rc ? r.error.text : "", text);
    assert_int_equal(r.rc, 0);
    assert_non_null(strstr(r.text, text));
    free(r.text);
}

static void must_refuse(const char *text) {
    size_t before = memory_world_uploads(w.output_world);
    struct run r = gc(false);
    assert_int_equal(r.rc, -1);
    if (!strstr(r.error.text, text))
        print_message("%s\nwanted: %s\n", r.error.text, text);
    assert_non_null(strstr(r.error.text, text));
    assert_int_equal(memory_world_uploads(w.output_world), before);
    free(r.text);
}

/* Begins an upload and returns its id. */
static char *begin(const char *key) {
    struct store_op op = {.kind = STORE_UPLOAD_CREATE, .key = key};
    assert_int_equal(store_call(w.output, &op), 0);
    char *id = op.upload_id;
    op.upload_id = NULL;
    store_op_clear(&op);
    return id;
}

static void rename_upload(struct file_entry *f, char *id) {
    free(f->upload);
    f->upload = id;
}

/* Two uploads that the newest checkpoint lists, as an open file and as a commit, and one that nobody
 * does; all three a day old. */
static int set_up(void **state) {
    (void)state;
    world_begin(COMPRESSION_NONE);
    rename_upload(&w.k[5].files[0], begin(w.open.key));
    commit(&w.k[5], &w.l);
    rename_upload(&w.k[5].commits[0], begin(w.l.key));
    plant_checkpoint(&w.k[5]);
    free(begin("dt=2024-10-22/orphan.jsonl"));
    fake_clock_advance(&w.clock, 24 * 60 * MINUTE + 1000);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    world_end();
    return 0;
}

static void test_removes_orphans(void **state) {
    (void)state;
    must_say(true, "would remove  ");
    assert_int_equal(memory_world_uploads(w.output_world), 3);
    must_say(false, "orphan.jsonl  upload ");
    assert_int_equal(memory_world_uploads(w.output_world), 2);
    must_say(false, "2 uploads: 2 in use, 0 not in use but younger than 24 h, 0 removed");
}

static void test_keeps_the_young(void **state) {
    (void)state;
    free(begin("young"));
    fake_clock_advance(&w.clock, 24 * 60 * MINUTE - 1000);
    must_say(false, "4 uploads: 2 in use, 1 not in use but younger than 24 h, 1 removed");
    fake_clock_advance(&w.clock, 1000);
    must_say(false, "0 removed"); /* exactly 24 h */
    fake_clock_advance(&w.clock, 1);
    must_say(false, "1 removed");
}

/* Another job that shares checkpoint.path and writes here too. */
static void test_keeps_what_others_list(void **state) {
    (void)state;
    struct checkpoint k = new_checkpoint(1, 0);
    struct buffer b;
    buffer_init(&b, 1 << 20);
    commit(&k, &w.a);
    rename_upload(&k.commits[0], begin("theirs"));
    checkpoint_encode(&k, &b);
    memory_world_plant(w.checkpoints_world, "z/other/p00000/chk-00000000000000000001.json", b.data,
                       b.len);
    fake_clock_advance(&w.clock, 25 * 60 * MINUTE);
    must_say(false, "4 uploads: 3 in use, 0 not in use but younger than 24 h, 1 removed");
    buffer_free(&b);
    checkpoint_clear(&k);
}

static void test_only_the_newest_counts(void **state) {
    (void)state;
    struct checkpoint k = new_checkpoint(6, 25);
    plant_checkpoint(&k);
    must_say(false, "3 uploads: 0 in use, 0 not in use but younger than 24 h, 3 removed");
    checkpoint_clear(&k);
}

static void test_refuses_unreadable_checkpoint(void **state) {
    (void)state;
    memory_world_plant(w.checkpoints_world, "z/other/p00000/chk-00000000000000000001.json", "?", 1);
    must_refuse("nothing is removed, because a newest checkpoint cannot be read");
}

static void test_refuses_a_failing_store(void **state) {
    (void)state;
    memory_store_fail_all(w.checkpoints, ERR_DENIED);
    must_refuse("cannot list objects");
    memory_store_fail_all(w.checkpoints, ERR_NONE);
    memory_store_fail(w.output, STORE_UPLOAD_ABORT, 1, ERR_DENIED, FAULT_BEFORE);
    must_refuse("cannot remove the upload of");
}

static void test_refuses_the_wrong_path(void **state) {
    (void)state;
    store_free(w.checkpoints);
    memory_world_free(w.checkpoints_world);
    w.checkpoints_world = memory_world_new(&memory_like_s3, NULL);
    w.checkpoints = memory_store_open(w.checkpoints_world);
    must_refuse("is checkpoint.path right?");
    assert_true(
        memory_world_remove(w.output_world, "_manifests/" JOB "chk-00000000000000000002.json"));
    assert_true(
        memory_world_remove(w.output_world, "_manifests/" JOB "chk-00000000000000000004.json"));
    must_refuse("there is no checkpoint at all below");
}

/* Another job's manifests, whose chain lies elsewhere. */
static void test_refuses_a_stranger(void **state) {
    (void)state;
    memory_world_plant(w.output_world, "_manifests/z/t/p00000/chk-00000000000000000001.json", "",
                       0);
    must_refuse("_manifests/z/t/p00000/ holds manifests, but there is no checkpoint");
}

/* One of this job's own, whose checkpoint somebody has removed. */
static void test_refuses_removed_checkpoints(void **state) {
    (void)state;
    struct checkpoint k = new_checkpoint(6, 25);
    plant_manifest(&k);
    must_refuse(
        "chk-00000000000000000006.json stands, but below s3://memory/job/clicks/p00000/ the newest "
        "checkpoint is 5");
    plant_checkpoint(&k);
    must_say(false, "3 uploads: 0 in use");
    checkpoint_clear(&k);
}

/* The job goes on between the two looks. */
static void test_goes_on_meanwhile(void **state) {
    (void)state;
    struct checkpoint k = new_checkpoint(6, 25);
    commit(&k, &w.k[5].commits[0]);
    world_goes_on(&k);
    must_say(false, "3 uploads: 2 in use");
    assert_non_null(memory_world_object(w.output_world,
                                        "_manifests/" JOB "chk-00000000000000000006.json", NULL));
    checkpoint_clear(&k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_removes_orphans, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keeps_the_young, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keeps_what_others_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_the_newest_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_unreadable_checkpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_a_failing_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_the_wrong_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_a_stranger, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_removed_checkpoints, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goes_on_meanwhile, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
