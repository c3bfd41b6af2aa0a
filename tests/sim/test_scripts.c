/* Histories that chance does not find: each shows what one rule is for. */
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
#include "checkpoint/chain.h"
#include "shapes.h"
#include "support/sim_process.h"

struct script {
    struct sim_log log;
    struct rules rules;
    struct world *world;
};

static void begin(struct script *s, int traits, enum log_kind kind, int64_t records) {
    struct fake_random r;
    fake_random_init(&r, 1);
    sim_log_init(&s->log, &sim_rules);
    fill_log(&s->log, kind, records, &r.random);
    s->rules = player_rules();
    s->world = world_new(traits, &s->log, 1);
}

static void end(struct script *s) {
    if (*s->world->failure)
        fail_msg("%s", s->world->failure);
    world_free(s->world);
    sim_log_free(&s->log);
}

/* Some turns without faults. */
static void work(struct player *pr, int turns) {
    struct world *w = pr->world;
    for (; turns > 0 && player_at_work(pr) && !*w->failure; turns--) {
        player_run(pr, 1);
        while (handle_step(pr->handle, 0, NULL) && !*w->failure)
            ;
        player_poll(pr);
        fake_clock_advance(&w->clock, 100);
    }
}

static void work_until(struct player *pr, enum partition_status status) {
    for (int i = 0; i < 1000 && pr->p->status != status; i++)
        work(pr, 1);
    assert_int_equal(pr->p->status, status);
}

/* Requests are served until the next is of this kind. */
static void stop_before(struct player *pr, enum store_kind kind) {
    const struct store_op *op;
    player_run(pr, 0);
    while ((op = handle_op(pr->handle, 0)) && !(op->kind == kind && op->attempt == 0))
        (void)handle_step(pr->handle, 0, NULL);
    assert_non_null(op);
}

static void expect_stopped(struct script *s) {
    struct player *pr = player_new(s->world, &s->rules, 8);
    (void)player_finish(pr, 5, false);
    if (pr->p->status != PARTITION_STOPPED)
        fail_msg("it is %s: %s", player_status(pr), pr->p->error.text);
    player_kill(pr);
    oracle_end(s->world);
}

/* The clock's step would stop whoever waits by the wall clock. */
static void test_rule_1_own_bytes_are_success(void **state) {
    (void)state;
    static const struct fault answer_lost = {
        .name = "answer lost", .code = ERR_UNKNOWN, .applied = true};
    struct script s;
    begin(&s, TRAITS_S3, LOG_MIXED, 30);
    struct player *pr = player_new(s.world, &s.rules, 1);
    stop_before(pr, STORE_PUT_IF_ABSENT);
    (void)handle_step(pr->handle, 0, &answer_lost);
    s.world->clock.wall -= 3600000;
    (void)player_finish(pr, 5, false);
    if (pr->p->status != PARTITION_STOPPED)
        fail_msg("it is %s: %s", player_status(pr), pr->p->error.text);
    player_kill(pr);
    oracle_end(s.world);
    end(&s);
}

/* The newest was 1 when it looked; by the time it puts its claim, 2 has been put and collected. */
static void test_rule_2_a_claim_behind_others_is_void(void **state) {
    (void)state;
    struct script s;
    begin(&s, TRAITS_S3, LOG_MIXED, 120);
    s.rules.config.interval_ms = 100;
    struct player *owner = player_new(s.world, &s.rules, 1);
    work_until(owner, PARTITION_RUNNING);
    struct player *zombie = player_new(s.world, &s.rules, 2);
    stop_before(zombie, STORE_PUT_IF_ABSENT);
    work(owner, 60);
    size_t len;
    assert_null(world_object(s.world, CHAIN_PREFIX "chk-00000000000000000003.json", &len));
    work(zombie, 20);
    assert_int_equal(zombie->p->status, PARTITION_LOST);
    player_kill(zombie);
    (void)player_finish(owner, 5, false);
    player_kill(owner);
    struct player *last = player_new(s.world, &s.rules, 3);
    (void)player_finish(last, 5, false);
    player_kill(last);
    oracle_end(s.world);
    end(&s);
}

static void expect_failure(struct script *s, enum error_code code, const char *word) {
    struct player *pr = player_new(s->world, &s->rules, 9);
    (void)player_finish(pr, 5, false);
    if (pr->p->status != PARTITION_FAILED || pr->p->error.code != code ||
        !strstr(pr->p->error.text, word))
        fail_msg("it is %s: %s", player_status(pr), pr->p->error.text);
    player_kill(pr);
}

/* Somebody removes the newest checkpoints, down to one that is older than a manifest; then he brings
 * them back. In between no process may go on from what is left. */
static void test_rule_2_removed_checkpoints_are_missed(void **state) {
    (void)state;
    struct script s;
    begin(&s, TRAITS_S3, LOG_ORDERED, 120);
    struct player *pr = player_new(s.world, &s.rules, 1);
    for (int i = 0; i < 1000 && memory_world_count(s.world->memory, MANIFEST_PREFIX) < 3; i++)
        work(pr, 1);
    assert_int_equal(memory_world_count(s.world->memory, MANIFEST_PREFIX), 3);
    player_kill(pr);
    struct memory_world *whole = memory_world_clone(s.world->memory, NULL);
    const char *manifest = memory_world_key(whole, MANIFEST_PREFIX, 2);
    uint64_t published = chain_parse_name(manifest + strlen(MANIFEST_PREFIX));
    const char *key;
    for (size_t i = memory_world_count(whole, CHAIN_PREFIX); i > 0; i--) { /* at last all */
        key = memory_world_key(whole, CHAIN_PREFIX, i - 1);
        assert_true(memory_world_remove(s.world->memory, key));
        if (chain_parse_name(key + strlen(CHAIN_PREFIX)) <= published)
            expect_failure(&s, ERR_MISMATCH, manifest);
    }
    size_t len;
    for (size_t i = 0; (key = memory_world_key(whole, CHAIN_PREFIX, i)); i++) {
        const char *data = memory_world_object(whole, key, &len);
        memory_world_plant(s.world->memory, key, data, len);
    }
    memory_world_free(whole);
    pr = player_new(s.world, &s.rules, 2);
    (void)player_finish(pr, 5, false);
    assert_int_equal(pr->p->status, PARTITION_STOPPED);
    player_kill(pr);
    oracle_end(s.world);
    end(&s);
}

/* Its process has listed parts of open files, and dies. */
static void leave_open_files(struct script *s) {
    struct player *pr = player_new(s->world, &s->rules, 1);
    work(pr, 24);
    assert_int_equal(pr->p->status, PARTITION_RUNNING);
    assert_true(chain_newest(pr->p->chain)->n_files > 0);
    player_kill(pr);
}

static void test_rule_2_a_corrupt_newest_checkpoint_stops_the_job(void **state) {
    (void)state;
    struct script s;
    begin(&s, TRAITS_S3, LOG_ONE, 60);
    leave_open_files(&s);
    char name[32];
    chain_name(s.world->oracle.newest, name);
    char *key = xasprintf(CHAIN_PREFIX "%s", name);
    memory_world_plant(s.world->memory, key, "{}", 2);
    free(key);
    expect_failure(&s, ERR_CORRUPT, "never skipped");
    end(&s);
}

static void change_text(char **text) {
    free(*text);
    *text = xstrdup("another");
}

static void test_rule_2_checkpoints_of_another_job_are_refused(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct script s;
        begin(&s, TRAITS_S3, LOG_ONE, 60);
        leave_open_files(&s);
        struct player *pr = player_new(s.world, &s.rules, 2);
        struct identity *mine = &pr->identity;
        if (i == 0)
            change_text(&mine->cluster);
        else if (i == 1)
            change_text(&mine->topic);
        else if (i == 2)
            change_text(&mine->output);
        else if (i == 3)
            mine->partition++;
        else
            mine->settings[0]++;
        player_claim_again(pr);
        (void)player_finish(pr, 5, false);
        if (pr->p->status != PARTITION_FAILED || pr->p->error.code != ERR_MISMATCH)
            fail_msg("%d: it is %s: %s", i, player_status(pr), pr->p->error.text);
        player_kill(pr);
        end(&s);
    }
}

/* The claim after its own stands, however long it slept. */
static void test_rule_3_a_claim_stands_in_a_zombies_way(void **state) {
    (void)state;
    struct script s;
    begin(&s, TRAITS_S3, LOG_MIXED, 120);
    s.rules.config.interval_ms = 100;
    struct player *zombie = player_new(s.world, &s.rules, 1);
    work_until(zombie, PARTITION_RUNNING);
    struct player *owner = player_new(s.world, &s.rules, 2);
    work(owner, 60);
    assert_true(chain_newest(owner->p->chain)->number > 20);
    for (int i = 0; i < 50 && player_at_work(zombie) && !*s.world->failure; i++)
        work(zombie, 1);
    assert_int_equal(zombie->p->status, PARTITION_LOST);
    assert_int_equal(chain_newest(zombie->p->chain)->number, 1);
    player_kill(zombie);
    player_kill(owner);
    expect_stopped(&s);
    end(&s);
}

/* It has put 2, which arrives after it has given it up and looked for it. Others go on and collect 2,
 * so that its second try succeeds, far behind the chain. */
static void test_rule_3_a_number_put_again_behind_the_chain_is_lost(void **state) {
    (void)state;
    static const struct fault late = {.name = "no answer yet", .code = ERR_UNKNOWN, .late = true};
    struct script s;
    begin(&s, TRAITS_S3, LOG_MIXED, 120);
    s.rules.config.interval_ms = 100;
    struct player *zombie = player_new(s.world, &s.rules, 1);
    work_until(zombie, PARTITION_RUNNING);
    while (handle_pending(zombie->handle) == 0 ||
           handle_op(zombie->handle, 0)->kind != STORE_PUT_IF_ABSENT) {
        while (handle_pending(zombie->handle) > 0 &&
               handle_op(zombie->handle, 0)->kind != STORE_PUT_IF_ABSENT)
            (void)handle_step(zombie->handle, 0, NULL);
        if (handle_pending(zombie->handle) > 0)
            break;
        player_run(zombie, 1);
        fake_clock_advance(&s.world->clock, 100);
    }
    (void)handle_step(zombie->handle, 0, &late);
    (void)handle_step(zombie->handle, 0, NULL);
    fake_clock_advance(&s.world->clock, 1000);
    stop_before(zombie, STORE_GET);
    (void)handle_step(zombie->handle, 0, NULL); /* absent */
    (void)handle_step(zombie->handle, 0, NULL);
    assert_true(world_arrive(s.world, 0));
    struct player *owner = player_new(s.world, &s.rules, 2);
    work(owner, 60);
    size_t len;
    assert_null(world_object(s.world, CHAIN_PREFIX "chk-00000000000000000002.json", &len));
    uint64_t before = chain_newest(zombie->p->chain)->number;
    for (int i = 0; i < 50 && player_at_work(zombie); i++)
        work(zombie, 1);
    assert_int_equal(zombie->p->status, PARTITION_LOST);
    assert_int_equal(chain_newest(zombie->p->chain)->number, before);
    player_kill(zombie);
    player_kill(owner);
    expect_stopped(&s);
    end(&s);
}

/* What a gap holds is not in the topic any more (compacted, say). */
static void test_rule_6_a_gap_without_its_events_stops_the_job(void **state) {
    (void)state;
    struct script s;
    begin(&s, TRAITS_S3, LOG_ORDERED, 40);
    struct player *pr = player_new(s.world, &s.rules, 1);
    work(pr, 24);
    const struct checkpoint *k = chain_newest(pr->p->chain);
    assert_true(k->n_gaps > 0);
    int64_t gone = k->gaps[0].from;
    while (s.log.records[gone].window != k->gaps[0].window)
        gone++;
    player_kill(pr);
    s.world->compacted = gone + 1;
    expect_failure(&s, ERR_DATA_LOSS, "the topic has changed");
    end(&s);
}

/* An offset that was a tombstone holds an event when it is read again. */
static void test_rule_6_a_gap_with_more_events_stops_the_job(void **state) {
    (void)state;
    struct script s;
    begin(&s, TRAITS_S3, LOG_ONE, 1);
    struct sim_record event = s.log.records[0];
    while (s.log.n < 60)
        sim_log_add(&s.log, s.log.n % 3 ? RECORD_EVENT : RECORD_NULL, event.timestamp);
    s.world->log_end = s.log.n;
    struct player *pr = player_new(s.world, &s.rules, 1);
    work(pr, 24);
    const struct checkpoint *k = chain_newest(pr->p->chain);
    assert_true(k->n_gaps > 0);
    int64_t tombstone = k->gaps[0].from;
    while (s.log.records[tombstone].kind != RECORD_NULL)
        tombstone++;
    assert_in_range(tombstone, k->gaps[0].from, k->gaps[0].to);
    player_kill(pr);
    s.world->deaf = true;
    s.log.records[tombstone] = event;
    expect_failure(&s, ERR_DATA_LOSS, "Kafka has more");
    end(&s);
}

static const char *first_commit(struct player *pr) {
    for (int i = 0; i < 200; i++) {
        const struct store_op *op = handle_op(pr->handle, 0);
        if (op && op->kind == STORE_UPLOAD_COMPLETE)
            return op->key;
        if (!op) {
            player_run(pr, 1);
            fake_clock_advance(&pr->world->clock, 100);
        }
        (void)handle_step(pr->handle, 0, NULL);
    }
    fail_msg("there is no Complete");
    return NULL;
}

/* Somebody else's object stands at the key. */
static void test_rule_8_an_object_of_another_size_is_not_ours(void **state) {
    (void)state;
    struct script s;
    begin(&s, TRAITS_S3, LOG_ORDERED, 40);
    struct player *pr = player_new(s.world, &s.rules, 1);
    char *key = xstrdup(first_commit(pr));
    player_kill(pr);
    memory_world_plant(s.world->memory, key, "x", 1);
    expect_failure(&s, ERR_CORRUPT, "somebody else wrote this key");
    free(key);
    end(&s);
}

/* A claim has listed it already, so its process may have published it. */
static void test_rule_9_an_upload_that_others_listed_stops_the_job(void **state) {
    (void)state;
    struct script s;
    begin(&s, TRAITS_S3, LOG_ONE, 60);
    leave_open_files(&s);
    struct player *pr = player_new(s.world, &s.rules, 2);
    stop_before(pr, STORE_UPLOAD_COMPLETE);
    player_kill(pr);
    const char *id;
    while ((id = memory_world_upload(s.world->memory, 0)))
        (void)memory_world_drop_upload(s.world->memory, id);
    int64_t since = s.world->clock.monotonic;
    expect_failure(&s, ERR_NO_SUCH_UPLOAD, "--lost=rebuild");
    assert_in_range(s.world->clock.monotonic - since, 60000, 120000);
    s.rules.config.lost = LOST_REBUILD;
    pr = player_new(s.world, &s.rules, 3);
    while (player_finish(pr, 5, false) && pr->p->status == PARTITION_RECLAIM)
        player_claim_again(pr);
    assert_int_equal(pr->p->status, PARTITION_STOPPED);
    player_kill(pr);
    oracle_end(s.world);
    end(&s);
}

/* Published and taken away, the operator says. */
static void test_rule_9_the_operator_knows_that_it_was_removed(void **state) {
    (void)state;
    struct script s;
    begin(&s, TRAITS_S3, LOG_ONE, 60);
    leave_open_files(&s);
    struct player *pr = player_new(s.world, &s.rules, 2);
    stop_before(pr, STORE_UPLOAD_COMPLETE);
    player_kill(pr);
    const char *id;
    while ((id = memory_world_upload(s.world->memory, 0)))
        (void)memory_world_drop_upload(s.world->memory, id);
    for (size_t i = 0; i < s.world->oracle.n_files; i++)
        s.world->oracle.files[i].taken = true;
    s.rules.config.lost = LOST_REMOVED;
    expect_stopped(&s);
    end(&s);
}

/* The first Complete may have published it, so the second's answer proves nothing. */
static void test_rule_9_only_the_first_answer_says_that_it_was_lost(void **state) {
    (void)state;
    static const struct fault answer_lost = {
        .name = "answer lost", .code = ERR_UNKNOWN, .applied = true};
    struct script s;
    begin(&s, TRAITS_S3, LOG_ORDERED, 40);
    struct player *pr = player_new(s.world, &s.rules, 1);
    char *key = xstrdup(first_commit(pr));
    (void)handle_step(pr->handle, 0, &answer_lost);
    (void)handle_step(pr->handle, 0, NULL);
    assert_true(memory_world_remove(s.world->memory, key));
    (void)player_finish(pr, 5, false);
    if (pr->p->status != PARTITION_FAILED || pr->p->error.code != ERR_NO_SUCH_UPLOAD)
        fail_msg("it is %s: %s", player_status(pr), pr->p->error.text);
    player_kill(pr);
    free(key);
    end(&s);
}

/* A process that lost and claims again inherits an upload of its own, to which it had gone on adding. */
static void test_rule_11_an_own_upload_that_was_inherited_is_copied(void **state) {
    (void)state;
    struct script s;
    begin(&s, TRAITS_DIRECTORY, LOG_ONE, 60);
    struct player *first = player_new(s.world, &s.rules, 1);
    for (int i = 0; i < 40 && first->p->n_files == 0; i++)
        work(first, 1);
    work(first, 14); /* listed */
    assert_true(chain_newest(first->p->chain)->n_files > 0);
    struct player *other = player_new(s.world, &s.rules, 2);
    stop_before(other, STORE_UPLOAD_COMPLETE);
    player_kill(other);
    work_until(first, PARTITION_LOST);
    player_claim_again(first);
    (void)player_finish(first, 5, false);
    if (first->p->status != PARTITION_STOPPED)
        fail_msg("it is %s: %s", player_status(first), first->p->error.text);
    player_kill(first);
    oracle_end(s.world);
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_1_own_bytes_are_success),
        cmocka_unit_test(test_rule_2_a_claim_behind_others_is_void),
        cmocka_unit_test(test_rule_2_removed_checkpoints_are_missed),
        cmocka_unit_test(test_rule_2_a_corrupt_newest_checkpoint_stops_the_job),
        cmocka_unit_test(test_rule_2_checkpoints_of_another_job_are_refused),
        cmocka_unit_test(test_rule_3_a_claim_stands_in_a_zombies_way),
        cmocka_unit_test(test_rule_3_a_number_put_again_behind_the_chain_is_lost),
        cmocka_unit_test(test_rule_6_a_gap_without_its_events_stops_the_job),
        cmocka_unit_test(test_rule_6_a_gap_with_more_events_stops_the_job),
        cmocka_unit_test(test_rule_8_an_object_of_another_size_is_not_ours),
        cmocka_unit_test(test_rule_9_an_upload_that_others_listed_stops_the_job),
        cmocka_unit_test(test_rule_9_the_operator_knows_that_it_was_removed),
        cmocka_unit_test(test_rule_9_only_the_first_answer_says_that_it_was_lost),
        cmocka_unit_test(test_rule_11_an_own_upload_that_was_inherited_is_copied),
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
