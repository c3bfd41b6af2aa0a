/* What a job finds out before the first record: rules 2, 4 and 12 of docs/exactly-once.md. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "support/worker_world.h"

#define START_KEY "clickstream/clickstream/start.json"

static const struct process_options bounded = {.bounded = true};

/* A topic of one partition with n events. */
static void begin(struct worker_world *w, int n) {
    worker_world_init(w, &memory_like_s3, 1);
    worker_world_add_many(w, 0, n, T0, 1000);
}

/* Ends after so many polls, files left open. */
static void stop_later(void *ctx, int n) {
    if (n == 100)
        ((struct process *)ctx)->command = JOB_STOP;
}

static void run_and_stop(struct worker_world *w) {
    struct process *p = process_new(w, &(struct process_options){0});
    process_on_poll(p, stop_later);
    if (process_run(p) != WORKER_STOPPED)
        fail_msg("%s", p->error.text);
    process_free(p);
}

static const char *start_json(const struct worker_world *w) {
    size_t len;
    const char *text = memory_world_object(w->store, START_KEY, &len);
    assert_non_null(text);
    return text;
}

/* ---- start.json (rule 4) ------------------------------------------------------------------------- */

static void starts_at(const char *setting, int64_t first) {
    struct worker_world w;
    char offsets[64];
    begin(&w, 100);
    fake_topic_trim(w.topic, 0, 10);
    process_must_end(&w, &(struct process_options){.bounded = true, .sets = {setting}},
                     WORKER_DONE);
    (void)snprintf(offsets, sizeof offsets, "\"offsets\":[%" PRId64 "]", first);
    assert_non_null(strstr(start_json(&w), offsets));
    for (int64_t i = 10; i < 100; i++)
        assert_int_equal(worker_world_count(&w, 0, i), i >= first);
    worker_world_free(&w);
}

static void test_start_earliest(void **state) {
    (void)state;
    starts_at("kafka.start=earliest", 10);
}

static void test_start_latest(void **state) {
    (void)state;
    starts_at("kafka.start=latest", 100);
}

static void test_start_at_a_time(void **state) {
    (void)state;
    starts_at("kafka.start=2024-10-22T21:00:50Z", 50);
}

static void test_start_at_a_time_after_all(void **state) {
    (void)state;
    starts_at("kafka.start=2030-01-01T00:00:00Z", 100);
}

/* It is resolved once: a later setting changes nothing, as long as no checkpoint exists either. */
static void test_start_json_is_used(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 10);
    const char *text =
        "{\"v\":1,\"cluster\":\"fake\",\"topic\":\"clickstream\",\"start\":\"latest\","
        "\"offsets\":[7]}";
    memory_world_plant(w.store, START_KEY, text, strlen(text));
    process_must_end(&w, &bounded, WORKER_DONE);
    assert_int_equal(worker_world_lines(&w, "dt="), 3);
    worker_world_free(&w);
}

static void start_json_is_refused(const char *text, enum error_code code, const char *words) {
    struct worker_world w;
    begin(&w, 10);
    memory_world_plant(w.store, START_KEY, text, strlen(text));
    process_must_fail(&w, &bounded, code, "s3://memory/" START_KEY, words, NULL);
    assert_int_equal(memory_world_count(w.store, "clickstream/clickstream/p"), 0);
    worker_world_free(&w);
}

static void test_corrupt_start_json(void **state) {
    (void)state;
    start_json_is_refused("", ERR_CORRUPT, "restore this object");
    start_json_is_refused("{\"v\":1,\"cluster\":\"fake\"}", ERR_CORRUPT, "restore this object");
    start_json_is_refused(
        "{\"v\":1,\"cluster\":\"fake\",\"topic\":\"clickstream\",\"offsets\":[-1]}", ERR_CORRUPT,
        "offsets[0]");
}

static void test_foreign_start_json(void **state) {
    (void)state;
    start_json_is_refused(
        "{\"v\":1,\"cluster\":\"other\",\"topic\":\"clickstream\",\"offsets\":[0]}", ERR_MISMATCH,
        "cluster other");
    start_json_is_refused("{\"v\":1,\"cluster\":\"fake\",\"topic\":\"t\",\"offsets\":[0]}",
                          ERR_MISMATCH, "topic t ");
}

static void test_leftovers_are_refused(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 10);
    memory_world_plant(w.store,
                       "_manifests/clickstream/clickstream/p00000/chk-00000000000000000002.json",
                       "{}", 2);
    process_must_fail(&w, &bounded, ERR_MISMATCH, "manifests of an earlier run",
                      "Restore checkpoint.path", NULL);
    assert_null(memory_world_object(w.store, START_KEY, &(size_t){0}));
    worker_world_free(&w);
}

/* Between this process's look and its put, another one put its own: that one counts. */
static void test_another_process_was_quicker(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 10);
    struct process *p = process_new(&w, &bounded);
    memory_store_fail(p->checkpoints, STORE_GET, 1, ERR_NOT_FOUND, FAULT_BEFORE);
    const char *text =
        "{\"v\":1,\"cluster\":\"fake\",\"topic\":\"clickstream\",\"start\":\"x\",\"offsets\":[4]}";
    memory_world_plant(w.store, START_KEY, text, strlen(text));
    if (process_run(p) != WORKER_DONE)
        fail_msg("%s", p->error.text);
    process_free(p);
    assert_int_equal(worker_world_lines(&w, "dt="), 6);
    worker_world_free(&w);
}

/* ---- Kafka does not answer, or refuses ----------------------------------------------------------- */

static void test_questions_that_fail_before_it_ran(void **state) {
    (void)state;
    static const enum fake_call calls[] = {FAKE_CLUSTER_ID, FAKE_CHECK_TOPIC, FAKE_PARTITION_COUNT,
                                           FAKE_OFFSETS_FOR_TIME};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct worker_world w;
        begin(&w, 10);
        struct process *p = process_new(&w, &bounded);
        p->source->fails[calls[i]] = ERR_UNAVAILABLE;
        assert_int_equal(process_run(p), WORKER_FAILED);
        assert_false(p->ran);
        assert_non_null(strstr(p->error.text, "scripted"));
        process_free(p);
        assert_int_equal(memory_world_count(w.store, ""), 0);
        worker_world_free(&w);
    }
}

/* Its leader has died, and another is chosen after two of the tries. */
static void test_a_partition_that_nobody_leads_at_the_start(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 10);
    struct process *p = process_new(&w, &bounded);
    p->source->fails[FAKE_OFFSETS_FOR_TIME] = ERR_UNAVAILABLE;
    p->source->fail_times[FAKE_OFFSETS_FOR_TIME] = 2;
    if (process_run(p) != WORKER_DONE)
        fail_msg("%s", p->error.text);
    process_free(p);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

/* A stop does not wait for a leader, nor does another failure pass by itself. */
static void test_offsets_that_are_not_asked_for_again(void **state) {
    (void)state;
    for (int stopping = 0; stopping < 2; stopping++) {
        struct worker_world w;
        begin(&w, 10);
        struct process *p = process_new(&w, &bounded);
        p->source->fails[FAKE_OFFSETS_FOR_TIME] = stopping ? ERR_UNAVAILABLE : ERR_DENIED;
        p->source->fail_times[FAKE_OFFSETS_FOR_TIME] = 2;
        if (stopping)
            p->command = JOB_STOP;
        assert_int_equal(process_run(p), WORKER_FAILED);
        assert_int_equal(p->source->fail_times[FAKE_OFFSETS_FOR_TIME], 1);
        process_free(p);
        worker_world_free(&w);
    }
}

/* Once a partition is claimed, its log is looked at. */
static void test_a_claimed_log_that_does_not_answer(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 10);
    struct process *p = process_new(&w, &bounded);
    p->source->fails[FAKE_BOUNDS] = ERR_UNAVAILABLE;
    assert_int_equal(process_run(p), WORKER_FAILED);
    assert_non_null(strstr(p->error.text, "scripted: unavailable at bounds"));
    process_free(p);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

/* ---- Is it still the same log? (rule 12) --------------------------------------------------------- */

static void test_same_log_goes_on(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 100);
    run_and_stop(&w);
    worker_world_add_many(&w, 0, 100, T0 + 100000, 1000);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void log_is_refused(struct worker_world *w, const char *words) {
    process_must_fail(w, &bounded, ERR_MISMATCH, "partition 0 of topic clickstream", words,
                      "recreated or truncated", "another name and output.path", NULL);
    worker_world_free(w);
}

static void test_another_record_at_last(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 100);
    run_and_stop(&w);
    fake_topic_empty(w.topic, 0);
    worker_world_add_many(&w, 0, 200, T0 + 7, 1000);
    log_is_refused(&w, "offset 99 holds another record");
}

static void test_last_is_a_hole(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 100);
    run_and_stop(&w);
    fake_topic_empty(w.topic, 0);
    fake_topic_skip(w.topic, 0, 100);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    log_is_refused(&w, "offset 99 holds no record any more");
}

static void test_last_is_the_logs_end(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 100);
    run_and_stop(&w);
    fake_topic_empty(w.topic, 0);
    worker_world_add_many(&w, 0, 99, T0, 1000);
    log_is_refused(&w, "offset 99 holds no record any more");
}

static void test_last_is_past_the_logs_end(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 100);
    run_and_stop(&w);
    fake_topic_empty(w.topic, 0);
    worker_world_add_many(&w, 0, 20, T0, 1000);
    log_is_refused(&w, "offset 99 lies behind the log's end");
}

/* Only control records are gone from the end: `last` is there, and yet the log is shorter. */
static void test_log_ends_below_next(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 100);
    fake_topic_skip(w.topic, 0, 3);
    run_and_stop(&w);
    fake_topic_empty(w.topic, 0);
    worker_world_add_many(&w, 0, 100, T0, 1000);
    log_is_refused(&w, "ends at offset 100");
}

/* ---- Retention ----------------------------------------------------------------------------------- */

static void test_last_below_the_logs_start_is_not_tested(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 100);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_add_many(&w, 0, 100, T0 + 100000, 1000);
    fake_topic_trim(w.topic, 0, 100);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_check_all(&w, 0);
    worker_world_free(&w);
}

static void test_needed_records_that_are_gone_stop_the_job(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 100);
    run_and_stop(&w);
    fake_topic_trim(w.topic, 0, 40);
    process_must_fail(&w, &bounded, ERR_DATA_LOSS, "partition 0: offsets 0 to 39",
                      "--allow-data-loss", NULL);
    struct process_options accept = {.bounded = true, .allow_data_loss = true};
    process_must_end(&w, &accept, WORKER_DONE);
    for (int64_t i = 0; i < 100; i++)
        assert_int_equal(worker_world_count(&w, 0, i), i >= 40);
    struct checkpoint k = worker_world_newest(&w, 0);
    assert_int_equal(k.n_losses, 1);
    assert_int_equal(k.losses[0].from, 0);
    assert_int_equal(k.losses[0].to, 39);
    assert_int_equal(k.losses[0].events, 40);
    checkpoint_clear(&k);
    worker_world_free(&w);
}

/* Records that nobody has read are gone as well. */
static void test_unread_records_that_are_gone(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 100);
    process_must_end(&w, &bounded, WORKER_DONE);
    worker_world_add_many(&w, 0, 100, T0 + 100000, 1000);
    fake_topic_trim(w.topic, 0, 150);
    process_must_fail(&w, &bounded, ERR_DATA_LOSS, "offsets 100 to 149", NULL);
    struct process_options accept = {.bounded = true, .allow_data_loss = true};
    process_must_end(&w, &accept, WORKER_DONE);
    for (int64_t i = 100; i < 200; i++)
        assert_int_equal(worker_world_count(&w, 0, i), i >= 150);
    struct checkpoint k = worker_world_newest(&w, 0);
    assert_int_equal(k.next, 200);
    assert_int_equal(k.n_losses, 1);
    assert_int_equal(k.losses[0].from, 100);
    assert_int_equal(k.losses[0].to, 149);
    assert_true(k.losses[0].events < 0); /* nobody knows how many */
    checkpoint_clear(&k);
    worker_world_free(&w);
}

/* ---- The newest checkpoint ------------------------------------------------------------------------ */

static void test_corrupt_newest_checkpoint(void **state) {
    (void)state;
    struct worker_world w;
    begin(&w, 100);
    run_and_stop(&w);
    char *key = worker_world_chain_key(0, 9);
    memory_world_plant(w.store, key, "{", 1);
    process_must_fail(&w, &bounded, ERR_CORRUPT, key, "never skipped for an older one", NULL);
    free(key);
    worker_world_free(&w);
}

int main(void) {
    log_init(LOG_TEXT, LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_earliest),
        cmocka_unit_test(test_start_latest),
        cmocka_unit_test(test_start_at_a_time),
        cmocka_unit_test(test_start_at_a_time_after_all),
        cmocka_unit_test(test_start_json_is_used),
        cmocka_unit_test(test_corrupt_start_json),
        cmocka_unit_test(test_foreign_start_json),
        cmocka_unit_test(test_leftovers_are_refused),
        cmocka_unit_test(test_another_process_was_quicker),
        cmocka_unit_test(test_questions_that_fail_before_it_ran),
        cmocka_unit_test(test_a_partition_that_nobody_leads_at_the_start),
        cmocka_unit_test(test_offsets_that_are_not_asked_for_again),
        cmocka_unit_test(test_a_claimed_log_that_does_not_answer),
        cmocka_unit_test(test_same_log_goes_on),
        cmocka_unit_test(test_another_record_at_last),
        cmocka_unit_test(test_last_is_a_hole),
        cmocka_unit_test(test_last_is_the_logs_end),
        cmocka_unit_test(test_last_is_past_the_logs_end),
        cmocka_unit_test(test_log_ends_below_next),
        cmocka_unit_test(test_last_below_the_logs_start_is_not_tested),
        cmocka_unit_test(test_needed_records_that_are_gone_stop_the_job),
        cmocka_unit_test(test_unread_records_that_are_gone),
        cmocka_unit_test(test_corrupt_newest_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
