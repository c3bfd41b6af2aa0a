/* The state that a claim starts from (rules 2, 4 and 5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "checkpoint/checkpoint_samples.h"
#include "checkpoint/claim.h"

struct fixture {
    struct checkpoint newest, claim;
    struct identity mine;
    struct error error;
};

static struct fixture f;

static int set_up(void **state) {
    (void)state;
    f = (struct fixture){0};
    sample_checkpoint(&f.newest);
    f.mine = sample_identity();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    checkpoint_clear(&f.newest);
    checkpoint_clear(&f.claim);
    identity_clear(&f.mine);
    return 0;
}

static void test_rule_4_first_claim_begins_at_the_start_offset(void **state) {
    (void)state;
    claim_first(&f.claim, &f.mine, 1234);
    assert_int_equal(f.claim.next, 1234);
    assert_int_equal(f.claim.replay_from, 1234);
    assert_true(f.claim.replay_max_ts == TS_NONE);
    assert_false(f.claim.has_last);
    assert_true(checkpoint_is_clean(&f.claim));
}

static void test_rule_5_a_file_with_parts_becomes_a_commit_of_exactly_those(void **state) {
    (void)state;
    claim_inherit(&f.claim, &f.newest);
    assert_int_equal(f.claim.n_commits, 2);
    assert_string_equal(f.claim.commits[0].key, "_rejected/p"); /* those listed before come first */
    const struct file_entry *frozen = &f.claim.commits[1];
    assert_string_equal(frozen->key, "open");
    assert_int_equal(frozen->n_parts, 2);
    assert_string_equal(frozen->parts[1].etag, "etag-1");
    assert_int_equal(frozen->count.events, 20);
}

static void test_rule_5_frozen_files_count_as_listed(void **state) {
    (void)state;
    uint64_t before = f.newest.listed[CLASS_EVENT].events;
    claim_inherit(&f.claim, &f.newest);
    assert_int_equal(f.claim.listed[CLASS_EVENT].events, before + 20);
    assert_int_equal(f.claim.listed[CLASS_LATE].events, f.newest.listed[CLASS_LATE].events);
    assert_int_equal(f.claim.read[CLASS_EVENT].events, f.newest.read[CLASS_EVENT].events);
}

static void test_rule_5_a_file_without_parts_is_forgotten(void **state) {
    (void)state;
    claim_inherit(&f.claim, &f.newest);
    assert_int_equal(f.claim.n_files, 0);
    for (size_t i = 0; i < f.claim.n_commits; i++)
        assert_string_not_equal(f.claim.commits[i].key, "empty");
}

static void test_rule_5_all_else_is_copied(void **state) {
    (void)state;
    claim_inherit(&f.claim, &f.newest);
    assert_true(f.claim.next == f.newest.next);
    assert_int_equal(f.claim.replay_from, 500);
    assert_true(f.claim.replay_max_ts == f.newest.replay_max_ts);
    assert_int_equal(f.claim.last_crc32c, f.newest.last_crc32c);
    assert_int_equal(f.claim.n_gaps, 2);
    assert_memory_equal(f.claim.gaps, f.newest.gaps, 2 * sizeof *f.newest.gaps);
    assert_int_equal(f.claim.n_losses, 2);
}

static void must_fit(bool accept_changes) {
    assert_int_equal(claim_check_identity(&f.newest, &f.mine, accept_changes, &f.error), 0);
}

static void must_not_fit(bool accept_changes, const char *says) {
    f.error = (struct error){0};
    assert_int_equal(claim_check_identity(&f.newest, &f.mine, accept_changes, &f.error), -1);
    assert_int_equal(f.error.code, ERR_MISMATCH);
    assert_non_null(strstr(f.error.text, says));
}

static void make_clean(void) {
    struct checkpoint clean = {.number = 17, .identity = f.newest.identity};
    f.newest.identity = (struct identity){0};
    checkpoint_clear(&f.newest);
    f.newest = clean;
}

static void replace(char **text, const char *by) {
    free(*text);
    *text = xstrdup(by);
}

static void test_rule_2_the_same_identity_fits(void **state) {
    (void)state;
    must_fit(false);
    must_fit(true);
}

static void test_rule_2_another_topic_never_fits(void **state) {
    (void)state;
    make_clean();
    replace(&f.mine.topic, "other");
    must_not_fit(true, "topic");
}

static void test_rule_2_another_cluster_never_fits(void **state) {
    (void)state;
    make_clean();
    replace(&f.mine.cluster, "other");
    must_not_fit(true, "cluster");
}

static void test_rule_2_another_partition_never_fits(void **state) {
    (void)state;
    make_clean();
    f.mine.partition = 3;
    must_not_fit(true, "partition");
}

static void test_rule_2_another_output_needs_accept_changes_and_a_clean_state(void **state) {
    (void)state;
    replace(&f.mine.output, "s3://other/");
    must_not_fit(false, "--accept-changes");
    must_not_fit(true, "without open files");
    make_clean();
    must_not_fit(false, "s3://other/");
    must_fit(true);
}

static void test_rule_2_other_settings_need_accept_changes_and_a_clean_state(void **state) {
    (void)state;
    f.mine.settings[0] = 'f';
    must_not_fit(false, "--accept-changes");
    must_not_fit(true, "2 gaps, 2 open files and 1 commits");
    make_clean();
    must_not_fit(false, "settings");
    must_fit(true);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_rule_4_first_claim_begins_at_the_start_offset),
        CASE(test_rule_5_a_file_with_parts_becomes_a_commit_of_exactly_those),
        CASE(test_rule_5_frozen_files_count_as_listed),
        CASE(test_rule_5_a_file_without_parts_is_forgotten),
        CASE(test_rule_5_all_else_is_copied),
        CASE(test_rule_2_the_same_identity_fits),
        CASE(test_rule_2_another_topic_never_fits),
        CASE(test_rule_2_another_cluster_never_fits),
        CASE(test_rule_2_another_partition_never_fits),
        CASE(test_rule_2_another_output_needs_accept_changes_and_a_clean_state),
        CASE(test_rule_2_other_settings_need_accept_changes_and_a_clean_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
