#include "player.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/retry.h"
#include "support/sim_process.h"

struct rules player_rules(void) {
    return (struct rules){.config = sim_config(MANIFEST_PREFIX), .reserve = CHUNK_MAX};
}

static void claim(struct player *pr) {
    struct partition_config c = pr->rules.config;
    c.output = pr->store;
    c.budget = &pr->budget;
    c.clock = &pr->world->clock.clock;
    c.random = &pr->random.random;
    c.chain = (struct chain_config){.store = pr->store,
                                    .prefix = CHAIN_PREFIX,
                                    .identity = &pr->identity,
                                    .host = "host",
                                    .version = "1",
                                    .pid = 1, /* as in containers: the claim id tells them apart */
                                    .clock = c.clock,
                                    .random = c.random};
    pr->stopping = false;
    pr->p = partition_new(&c);
    partition_claim(pr->p, 0, pr->world->clock.monotonic);
}

struct player *player_new(struct world *w, const struct rules *rules, int name) {
    struct player *pr = xcalloc(1, sizeof *pr);
    pr->world = w;
    pr->rules = *rules;
    pr->name = name;
    pr->identity = (struct identity){.cluster = xstrdup("cluster"),
                                     .topic = xstrdup("clicks"),
                                     .partition = 2,
                                     .output = xstrdup(SIMFS_ROOT),
                                     .settings = "0123456789abcdef"};
    fake_random_init(&pr->random, random_u64(&w->random.random));
    budget_init(&pr->budget, SIZE_MAX);
    pr->handle = handle_new(w, name, &pr->random.random);
    if (w->fs) {
        struct error e;
        if (directory_make_root(pr->handle->directory, &e) != 0)
            world_fail(w, "the root cannot be made: %s", e.text);
    }
    pr->store = store_retry_new(&pr->handle->store, &w->clock.clock, &pr->random.random);
    world_trace(w, "p%d  begins", name);
    claim(pr);
    return pr;
}

void player_kill(struct player *pr) {
    store_free(pr->store);
    partition_free(pr->p);
    if (pr->budget.used) /* the budget counts what was not freed */
        world_fail(pr->world, "process %d has kept %zu bytes", pr->name, (size_t)pr->budget.used);
    identity_clear(&pr->identity);
    free(pr);
}

/* Requests under way are waited for, as the worker does with what it has dropped. */
void player_claim_again(struct player *pr) {
    pr->p->status = PARTITION_LOST;
    for (int i = 0; i < 10000 && !partition_idle(pr->p); i++) {
        if (!handle_step(pr->handle, 0, NULL))
            fake_clock_advance(&pr->world->clock, 100);
        player_poll(pr);
    }
    if (!partition_idle(pr->p))
        world_fail(pr->world, "process %d never lets go", pr->name);
    partition_free(pr->p);
    world_trace(pr->world, "p%d  claims again", pr->name);
    claim(pr);
}

static int feed_one(struct player *pr, struct error *e) {
    if (pr->at + 1 == pr->world->compacted) {
        pr->at++;
        return 0;
    }
    return sim_feed_one(pr->p, pr->world->log, &pr->at, pr->rules.reserve, e);
}

static int feed(struct player *pr, int64_t records, struct error *e) {
    const struct world *w = pr->world;
    if (pr->at < w->log_start) /* Kafka: out of range; the job would claim again */
        return error_set(e, ERR_DATA_LOSS, "offset %" PRId64 " is out of range", pr->at);
    while (records-- > 0 && pr->at < w->log_end)
        if (feed_one(pr, e) != 0)
            return -1;
    if (pr->at < w->log_end)
        return 0;
    if (partition_eof(pr->p, pr->at, e) != 0)
        return -1;
    if (!pr->rules.endless && pr->at == w->log->n && !partition_replaying(pr->p)) {
        partition_stop(pr->p, STOP_DRAIN);
        pr->stopping = true;
    }
    return 0;
}

static int begin(struct player *pr, struct error *e) {
    struct world *w = pr->world;
    if (partition_check_log_start(pr->p, w->log_start, e) != 0)
        return -1;
    if (pr->rules.config.allow_data_loss && w->log_start > w->lost_below &&
        pr->p->log_start == w->log_start)
        w->lost_below = w->log_start;
    uint64_t number = chain_newest(pr->p->chain)->number;
    if (number == w->claimed)
        world_fail(w, "two processes have claim %" PRIu64, number);
    w->claimed = number;
    pr->at = partition_position(pr->p);
    partition_start(pr->p, w->clock.monotonic);
    return 0;
}

void player_run(struct player *pr, int64_t records) {
    struct error e;
    int rc = 0;
    if (pr->p->status == PARTITION_CLAIMED)
        rc = begin(pr, &e);
    if (rc == 0 && pr->p->status == PARTITION_RUNNING && !pr->stopping)
        rc = feed(pr, records, &e);
    if (rc != 0)
        partition_fail(pr->p, &e);
    partition_tick(pr->p, pr->world->clock.monotonic);
}

void player_poll(struct player *pr) {
    (void)store_poll(pr->store, 0);
}

bool player_at_work(const struct player *pr) {
    enum partition_status s = pr->p->status;
    return s == PARTITION_CLAIMING || s == PARTITION_CLAIMED || s == PARTITION_RUNNING;
}

const char *player_status(const struct player *pr) {
    static const char *const names[] = {"CLAIMING", "CLAIMED", "RUNNING", "STOPPED",
                                        "LOST",     "RECLAIM", "FAILED"};
    return names[pr->p->status];
}

bool player_finish(struct player *pr, int64_t batch, bool newest_first) {
    struct world *w = pr->world;
    for (int i = 0; i < 20000 && player_at_work(pr); i++) {
        player_run(pr, batch);
        while (!*w->failure && handle_pending(pr->handle) > 0)
            (void)handle_step(pr->handle, newest_first ? handle_pending(pr->handle) - 1 : 0, NULL);
        if (*w->failure)
            return false;
        player_poll(pr);
        fake_clock_advance(&w->clock, 100);
    }
    if (player_at_work(pr))
        world_fail(w, "process %d never ends", pr->name);
    return !*w->failure;
}
