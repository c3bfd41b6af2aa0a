/* verify passes over a right piece of work, and finds each thing that is wrong with another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "checkpoint/chain.h"
#include "checkpoint/codec.h"
#include "job/verify.h"
#include "support/verify_world.h"

struct run {
    struct verify_config cfg;
    char *text;
    size_t problems;
    int rc;
    struct error error;
};

static struct run verify_with(struct verify_config cfg) {
    struct run r = {.cfg = cfg};
    size_t len;
    r.cfg.checkpoints = w.checkpoints;
    r.cfg.output = w.output;
    r.cfg.name = "job";
    r.cfg.topic = "clicks";
    r.cfg.output_path = cfg.output_path ? cfg.output_path : "mem://output/";
    r.cfg.rules = &w.rules;
    r.cfg.settings = cfg.settings ? cfg.settings : SETTINGS;
    r.cfg.clock = &w.clock.clock;
    r.cfg.patience_ms = 5000;
    r.cfg.out = open_memstream(&r.text, &len);
    r.rc = verify_run(&r.cfg, &r.problems, &r.error);
    (void)fclose(r.cfg.out);
    return r;
}

static void must_pass_with(struct verify_config cfg, const char *text) {
    struct run r = verify_with(cfg);
    if (r.rc != 0 || r.problems != 0 || !strstr(r.text, text))
        print_message("%s%s\nwanted: %s\n", r.text, r.rc ? r.error.text : "", text);
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.problems, 0);
    assert_non_null(strstr(r.text, text));
    assert_non_null(strstr(r.text, "complete and without duplicates"));
    free(r.text);
}

static void must_find_with(struct verify_config cfg, size_t problems, const char *text) {
    struct run r = verify_with(cfg);
    if (r.rc != 0 || r.problems != problems || !strstr(r.text, text))
        print_message("%s%s\nwanted: %s\n", r.text, r.rc ? r.error.text : "", text);
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.problems, problems);
    assert_non_null(strstr(r.text, text));
    assert_non_null(strstr(r.text, "NOT verified"));
    free(r.text);
}

static void must_fail_with(struct verify_config cfg, const char *text) {
    struct run r = verify_with(cfg);
    assert_int_equal(r.rc, -1);
    if (!strstr(r.error.text, text))
        print_message("%s\nwanted: %s\n", r.error.text, text);
    assert_non_null(strstr(r.error.text, text));
    assert_null(strstr(r.text, "without duplicates"));
    free(r.text);
}

#define PLAIN ((struct verify_config){0})
#define DEEP ((struct verify_config){.deep = true})
#define KAFKA ((struct verify_config){.deep = true, .source = &w.source})
#define REMOVED ((struct verify_config){.allow_removed = true})

static int set_up(void **state) {
    (void)state;
    world_begin(COMPRESSION_NONE);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    world_end();
    return 0;
}

/* Writes an object again with one byte changed or at another length. */
static void damage(const char *key, ptrdiff_t change_at, ptrdiff_t longer) {
    size_t len;
    const char *old = memory_world_object(w.output_world, key, &len);
    assert_non_null(old);
    size_t n = (size_t)((ptrdiff_t)len + longer);
    char *data = xcalloc(n + 1, 1);
    memcpy(data, old, len < n ? len : n);
    if (change_at >= 0)
        data[change_at] ^= 1;
    memory_world_plant(w.output_world, key, data, n);
    free(data);
}

static void remove_object(const char *key) {
    assert_true(memory_world_remove(w.output_world, key));
}

static void remove_checkpoint(uint64_t number) {
    char name[32], key[64];
    chain_name(number, name);
    (void)snprintf(key, sizeof key, JOB "%s", name);
    assert_true(memory_world_remove(w.checkpoints_world, key));
}

#define MANIFEST_2 "_manifests/" JOB "chk-00000000000000000002.json"
#define MANIFEST_4 "_manifests/" JOB "chk-00000000000000000004.json"

/* ---- What is right ---- */

static void test_right(void **state) {
    (void)state;
    must_pass_with(PLAIN, "verified: 3 files, 12 events, 1 partitions");
    must_pass_with(DEEP, "verified: 3 files, 12 events");
    must_pass_with(KAFKA, "compared with Kafka: offsets 0 to 24");
    assert_false(w.assigned);
}

static void test_right_compressed(void **state) {
    (void)state;
    for (enum compression c = COMPRESSION_GZIP; c <= COMPRESSION_ZSTD; c++) {
        world_end();
        world_begin(c);
        must_pass_with(KAFKA, "compared with Kafka: offsets 0 to 24");
        damage(w.a.key, (ptrdiff_t)w.a.bytes / 2, 0);
        struct run r = verify_with(DEEP);
        assert_int_equal(r.problems, 1);
        free(r.text);
    }
}

static void test_table(void **state) {
    (void)state;
    must_pass_with(PLAIN, "p00000  event     read 22            listed 10            open 8        "
                          "   waiting 4           files 1\n");
    must_pass_with(PLAIN, "p00000  null      read 1");
}

/* ---- Objects ---- */

static void test_missing(void **state) {
    (void)state;
    remove_object(w.a.key);
    must_find_with(PLAIN, 1, "is missing (10 events, offsets 0 to 9)");
    must_pass_with(REMOVED, "1 files have been removed since");
}

static void test_truncated(void **state) {
    (void)state;
    damage(w.a.key, -1, -1);
    must_find_with(PLAIN, 1, "somebody has changed it");
    must_find_with(KAFKA, 1, "somebody has changed it");
}

static void test_changed_byte(void **state) {
    (void)state;
    damage(w.l.key, 20, 0);
    must_pass_with(PLAIN, "verified");
    must_find_with(DEEP, 1, "has CRC-32C");
    must_find_with(KAFKA, 2, "holds other lines than Kafka's records give");
}

static void test_lines(void **state) {
    (void)state;
    size_t end = (size_t)w.a.bytes - 1;
    damage(w.a.key, (ptrdiff_t)end, 0); /* the last line's end is none */
    size_t len;
    const char *bytes = memory_world_object(w.output_world, w.a.key, &len);
    uint32_t crc = crc32c(0, bytes, len);
    w.k[2].commits[0].crc32c = crc; /* as if it had been written so */
    plant_manifest(&w.k[2]);
    must_find_with(DEEP, 1, "does not end at a line's end");
}

static void test_unlisted(void **state) {
    (void)state;
    memory_world_plant(w.output_world, "dt=2024-10-22/hour=21/x.jsonl", "{}\n", 3);
    must_find_with(PLAIN, 1, "dt=2024-10-22/hour=21/x.jsonl (3 bytes) is listed by no manifest");
    remove_object("dt=2024-10-22/hour=21/x.jsonl");
    memory_world_plant(w.output_world, "_late/x.jsonl", "{}\n", 3);
    memory_world_plant(w.output_world, "stray", "", 0);
    must_find_with(PLAIN, 2, "_late/x.jsonl");
}

static void test_not_for_readers(void **state) {
    (void)state;
    memory_world_plant(w.output_world, "_checkpoints/x", "", 0);
    memory_world_plant(w.output_world, "_SUCCESS", "", 0);
    memory_world_plant(w.output_world, ".hidden/x", "", 0);
    must_pass_with(PLAIN, "verified: 3 files");
}

static void test_many_unlisted(void **state) {
    (void)state;
    for (int i = 0; i < 33; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "dt=x/%d", i);
        memory_world_plant(w.output_world, key, "", 0);
    }
    must_find_with(PLAIN, 33, "... and 13 more unlisted objects (33 in all)");
}

/* An open file's key must not be visible: nothing that no checkpoint has committed may be. */
static void test_visible_too_soon(void **state) {
    (void)state;
    memory_world_plant(w.output_world, w.open.key, "x", 1);
    must_find_with(PLAIN, 1, "is listed by no manifest");
}

/* Another job's files, by its manifests and by its newest checkpoint's commits. */
static void test_foreign(void **state) {
    (void)state;
    struct file_entry f = make_file(CLASS_EVENT, "dt=foreign", 0, 3, true),
                      g = make_file(CLASS_EVENT, "dt=foreign", 4, 7, true);
    struct checkpoint k = new_checkpoint(1, 0);
    struct buffer b;
    buffer_init(&b, 1 << 20);
    commit(&k, &f);
    manifest_encode(&k, &b);
    memory_world_plant(w.output_world,
                       "_manifests/other/clicks/p00000/chk-00000000000000000001.json", b.data,
                       b.len);
    must_find_with(PLAIN, 1, g.key);
    commit(&k, &g);
    buffer_reset(&b);
    checkpoint_encode(&k, &b);
    memory_world_plant(w.checkpoints_world, "other/clicks/p00000/chk-00000000000000000001.json",
                       b.data, b.len);
    must_pass_with(PLAIN, "verified: 3 files");
    buffer_free(&b);
    checkpoint_clear(&k);
    file_entry_clear(&f);
    file_entry_clear(&g);
}

/* ---- Commits under way, and a job that runs on ---- */

static void test_under_way(void **state) {
    (void)state;
    struct checkpoint k = new_checkpoint(6, 25);
    memcpy(k.listed, w.k[5].listed, sizeof k.listed);
    totals_add(&k.listed[CLASS_EVENT], &w.open.count);
    commit(&k, &w.open);
    set_gap(&k, w.k[5].gaps[0]);
    plant_checkpoint(&k);
    must_pass_with(PLAIN, "1 files are being published");
    plant_manifest(&k); /* which follows when it is visible */
    must_find_with(PLAIN, 1, "is missing (8 events");
    struct file_entry visible = make_file(CLASS_EVENT, "dt=2024-10-22/hour=21", 12, 19, true);
    must_pass_with(KAFKA, "verified: 4 files, 20 events");
    file_entry_clear(&visible);
    checkpoint_clear(&k);
}

/* Between the first look and the others the job goes on: the store then shows manifest 4 and its
 * file, but the newest checkpoint was 2. */
static void test_goes_on_meanwhile(void **state) {
    (void)state;
    remove_checkpoint(4);
    remove_checkpoint(5);
    remove_object(MANIFEST_4);
    world_goes_on(&w.k[4]);
    must_pass_with(KAFKA, "verified: 2 files, 11 events");
    assert_non_null(memory_world_object(w.output_world, MANIFEST_4, NULL));
}

/* The same to look at, but nobody goes on: somebody has removed the newest checkpoints. */
static void test_removed_checkpoints(void **state) {
    (void)state;
    remove_checkpoint(5);
    must_pass_with(PLAIN, "verified: 3 files"); /* it had no manifest, and published nothing */
    remove_checkpoint(4);
    must_find_with(KAFKA, 1,
                   "_manifests/" JOB
                   "chk-00000000000000000004.json stands, but below s3://memory/" JOB
                   " the newest checkpoint is 2: checkpoints were removed");
}

/* A partition's whole chain. */
static void test_removed_chain(void **state) {
    (void)state;
    struct checkpoint k = new_checkpoint(1, 0);
    struct buffer b;
    buffer_init(&b, 1 << 20);
    k.identity.partition = 1;
    checkpoint_encode(&k, &b);
    memory_world_plant(w.checkpoints_world, "job/clicks/p00001/chk-00000000000000000001.json",
                       b.data, b.len);
    must_pass_with(PLAIN, "verified: 3 files");
    for (uint64_t i = 1; i <= 5; i++)
        if (i != 3)
            remove_checkpoint(i);
    must_find_with(PLAIN, 1, "has no checkpoint of partition 0");
    buffer_free(&b);
    checkpoint_clear(&k);
}

/* ---- Manifests and totals ---- */

static void test_missing_manifest(void **state) {
    (void)state;
    remove_object(MANIFEST_2);
    must_find_with(PLAIN, 2, "wrong from the first manifest on (checkpoint 4)");
    must_find_with(PLAIN, 2, "is listed by no manifest");
}

static void test_missing_last_manifest(void **state) {
    (void)state;
    remove_object(MANIFEST_4);
    must_find_with(PLAIN, 2,
                   "class late: the checkpoint has listed 1 events, manifests and "
                   "commits hold 0; right up to checkpoint 2");
}

static void test_damaged_manifest(void **state) {
    (void)state;
    damage(MANIFEST_2, 0, 0);
    must_find_with(PLAIN, 3, "chk-00000000000000000002.json is damaged");
}

static void test_foreign_manifest(void **state) {
    (void)state;
    free(w.k[4].identity.cluster);
    w.k[4].identity.cluster = xstrdup("another");
    plant_manifest(&w.k[4]);
    must_find_with(PLAIN, 3, "it does not belong here");
}

static void test_same_key_other_content(void **state) {
    (void)state;
    w.k[4].commits[0].bytes++;
    plant_manifest(&w.k[4]);
    must_find_with(PLAIN, 1, "with other contents than before");
}

static void test_senseless_entry(void **state) {
    (void)state;
    w.k[4].commits[1].last = 3;
    plant_manifest(&w.k[4]);
    must_find_with(PLAIN, 1, "a last offset below the first");
}

static void test_events_nowhere(void **state) {
    (void)state;
    w.k[5].gaps[0].events = 3;
    plant_checkpoint(&w.k[5]);
    must_find_with(PLAIN, 1, "1 events were read and are neither listed nor in an open file");
}

static void test_events_twice(void **state) {
    (void)state;
    w.k[5].gaps[0].events = 5;
    plant_checkpoint(&w.k[5]);
    must_find_with(PLAIN, 1, "still to be written: too many");
}

static void test_other_offsets_listed(void **state) {
    (void)state;
    w.k[5].read[CLASS_LATE].hash++;
    w.k[5].read[CLASS_NULL].hash--; /* so that the range of offsets is right */
    plant_checkpoint(&w.k[5]);
    must_find_with(PLAIN, 1, "class late: as many events are listed or open as were read (1), but");
}

static void test_an_offset_twice(void **state) {
    (void)state;
    w.k[5].read[CLASS_NULL].hash = offset_hash(9);
    plant_checkpoint(&w.k[5]);
    must_find_with(PLAIN, 1, "but some twice and some never");
    must_find_with(KAFKA, 2, "class null: Kafka has 1 records, the job has read 1, but others");
}

static void test_more_than_offsets(void **state) {
    (void)state;
    w.k[5].read[CLASS_NULL].events = 2;
    plant_checkpoint(&w.k[5]);
    must_find_with(PLAIN, 1, "26 records were read between offsets 0 and 24: too many");
}

static void test_lost(void **state) {
    (void)state;
    w.k[5].n_gaps = 0;
    w.k[5].losses = xcalloc(2, sizeof *w.k[5].losses);
    w.k[5].losses[0] = (struct loss){30, 39, -1};
    w.k[5].losses[1] = (struct loss){21, 29, 4};
    w.k[5].n_losses = 2;
    w.k[5].next = 40;
    w.k[5].has_last = false;
    plant_checkpoint(&w.k[5]);
    must_pass_with(PLAIN,
                   "LOST     offsets 21 to 29 were gone from Kafka (--allow-data-loss), with 4");
}

/* ---- Bases ---- */

static void test_since(void **state) {
    (void)state;
    struct verify_config since = {.has_since = true, .since_ms = T0 + 30 * MINUTE};
    remove_object(w.a.key); /* older: not required */
    must_find_with(PLAIN, 1, "is missing");
    must_pass_with(since, "verified: 1 files, 1 events");
    must_pass_with(since, "only what was listed after checkpoint 2");
    remove_object(w.l.key);
    must_find_with(since, 1, "is missing (1 events");
    memory_world_plant(w.output_world, "stray", "", 0); /* now: younger */
    must_find_with(since, 2, "stray");
    since.since_ms = T0 - 1; /* older than everything: all is checked */
    must_find_with(since, 3, "is missing (10 events");
    since.since_ms = T0 + 1000 * MINUTE; /* all is taken as verified */
    must_pass_with(since, "verified: 0 files");
}

/* run --accept-changes gave the job another output.path before its claim 7: totals go on. */
static void test_moved_output(void **state) {
    (void)state;
    struct checkpoint k = new_checkpoint(6, 25), claim = new_checkpoint(7, 25);
    k.listed[CLASS_EVENT] = k.read[CLASS_EVENT];
    k.listed[CLASS_LATE] = k.read[CLASS_LATE];
    k.listed[CLASS_REJECTED] = k.read[CLASS_REJECTED];
    memcpy(claim.listed, k.listed, sizeof k.listed);
    free(claim.identity.output);
    claim.identity.output = xstrdup("mem://elsewhere/");
    plant_checkpoint(&k);
    plant_checkpoint(&claim);
    remove_object(MANIFEST_2);
    remove_object(MANIFEST_4);
    remove_object(w.a.key);
    remove_object(w.l.key);
    remove_object(w.r.key);
    must_pass_with((struct verify_config){.output_path = "mem://elsewhere/"}, "verified: 0 files");
    must_find_with(PLAIN, 1, "its checkpoint writes to mem://elsewhere/");
    checkpoint_clear(&k);
    checkpoint_clear(&claim);
}

/* ---- Kafka ---- */

static void test_kafka_has_another_record(void **state) {
    (void)state;
    w.values[3][40] ^= 1; /* the same event with another field */
    must_find_with(KAFKA, 1, "holds other lines than Kafka's records give (offsets 0 to 9)");
}

static void test_kafka_classifies_otherwise(void **state) {
    (void)state;
    (void)snprintf(w.values[3], sizeof w.values[3], "[]");
    must_find_with(KAFKA, 3, "class event: Kafka has 21 records, the job has read 22");
    must_find_with(KAFKA, 3, "should hold the 9 events of its kind from offset 0 to 9 in Kafka");
}

static void test_kafka_last_record(void **state) {
    (void)state;
    w.values[24][40] ^= 1; /* in the gap: no file tells */
    must_find_with(KAFKA, 1, "was the topic recreated?");
}

static void test_kafka_ends_too_soon(void **state) {
    (void)state;
    w.log_end = 24;
    must_find_with(KAFKA, 1, "but Kafka ends at 24");
}

static void test_kafka_retains_a_part(void **state) {
    (void)state;
    w.log_start = 1;
    must_pass_with(KAFKA, "not compared with Kafka: its log begins at offset 1");
}

static void test_kafka_other_settings(void **state) {
    (void)state;
    struct verify_config cfg = KAFKA;
    cfg.settings = "00000000000000bb";
    must_pass_with(cfg, "not compared with Kafka: checkpoint 5 has other");
}

/* ---- What cannot be checked ---- */

static void test_no_checkpoint(void **state) {
    (void)state;
    memory_world_free(w.checkpoints_world);
    store_free(w.checkpoints);
    w.checkpoints_world = memory_world_new(&memory_like_s3, NULL);
    w.checkpoints = memory_store_open(w.checkpoints_world);
    must_fail_with(PLAIN, "no checkpoint below");
}

static void test_newest_damaged(void **state) {
    (void)state;
    memory_world_plant(w.checkpoints_world, JOB "chk-00000000000000000006.json", "{}", 2);
    must_fail_with(PLAIN, "chk-00000000000000000006.json");
}

static void test_store_fails(void **state) {
    (void)state;
    memory_store_fail_all(w.output, ERR_DENIED);
    must_fail_with(PLAIN, "cannot list objects");
    memory_store_fail_all(w.output, ERR_NONE);
    memory_store_fail(w.output, STORE_GET, 1, ERR_DENIED, FAULT_BEFORE);
    must_fail_with(PLAIN, "cannot read");
}

static void test_orphaned_manifests(void **state) {
    (void)state;
    memory_world_plant(w.output_world, "_manifests/job/clicks/p00001/chk-00000000000000000002.json",
                       "{}", 2);
    must_find_with(PLAIN, 1, "has no checkpoint of partition 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_right, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_right_compressed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_truncated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changed_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unlisted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_for_readers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_unlisted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_visible_too_soon, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_under_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goes_on_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removed_checkpoints, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removed_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing_last_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_same_key_other_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_senseless_entry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_events_nowhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_events_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_offsets_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_offset_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_more_than_offsets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_since, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_moved_output, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kafka_has_another_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kafka_classifies_otherwise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kafka_last_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kafka_ends_too_soon, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kafka_retains_a_part, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kafka_other_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_checkpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_newest_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_store_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_orphaned_manifests, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
