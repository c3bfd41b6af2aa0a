#include "support/sim_process.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/retry.h"

const struct window_rules sim_rules = {.size = 1000, .out_of_orderness = 2000};

struct partition_config sim_config(const char *manifest_prefix) {
    return (struct partition_config){.id = 2,
                                     .rules = sim_rules,
                                     .partition_by = "dt=%Y-%m-%d/hour=%H",
                                     .suffix = "",
                                     .idle_flush_ms = 3000,
                                     .max_file_age_ms = 60000,
                                     .max_file_size = 400,
                                     .max_replay = 1000,
                                     .interval_ms = 1000,
                                     .min_pause_ms = 200,
                                     .timeout_ms = 60000,
                                     .tolerable_failures = 3,
                                     .part_size = 48,
                                     .manifest_prefix = manifest_prefix};
}

void sim_init(struct sim *s, const struct memory_traits *traits, uint64_t seed) {
    *s = (struct sim){.reserve = CHUNK_MAX, .random = seed};
    fake_clock_init(&s->clock);
    s->world = memory_world_new(traits, &s->clock.clock);
    sim_log_init(&s->log, &sim_rules);
    s->paths = (struct sim_paths){"job/clicks/p00002/", "_manifests/job/clicks/p00002/"};
    s->identity = (struct identity){.cluster = xstrdup("cluster"),
                                    .topic = xstrdup("clicks"),
                                    .partition = 2,
                                    .output = xstrdup("s3://memory/"),
                                    .settings = "0123456789abcdef"};
    s->config = sim_config(s->paths.manifest);
}

void sim_free(struct sim *s) {
    memory_world_free(s->world);
    sim_log_free(&s->log);
    identity_clear(&s->identity);
}

static void claim(struct sim_process *pr) {
    pr->stopping = false;
    pr->p = partition_new(&pr->config);
    partition_claim(pr->p, 0, pr->sim->clock.monotonic);
}

struct sim_process *sim_process_new(struct sim *s) {
    struct sim_process *pr = xcalloc(1, sizeof *pr);
    pr->sim = s;
    pr->name = ++s->n_processes;
    fake_random_init(&pr->random, s->random += 0x1234567);
    budget_init(&pr->budget, SIZE_MAX);
    pr->inner = memory_store_open(s->world);
    memory_store_hold(pr->inner, true);
    pr->store = store_retry_new(pr->inner, &s->clock.clock, &pr->random.random);
    pr->config = s->config;
    pr->config.output = pr->store;
    pr->config.budget = &pr->budget;
    pr->config.clock = &s->clock.clock;
    pr->config.random = &pr->random.random;
    pr->config.chain = (struct chain_config){.store = pr->store,
                                             .prefix = s->paths.chain,
                                             .identity = &s->identity,
                                             .host = "host",
                                             .version = "1",
                                             .pid = pr->name,
                                             .clock = &s->clock.clock,
                                             .random = &pr->random.random};
    claim(pr);
    return pr;
}

void sim_process_kill(struct sim_process *pr) {
    store_free(pr->store);
    partition_free(pr->p);
    if (pr->budget.used) /* the budget counts what was not freed */
        abort();
    free(pr);
}

/* Requests under way are waited for, as the worker does with what it has dropped. */
void sim_process_claim_again(struct sim_process *pr) {
    while (!partition_idle(pr->p)) {
        if (memory_store_drain(pr->inner) == 0)
            fake_clock_advance(&pr->sim->clock, 100);
        sim_process_poll(pr);
    }
    partition_free(pr->p);
    claim(pr);
}

int sim_feed_one(struct partition *p, const struct sim_log *log, int64_t *at, size_t reserve,
                 struct error *e) {
    const struct sim_record *r = &log->records[*at];
    int64_t offset = (*at)++;
    if (r->hole)
        return 0;
    struct placement place;
    if (partition_place(p, offset, r->kind, r->timestamp, &place, e) != 0)
        return -1;
    if (place.file) {
        char line[SIM_LINE_MAX];
        size_t n = sim_line(offset, line);
        memcpy(file_reserve(place.file, reserve > n ? reserve : n), line, n);
        file_appended(place.file, n, offset, place.max_ts_before);
    }
    if (partition_advance(p, offset, e) != 0)
        return -1;
    partition_last_record(p, offset, sim_crc32c(log, offset));
    return 0;
}

static int feed(struct sim_process *pr, int64_t records, struct error *e) {
    while (records-- > 0 && pr->at < pr->sim->log_end)
        if (sim_feed_one(pr->p, &pr->sim->log, &pr->at, pr->sim->reserve, e) != 0)
            return -1;
    if (pr->at < pr->sim->log_end)
        return 0;
    if (partition_eof(pr->p, pr->at, e) != 0)
        return -1;
    if (!pr->sim->endless && pr->at == pr->sim->log.n && !partition_replaying(pr->p)) {
        partition_stop(pr->p, STOP_DRAIN);
        pr->stopping = true;
    }
    return 0;
}

int sim_process_run(struct sim_process *pr, int64_t records, struct error *e) {
    struct partition *p = pr->p;
    int64_t now = pr->sim->clock.monotonic;
    if (p->status == PARTITION_CLAIMED) {
        pr->at = partition_position(p);
        partition_start(p, now);
    }
    if (p->status == PARTITION_RUNNING && !pr->stopping && feed(pr, records, e) != 0)
        return -1;
    partition_tick(p, now);
    return 0;
}

bool sim_process_effect(struct sim_process *pr, size_t index) {
    const struct store_op *op = memory_store_pending_op(pr->inner, index);
    if (!op)
        return false;
    /* Requests of one upload are served in order. */
    for (size_t i = 0; op->upload && i < index; i++) {
        const struct store_op *earlier = memory_store_pending_op(pr->inner, i);
        if (earlier->upload && strcmp(earlier->upload, op->upload) == 0) {
            op = earlier;
            index = i;
        }
    }
    return op->attempt ? memory_store_step(pr->inner, index) : memory_store_apply(pr->inner, index);
}

void sim_process_poll(struct sim_process *pr) {
    (void)store_poll(pr->store, 0);
}

enum partition_status sim_process_finish(struct sim_process *pr, bool go_on) {
    struct error e;
    for (int i = 0; i < 100000; i++) {
        if (sim_process_run(pr, 5, &e) != 0)
            partition_fail(pr->p, &e);
        while (sim_process_effect(pr, 0))
            ;
        sim_process_poll(pr);
        fake_clock_advance(&pr->sim->clock, 100);
        enum partition_status s = pr->p->status;
        if (s == PARTITION_RECLAIM && go_on)
            sim_process_claim_again(pr);
        else if (s != PARTITION_CLAIMING && s != PARTITION_CLAIMED && s != PARTITION_RUNNING)
            return s;
    }
    return pr->p->status; /* still at it: a test that expects STOPPED fails */
}
