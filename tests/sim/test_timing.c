/* What the rules promise to do by some time: when a file is sealed (rule 7), when a checkpoint is put and
 * when patience ends (rule 13). Without them nothing is lost, so the oracle alone would not notice. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "checkpoint/chain.h"
#include "shapes.h"
#include "support/sim_process.h"

enum { LINE_MAX_BYTES = 32, NEVER_MS = 1 << 30 };

struct scene {
    struct sim_log log;
    struct rules rules;
    struct world *world;
    struct player *player;
};

/* Nothing is sealed before its time, and checkpoints come every second. */
static void prepare(struct scene *s, int traits, enum log_kind kind, int64_t records) {
    struct fake_random r;
    fake_random_init(&r, 1);
    sim_log_init(&s->log, &sim_rules);
    fill_log(&s->log, kind, records, &r.random);
    s->world = world_new(traits, &s->log, 1);
    s->rules = player_rules();
    s->rules.endless = true;
    s->rules.config.idle_flush_ms = s->rules.config.max_file_age_ms = NEVER_MS;
    s->rules.config.max_file_size = 1 << 30;
    s->rules.config.max_replay = 1 << 30;
}

/* A tenth of a second and a record at a time. */
static void work(struct scene *s, int turns) {
    if (!s->player)
        s->player = player_new(s->world, &s->rules, 1);
    struct player *pr = s->player;
    for (; turns > 0 && player_at_work(pr) && !*s->world->failure; turns--) {
        player_run(pr, 1);
        while (handle_step(pr->handle, 0, NULL) && !*s->world->failure)
            ;
        player_poll(pr);
        fake_clock_advance(&s->world->clock, 100);
    }
}

static void end(struct scene *s) {
    if (*s->world->failure)
        fail_msg("%s", s->world->failure);
    player_kill(s->player);
    world_free(s->world);
    sim_log_free(&s->log);
}

struct seen {
    size_t files, largest;
};

static void see(void *ctx, const char *key, const char *data, size_t len) {
    struct seen *seen = ctx;
    (void)key;
    (void)data;
    seen->files++;
    if (len > seen->largest)
        seen->largest = len;
}

static struct seen visible(const struct scene *s) {
    struct seen seen = {0, 0};
    world_each(s->world, "dt=", see, &seen);
    return seen;
}

static uint64_t newest(const struct scene *s) {
    return chain_newest(s->player->p->chain)->number;
}

static void test_without_a_reason_nothing_is_sealed(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_S3, LOG_ONE, 60);
    work(&s, 120);
    assert_int_equal(visible(&s).files, 0);
    end(&s);
}

static void test_rule_7_a_closed_window_is_published(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_S3, LOG_ORDERED, 60); /* a third of a window each */
    work(&s, 90);
    assert_in_range(visible(&s).files, 15, 20);
    end(&s);
}

static void test_rule_7_sealed_by_size(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_S3, LOG_ONE, 60);
    s.rules.config.max_file_size = 90;
    work(&s, 90);
    struct seen seen = visible(&s);
    assert_in_range(seen.files, 3, 60);
    assert_in_range(seen.largest, 90, 90 + LINE_MAX_BYTES);
    end(&s);
}

static void test_rule_7_sealed_by_age(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_S3, LOG_ONE, 20);
    s.rules.config.max_file_age_ms = 3000;
    work(&s, 20);
    assert_int_equal(visible(&s).files, 0);
    work(&s, 40);
    assert_int_equal(visible(&s).files, 1);
    end(&s);
}

static void test_rule_7_sealed_by_idleness(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_S3, LOG_ONE, 20);
    s.rules.config.idle_flush_ms = 3000;
    work(&s, 40);
    assert_int_equal(visible(&s).files, 0);
    int64_t watermark = partition_watermark(s.player->p);
    work(&s, 40);
    assert_int_equal(visible(&s).files, 1);
    assert_true(partition_watermark(s.player->p) == watermark);
    end(&s);
}

/* Its parts stay small, so that none is acknowledged before the file is sealed. */
static void test_rule_7_sealed_by_what_must_be_replayed(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_S3, LOG_ONE, 60);
    s.rules.config.part_size = 1 << 20;
    s.rules.config.max_replay = 10;
    work(&s, 90);
    assert_in_range(visible(&s).files, 3, 8);
    const struct checkpoint *k = chain_newest(s.player->p->chain);
    assert_in_range(k->next - k->replay_from, 0, 11);
    end(&s);
}

static void test_rule_7_emit_checkpoint_seals_everything(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_S3, LOG_ONE, 60);
    s.rules.config.emit_checkpoint = true;
    work(&s, 90);
    assert_in_range(visible(&s).files, 4, 12);
    end(&s);
}

static void test_rule_7_a_directory_ships_all_tails(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_DIRECTORY, LOG_ONE, 20);
    s.rules.config.part_size = 1 << 20;
    work(&s, 60);
    const struct checkpoint *k = chain_newest(s.player->p->chain);
    assert_int_equal(k->next, 20);
    assert_int_equal(k->n_gaps, 0);
    assert_int_equal(k->replay_from, 20);
    end(&s);
}

static void test_rule_13_checkpoints_by_interval_and_none_without_change(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_S3, LOG_ONE, 40);
    work(&s, 40);
    assert_in_range(newest(&s), 4, 6); /* 4 s, and the claim */
    work(&s, 20);
    uint64_t before = newest(&s);
    work(&s, 300);
    assert_int_equal(newest(&s), before);
    end(&s);
}

static void test_rule_13_much_that_was_read_does_not_wait_for_the_interval(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_S3, LOG_ONE, 60);
    s.rules.config.interval_ms = NEVER_MS;
    s.rules.config.min_pause_ms = 2000;
    s.rules.config.max_replay = 100;
    work(&s, 90);
    assert_int_equal(visible(&s).files, 0);
    assert_in_range(newest(&s), 3, 6);
    end(&s);
}

static void test_rule_13_finished_files_do_not_wait_for_the_interval(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_S3, LOG_ORDERED, 60);
    s.rules.config.interval_ms = NEVER_MS;
    s.rules.config.min_pause_ms = 2000;
    work(&s, 90);
    assert_in_range(visible(&s).files, 10, 20);
    assert_in_range(newest(&s), 3, 6);
    end(&s);
}

static void test_rule_13_a_store_that_is_silent_fails_the_partition(void **state) {
    (void)state;
    struct scene s = {0};
    prepare(&s, TRAITS_S3, LOG_ONE, 40);
    s.rules.config.timeout_ms = 10000;
    work(&s, 10);
    struct player *pr = s.player;
    int64_t since = s.world->clock.monotonic;
    for (int i = 0; i < 1000 && player_at_work(pr); i++) {
        player_run(pr, 1);
        player_poll(pr);
        fake_clock_advance(&s.world->clock, 100);
    }
    assert_int_equal(pr->p->status, PARTITION_FAILED);
    assert_int_equal(pr->p->error.code, ERR_UNAVAILABLE);
    assert_in_range(s.world->clock.monotonic - since, 40000, 43000);
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_reason_nothing_is_sealed),
        cmocka_unit_test(test_rule_7_a_closed_window_is_published),
        cmocka_unit_test(test_rule_7_sealed_by_size),
        cmocka_unit_test(test_rule_7_sealed_by_age),
        cmocka_unit_test(test_rule_7_sealed_by_idleness),
        cmocka_unit_test(test_rule_7_sealed_by_what_must_be_replayed),
        cmocka_unit_test(test_rule_7_emit_checkpoint_seals_everything),
        cmocka_unit_test(test_rule_7_a_directory_ships_all_tails),
        cmocka_unit_test(test_rule_13_checkpoints_by_interval_and_none_without_change),
        cmocka_unit_test(test_rule_13_much_that_was_read_does_not_wait_for_the_interval),
        cmocka_unit_test(test_rule_13_finished_files_do_not_wait_for_the_interval),
        cmocka_unit_test(test_rule_13_a_store_that_is_silent_fails_the_partition),
    };
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
