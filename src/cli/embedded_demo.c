#include "cli/embedded_demo.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "kafka/embedded.h"
#include "kafka/generator.h"

enum {
    PARTITIONS = 3,
    LAG_MAX = 20000, /* the mock cluster keeps 5 MiB a partition */
    RATE = 5000,     /* events/s of wall time */
    SPEED = 60,      /* a minute of event time a second: a window closes every 5 s */
    USERS = 10000,
    DISORDER_MS = 60000
};

struct embedded_demo {
    struct embedded *cluster;
    struct generator_config generator;
    pthread_t thread;
    bool started;
    atomic_bool stop;
    _Atomic uint64_t *consumed;
};

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Only what an earlier demo left: its checkpoints tell. */
static int remove_demo(struct error *e) {
    if (access("demo", F_OK) == 0 && rmdir("demo") != 0 && access("demo/checkpoints", F_OK) != 0)
        return error_set(e, ERR_USAGE,
                         "demo/ in this directory is not from an earlier run --embedded (it has no "
                         "checkpoints/), so it is not removed: move it away, or start elsewhere");
    if (nftw("demo", remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return error_errno(e, errno, "cannot remove demo/ of an earlier run");
    return 0;
}

static bool hold(void *ctx, uint64_t produced) {
    const struct embedded_demo *d = ctx;
    return produced > atomic_load_explicit(d->consumed, memory_order_relaxed) + LAG_MAX;
}

static void *generate(void *ctx) {
    struct embedded_demo *d = ctx;
    struct generator_result result;
    struct error e;
    if (generator_run(&d->generator, &d->stop, &result, &e) != 0)
        log_error("generator_failed", "%s", e.text);
    return NULL;
}

static void replace(char **setting, const char *value) {
    free(*setting);
    *setting = xstrdup(value);
}

static void point_settings(struct settings *s, const struct embedded_demo *d) {
    replace(&s->kafka.bootstrap_servers, embedded_bootstrap_servers(d->cluster));
    replace(&s->output.path, "demo/out/");
    replace(&s->checkpoint.path, "demo/checkpoints/");
    /* The mock's consumer groups rebalance at their own pace; the demo assigns by hand. */
    s->kafka.assignment.kind = ASSIGNMENT_ALL;
}

struct embedded_demo *embedded_demo_new(struct settings *s, _Atomic uint64_t *consumed,
                                        struct error *e) {
    struct embedded_demo *d = xcalloc(1, sizeof *d);
    d->consumed = consumed;
    d->cluster = embedded_start(s->kafka.topic, PARTITIONS, e);
    if (!d->cluster) {
        free(d);
        return NULL;
    }
    point_settings(s, d);
    d->generator = (struct generator_config){
        .bootstrap_servers = s->kafka.bootstrap_servers,
        .topic = s->kafka.topic,
        .rate = RATE,
        .users = USERS,
        .disorder_ms = DISORDER_MS,
        .late = 0.001,
        .late_by_ms = s->window.out_of_orderness + s->window.size + s->window.allowed_lateness,
        .malformed = 0.0005,
        .speed = SPEED,
        .seed = 1,
        .hold = hold,
        .hold_ctx = d};
    return d;
}

int embedded_demo_start(struct embedded_demo *d, struct error *e) {
    if (remove_demo(e) != 0)
        return -1;
    log_info("demo",
             "a mock Kafka cluster and a generator run inside this process: topic %s, %d "
             "partitions, %d events/s at %d times the speed of time; output in demo/out, "
             "checkpoints in demo/checkpoints. Nothing outlives the process: each start removes "
             "demo/ and begins afresh",
             d->generator.topic, PARTITIONS, RATE, SPEED);
    if (pthread_create(&d->thread, NULL, generate, d) != 0)
        return error_set(e, ERR_NO_MEMORY, "cannot start the generator's thread");
    d->started = true;
    return 0;
}

void embedded_demo_stop(struct embedded_demo *d) {
    if (!d)
        return;
    atomic_store(&d->stop, true);
    if (d->started)
        (void)pthread_join(d->thread, NULL);
    embedded_stop(d->cluster);
    free(d);
}
