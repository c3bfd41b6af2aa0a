/* tidemark check: what would run, and whether what it needs answers. Touches no data. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "store/open.h"

enum { TIMEOUT_MS = 10000, CLUSTER_ID_MAX = 128, VALUE_WIDTH_MAX = 48 };

static const struct cli_spec spec = {
    .name = "check",
    .summary = "Prints every setting with where it comes from. Then sees whether Kafka, the topic "
               "and the stores answer, and whether the stores refuse to overwrite: a key is put "
               "twice and removed again. No data is touched. Exit code 1 where a check failed.",
    .config = true,
};

struct checks {
    const struct settings *settings;
    size_t failed;
};

static void passed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void passed(const char *fmt, ...) {
    va_list ap;
    (void)fputs("ok    ", stdout);
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)fputc('\n', stdout);
    (void)fflush(stdout); /* the next check may take its time */
}

static void failed(struct checks *c, const char *why, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void failed(struct checks *c, const char *why, const char *fmt, ...) {
    va_list ap;
    (void)fputs("FAIL  ", stdout);
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)printf(": %s\n", why);
    (void)fflush(stdout);
    c->failed++;
}

/* ---- Settings ------------------------------------------------------------------------------ */

struct widths {
    int key, value;
};

static void measure(void *ctx, const char *key, const char *value, const char *origin) {
    struct widths *w = ctx;
    int n = (int)strlen(key), m = (int)strlen(value);
    (void)origin;
    w->key = n > w->key ? n : w->key;
    w->value = m > w->value && m <= VALUE_WIDTH_MAX ? m : w->value;
}

static void print_setting(void *ctx, const char *key, const char *value, const char *origin) {
    const struct widths *w = ctx;
    char *line = xstrdup(*value ? value : "-");
    for (char *p = line; *p; p++) /* a certificate has many lines */
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    (void)printf("%-*s  %-*s  %s\n", w->key, key, w->value, line, origin);
    free(line);
}

/* ---- Kafka --------------------------------------------------------------------------------- */

static void on_assigned(void *ctx, const int32_t *partitions, size_t n) {
    (void)ctx, (void)partitions, (void)n;
}

static void on_revoked(void *ctx) {
    (void)ctx;
}

/* What the client says of itself ("authentication failed") tells more than the time-out that
 * follows from it. */
static void on_failed(void *ctx, const struct error *e) {
    *(struct error *)ctx = *e;
}

static const char *reason(struct source *source, const struct error *fatal, const struct error *e) {
    struct error ignored;
    if (fatal->code == ERR_NONE)
        (void)source->ops->poll(source, 0, &ignored);
    return fatal->code == ERR_NONE ? e->text : fatal->text;
}

static void check_partitions(struct checks *c, struct source *source, int32_t count) {
    const struct settings_assignment *a = &c->settings->kafka.assignment;
    int64_t records = 0;
    int32_t unread = 0;
    for (int32_t p = 0; p < count; p++) {
        int64_t start, end;
        struct error e = {0};
        if (source->ops->bounds(source, p, TIMEOUT_MS, &start, &end, &e) != 0) {
            failed(c, e.text, "partition %" PRId32, p);
            unread++;
            if (e.code == ERR_UNAVAILABLE || e.code == ERR_DENIED)
                return; /* so will be all the others */
            continue;
        }
        passed("partition %" PRId32 ": offsets %" PRId64 " to %" PRId64 ", up to %" PRId64
               " records",
               p, start, end, end - start);
        records += end - start;
    }
    if (unread == 0)
        passed("partitions: up to %" PRId64 " records in all", records);
    for (size_t i = 0; i < a->n_partitions; i++)
        if (a->partitions[i] >= count)
            failed(c, "there is no such partition", "kafka.assignment: %" PRId32, a->partitions[i]);
}

/* Its own consumer, which looks on without joining the group: partitions of a running job stay
 * where they are. */
static struct source *open_source(struct checks *c, struct error *fatal) {
    struct kafka_config cfg;
    struct error e = {0};
    struct source_handler handler = {
        .ctx = fatal, .assigned = on_assigned, .revoked = on_revoked, .failed = on_failed};
    settings_kafka_config(c->settings, &cfg);
    cfg.use_group = false;
    cfg.all = true;
    struct source *source = rdkafka_source_new(&cfg, &handler, &e);
    if (!source)
        failed(c, e.text, "kafka");
    return source;
}

static bool check_cluster(struct checks *c) {
    const char *servers = c->settings->kafka.bootstrap_servers;
    char cluster[CLUSTER_ID_MAX];
    struct error e = {0}, fatal = {0};
    struct source *source = open_source(c, &fatal);
    if (!source)
        return false;
    int rc = source->ops->cluster_id(source, TIMEOUT_MS, cluster, sizeof cluster, &e);
    if (rc == 0)
        passed("kafka %s: cluster %s", servers, cluster);
    else
        failed(c, reason(source, &fatal, &e), "kafka %s", servers);
    source->ops->free(source);
    return rc == 0;
}

static void check_topic(struct checks *c) {
    const char *topic = c->settings->kafka.topic;
    int32_t count = 0;
    struct error e = {0}, fatal = {0};
    struct source *source = open_source(c, &fatal);
    if (!source)
        return;
    if (source->ops->partition_count(source, TIMEOUT_MS, &count, &e) != 0) {
        failed(c, reason(source, &fatal, &e), "topic %s", topic);
    } else {
        if (source->ops->check_topic(source, TIMEOUT_MS, &e) != 0)
            failed(c, e.text, "topic %s", topic);
        else
            passed("topic %s: %" PRId32 " partition%s", topic, count, count == 1 ? "" : "s");
        check_partitions(c, source, count);
    }
    source->ops->free(source);
}

/* In two steps: while nobody knows whether a broker answers at all, the client's warnings would
 * only say the same as our own line, five times. Later ones may tell more. */
static void check_kafka(struct checks *c) {
    const struct settings_log *log = &c->settings->log;
    log_init(log->format, log->level == LOG_DEBUG ? LOG_DEBUG : LOG_ERROR);
    bool reachable = check_cluster(c);
    log_init(log->format, log->level);
    if (reachable)
        check_topic(c);
}

/* ---- Stores -------------------------------------------------------------------------------- */

static void check_store(struct checks *c, const char *key, const char *path) {
    struct s3_config cfg;
    struct error e = {0};
    settings_s3_config(c->settings, &cfg);
    struct store *store = store_open(path, &cfg, clock_system(), random_system(), &e);
    if (store && store_probe(store, random_system(), TIMEOUT_MS, &e) == 0)
        passed("store %s (%s): can be written, and refuses to overwrite", path, key);
    else
        failed(c, e.text, "store %s (%s)", path, key);
    if (store)
        store_free(store);
}

int cli_check(int argc, char **argv) {
    struct cli_args args;
    struct settings s;
    int code;
    if (!cli_parse(&spec, argc, argv, &args, &code))
        return code;
    if (!cli_settings(&args, &s, &code)) {
        cli_args_free(&args);
        return code;
    }
    struct widths widths = {0, 1};
    settings_visit(&s, measure, &widths);
    settings_visit(&s, print_setting, &widths);
    (void)fputc('\n', stdout);

    struct checks checks = {.settings = &s};
    check_kafka(&checks);
    check_store(&checks, "checkpoint.path", s.checkpoint.path);
    check_store(&checks, "output.path", s.output.path);
    if (checks.failed > 0)
        (void)printf("\n%zu check%s failed\n", checks.failed, checks.failed == 1 ? "" : "s");
    settings_free(&s);
    cli_args_free(&args);
    return checks.failed == 0 ? EXIT_DONE : EXIT_FAILED;
}
