/* From listed to visible and in a manifest (rules 8 and 9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "base/log.h"
#include "checkpoint/checkpoint_samples.h"
#include "checkpoint/codec.h"
#include "checkpoint/commit.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/memory_store.h"

#define MANIFESTS "_manifests/job/clicks/p00002/"

struct fixture {
    struct fake_clock clock;
    struct fake_random random;
    struct memory_world *world;
    struct store *store;
    struct commits *commits;
    uint64_t number; /* of the last checkpoint */
    int published, lost, failed;
    struct error error;
};

static struct fixture f;

static void on_published(void *ctx, const struct file_entry *file) {
    (void)ctx;
    (void)file;
    f.published++;
}

static void on_lost(void *ctx, const struct file_entry *file, const struct error *why) {
    (void)ctx;
    (void)file;
    f.lost++;
    f.error = *why;
}

static void on_failed(void *ctx, const struct error *e) {
    (void)ctx;
    f.failed++;
    f.error = *e;
}

static void open_commits(enum lost_policy policy) {
    f.commits = commits_new(&(struct commits_config){.store = f.store,
                                                     .manifest_prefix = MANIFESTS,
                                                     .partition = 2,
                                                     .lost = policy,
                                                     .clock = &f.clock.clock,
                                                     .random = &f.random.random,
                                                     .published = on_published,
                                                     .lost_upload = on_lost,
                                                     .failed = on_failed});
}

static int set_up(void **state) {
    (void)state;
    static const struct memory_traits traits = {.min_part = 5, .max_parts = 100};
    f = (struct fixture){0};
    fake_clock_init(&f.clock);
    fake_random_init(&f.random, 1);
    f.world = memory_world_new(&traits, &f.clock.clock);
    f.store = memory_store_open(f.world);
    memory_store_hold(f.store, true);
    open_commits(LOST_STOP);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    store_free(f.store);
    commits_free(f.commits);
    memory_world_free(f.world);
    return 0;
}

/* What happens between an upload's begin and its seal: `n` parts of ten bytes. */
static struct file_entry upload(const char *key, int n) {
    struct file_entry e = sample_file(key, 100, 20, n);
    struct budget budget;
    budget_init(&budget, SIZE_MAX);
    struct store *s = memory_store_open(f.world);
    struct store_op op = {.kind = STORE_UPLOAD_CREATE, .key = key};
    assert_int_equal(store_call(s, &op), 0);
    free(e.upload);
    e.upload = op.upload_id;
    op.upload_id = NULL;
    struct chunk *c = chunk_new(&budget, 10);
    memcpy(c->data, "123456789\n", 10);
    c->len = 10;
    for (int i = 0; i < n; i++) {
        op = (struct store_op){.kind = STORE_UPLOAD_PART,
                               .key = key,
                               .upload = e.upload,
                               .part = i + 1,
                               .chunks = c,
                               .bytes = 10,
                               .offset = (uint64_t)i * 10,
                               .crc32c = crc32c(0, c->data, 10)};
        assert_int_equal(store_call(s, &op), 0);
        memcpy(e.parts[i].etag, op.etag, sizeof op.etag);
        e.parts[i].crc32c = op.crc32c;
    }
    chunk_free(c);
    store_free(s);
    return e;
}

static void add(const char *key) {
    struct file_entry e = upload(key, 2);
    commits_add(f.commits, &e, true, true);
}

/* A checkpoint with what is there now becomes durable. */
static void checkpoint(void) {
    struct checkpoint k = {.number = ++f.number, .identity = sample_identity(), .next = 1000};
    commits_snapshot(f.commits, &k);
    commits_durable(f.commits, &k);
    checkpoint_clear(&k);
}

static void pass(int64_t ms) {
    for (int64_t end = f.clock.monotonic + ms; f.clock.monotonic < end;) {
        fake_clock_advance(&f.clock, 100);
        commits_tick(f.commits, f.clock.monotonic);
        (void)memory_store_drain(f.store);
    }
}

static void run(void) {
    pass(200);
}

static bool visible(const char *key) {
    return memory_world_object(f.world, key, NULL) != NULL;
}

static void fail_complete(enum error_code code, enum memory_fault when) {
    memory_store_fail(f.store, STORE_UPLOAD_COMPLETE, 1, code, when);
}

static void expect(int published, int lost, int failed) {
    assert_int_equal(f.published, published);
    assert_int_equal(f.lost, lost);
    assert_int_equal(f.failed, failed);
}

/* ---- Rule 8 ------------------------------------------------------------------------------------- */

static void test_rule_8_not_before_a_durable_checkpoint(void **state) {
    (void)state;
    add("a");
    pass(100000);
    assert_false(visible("a"));
    assert_int_equal(commits_unlisted(f.commits), 1);
    checkpoint();
    run();
    assert_true(visible("a"));
    assert_int_equal(commits_unlisted(f.commits), 0);
}

static void test_rule_8_what_comes_after_the_snapshot_waits_for_the_next(void **state) {
    (void)state;
    add("a");
    struct checkpoint k = {.number = ++f.number, .identity = sample_identity()};
    commits_snapshot(f.commits, &k);
    add("b");
    commits_durable(f.commits, &k);
    checkpoint_clear(&k);
    run();
    assert_true(visible("a"));
    assert_false(visible("b"));
    assert_int_equal(commits_count(f.commits), 1);
    checkpoint();
    run();
    assert_true(visible("b"));
    assert_int_equal(commits_count(f.commits), 0);
    assert_int_equal(memory_world_count(f.world, MANIFESTS), 2);
}

static void test_rule_8_manifest_after_all_its_files(void **state) {
    (void)state;
    add("a");
    add("b");
    fail_complete(ERR_UNKNOWN, FAULT_BEFORE);
    checkpoint();
    (void)memory_store_drain(f.store);
    commits_tick(f.commits, f.clock.monotonic);
    assert_true(visible("b"));
    assert_int_equal(memory_world_count(f.world, MANIFESTS), 0);
    assert_int_equal(commits_count(f.commits), 2);
    pass(1000);
    assert_int_equal(memory_world_count(f.world, MANIFESTS), 1);
    assert_int_equal(commits_count(f.commits), 0);
}

static void test_rule_8_no_manifest_where_nothing_is_committed(void **state) {
    (void)state;
    checkpoint();
    run();
    assert_int_equal(memory_world_count(f.world, MANIFESTS), 0);
}

static void test_rule_8_manifest_says_what_the_checkpoint_committed(void **state) {
    (void)state;
    add("a");
    checkpoint();
    run();
    size_t len;
    const char *data =
        memory_world_object(f.world, MANIFESTS "chk-00000000000000000001.json", &len);
    struct manifest m;
    struct error e;
    assert_int_equal(manifest_decode(data, len, &m, &e), 0);
    assert_int_equal(m.n_files, 1);
    assert_string_equal(m.files[0].key, "a");
    manifest_clear(&m);
}

static void test_rule_8_lost_answer_then_no_such_upload_is_success(void **state) {
    (void)state;
    add("a");
    fail_complete(ERR_UNKNOWN, FAULT_AFTER);
    checkpoint();
    pass(1000);
    expect(1, 0, 0);
    assert_int_equal(commits_count(f.commits), 0);
}

static void fail_head(enum error_code code) {
    memory_store_fail(f.store, STORE_HEAD, 1, code, FAULT_BEFORE);
}

static void test_rule_8_a_look_that_fails_is_repeated(void **state) {
    (void)state;
    add("a");
    fail_complete(ERR_NO_SUCH_UPLOAD, FAULT_AFTER);
    fail_head(ERR_UNAVAILABLE);
    checkpoint();
    pass(1000);
    expect(1, 0, 0);
    assert_int_equal(memory_world_requests(f.world, STORE_UPLOAD_COMPLETE), 2);
}

/* A Complete that was told of an existing key, which a consumer took away, or which never was there. */
static void test_rule_8_a_look_that_finds_nothing_is_no_loss(void **state) {
    (void)state;
    add("a");
    fail_complete(ERR_EXISTS, FAULT_BEFORE);
    checkpoint();
    pass(1000);
    expect(1, 0, 0);
    assert_true(visible("a"));
}

static void test_rule_8_a_look_that_is_denied_stops(void **state) {
    (void)state;
    add("a");
    fail_complete(ERR_NO_SUCH_UPLOAD, FAULT_AFTER);
    fail_head(ERR_DENIED);
    checkpoint();
    pass(1000);
    expect(0, 0, 1);
    assert_int_equal(f.error.code, ERR_DENIED);
    assert_non_null(strstr(f.error.text, "partition 2: cannot look at s3://memory/a"));
}

static void test_rule_8_conflict_and_slow_down_are_repeated(void **state) {
    (void)state;
    add("a");
    fail_complete(ERR_CONFLICT, FAULT_BEFORE);
    memory_store_fail(f.store, STORE_UPLOAD_COMPLETE, 2, ERR_UNAVAILABLE, FAULT_BEFORE);
    checkpoint();
    pass(3000);
    expect(1, 0, 0);
}

static void test_rule_8_denied_stops(void **state) {
    (void)state;
    add("a");
    fail_complete(ERR_DENIED, FAULT_BEFORE);
    checkpoint();
    pass(3000);
    expect(0, 0, 1);
    assert_int_equal(f.error.code, ERR_DENIED);
}

static void test_rule_8_an_object_of_another_size_stops(void **state) {
    (void)state;
    add("a");
    memory_world_plant(f.world, "a", "foreign", 7);
    checkpoint();
    pass(3000);
    expect(0, 0, 1);
    assert_int_equal(f.error.code, ERR_CORRUPT);
}

static void test_rule_8_manifest_is_repeated_and_may_exist(void **state) {
    (void)state;
    add("a");
    memory_store_fail(f.store, STORE_PUT_IF_ABSENT, 1, ERR_UNKNOWN, FAULT_AFTER);
    checkpoint();
    pass(3000);
    assert_int_equal(commits_count(f.commits), 0);
    assert_int_equal(memory_world_requests(f.world, STORE_PUT_IF_ABSENT), 2);
    expect(1, 0, 0);
}

static void test_rule_8_manifest_denied_stops(void **state) {
    (void)state;
    add("a");
    memory_store_fail(f.store, STORE_PUT_IF_ABSENT, 1, ERR_DENIED, FAULT_BEFORE);
    checkpoint();
    pass(3000);
    expect(1, 0, 1);
    assert_int_equal(commits_count(f.commits), 1);
}

static void test_rule_8_an_entry_stands_in_checkpoints_until_its_manifest(void **state) {
    (void)state;
    add("a");
    checkpoint();
    (void)memory_store_drain(f.store); /* visible */
    assert_true(visible("a"));
    struct checkpoint k = {.identity = sample_identity()};
    commits_snapshot(f.commits, &k);
    assert_int_equal(k.n_commits, 1);
    assert_string_equal(k.commits[0].key, "a");
    checkpoint_clear(&k);
}

/* ---- Inherited (rules 5 and 9) ------------------------------------------------------------------ */

/* A claim that inherited `inherited` of these commits. */
static void restore(size_t n, size_t inherited, const char *const *keys) {
    struct checkpoint k = {.number = ++f.number, .identity = sample_identity()};
    k.commits = xcalloc(n, sizeof *k.commits);
    for (size_t i = 0; i < n; i++)
        k.commits[k.n_commits++] = upload(keys[i], 2);
    commits_restore(f.commits, &k, inherited);
    checkpoint_clear(&k);
}

static void drop(int upload_number) {
    char id[32];
    (void)snprintf(id, sizeof id, "upload-%06d", upload_number);
    assert_true(memory_world_drop_upload(f.world, id));
}

static const char *const keys[] = {"a", "b"};

static void test_rule_5_inherited_commits_are_published_with_a_manifest_of_the_claim(void **state) {
    (void)state;
    restore(2, 1, keys);
    assert_true(memory_store_pending_op(f.store, 0)->inherited);
    run();
    expect(2, 0, 0);
    assert_int_equal(memory_world_count(f.world, MANIFESTS), 1);
}

static void test_rule_9_fresh_and_gone_at_first_is_lost(void **state) {
    (void)state;
    restore(2, 1, keys);
    drop(2);
    run();
    expect(1, 1, 0);
    assert_int_equal(f.error.code, ERR_NO_SUCH_UPLOAD);
    assert_true(commits_settled(f.commits));
    assert_int_equal(memory_world_count(f.world, MANIFESTS), 0);
}

static void test_rule_9_own_and_gone_at_first_is_lost(void **state) {
    (void)state;
    add("a");
    drop(1);
    checkpoint();
    run();
    expect(0, 1, 0);
}

static void test_rule_9_lost_part_is_lost(void **state) {
    (void)state;
    add("a");
    fail_complete(ERR_INVALID_PART, FAULT_BEFORE);
    checkpoint();
    run();
    expect(0, 1, 0);
}

static void test_rule_9_too_small_is_lost(void **state) {
    (void)state;
    add("a");
    fail_complete(ERR_TOO_SMALL, FAULT_BEFORE);
    checkpoint();
    run();
    expect(0, 1, 0);
}

static void test_rule_9_gone_but_visible_is_success(void **state) {
    (void)state;
    restore(2, 1, keys);
    drop(2);
    memory_world_plant(f.world, "b", "123456789\n123456789\n", 20);
    run();
    expect(2, 0, 0);
}

static void test_rule_9_not_after_an_unknown_first_answer(void **state) {
    (void)state;
    add("a");
    fail_complete(ERR_UNKNOWN, FAULT_BEFORE);
    checkpoint();
    (void)memory_store_drain(f.store);
    drop(1);
    pass(60000);
    expect(0, 0, 0);
    pass(20000);
    expect(0, 0, 1);
}

static void test_rule_9_inherited_and_gone_for_a_minute_stops_and_names_it(void **state) {
    (void)state;
    restore(2, 1, keys);
    drop(1);
    pass(59000);
    expect(1, 0, 0);
    pass(20000);
    expect(1, 0, 1);
    assert_int_equal(f.error.code, ERR_NO_SUCH_UPLOAD);
    assert_non_null(strstr(f.error.text, "s3://memory/a"));
    assert_non_null(strstr(f.error.text, "--lost=removed"));
}

/* MinIO, when a client goes away in the middle of Complete: the upload is known, its parts are not, for
 * ever. It cannot have been published. */
static void test_rule_9_inherited_and_without_its_parts_is_lost(void **state) {
    (void)state;
    restore(1, 1, keys);
    for (int i = 1; i <= 100; i++)
        memory_store_fail(f.store, STORE_UPLOAD_COMPLETE, i, ERR_INVALID_PART, FAULT_BEFORE);
    pass(9000);
    expect(0, 0, 0);
    pass(20000);
    expect(0, 1, 0);
}

/* The predecessor put the manifest and died; a consumer moved the file, as it may. */
static void test_rule_9_gone_but_in_a_manifest_is_done(void **state) {
    (void)state;
    f.number = 17;
    restore(1, 1, keys); /* by claim 18 */
    struct checkpoint before = {.number = 15, .identity = sample_identity()};
    before.commits = xcalloc(1, sizeof *before.commits);
    before.n_commits = 1;
    before.commits[0] = (struct file_entry){.key = xstrdup("a"), .window = TS_NONE};
    struct buffer b;
    buffer_init(&b, 10000);
    manifest_encode(&before, &b);
    memory_world_plant(f.world, MANIFESTS "chk-00000000000000000015.json", b.data, b.len);
    buffer_free(&b);
    checkpoint_clear(&before);
    drop(1);
    pass(1000);
    expect(1, 0, 0);
}

/* Not even one that is corrupt: it says nothing about the file. */
static void test_rule_9_older_manifests_are_not_searched_for_ever(void **state) {
    (void)state;
    f.number = 100;
    restore(1, 1, keys); /* by claim 101 */
    memory_world_plant(f.world, MANIFESTS "chk-00000000000000000099.json", "x", 1);
    drop(1);
    pass(1000);
    expect(0, 0, 0);
    assert_int_equal(memory_world_requests(f.world, STORE_GET), 64);
    pass(90000);
    expect(0, 0, 1);
    assert_int_equal(memory_world_requests(f.world, STORE_GET),
                     128); /* once more before it stops */
}

static void count_files(void *ctx, const struct file_entry *file) {
    assert_non_null(file->key);
    ++*(int *)ctx;
}

static void test_each_is_seen_until_its_manifest(void **state) {
    (void)state;
    int n = 0;
    add("a");
    add("b");
    commits_each(f.commits, count_files, &n);
    assert_int_equal(n, 2);
    checkpoint();
    run();
    commits_each(f.commits, count_files, &n);
    assert_int_equal(n, 2);
}

static void test_rule_9_gone_object_that_appears_within_the_minute_is_success(void **state) {
    (void)state;
    restore(1, 1, keys);
    drop(1);
    pass(30000);
    memory_world_plant(f.world, "a", "123456789\n123456789\n", 20);
    pass(40000);
    expect(1, 0, 0);
}

static void reopen(enum lost_policy policy) {
    commits_free(f.commits);
    open_commits(policy);
}

static void test_rule_9_operator_says_rebuild(void **state) {
    (void)state;
    reopen(LOST_REBUILD);
    restore(1, 1, keys);
    drop(1);
    pass(50000); /* a Complete of a process that is not quite dead may still be on its way */
    expect(0, 0, 0);
    pass(30000);
    expect(0, 1, 0);
}

static void test_rule_9_operator_says_removed(void **state) {
    (void)state;
    reopen(LOST_REMOVED);
    restore(1, 1, keys);
    drop(1);
    pass(50000);
    expect(0, 0, 0);
    pass(30000);
    expect(1, 0, 0);
    assert_int_equal(memory_world_count(f.world, MANIFESTS), 1);
}

static void test_rule_9_rebuild_puts_a_gap_in_its_place(void **state) {
    (void)state;
    restore(2, 1, keys);
    drop(2);
    run();
    struct checkpoint k = {.identity = sample_identity(), .next = 1000, .replay_from = 500};
    k.listed[CLASS_EVENT] = (struct totals){40, 2 * 0xfedcba9876543210u};
    commits_snapshot(f.commits, &k);
    commits_rebuild(f.commits, &k);
    assert_int_equal(k.n_commits, 1);
    assert_string_equal(k.commits[0].key, "a");
    assert_int_equal(k.n_gaps, 1);
    assert_int_equal(k.gaps[0].from, 100);
    assert_int_equal(k.gaps[0].to, 119);
    assert_int_equal(k.gaps[0].events, 20);
    assert_int_equal(k.gaps[0].window, 1729630800000);
    assert_int_equal(k.replay_from, 100);
    assert_true(k.replay_max_ts == TS_NONE);
    assert_int_equal(k.listed[CLASS_EVENT].events, 20);
    assert_true(k.listed[CLASS_EVENT].hash == 0xfedcba9876543210u);
    checkpoint_clear(&k);
}

static void test_rule_9_rebuild_does_not_raise_the_replay_point(void **state) {
    (void)state;
    add("a");
    drop(1);
    checkpoint();
    run();
    struct checkpoint k = {.identity = sample_identity(), .replay_from = 50, .replay_max_ts = 7};
    commits_snapshot(f.commits, &k);
    commits_rebuild(f.commits, &k);
    assert_int_equal(k.replay_from, 50);
    assert_int_equal(k.replay_max_ts, 7);
    checkpoint_clear(&k);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_rule_8_not_before_a_durable_checkpoint),
        CASE(test_rule_8_what_comes_after_the_snapshot_waits_for_the_next),
        CASE(test_rule_8_manifest_after_all_its_files),
        CASE(test_rule_8_no_manifest_where_nothing_is_committed),
        CASE(test_rule_8_manifest_says_what_the_checkpoint_committed),
        CASE(test_rule_8_lost_answer_then_no_such_upload_is_success),
        CASE(test_rule_8_a_look_that_fails_is_repeated),
        CASE(test_rule_8_a_look_that_finds_nothing_is_no_loss),
        CASE(test_rule_8_a_look_that_is_denied_stops),
        CASE(test_rule_8_conflict_and_slow_down_are_repeated),
        CASE(test_rule_8_denied_stops),
        CASE(test_rule_8_an_object_of_another_size_stops),
        CASE(test_rule_8_manifest_is_repeated_and_may_exist),
        CASE(test_rule_8_manifest_denied_stops),
        CASE(test_rule_8_an_entry_stands_in_checkpoints_until_its_manifest),
        CASE(test_rule_5_inherited_commits_are_published_with_a_manifest_of_the_claim),
        CASE(test_rule_9_fresh_and_gone_at_first_is_lost),
        CASE(test_rule_9_own_and_gone_at_first_is_lost),
        CASE(test_rule_9_lost_part_is_lost),
        CASE(test_rule_9_too_small_is_lost),
        CASE(test_rule_9_gone_but_visible_is_success),
        CASE(test_rule_9_not_after_an_unknown_first_answer),
        CASE(test_rule_9_inherited_and_gone_for_a_minute_stops_and_names_it),
        CASE(test_rule_9_inherited_and_without_its_parts_is_lost),
        CASE(test_rule_9_gone_but_in_a_manifest_is_done),
        CASE(test_rule_9_older_manifests_are_not_searched_for_ever),
        CASE(test_each_is_seen_until_its_manifest),
        CASE(test_rule_9_gone_object_that_appears_within_the_minute_is_success),
        CASE(test_rule_9_operator_says_rebuild),
        CASE(test_rule_9_operator_says_removed),
        CASE(test_rule_9_rebuild_puts_a_gap_in_its_place),
        CASE(test_rule_9_rebuild_does_not_raise_the_replay_point),
    };
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
