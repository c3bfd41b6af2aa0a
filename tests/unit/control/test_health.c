/* From facts to findings: each trouble is found, and nothing is found where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "control/health.h"

enum { NOW = 10 * 1000 * 1000, SECOND = 1000, MINUTE = 60 * SECOND, PARTITIONS = 3 };

/* A job that is well: three partitions that get records, nothing to read. */
struct facts {
    struct job_info info;
    struct job_metrics metrics;
    struct partition_metrics partitions[PARTITIONS];
    int64_t entered[JOB_STATE_COUNT];
    struct journal_error errors[2];
    struct journal_checkpoint checkpoints[2];
    struct health_facts facts;
    struct health health;
};

static int set_up(void **state) {
    static char place[] = "s3://b/chk/clicks/events/";
    struct facts *f = xcalloc(1, sizeof *f);
    f->info = (struct job_info){.topic = "events",
                                .group_id = "g",
                                .brokers = "broker:9092",
                                .output = "s3://b/out/",
                                .checkpoints = place,
                                .checkpoint_interval_ms = 30 * SECOND,
                                .checkpoint_timeout_ms = 60 * SECOND,
                                .tolerable_failures = 3};
    for (int32_t i = 0; i < PARTITIONS; i++)
        f->partitions[i] = (struct partition_metrics){.partition = i,
                                                      .state = "running",
                                                      .position = 1000,
                                                      .end = 1000,
                                                      .record_ts = NOW - 2 * SECOND,
                                                      .max_ts = NOW - 3 * SECOND,
                                                      .watermark = NOW - 63 * SECOND,
                                                      .checkpoint_age_ms = 20 * SECOND,
                                                      .unsaved_ms = 20 * SECOND,
                                                      .open_windows = 2};
    f->metrics = (struct job_metrics){.running = true,
                                      .partitions = f->partitions,
                                      .n_partitions = PARTITIONS,
                                      .records_rate = 50,
                                      .memory_budget = 100 << 20,
                                      .memory_used = 10 << 20,
                                      .recent = {.ms = 60 * SECOND, .records = 1000}};
    f->entered[JOB_RUNNING] = NOW - 30 * MINUTE;
    f->facts = (struct health_facts){.info = &f->info,
                                     .metrics = &f->metrics,
                                     .state = JOB_RUNNING,
                                     .entered_ms = f->entered,
                                     .now_ms = NOW,
                                     .errors = f->errors,
                                     .checkpoints = f->checkpoints};
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    free(*state);
    return 0;
}

static void enter(struct facts *f, enum job_state s, int64_t ms_ago) {
    f->facts.state = s;
    f->entered[s] = NOW - ms_ago;
}

static void well(struct facts *f) {
    health_judge(&f->facts, &f->health);
    if (f->health.n > 0)
        fail_msg("%s: %s", f->health.findings[0].code, f->health.findings[0].text);
    assert_int_equal(f->health.level, HEALTH_OK);
}

static void is_summed_up_as(const struct facts *f, const char *words) {
    if (!strstr(f->health.summary, words))
        fail_msg("the summary is: %s", f->health.summary);
}

static void is_documented(const struct finding *x) {
    static char text[65536];
    char row[80];
    if (!text[0]) {
        FILE *f = fopen("docs/rest.md", "r");
        assert_non_null(f);
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        (void)fclose(f);
    }
    bool lag = strstr(x->code, "lag") || strcmp(x->code, "catching_up") == 0;
    (void)snprintf(row, sizeof row, "\n| `%s` | %s |", x->code,
                   lag ? "where it hangs" : health_stage_name(x->stage));
    if (!strstr(text, row))
        fail_msg("docs/rest.md lacks the row%s", row);
}

/* Exactly this is found, and its text holds these words. */
static const struct finding *finds(struct facts *f, enum health_level level,
                                   enum health_stage stage, const char *code, const char *words) {
    struct health *h = &f->health;
    health_judge(&f->facts, h);
    if (h->n != 1)
        fail_msg("%zu findings: %s, %s", h->n, h->n ? h->findings[0].code : "",
                 h->n > 1 ? h->findings[1].code : "");
    const struct finding *x = &h->findings[0];
    assert_string_equal(x->code, code);
    is_documented(x);
    assert_int_equal(x->level, level);
    assert_int_equal(x->stage, stage);
    if (!strstr(x->text, words))
        fail_msg("%s", x->text);
    assert_int_equal(h->level, level);
    if (level != HEALTH_OK) {
        assert_string_equal(h->summary, x->text);
        assert_true(strlen(x->advice) > 10);
    }
    return x;
}

static void test_a_job_that_is_well(void **state) {
    struct facts *f = *state;
    well(f);
    is_summed_up_as(f, "all is well: 3 partitions, 50 records a second");
}

static void error(struct facts *f, const char *kind, int64_t ms_ago, const char *why) {
    struct journal_error *e = &f->errors[f->facts.n_errors++];
    e->at_ms = NOW - ms_ago;
    e->partition = -1;
    (void)snprintf(e->kind, sizeof e->kind, "%s", kind);
    (void)snprintf(e->text, sizeof e->text, "%s", why);
}

static void test_ends(void **state) {
    struct facts *f = *state;
    error(f, "partition_lost", 0, "another one");
    error(f, "job_failed", SECOND, "no such bucket");
    enter(f, JOB_FAILED, SECOND);
    finds(f, HEALTH_BAD, AT_JOB, "job_failed", "the job has failed: no such bucket");
    for (enum job_state s = JOB_CANCELED; s <= JOB_FINISHED; s++) {
        enter(f, s, SECOND);
        health_judge(&f->facts, &f->health);
        assert_int_equal(f->health.level, HEALTH_ENDED);
        assert_int_equal(f->health.n, 0);
        is_summed_up_as(f, job_state_name(s));
    }
}

static void test_starts_and_stops(void **state) {
    struct facts *f = *state;
    enter(f, JOB_CREATED, 20 * SECOND);
    finds(f, HEALTH_OK, AT_JOB, "job_starting", "for 20 s");
    is_summed_up_as(f, "starting for 20 s");
    enter(f, JOB_CREATED, 5 * MINUTE);
    assert_non_null(
        strstr(finds(f, HEALTH_WARN, AT_JOB, "job_starting", "for 5 min")->advice, "broker:9092"));
    enter(f, JOB_CANCELLING, SECOND);
    finds(f, HEALTH_OK, AT_JOB, "job_stopping", "last checkpoint");
    is_summed_up_as(f, "told to stop");
}

static void test_restarts(void **state) {
    struct facts *f = *state;
    error(f, "job_restarting", SECOND, "broker gone");
    error(f, "job_restarting", 61 * MINUTE, "long ago");
    enter(f, JOB_RESTARTING, SECOND);
    finds(f, HEALTH_BAD, AT_JOB, "job_restarting", "tries again: broker gone");
    enter(f, JOB_RUNNING, 0);
    finds(f, HEALTH_WARN, AT_JOB, "restarted", "1 time within the last hour: broker gone");
    f->errors[0].at_ms = NOW - 61 * MINUTE;
    well(f);
}

static void test_assignment(void **state) {
    struct facts *f = *state;
    f->metrics.n_partitions = 0;
    enter(f, JOB_RUNNING, 30 * SECOND);
    well(f); /* a rebalance takes its time */
    enter(f, JOB_RUNNING, 2 * MINUTE);
    finds(f, HEALTH_WARN, AT_KAFKA, "no_partition", "topic events");
    f->metrics.kafka_silent = true; /* that says it all */
    finds(f, HEALTH_BAD, AT_KAFKA, "kafka_unreachable", "answers at broker:9092");
    f->metrics.kafka_silent = false;
    f->metrics.n_partitions = PARTITIONS;
    f->partitions[1].state = "claiming";
    assert_int_equal(
        finds(f, HEALTH_WARN, AT_CHECKPOINT, "partition_starting", "partition 1: ")->partition, 1);
    enter(f, JOB_RUNNING, 30 * SECOND);
    finds(f, HEALTH_OK, AT_CHECKPOINT, "partition_starting", "claiming");
    f->partitions[1].state = "ended";
    well(f);
}

/* With so much to read, by the age of its records. */
static void lag(struct facts *f, int partition, int64_t behind_ms) {
    f->partitions[partition].end = 5000;
    f->partitions[partition].record_ts = NOW - behind_ms;
}

static void test_lag(void **state) {
    struct facts *f = *state;
    lag(f, 0, 4 * MINUTE);
    well(f);
    lag(f, 0, 6 * MINUTE);
    lag(f, 2, 7 * MINUTE);
    const struct finding *x = finds(f, HEALTH_WARN, AT_KAFKA, "lag_large",
                                    "partition 2 and 1 other: 7 min behind Kafka, 4000 records");
    assert_int_equal(x->partition, 2);
    f->metrics.recent.lag_growth = -20;
    finds(f, HEALTH_OK, AT_KAFKA, "catching_up", "getting fewer");
    is_summed_up_as(f, "all is well");
    f->info.bounded = true; /* where this is what it is for */
    well(f);
}

static void test_growing_lag_and_where_it_comes_from(void **state) {
    struct facts *f = *state;
    lag(f, 0, 40 * SECOND);
    well(f);
    f->metrics.recent.lag_growth = 20;
    finds(f, HEALTH_WARN, AT_KAFKA, "lag_growing", "more come than are read");
    f->metrics.recent.worker = (struct time_spent){.busy_ms = 950, .idle_ms = 50};
    finds(f, HEALTH_WARN, AT_WORKER, "lag_growing", "40 s behind");
    f->metrics.recent.worker = (struct time_spent){.busy_ms = 300, .backpressured_ms = 700};
    health_judge(&f->facts, &f->health);
    assert_int_equal(f->health.n, 2);
    assert_string_equal(f->health.findings[0].code, "store_slow");
    assert_string_equal(f->health.findings[1].code, "lag_growing");
    assert_int_equal(f->health.findings[1].stage, AT_STORE);
    f->metrics.recent.ms = 5 * SECOND; /* too short a time to say */
    well(f);
}

/* An archive's records are old, whoever reads them when: 500 of them take ten seconds here. */
static void test_lag_that_is_read_in_a_moment(void **state) {
    struct facts *f = *state;
    lag(f, 0, 60 * MINUTE);
    f->partitions[0].watermark = NOW - 70 * MINUTE;
    f->partitions[0].end = f->partitions[0].position + 500;
    well(f);
    f->partitions[0].end++;
    finds(f, HEALTH_WARN, AT_KAFKA, "lag_large", "501 records to read");
    f->partitions[0].end = f->partitions[0].position + 1;
    f->metrics.records_rate = 0; /* and that one is not read */
    finds(f, HEALTH_WARN, AT_KAFKA, "lag_large", "60 min behind");
}

static void test_lag_that_is_not_known(void **state) {
    struct facts *f = *state;
    lag(f, 0, 6 * MINUTE);
    f->partitions[0].end = -1;
    well(f);
    f->partitions[0].end = 5000;
    f->partitions[0].record_ts = TS_NONE;
    well(f);
}

static void test_pressure(void **state) {
    struct facts *f = *state;
    f->metrics.recent.worker.backpressured_ms = 499;
    well(f);
    f->metrics.recent.worker.backpressured_ms = 640;
    finds(f, HEALTH_WARN, AT_STORE, "store_slow", "for 64 % of the time");
    f->metrics.recent.worker.backpressured_ms = 0;
    f->metrics.memory_used = 86 << 20;
    finds(f, HEALTH_WARN, AT_WORKER, "memory_full", "86 MiB of 100 MiB");
    f->metrics.memory_used = 84 << 20;
    well(f);
}

static void test_store_errors(void **state) {
    struct facts *f = *state;
    f->metrics.recent.output_retries = 3; /* whose attempts failed more than a minute ago */
    well(f);
    f->metrics.recent.output_errors = 5;
    finds(f, HEALTH_WARN, AT_STORE, "output_errors", "5 requests to s3://b/out/ failed");
    f->metrics.recent.output_errors = 0;
    f->metrics.recent.checkpoint_errors = 1;
    finds(f, HEALTH_WARN, AT_CHECKPOINT, "checkpoint_store_errors", "s3://b/chk/clicks/events/");
}

static void test_failing_checkpoints(void **state) {
    struct facts *f = *state;
    f->facts.n_checkpoints = 2; /* the newest first */
    f->checkpoints[0] =
        (struct journal_checkpoint){.partition = 1, .failed = true, .why = "no way"};
    f->checkpoints[1] = (struct journal_checkpoint){.partition = 1, .number = 7};
    finds(f, HEALTH_BAD, AT_CHECKPOINT, "checkpoint_failing",
          "partition 1: the newest checkpoint is no way");
    struct journal_checkpoint failed = f->checkpoints[0];
    f->checkpoints[0] = f->checkpoints[1];
    f->checkpoints[1] = failed;
    well(f);
}

static void test_old_checkpoints(void **state) {
    struct facts *f = *state;
    f->partitions[0].unsaved_ms = 149 * SECOND;
    well(f); /* three intervals and a timeout are 150 s */
    f->partitions[0].unsaved_ms = 151 * SECOND;
    finds(f, HEALTH_BAD, AT_CHECKPOINT, "checkpoint_old",
          "partition 0: what it has read is in no checkpoint for 2 min");
    f->partitions[0].unsaved_ms = 0; /* nothing has been read since: none is due */
    f->partitions[0].checkpoint_age_ms = 100 * MINUTE;
    well(f);
}

static void test_replay(void **state) {
    struct facts *f = *state;
    f->partitions[2].replaying = true;
    finds(f, HEALTH_OK, AT_CHECKPOINT, "replaying", "partition 2");
}

static void test_watermarks_ahead(void **state) {
    struct facts *f = *state;
    f->partitions[1].watermark = NOW + 90 * SECOND;
    finds(f, HEALTH_WARN, AT_DATA, "watermark_ahead", "partition 1: the watermark is 9");
    f->info.embedded = true; /* the demo's clock runs ahead of ours */
    well(f);
    f->info.embedded = false;
    f->partitions[1].watermark = NOW - MINUTE; /* of an archive that is read, one far event */
    f->partitions[1].record_ts = NOW - 5 * 60 * MINUTE;
    f->partitions[1].open_windows = 0;
    finds(f, HEALTH_WARN, AT_DATA, "watermark_ahead", "is 4 h ahead");
    f->partitions[1].watermark = TS_NONE;
    well(f);
}

static void test_idle_partitions(void **state) {
    struct facts *f = *state;
    f->partitions[1].record_ts = NOW - 11 * MINUTE;
    f->partitions[1].watermark = NOW - 12 * MINUTE;
    finds(f, HEALTH_WARN, AT_DATA, "partition_idle", "the newest record is 11 min old");
    for (int i = 0; i < PARTITIONS; i++) {
        f->partitions[i].record_ts = NOW - 11 * MINUTE;
        f->partitions[i].watermark = NOW - 12 * MINUTE;
    }
    finds(f, HEALTH_OK, AT_DATA, "partition_idle", "and 2 others"); /* nobody sends anything */
    for (int i = 0; i < PARTITIONS; i++)
        f->partitions[i].open_windows = 0;
    well(f);
}

static void test_shares(void **state) {
    struct facts *f = *state;
    f->metrics.recent.late = 49;
    well(f);
    f->metrics.recent.late = 50;
    finds(f, HEALTH_WARN, AT_DATA, "late_share", "5 % of the records");
    f->metrics.recent.late = 0;
    f->metrics.recent.rejected = 10;
    finds(f, HEALTH_WARN, AT_DATA, "rejected_share", "1 %");
    f->metrics.recent.rejected = 500;
    finds(f, HEALTH_BAD, AT_DATA, "rejected_share", "50 %");
    f->metrics.recent.records = 99; /* too few */
    f->metrics.recent.rejected = 99;
    well(f);
}

static void test_key_mismatches(void **state) {
    struct facts *f = *state;
    f->partitions[0].count.key_mismatches = 1;
    f->partitions[2].count.key_mismatches = 5;
    finds(f, HEALTH_WARN, AT_DATA, "key_mismatch", "partition 2 and 1 other: 5 records");
}

static void test_the_worst_comes_first(void **state) {
    struct facts *f = *state;
    f->partitions[0].replaying = true;
    f->partitions[0].count.key_mismatches = 1;
    f->metrics.recent.rejected = 600;
    f->metrics.recent.late = 100;
    health_judge(&f->facts, &f->health);
    assert_int_equal(f->health.n, 4);
    static const char *const codes[] = {"rejected_share", "late_share", "key_mismatch",
                                        "replaying"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(f->health.findings[i].code, codes[i]);
    assert_int_equal(f->health.level, HEALTH_BAD);
}

#define health_test(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        health_test(test_a_job_that_is_well),
        health_test(test_ends),
        health_test(test_starts_and_stops),
        health_test(test_restarts),
        health_test(test_assignment),
        health_test(test_lag),
        health_test(test_growing_lag_and_where_it_comes_from),
        health_test(test_lag_that_is_read_in_a_moment),
        health_test(test_lag_that_is_not_known),
        health_test(test_pressure),
        health_test(test_store_errors),
        health_test(test_failing_checkpoints),
        health_test(test_old_checkpoints),
        health_test(test_replay),
        health_test(test_watermarks_ahead),
        health_test(test_idle_partitions),
        health_test(test_shares),
        health_test(test_key_mismatches),
        health_test(test_the_worst_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
