/* A process stops after some of its requests' effects; another claims and works for a while, or to its
 * end. Then the first wakes up: it must notice, and what it does until then must change nothing. Or it
 * never wakes up, and what it had sent arrives now. Stopped everywhere, in each of these ways. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "checkpoint/chain.h"
#include "shapes.h"

#ifdef SIM_SHORT
enum { STRIDE = 7 };
#else
enum { STRIDE = 1 };
#endif
enum { TO_ITS_END = 1 << 30 };

struct nap {
    const struct shape *shape;
    int traits, first, second; /* effects before it falls asleep, and of the other */
    bool wakes;
    struct sim_log log;
    struct rules rules;
    struct world *world;
};

/* Works, the oldest request first, until so many requests were carried out or answered. True where it
 * came to its end before that. */
static bool run_until(struct nap *z, struct player *pr, int effects) {
    while (player_at_work(pr) && !*z->world->failure) {
        player_run(pr, z->shape->batch);
        do {
            if (effects-- == 0)
                return false;
        } while (handle_step(pr->handle, 0, NULL));
        effects++;
        player_poll(pr);
        fake_clock_advance(&z->world->clock, 100);
    }
    return true;
}

/* STOPPED is right where its clean last checkpoint stood before the other's claim. */
static void wake_up(struct nap *z, struct player *pr, bool claimed, bool other_claimed) {
    (void)player_finish(pr, z->shape->batch, false);
    bool stopped = pr->p->status == PARTITION_STOPPED;
    bool done = stopped && checkpoint_is_clean(chain_newest(pr->p->chain));
    if (claimed && other_claimed && pr->p->status != PARTITION_LOST && !done)
        world_fail(z->world, "it ends as %s: %s", player_status(pr), pr->p->error.text);
}

static void arrive(struct player *pr) {
    for (size_t i = 0; i < handle_pending(pr->handle); i++)
        if (handle_op(pr->handle, i)->attempt == 0)
            handle_apply(pr->handle, i, NULL);
}

static void meet(struct nap *z, struct player *zombie) {
    bool claimed = zombie->p->status == PARTITION_RUNNING;
    struct player *other = player_new(z->world, &z->rules, 2);
    bool ended = run_until(z, other, z->second);
    if (z->wakes)
        wake_up(z, zombie, claimed, chain_newest(other->p->chain) != NULL);
    else
        arrive(zombie);
    if (!ended)
        (void)player_finish(other, z->shape->batch, false);
    player_kill(other);
}

static bool nap_after(struct nap *z) {
    shape_log(z->shape, &z->log, 2);
    z->rules = shape_rules(z->shape);
    z->world = world_new(z->traits, &z->log, 1);
    struct player *zombie = player_new(z->world, &z->rules, 1);
    bool ended = run_until(z, zombie, z->first);
    if (!ended && !*z->world->failure)
        meet(z, zombie);
    player_kill(zombie);
    struct player *last = player_new(z->world, &z->rules, 3);
    if (player_finish(last, z->shape->batch, false) && last->p->status != PARTITION_STOPPED)
        world_fail(z->world, "the last process is %s: %s", player_status(last),
                   last->p->error.text);
    player_kill(last);
    if (!*z->world->failure)
        oracle_end(z->world);
    char failure[1024];
    memcpy(failure, z->world->failure, sizeof failure);
    world_free(z->world);
    sim_log_free(&z->log);
    if (*failure)
        fail_msg("%s, %s: asleep after %d effects for %d, %s: %.800s", traits_names[z->traits],
                 z->shape->name, z->first, z->second, z->wakes ? "wakes up" : "dies", failure);
    return !ended;
}

static int naps;

static void nap_everywhere(int traits, bool wakes) {
    static const int seconds[] = {3, 8, 30, 60, TO_ITS_END};
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
            struct nap z = {
                .shape = &shapes[s], .traits = traits, .second = seconds[i], .wakes = wakes};
            for (; nap_after(&z); z.first += STRIDE)
                naps++;
        }
}

static void test_rules_1_and_2_a_zombie_wakes_up_on_s3(void **state) {
    (void)state;
    nap_everywhere(TRAITS_S3, true);
}

static void test_rules_1_and_2_a_zombie_wakes_up_in_a_directory(void **state) {
    (void)state;
    nap_everywhere(TRAITS_DIRECTORY, true);
}

/* A directory's process has nothing on its way. */
static void test_rule_5_what_the_dead_have_sent_arrives(void **state) {
    (void)state;
    nap_everywhere(TRAITS_S3, false);
    nap_everywhere(TRAITS_AWS, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_1_and_2_a_zombie_wakes_up_on_s3),
        cmocka_unit_test(test_rules_1_and_2_a_zombie_wakes_up_in_a_directory),
        cmocka_unit_test(test_rule_5_what_the_dead_have_sent_arrives),
    };
    log_init(LOG_TEXT, (enum log_level)(LOG_ERROR + 1));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("# naps: %d\n", naps);
    return failed;
}
