/* Put, claim and collection of checkpoints (rules 1, 2 and 3). */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"
#include "checkpoint/chain.h"
#include "checkpoint/checkpoint_samples.h"
#include "checkpoint/codec.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/memory_store.h"

#define PREFIX "job/clicks/p00002/"
#define MANIFESTS "_manifests/job/clicks/p00002/"

struct process {
    struct store *store;
    struct fake_random random;
    struct chain *chain;
    int results[3]; /* by chain_result */
    struct error error;
};

struct fixture {
    struct fake_clock clock;
    struct memory_world *world;
    struct identity identity;
    struct process a, b;
};

static struct fixture f;

static void on_done(void *ctx, enum chain_result result, const struct error *error) {
    struct process *p = ctx;
    p->results[result]++;
    if (error)
        p->error = *error;
}

static void process_start(struct process *p, uint64_t seed) {
    memset(p->results, 0, sizeof p->results);
    fake_random_init(&p->random, seed);
    p->store = memory_store_open(f.world);
    memory_store_hold(p->store, true);
    p->chain = chain_new(&(struct chain_config){.store = p->store,
                                                .prefix = PREFIX,
                                                .output = p->store,
                                                .manifest_prefix = MANIFESTS,
                                                .identity = &f.identity,
                                                .host = "host",
                                                .version = "1",
                                                .pid = (int64_t)seed,
                                                .clock = &f.clock.clock,
                                                .random = &p->random.random,
                                                .done = on_done,
                                                .ctx = p});
}

static void process_end(struct process *p) {
    store_free(p->store);
    chain_free(p->chain);
}

static int set_up(void **state) {
    (void)state;
    f = (struct fixture){0};
    fake_clock_init(&f.clock);
    f.world = memory_world_new(&memory_like_s3, &f.clock.clock);
    f.identity = sample_identity();
    process_start(&f.a, 1);
    process_start(&f.b, 2);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    process_end(&f.a);
    process_end(&f.b);
    identity_clear(&f.identity);
    memory_world_free(f.world);
    return 0;
}

/* Answers what is under way and lets back-offs pass. */
static void run(struct process *p) {
    for (int i = 0; i < 50; i++) {
        (void)memory_store_drain(p->store);
        fake_clock_advance(&f.clock, 1000);
        chain_tick(p->chain, f.clock.monotonic);
    }
    (void)memory_store_drain(p->store);
}

static void claim(struct process *p) {
    chain_claim(p->chain, 100);
    run(p);
}

static void put_begin(struct process *p, int64_t next) {
    struct checkpoint k = {.next = next, .replay_from = next, .replay_max_ts = TS_NONE};
    chain_put(p->chain, &k, f.clock.monotonic);
}

static void put(struct process *p, int64_t next) {
    put_begin(p, next);
    run(p);
}

static void expect(const struct process *p, int durable, int lost, int failed) {
    assert_int_equal(p->results[CHAIN_DURABLE], durable);
    assert_int_equal(p->results[CHAIN_LOST], lost);
    assert_int_equal(p->results[CHAIN_FAILED], failed);
    assert_false(chain_busy(p->chain));
}

static const char *key(uint64_t number) {
    static char text[64];
    char name[32];
    chain_name(number, name);
    (void)snprintf(text, sizeof text, PREFIX "%s", name);
    return text;
}

static bool exists(uint64_t number) {
    return memory_world_object(f.world, key(number), NULL) != NULL;
}

static struct checkpoint stored(uint64_t number) {
    size_t len;
    const char *data = memory_world_object(f.world, key(number), &len);
    struct checkpoint k;
    struct error e;
    assert_non_null(data);
    assert_int_equal(checkpoint_decode(data, len, &k, &e), 0);
    return k;
}

static void refuse_put(struct process *p, enum error_code code, enum memory_fault when) {
    memory_store_fail(p->store, STORE_PUT_IF_ABSENT, 1, code, when);
}

static void test_names(void **state) {
    (void)state;
    char name[32];
    chain_name(17, name);
    assert_string_equal(name, "chk-00000000000000000017.json");
    assert_int_equal(chain_parse_name(name), 17);
    assert_int_equal(chain_parse_name("chk-17.json"), 0);
    assert_int_equal(chain_parse_name("chk-0000000000000000001x.json"), 0);
    assert_int_equal(chain_parse_name("chk-00000000000000000017.json.tmp"), 0);
    assert_int_equal(chain_parse_name("start.json"), 0);
}

/* ---- Put (rule 1) ------------------------------------------------------------------------------- */

static void test_rule_1_put_stands_under_the_next_number(void **state) {
    (void)state;
    claim(&f.a);
    put(&f.a, 200);
    expect(&f.a, 2, 0, 0);
    assert_int_equal(chain_newest(f.a.chain)->number, 2);
    struct checkpoint k = stored(2);
    assert_int_equal(k.next, 200);
    assert_false(k.claim);
    assert_string_equal(k.claim_id, chain_newest(f.a.chain)->claim_id);
    checkpoint_clear(&k);
}

static void test_rule_1_lost_answer_own_bytes_are_success(void **state) {
    (void)state;
    claim(&f.a);
    refuse_put(&f.a, ERR_UNKNOWN, FAULT_AFTER);
    put(&f.a, 200);
    expect(&f.a, 2, 0, 0);
    assert_int_equal(memory_world_requests(f.world, STORE_PUT_IF_ABSENT), 2);
}

static void test_rule_1_absent_after_a_time_out_is_put_again(void **state) {
    (void)state;
    claim(&f.a);
    refuse_put(&f.a, ERR_UNKNOWN, FAULT_BEFORE);
    put(&f.a, 200);
    expect(&f.a, 2, 0, 0);
    assert_true(exists(2));
}

static void test_rule_1_conflict_is_resolved(void **state) {
    (void)state;
    claim(&f.a);
    refuse_put(&f.a, ERR_CONFLICT, FAULT_BEFORE);
    put(&f.a, 200);
    expect(&f.a, 2, 0, 0);
}

static void test_rule_1_412_with_own_bytes_is_success(void **state) {
    (void)state;
    claim(&f.a);
    refuse_put(&f.a, ERR_EXISTS, FAULT_AFTER);
    put(&f.a, 200);
    expect(&f.a, 2, 0, 0);
}

static void test_rule_1_the_same_bytes_are_put_again(void **state) {
    (void)state;
    claim(&f.a);
    put_begin(&f.a, 200);
    const struct store_op *op = memory_store_pending_op(f.a.store, 0);
    char *first = xstrndup(op->body, op->body_len);
    assert_true(memory_store_lose(f.a.store, 0));
    fake_clock_advance(&f.clock, 3600 * 1000); /* the writer's time must not change them */
    chain_tick(f.a.chain, f.clock.monotonic);
    assert_true(memory_store_step(f.a.store, 0)); /* GET: absent */
    fake_clock_advance(&f.clock, 10000);
    chain_tick(f.a.chain, f.clock.monotonic);
    op = memory_store_pending_op(f.a.store, 0);
    assert_int_equal(op->kind, STORE_PUT_IF_ABSENT);
    assert_int_equal(op->body_len, strlen(first));
    assert_memory_equal(op->body, first, op->body_len);
    free(first);
    run(&f.a);
    expect(&f.a, 2, 0, 0);
}

static void test_rule_1_unreadable_number_is_read_again(void **state) {
    (void)state;
    claim(&f.a);
    refuse_put(&f.a, ERR_UNKNOWN, FAULT_AFTER);
    memory_store_fail(f.a.store, STORE_GET, 1, ERR_UNKNOWN, FAULT_BEFORE);
    put(&f.a, 200);
    expect(&f.a, 2, 0, 0);
}

/* For as long as it takes: giving up is the restart strategy's. */
static void test_rule_1_it_goes_on_until_the_store_answers(void **state) {
    (void)state;
    claim(&f.a);
    memory_store_fail_all(f.a.store, ERR_UNAVAILABLE);
    put(&f.a, 200);
    assert_true(chain_busy(f.a.chain));
    run(&f.a);
    assert_true(chain_pending_ms(f.a.chain, f.clock.monotonic) > 90000);
    memory_store_fail_all(f.a.store, ERR_NONE);
    /* Every five seconds it asks at the latest; then it puts, likewise. */
    for (int i = 0; i < 12; i++) {
        fake_clock_advance(&f.clock, 1000);
        chain_tick(f.a.chain, f.clock.monotonic);
        (void)memory_store_drain(f.a.store);
    }
    expect(&f.a, 2, 0, 0);
    assert_true(exists(2));
}

static void test_rule_1_denied_reading_back_fails(void **state) {
    (void)state;
    claim(&f.a);
    refuse_put(&f.a, ERR_UNKNOWN, FAULT_AFTER);
    memory_store_fail(f.a.store, STORE_GET, 1, ERR_DENIED, FAULT_BEFORE);
    put(&f.a, 200);
    expect(&f.a, 1, 0, 1);
    assert_int_equal(f.a.error.code, ERR_DENIED);
    assert_non_null(strstr(f.a.error.text, "cannot read back the checkpoint"));
    assert_non_null(strstr(f.a.error.text, key(2)));
}

static void test_rule_1_anothers_bytes_are_lost(void **state) {
    (void)state;
    claim(&f.a);
    claim(&f.b);
    put(&f.a, 200);
    expect(&f.a, 1, 1, 0);
    assert_int_equal(f.a.error.code, ERR_FENCED);
    put(&f.b, 300);
    expect(&f.b, 2, 0, 0);
}

static void test_rule_1_denied_put_fails(void **state) {
    (void)state;
    claim(&f.a);
    refuse_put(&f.a, ERR_DENIED, FAULT_BEFORE);
    put(&f.a, 200);
    expect(&f.a, 1, 0, 1);
    assert_int_equal(f.a.error.code, ERR_DENIED);
}

/* ---- Claim (rule 2) ----------------------------------------------------------------------------- */

static void test_rule_2_first_claim(void **state) {
    (void)state;
    claim(&f.a);
    expect(&f.a, 1, 0, 0);
    struct checkpoint k = stored(1);
    assert_true(k.claim);
    assert_int_equal(k.next, 100);
    checkpoint_clear(&k);
}

static void test_rule_2_claim_goes_on_from_the_newest(void **state) {
    (void)state;
    claim(&f.a);
    put(&f.a, 200);
    claim(&f.b);
    expect(&f.b, 1, 0, 0);
    assert_int_equal(chain_newest(f.b.chain)->number, 3);
    assert_int_equal(chain_newest(f.b.chain)->next, 200);
    assert_string_not_equal(chain_newest(f.b.chain)->claim_id, chain_newest(f.a.chain)->claim_id);
}

static void test_rule_2_claim_id_is_new_for_every_claim(void **state) {
    (void)state;
    claim(&f.a);
    char *first = xstrdup(chain_newest(f.a.chain)->claim_id);
    claim(&f.a);
    assert_string_not_equal(chain_newest(f.a.chain)->claim_id, first);
    free(first);
}

static void test_rule_2_two_claims_on_one_number_one_wins(void **state) {
    (void)state;
    chain_claim(f.a.chain, 100);
    chain_claim(f.b.chain, 100);
    assert_true(memory_store_step(f.a.store, 0)); /* both have seen an empty chain */
    assert_true(memory_store_step(f.b.store, 0));
    run(&f.a);
    run(&f.b);
    expect(&f.a, 1, 0, 0);
    expect(&f.b, 0, 1, 0);
}

static void test_rule_2_a_higher_number_voids_the_claim(void **state) {
    (void)state;
    claim(&f.a);
    chain_claim(f.b.chain, 100);
    assert_true(memory_store_step(f.b.store, 0)); /* LIST */
    assert_true(memory_store_step(f.b.store, 0)); /* LIST of manifests */
    assert_true(memory_store_step(f.b.store, 0)); /* GET 1 */
    for (int i = 0; i < 15; i++)                  /* 2 comes, and is collected again */
        put(&f.a, 200 + i);
    assert_false(exists(2));
    run(&f.b);
    expect(&f.b, 0, 1, 0);
    expect(&f.a, 16, 0, 0);
    put(&f.a, 300);
    expect(&f.a, 17, 0, 0);
}

static void test_rule_2_lost_answer_to_a_claim_is_resolved(void **state) {
    (void)state;
    refuse_put(&f.a, ERR_UNKNOWN, FAULT_AFTER);
    claim(&f.a);
    expect(&f.a, 1, 0, 0);
}

static void test_rule_2_unreadable_newest_is_never_skipped(void **state) {
    (void)state;
    claim(&f.a);
    put(&f.a, 200);
    memory_world_plant(f.world, key(2), "{}", 2);
    claim(&f.b);
    expect(&f.b, 0, 0, 1);
    assert_int_equal(f.b.error.code, ERR_CORRUPT);
    assert_false(exists(3));
}

/* An older program meets what a newer one has written: it is not called corrupt, nor is it skipped. */
static void test_rule_2_newest_of_a_newer_format_fails(void **state) {
    (void)state;
    claim(&f.a);
    size_t len, crc_len = strlen(",\"crc32c\":\"00000000\"}");
    char *bytes = xstrdup(memory_world_object(f.world, key(1), &len));
    char *v = strstr(bytes, "\"v\":1");
    assert_non_null(v);
    v[4] = '2';
    len -= crc_len;
    (void)snprintf(bytes + len, crc_len + 1, ",\"crc32c\":\"%08x\"}", crc32c(0, bytes, len));
    memory_world_plant(f.world, key(2), bytes, len + crc_len);
    free(bytes);
    claim(&f.b);
    expect(&f.b, 0, 0, 1);
    assert_int_equal(f.b.error.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(f.b.error.text, "cannot be used"));
    assert_non_null(strstr(f.b.error.text, key(2)));
    assert_false(exists(3));
}

static void test_rule_2_denied_newest_fails(void **state) {
    (void)state;
    claim(&f.a);
    memory_store_fail(f.b.store, STORE_GET, 1, ERR_DENIED, FAULT_BEFORE);
    claim(&f.b);
    expect(&f.b, 0, 0, 1);
    assert_false(exists(2));
}

static void test_rule_2_newest_that_vanishes_between_is_looked_for_again(void **state) {
    (void)state;
    claim(&f.a);
    memory_store_fail(f.b.store, STORE_GET, 1, ERR_NOT_FOUND, FAULT_BEFORE);
    claim(&f.b);
    expect(&f.b, 1, 0, 0);
    assert_int_equal(chain_newest(f.b.chain)->number, 2);
}

static void test_rule_2_newest_that_is_never_there_fails(void **state) {
    (void)state;
    claim(&f.a);
    for (int i = 0; i < 10; i++)
        memory_store_fail(f.b.store, STORE_GET, i + 1, ERR_NOT_FOUND, FAULT_BEFORE);
    claim(&f.b);
    expect(&f.b, 0, 0, 1);
    assert_false(exists(2));
}

static void test_rule_2_another_identity_fails(void **state) {
    (void)state;
    claim(&f.a);
    process_end(&f.b);
    free(f.identity.topic);
    f.identity.topic = xstrdup("other");
    process_start(&f.b, 2);
    claim(&f.b);
    expect(&f.b, 0, 0, 1);
    assert_int_equal(f.b.error.code, ERR_MISMATCH);
    assert_false(exists(2));
}

static void test_rule_2_failed_list_is_no_empty_chain(void **state) {
    (void)state;
    claim(&f.a);
    memory_store_fail(f.b.store, STORE_LIST, 1, ERR_UNKNOWN, FAULT_BEFORE);
    claim(&f.b);
    expect(&f.b, 0, 0, 1);
    memory_store_fail(f.b.store, STORE_LIST, 2, ERR_UNKNOWN, FAULT_BEFORE);
    claim(&f.b);
    assert_int_equal(f.b.results[CHAIN_DURABLE], 0);
    memory_store_fail(f.b.store, STORE_LIST, 3, ERR_UNKNOWN, FAULT_BEFORE); /* after the claim */
    claim(&f.b);
    expect(&f.b, 0, 0, 3);
    assert_true(exists(2));
    assert_false(exists(3));
}

static void test_rule_2_foreign_names_are_passed_over(void **state) {
    (void)state;
    memory_world_plant(f.world, PREFIX "chk-99.json", "x", 1);
    memory_world_plant(f.world, PREFIX "chk-00000000000000000099.json.tmp", "x", 1);
    claim(&f.a);
    expect(&f.a, 1, 0, 0);
}

/* ---- Manifests that are newer (rule 2) ---------------------------------------------------------- */

static void publish(uint64_t number) {
    char name[32], text[80];
    chain_name(number, name);
    (void)snprintf(text, sizeof text, MANIFESTS "%s", name);
    memory_world_plant(f.world, text, "{}", 2);
}

static void must_refuse(struct process *p, const char *manifest, const char *found,
                        const char *restore) {
    size_t objects = memory_world_count(f.world, "");
    claim(p);
    expect(p, 0, 0, 1);
    assert_int_equal(p->error.code, ERR_MISMATCH);
    assert_false(p->error.retriable);
    assert_non_null(strstr(p->error.text, manifest));
    assert_non_null(strstr(p->error.text, found));
    assert_non_null(strstr(p->error.text, restore));
    assert_int_equal(memory_world_count(f.world, ""), objects);
}

static void test_rule_2_removed_checkpoints_are_missed(void **state) {
    (void)state;
    claim(&f.a);
    for (int i = 2; i <= 5; i++) {
        put(&f.a, 100 * i);
        publish((uint64_t)i);
    }
    assert_true(memory_world_remove(f.world, key(4)));
    assert_true(memory_world_remove(f.world, key(5)));
    must_refuse(&f.b, MANIFESTS "chk-00000000000000000005.json",
                "the newest checkpoint is 3:", "chk-00000000000000000004.json");
}

static void test_rule_2_a_removed_chain_is_missed(void **state) {
    (void)state;
    publish(2);
    must_refuse(&f.b, MANIFESTS "chk-00000000000000000002.json",
                "there is no checkpoint:", "chk-00000000000000000001.json");
}

static void test_rule_2_manifests_up_to_the_newest_are_as_they_should_be(void **state) {
    (void)state;
    claim(&f.a);
    put(&f.a, 200);
    publish(2);
    claim(&f.b);
    expect(&f.b, 1, 0, 0);
    assert_int_equal(chain_newest(f.b.chain)->number, 3);
}

/* The other partitions' are none of ours, nor is what merely looks like a manifest. */
static void test_rule_2_other_manifests_are_passed_over(void **state) {
    (void)state;
    memory_world_plant(f.world, "_manifests/job/clicks/p00003/chk-00000000000000000009.json", "x",
                       1);
    memory_world_plant(f.world, MANIFESTS "chk-00000000000000000009.json.bak", "x", 1);
    memory_world_plant(f.world, MANIFESTS "chk-9.json", "x", 1);
    claim(&f.b);
    expect(&f.b, 1, 0, 0);
}

/* Between the two listings of a claim the owner goes on and publishes: nothing is missing then. */
static void test_rule_2_an_owner_that_goes_on_meanwhile_is_no_loss(void **state) {
    (void)state;
    claim(&f.a);
    chain_claim(f.b.chain, 100);
    for (int i = 2; i <= 4; i++) {
        assert_true(memory_store_step(f.b.store, 0)); /* LIST: i - 1 */
        put(&f.a, 100 * i);
        publish((uint64_t)i);
        assert_true(memory_store_step(f.b.store, 0)); /* manifests: i, so it lists again */
        assert_string_equal(memory_store_pending_op(f.b.store, 0)->key, PREFIX "chk-");
    }
    run(&f.b);
    expect(&f.b, 1, 0, 0);
    assert_int_equal(chain_newest(f.b.chain)->number, 5);
    assert_int_equal(chain_newest(f.b.chain)->next, 400);
}

/* The same where another process is the first: the listing has shown an empty chain. */
static void test_rule_2_another_that_begins_meanwhile_is_no_loss(void **state) {
    (void)state;
    chain_claim(f.b.chain, 100);
    assert_true(memory_store_step(f.b.store, 0));
    claim(&f.a);
    put(&f.a, 200);
    publish(2);
    run(&f.b);
    expect(&f.b, 1, 0, 0);
    assert_int_equal(chain_newest(f.b.chain)->next, 200);
}

/* The chain has gone on, but not as far as the manifest that was seen. */
static void test_rule_2_a_chain_that_goes_on_behind_what_is_missing_is_refused(void **state) {
    (void)state;
    claim(&f.a);
    put(&f.a, 200);
    publish(9);
    chain_claim(f.b.chain, 100);
    assert_true(memory_store_step(f.b.store, 0));
    assert_true(memory_store_step(f.b.store, 0));
    put(&f.a, 300);
    run(&f.b);
    expect(&f.b, 0, 0, 1);
    assert_non_null(strstr(f.b.error.text, "the newest checkpoint is 3:"));
}

/* What one claim has seen says nothing of the next: the objects may have been restored. */
static void test_rule_2_restored_checkpoints_are_taken(void **state) {
    (void)state;
    claim(&f.a);
    put(&f.a, 200);
    publish(2);
    size_t len;
    const char *data = memory_world_object(f.world, key(2), &len);
    char *copy = xstrndup(data, len);
    assert_true(memory_world_remove(f.world, key(2)));
    claim(&f.b);
    expect(&f.b, 0, 0, 1);
    memory_world_plant(f.world, key(2), copy, len);
    free(copy);
    claim(&f.b);
    expect(&f.b, 1, 0, 1);
    assert_int_equal(chain_newest(f.b.chain)->number, 3);
}

/* A year of manifests is not listed at each start. */
static void test_rule_2_only_newer_manifests_are_listed(void **state) {
    (void)state;
    claim(&f.a);
    put(&f.a, 200);
    publish(1);
    publish(2);
    chain_claim(f.b.chain, 100);
    assert_true(memory_store_step(f.b.store, 0));
    assert_true(memory_store_apply(f.b.store, 0));
    const struct store_op *op = memory_store_pending_op(f.b.store, 0);
    assert_string_equal(op->key, MANIFESTS "chk-");
    assert_string_equal(op->start_after, MANIFESTS "chk-00000000000000000002.json");
    assert_int_equal(op->n_entries, 0);
    run(&f.b);
    expect(&f.b, 1, 0, 0);
}

/* ---- Collection (rule 3) ------------------------------------------------------------------------ */

static void test_rule_3_only_others_than_claims_go_after_ten_newer(void **state) {
    (void)state;
    claim(&f.a); /* 1 */
    for (int i = 2; i <= 11; i++)
        put(&f.a, i);
    assert_true(exists(2)); /* 3 to 11 are nine */
    put(&f.a, 12);
    assert_false(exists(2));
    assert_true(exists(3));
    for (int i = 13; i <= 40; i++)
        put(&f.a, i);
    assert_true(exists(1));
    assert_false(exists(30));
    for (uint64_t i = 31; i <= 40; i++)
        assert_true(exists(i));
    assert_int_equal(memory_world_count(f.world, PREFIX), 11);
}

static void test_rule_3_the_inherited_one_goes_too_but_no_claim(void **state) {
    (void)state;
    claim(&f.a);   /* 1 */
    put(&f.a, 10); /* 2 */
    claim(&f.b);   /* 3 */
    for (int i = 4; i <= 20; i++)
        put(&f.b, i);
    assert_true(exists(1) && exists(3));
    assert_false(exists(2));
    put(&f.a, 11); /* the zombie's next number is taken */
    assert_int_equal(f.a.results[CHAIN_LOST], 1);
}

/* A frozen process whose checkpoint was continued by another, and then collected, wakes up: the
 * number is free again, but the chain has gone on. */
static void test_rule_3_a_collected_number_put_again_is_lost(void **state) {
    (void)state;
    claim(&f.a); /* 1 */
    refuse_put(&f.a, ERR_UNKNOWN, FAULT_AFTER);
    put_begin(&f.a, 10); /* 2 */
    (void)memory_store_drain(f.a.store);
    claim(&f.b); /* 3 */
    for (int i = 4; i <= 20; i++)
        put(&f.b, i);
    assert_false(exists(2));
    run(&f.a);
    expect(&f.a, 1, 1, 0);
}

static void test_rule_3_a_deletion_that_fails_is_no_failure(void **state) {
    (void)state;
    claim(&f.a);
    for (int i = 0; i < 30; i++)
        memory_store_fail(f.a.store, STORE_DELETE, i + 1, ERR_DENIED, FAULT_BEFORE);
    for (int i = 2; i <= 20; i++)
        put(&f.a, i);
    expect(&f.a, 20, 0, 0);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_names),
        CASE(test_rule_1_put_stands_under_the_next_number),
        CASE(test_rule_1_lost_answer_own_bytes_are_success),
        CASE(test_rule_1_absent_after_a_time_out_is_put_again),
        CASE(test_rule_1_conflict_is_resolved),
        CASE(test_rule_1_412_with_own_bytes_is_success),
        CASE(test_rule_1_the_same_bytes_are_put_again),
        CASE(test_rule_1_unreadable_number_is_read_again),
        CASE(test_rule_1_it_goes_on_until_the_store_answers),
        CASE(test_rule_1_denied_reading_back_fails),
        CASE(test_rule_1_anothers_bytes_are_lost),
        CASE(test_rule_1_denied_put_fails),
        CASE(test_rule_2_first_claim),
        CASE(test_rule_2_claim_goes_on_from_the_newest),
        CASE(test_rule_2_claim_id_is_new_for_every_claim),
        CASE(test_rule_2_two_claims_on_one_number_one_wins),
        CASE(test_rule_2_a_higher_number_voids_the_claim),
        CASE(test_rule_2_lost_answer_to_a_claim_is_resolved),
        CASE(test_rule_2_unreadable_newest_is_never_skipped),
        CASE(test_rule_2_newest_of_a_newer_format_fails),
        CASE(test_rule_2_denied_newest_fails),
        CASE(test_rule_2_newest_that_vanishes_between_is_looked_for_again),
        CASE(test_rule_2_newest_that_is_never_there_fails),
        CASE(test_rule_2_another_identity_fails),
        CASE(test_rule_2_failed_list_is_no_empty_chain),
        CASE(test_rule_2_foreign_names_are_passed_over),
        CASE(test_rule_2_removed_checkpoints_are_missed),
        CASE(test_rule_2_a_removed_chain_is_missed),
        CASE(test_rule_2_manifests_up_to_the_newest_are_as_they_should_be),
        CASE(test_rule_2_other_manifests_are_passed_over),
        CASE(test_rule_2_an_owner_that_goes_on_meanwhile_is_no_loss),
        CASE(test_rule_2_another_that_begins_meanwhile_is_no_loss),
        CASE(test_rule_2_a_chain_that_goes_on_behind_what_is_missing_is_refused),
        CASE(test_rule_2_restored_checkpoints_are_taken),
        CASE(test_rule_2_only_newer_manifests_are_listed),
        CASE(test_rule_3_only_others_than_claims_go_after_ten_newer),
        CASE(test_rule_3_the_inherited_one_goes_too_but_no_claim),
        CASE(test_rule_3_a_collected_number_put_again_is_lost),
        CASE(test_rule_3_a_deletion_that_fails_is_no_failure),
    };
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
