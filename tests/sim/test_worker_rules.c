/* Rules that show only where a whole worker runs: which log it is, whose checkpoints these are, where
 * a partition begins, how often trouble may come, and what may be removed. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "job/gc.h"
#include "store/open.h"
#include "support/worker_world.h"

static const struct process_options bounded = {.bounded = true};

static void test_rule_1_five_losses_in_a_row_fail_the_job(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &(struct process_options){0});
    process_on_poll(p, process_always_outrun);
    assert_int_equal(process_run(p), WORKER_FAILED);
    assert_int_equal(p->error.code, ERR_FENCED);
    process_free(p);
    worker_world_free(&w);
}

static void intrude(void *ctx, int n) {
    struct process *p = ctx;
    if (n != 50)
        return;
    process_must_end(p->world, &bounded, WORKER_DONE);
    worker_world_add_many(p->world, 0, 100, T0 + 100000, 1000);
}

/* It had a partition, lost it, and Kafka still assigns it: its bounded run has the log's end. */
static void test_rule_1_who_lost_claims_again(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 300, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    p->source->batch = 2;
    process_on_poll(p, intrude);
    assert_int_equal(process_run(p), WORKER_DONE);
    assert_in_range(p->source->assigns, 2, 20);
    process_free(p);
    struct checkpoint k = worker_world_newest(&w, 0);
    assert_true(k.number > 4);
    checkpoint_clear(&k);
    worker_world_free(&w);
}

static const struct process_options from_latest = {.bounded = true, .sets = {"kafka.start=latest"}};

/* It dies before its first claim; what latest meant then is what it means for the next one. */
static void test_rule_4_the_start_is_decided_once(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &from_latest);
    memory_store_fail(p->checkpoints, STORE_LIST, 1, ERR_DENIED, FAULT_BEFORE);
    assert_int_equal(process_run(p), WORKER_FAILED);
    process_free(p);
    assert_non_null(memory_world_object(w.store, "clickstream/clickstream/start.json", NULL));
    worker_world_add_many(&w, 0, 50, T0 + 100000, 1000);
    process_must_end(&w, &from_latest, WORKER_DONE);
    assert_int_equal(worker_world_lines(&w, "dt="), 50);
    worker_world_free(&w);
}

static void test_rule_4_a_later_partition_starts_at_its_earliest_offset(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    process_must_end(&w, &from_latest, WORKER_DONE);
    assert_int_equal(fake_topic_grow(w.topic), 1);
    worker_world_add_many(&w, 1, 30, T0, 1000);
    process_must_end(&w, &from_latest, WORKER_DONE);
    worker_world_check_all(&w, 1);
    worker_world_free(&w);
}

static void test_rule_4_manifests_without_checkpoints_are_refused(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    process_must_end(&w, &bounded, WORKER_DONE);
    const char *key;
    while ((key = memory_world_key(w.store, "clickstream/", 0))) {
        char *copy = xstrdup(key);
        (void)memory_world_remove(w.store, copy);
        free(copy);
    }
    process_must_fail(&w, &bounded, ERR_MISMATCH, "everything twice", NULL);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void test_rule_9_claims_again_use_up_restart_attempts(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    fake_topic_break(w.topic, 0, 40, 1);
    fake_topic_break(w.topic, 0, 60, 1);
    struct process_options once = {.bounded = true, .sets = {"restart.attempts=1"}};
    process_must_fail(&w, &once, ERR_KAFKA, "no restart attempts left", NULL);
    process_must_end(&w, &once, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void test_rule_10_a_store_that_ignores_the_condition_is_refused(void **state) {
    (void)state;
    static const struct memory_traits overwrites = {.max_parts = 10000,
                                                    .ignores_if_none_match = true};
    struct fake_random random;
    struct error e;
    fake_random_init(&random, 1);
    struct memory_world *w = memory_world_new(&overwrites, NULL);
    struct store *s = memory_store_open(w);
    assert_int_equal(store_probe(s, &random.random, 1000, &e), -1);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    store_free(s);
    memory_world_free(w);
}

static char *orphan(struct worker_world *w) {
    struct store *s = memory_store_open(w->store);
    struct store_op op = {.kind = STORE_UPLOAD_CREATE, .key = "dt=x/orphan.jsonl"};
    assert_int_equal(store_call(s, &op), 0);
    char *id = xstrdup(op.upload_id);
    store_op_clear(&op);
    store_free(s);
    return id;
}

static void collect_garbage(struct worker_world *w) {
    struct store *s = memory_store_open(w->store);
    FILE *out = fopen("/dev/null", "w");
    struct error e;
    if (gc_run(&(struct gc_config){.checkpoints = s, .output = s, .out = out}, &e) != 0)
        fail_msg("%s", e.text);
    (void)fclose(out);
    store_free(s);
}

static void stop_soon(void *ctx, int n);

static void test_rule_10_gc_takes_only_what_is_old_and_unlisted(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_directory, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &(struct process_options){0});
    process_on_poll(p, stop_soon);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    size_t listed = memory_world_uploads(w.store);
    assert_true(listed > 0);
    free(orphan(&w));
    fake_clock_advance(&w.fake, INT64_C(25) * 3600 * 1000);
    char *young = orphan(&w);
    collect_garbage(&w);
    assert_int_equal(memory_world_uploads(w.store), listed + 1);
    assert_true(memory_world_drop_upload(w.store, young));
    free(young);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

/* All was published, and then retention took it: there is nothing to compare. */
static void test_rule_12_a_log_that_begins_behind_the_last_record_is_read_on(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    process_must_end(&w, &bounded, WORKER_DONE);
    fake_topic_trim(w.topic, 0, 100);
    worker_world_add_many(&w, 0, 50, T0 + 100000, 1000);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void test_rule_12_a_truncated_log_stops_the_job(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    process_must_end(&w, &bounded, WORKER_DONE);
    fake_topic_empty(w.topic, 0);
    worker_world_add_many(&w, 0, 50, T0, 1000);
    process_must_fail(&w, &bounded, ERR_MISMATCH, "truncated", NULL);
    worker_world_free(&w);
}

static void test_rule_12_a_compacted_topic_is_refused(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &bounded);
    p->source->fails[FAKE_CHECK_TOPIC] = ERR_UNSUPPORTED;
    assert_int_equal(process_run(p), WORKER_FAILED);
    assert_int_equal(p->error.code, ERR_UNSUPPORTED);
    process_free(p);
    assert_int_equal(memory_world_count(w.store, ""), 0);
    worker_world_free(&w);
}

static void test_rule_2_other_settings_are_refused(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    process_must_end(&w, &bounded, WORKER_DONE);
    struct process_options other = {.bounded = true, .sets = {"window.size=1m"}};
    process_must_fail(&w, &other, ERR_MISMATCH, "settings", NULL);
    worker_world_free(&w);
}

static void stop_soon(void *ctx, int n) {
    if (n == 50)
        ((struct process *)ctx)->command = JOB_STOP;
}

static void test_rule_2_changes_are_accepted_only_when_nothing_is_open(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    struct process *p = process_new(&w, &(struct process_options){0});
    process_on_poll(p, stop_soon);
    assert_int_equal(process_run(p), WORKER_STOPPED);
    process_free(p);
    struct process_options other = {
        .bounded = true, .accept_changes = true, .sets = {"window.size=1m"}};
    process_must_fail(&w, &other, ERR_MISMATCH, "open files", NULL);
    process_must_end(&w, &bounded, WORKER_DONE);
    process_must_end(&w, &other, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void test_rule_12_a_recreated_topic_stops_the_job(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    process_must_end(&w, &bounded, WORKER_DONE);
    fake_topic_empty(w.topic, 0);
    worker_world_add_many(&w, 0, 200, T0 + 5000000, 1000);
    process_must_fail(&w, &bounded, ERR_MISMATCH, "recreated", NULL);
    worker_world_free(&w);
}

static void test_rule_12_a_broken_message_is_read_again(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    fake_topic_break(w.topic, 0, 40, 1);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void test_rule_12_the_same_broken_message_twice_fails_the_job(void **state) {
    (void)state;
    struct worker_world w;
    worker_world_init(&w, &memory_like_s3, 1);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    fake_topic_break(w.topic, 0, 40, 2);
    process_must_fail(&w, &bounded, ERR_KAFKA, "twice", NULL);
    worker_world_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_1_five_losses_in_a_row_fail_the_job),
        cmocka_unit_test(test_rule_1_who_lost_claims_again),
        cmocka_unit_test(test_rule_2_other_settings_are_refused),
        cmocka_unit_test(test_rule_2_changes_are_accepted_only_when_nothing_is_open),
        cmocka_unit_test(test_rule_4_the_start_is_decided_once),
        cmocka_unit_test(test_rule_4_a_later_partition_starts_at_its_earliest_offset),
        cmocka_unit_test(test_rule_4_manifests_without_checkpoints_are_refused),
        cmocka_unit_test(test_rule_9_claims_again_use_up_restart_attempts),
        cmocka_unit_test(test_rule_10_a_store_that_ignores_the_condition_is_refused),
        cmocka_unit_test(test_rule_10_gc_takes_only_what_is_old_and_unlisted),
        cmocka_unit_test(test_rule_12_a_log_that_begins_behind_the_last_record_is_read_on),
        cmocka_unit_test(test_rule_12_a_truncated_log_stops_the_job),
        cmocka_unit_test(test_rule_12_a_compacted_topic_is_refused),
        cmocka_unit_test(test_rule_12_a_recreated_topic_stops_the_job),
        cmocka_unit_test(test_rule_12_a_broken_message_is_read_again),
        cmocka_unit_test(test_rule_12_the_same_broken_message_twice_fails_the_job),
    };
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
