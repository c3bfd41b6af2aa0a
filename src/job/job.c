#include "job/job.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/open.h"

enum { PROBE_PATIENCE_MS = 15000, HOST_MAX = 256 };

/* What one try owns. */
struct run {
    struct store *output, *checkpoints;
    struct source *source;
    struct worker *worker;
};

static void wake_source(void *ctx) {
    struct source *s = ctx;
    s->ops->wake(s);
}

static int open_store(const struct settings *s, const char *path, struct store **out,
                      struct error *e) {
    struct s3_config s3;
    settings_s3_config(s, &s3);
    *out = store_open(path, &s3, clock_system(), random_system(), e);
    return *out ? 0 : -1;
}

static int open_stores(struct run *r, const struct settings *s, struct error *e) {
    if (open_store(s, s->checkpoint.path, &r->checkpoints, e) != 0) {
        (void)error_wrap(e, "checkpoint.path");
        return -1;
    }
    if (open_store(s, s->output.path, &r->output, e) != 0) {
        (void)error_wrap(e, "output.path");
        return -1;
    }
    return 0;
}

/* The probes wait for one answer after the other, which S3 takes its time for; meanwhile the Kafka
 * client finds its brokers. Until it has ended, a probe has its store for itself. */
struct probe {
    struct store *store;
    pthread_t thread;
    bool threaded;
    int rc;
    struct error error;
};

static void *run_probe(void *ctx) {
    struct probe *p = ctx;
    p->rc = store_probe(p->store, random_system(), PROBE_PATIENCE_MS, &p->error);
    return NULL;
}

static void begin_probe(struct probe *p, struct store *s) {
    *p = (struct probe){.store = s};
    p->threaded = pthread_create(&p->thread, NULL, run_probe, p) == 0;
    if (!p->threaded)
        (void)run_probe(p);
}

static int end_probe(struct probe *p, const char *setting, struct error *e) {
    if (p->threaded)
        (void)pthread_join(p->thread, NULL);
    if (p->rc == 0)
        return 0;
    *e = p->error;
    return error_wrap(e, "%s", setting);
}

static int open_source(struct run *r, const struct job_config *cfg, struct error *e) {
    struct kafka_config kafka;
    settings_kafka_config(cfg->settings, &kafka);
    kafka.embedded = cfg->embedded;
    struct source_handler handler = worker_handler(r->worker);
    r->source = rdkafka_source_new(&kafka, &handler, e);
    if (!r->source)
        return -1;
    worker_use_source(r->worker, r->source);
    return 0;
}

/* What is wrong with a store is told first. */
static int open_source_and_probe(struct run *r, const struct job_config *cfg, struct error *e) {
    struct probe checkpoints, output;
    struct error of_output, of_source;
    begin_probe(&checkpoints, r->checkpoints);
    begin_probe(&output, r->output);
    int source = open_source(r, cfg, &of_source);
    int rc = end_probe(&output, "output.path", &of_output);
    if (end_probe(&checkpoints, "checkpoint.path", e) != 0)
        return -1;
    if (rc != 0 || source != 0) {
        *e = rc != 0 ? of_output : of_source;
        return -1;
    }
    r->output->ops->set_wake(r->output, wake_source, r->source);
    r->checkpoints->ops->set_wake(r->checkpoints, wake_source, r->source);
    return 0;
}

/* What lasts longer than one try. */
struct job_past {
    struct restart restart;
    struct bounds bounds;
    struct ledger ledger;
};

static void keep_store(const struct store *s, struct store_counters *to) {
    struct store_counters c;
    if (!s)
        return;
    store_counters_read(s, &c);
    c.under_way = 0;
    store_counters_add(to, &c);
}

static void keep_counts(const struct run *r, struct ledger *l) {
    keep_store(r->output, &l->output);
    keep_store(r->checkpoints, &l->checkpoints);
}

/* The source goes last: the stores' threads may wake it until they are joined. */
static void close_run(struct run *r) {
    store_free(r->output);
    store_free(r->checkpoints);
    worker_free(r->worker);
    if (r->source)
        r->source->ops->free(r->source);
    *r = (struct run){0};
}

static enum worker_end run_once(const struct job_config *cfg, struct job_past *past, bool *ran,
                                struct error *e) {
    char host[HOST_MAX] = "unknown";
    (void)gethostname(host, sizeof host - 1);
    struct run r = {0};
    enum worker_end end = WORKER_FAILED;
    if (open_stores(&r, cfg->settings, e) == 0) {
        r.worker = worker_new(&(struct worker_config){.settings = cfg->settings,
                                                      .output = r.output,
                                                      .checkpoints = r.checkpoints,
                                                      .clock = clock_system(),
                                                      .random = random_system(),
                                                      .bounded = cfg->bounded,
                                                      .accept_changes = cfg->accept_changes,
                                                      .allow_data_loss = cfg->allow_data_loss,
                                                      .lost = cfg->lost,
                                                      .host = host,
                                                      .pid = getpid(),
                                                      .restart = &past->restart,
                                                      .bounds = &past->bounds,
                                                      .ledger = &past->ledger,
                                                      .command = cfg->command,
                                                      .metrics = cfg->metrics,
                                                      .journal = cfg->journal,
                                                      .requests = cfg->requests,
                                                      .consumed = cfg->consumed,
                                                      .progress = cfg->progress,
                                                      .progress_ctx = cfg->progress_ctx});
        if (open_source_and_probe(&r, cfg, e) == 0)
            end = worker_run(r.worker, ran, e);
    }
    keep_counts(&r, &past->ledger);
    close_run(&r);
    return end;
}

/* Sleeps, but not through a stop. True where the job is still to run. */
static bool wait_for(int64_t ms, _Atomic int *command) {
    for (int64_t until = clock_monotonic(clock_system()) + ms;
         clock_monotonic(clock_system()) < until && atomic_load(command) == JOB_RUN;)
        clock_sleep(50);
    return atomic_load(command) == JOB_RUN;
}

static bool restartable(const struct error *e) {
    return e->retriable;
}

static void set_state(const struct job_config *cfg, enum job_state state) {
    if (cfg->metrics)
        metrics_set_state(cfg->metrics, state);
}

/* True where the job failed and is to be tried again, after the delay. */
static bool try_again(const struct job_config *cfg, struct restart *restart, bool ran,
                      struct error *e) {
    if (!ran || !restartable(e) || atomic_load(cfg->command) != JOB_RUN)
        return false; /* what fails before it has ever run is told at once */
    if (!restart_allow(restart, clock_monotonic(clock_system()))) {
        (void)error_wrap(e, "no restart attempts left (restart.attempts within an hour)");
        return false;
    }
    log_warn("job_restarting",
             "%s; restarting in %" PRId64 " s (restart %" PRIu64 ", %" PRId64
             " are allowed within an hour)",
             e->text, cfg->settings->restart.delay / 1000, restart->count,
             cfg->settings->restart.attempts);
    journal_add_error(cfg->journal, -1, "job_restarting", e->text);
    set_state(cfg, JOB_RESTARTING);
    return true;
}

/* For this thread, which is the worker, and those of the stores and the Kafka client that it creates:
 * one that wakes up does not interrupt another that runs. On one core that makes 2,400 switches instead
 * of 7,600 for two million events, and 3 % less time. Who has been given another policy keeps it. */
static void schedule_as_batch(void) {
    const struct sched_param none = {0};
    if (sched_getscheduler(0) == SCHED_OTHER)
        (void)sched_setscheduler(0, SCHED_BATCH, &none);
}

enum worker_end job_run(const struct job_config *cfg, struct error *e) {
    struct job_past past = {.restart.attempts = cfg->settings->restart.attempts};
    enum worker_end end;
    bool ran = false;
    schedule_as_batch();
    for (;;) {
        end = run_once(cfg, &past, &ran, e);
        if (end != WORKER_FAILED || !try_again(cfg, &past.restart, ran, e))
            break;
        if (!wait_for(cfg->settings->restart.delay, cfg->command)) {
            end = WORKER_STOPPED;
            break;
        }
    }
    if (end == WORKER_FAILED)
        journal_add_error(cfg->journal, -1, "job_failed", e->text);
    bounds_free(&past.bounds);
    ledger_free(&past.ledger);
    return end;
}
