/* The properties of a librdkafka handle: our tuning, the user's kafka.properties above it, and above
 * both what exactness rests on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "kafka/rdkafka_internal.h"

#define RULE_12 "tidemark fixes it: without it events could be lost or written twice"
#define GROUP "tidemark fixes it: partitions are claimed and released as a whole"

static const struct {
    const char *name;
    const char *value; /* of a consumer; NULL: from another setting */
    const char *why;
} fixed[] = {
    {"isolation.level", "read_committed", RULE_12},
    {"auto.offset.reset", "error", RULE_12},
    {"enable.auto.commit", "false", RULE_12},
    {"auto.commit.enable", NULL, RULE_12}, /* the topic-level name of the line above */
    {"enable.auto.offset.store", "false", RULE_12},
    {"check.crcs", "true", RULE_12},
    {"enable.partition.eof", "true", RULE_12},
    {"partition.assignment.strategy", "range,roundrobin", GROUP},
    {"group.protocol", NULL, GROUP},
    {"group.remote.assignor", NULL, GROUP},
    {"bootstrap.servers", NULL, "set kafka.bootstrap_servers instead"},
    {"metadata.broker.list", NULL, "set kafka.bootstrap_servers instead"},
    {"group.id", NULL, "set kafka.group_id instead"},
};

enum { N_FIXED = sizeof fixed / sizeof fixed[0] };

const char *kafka_property_refused(const char *name) {
    for (size_t i = 0; i < N_FIXED; i++)
        if (strcasecmp(name, fixed[i].name) == 0)
            return fixed[i].why;
    return NULL;
}

const char *kafka_property(const struct kafka_config *cfg, const char *name) {
    for (size_t i = 0; i < cfg->n_properties; i++)
        if (strcmp(cfg->properties[i].name, name) == 0)
            return cfg->properties[i].value;
    return NULL;
}

struct kafka_config *kafka_config_copy(const struct kafka_config *cfg) {
    struct kafka_config *copy = xmalloc(sizeof *copy);
    *copy = *cfg;
    copy->bootstrap_servers = xstrdup(cfg->bootstrap_servers);
    copy->topic = xstrdup(cfg->topic);
    copy->group_id = xstrdup(cfg->group_id ? cfg->group_id : "tidemark");
    int32_t *partitions = xcalloc(cfg->n_partitions + 1, sizeof *partitions);
    for (size_t i = 0; i < cfg->n_partitions; i++)
        partitions[i] = cfg->partitions[i];
    copy->partitions = partitions;
    struct kafka_property *properties = xcalloc(cfg->n_properties + 1, sizeof *properties);
    for (size_t i = 0; i < cfg->n_properties; i++) {
        properties[i].name = xstrdup(cfg->properties[i].name);
        properties[i].value = xstrdup(cfg->properties[i].value);
    }
    copy->properties = properties;
    return copy;
}

/* The copy's members are const for its readers; here they are ours to free. */
static void free_const(const void *p) {
    free((void *)(uintptr_t)p);
}

void kafka_config_free(struct kafka_config *cfg) {
    if (!cfg)
        return;
    for (size_t i = 0; i < cfg->n_properties; i++) {
        free_const(cfg->properties[i].name);
        free_const(cfg->properties[i].value);
    }
    free_const(cfg->properties);
    free_const(cfg->partitions);
    free_const(cfg->group_id);
    free_const(cfg->topic);
    free_const(cfg->bootstrap_servers);
    free(cfg);
}

bool kafka_property_is_secret(const char *name) {
    static const char *const words[] = {"password", "secret", "pem", "jaas",
                                        "sasl.oauthbearer.config"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *e) {
    char why[512];
    rd_kafka_conf_res_t res = rd_kafka_conf_set(conf, name, value, why, sizeof why);
    if (res == RD_KAFKA_CONF_OK)
        return 0;
    if (res == RD_KAFKA_CONF_UNKNOWN)
        return error_set(e, ERR_USAGE,
                         "kafka.properties.%s: librdkafka %s knows no such property (the names "
                         "stand in its CONFIGURATION.md)",
                         name, rd_kafka_version_str());
    if (kafka_property_is_secret(name)) /* librdkafka repeats a value that it refuses */
        return error_set(e, ERR_USAGE, "kafka.properties.%s: librdkafka refuses its value", name);
    return error_set(e, ERR_USAGE, "kafka.properties.%s: %s", name, why);
}

static int set_number(rd_kafka_conf_t *conf, const char *name, size_t value, struct error *e) {
    char text[32];
    (void)snprintf(text, sizeof text, "%zu", value);
    return set(conf, name, text, e);
}

static size_t clamp(size_t value, size_t low, size_t high) {
    return value < low ? low : value > high ? high : value;
}

/* Fetch sizes. librdkafka's limits hold for all partitions together, since their records stand in one
 * queue. They count payload bytes and records, and not the batch that was taken. So a quarter of the
 * memory bounds the queue's bytes, a quarter the batch's, and the rest is for what is allocated for each
 * record besides, and for the responses under way: 1 MiB from each broker, compressed. */
static int tune_fetching(rd_kafka_conf_t *conf, const struct kafka_config *cfg, size_t *wake_bytes,
                         struct error *e) {
    size_t queue = clamp(cfg->fetch_queue_bytes / 4, (size_t)64 << 10, (size_t)6 << 20);
    /* None is as large as it could be: what is decompressed further ahead has left the caches when its
     * turn comes. With 15 MiB queued and 4 MiB fetched a process at full speed took 84 MB instead of
     * 51, and a tenth more time. */
    if (set_number(conf, "queued.max.messages.kbytes", queue >> 10, e) ||
        set_number(conf, "queued.min.messages", queue / KAFKA_RECORD_OVERHEAD, e) ||
        set_number(conf, "fetch.message.max.bytes", (size_t)512 << 10, e) ||
        /* A request that finds no records is parked for so long (500 ms by default). That bounds how
         * late a partition's end is seen and how long a new assignment takes; an idle consumer costs
         * 0.6 % of a core by it. */
        set(conf, "fetch.wait.max.ms", "10", e))
        return -1;
    /* With its queue full, librdkafka before 2.2 looks again only after a second. */
    char why[256];
    bool backs_off = rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "10", why, sizeof why) ==
                     RD_KAFKA_CONF_OK;
    if (wake_bytes)
        *wake_bytes = backs_off ? 0 : queue / 4;
    return 0;
}

static int tune(rd_kafka_conf_t *conf, const struct kafka_config *cfg, enum kafka_purpose purpose,
                size_t *wake_bytes, struct error *e) {
    if (set(conf, "client.id", KAFKA_CLIENT_ID, e) ||
        set(conf, "log.connection.close", "false", e) ||
        set(conf, "statistics.interval.ms", "0", e) ||
        set(conf, "topic.metadata.refresh.interval.ms", "30000", e) ||
        /* A broker that comes back should not be waited for longer than it was away. */
        set(conf, "reconnect.backoff.max.ms", "2000", e) ||
        set(conf, "socket.keepalive.enable", "true", e))
        return -1;
    switch (purpose) {
    case KAFKA_CONSUME:
        /* A killed process holds its partitions until its session ends, and the next run waits for
         * them: 10 s instead of 45 s. Being taken for dead too early costs a rebalance, no data. */
        return set(conf, "session.timeout.ms", "10000", e)
                   ? -1
                   : tune_fetching(conf, cfg, wake_bytes, e);
    case KAFKA_PEEK: /* a broker returns at least one whole batch however little is asked for */
        return set(conf, "fetch.message.max.bytes", "1024", e) ||
                       set(conf, "fetch.wait.max.ms", "10", e)
                   ? -1
                   : 0;
    case KAFKA_PRODUCE:
        return set(conf, "enable.idempotence", "true", e) ||
                       set(conf, "delivery.report.only.error", "true", e) ||
                       set(conf, "compression.codec", "lz4", e) ||
                       set(conf, "linger.ms", "50", e) || set(conf, "batch.size", "262144", e) ||
                       set(conf, "batch.num.messages", "10000", e) ||
                       set(conf, "queue.buffering.max.messages", "100000", e) ||
                       set(conf, "queue.buffering.max.kbytes", "65536", e) ||
                       set(conf, "message.timeout.ms", "30000", e) ||
                       set(conf, "partitioner", "murmur2_random", e)
                   ? -1
                   : 0;
    case KAFKA_ASK:
        break;
    }
    return 0;
}

/* librdkafka refuses a limit that a message could exceed, by message.max.bytes. */
static int limit_response(rd_kafka_conf_t *conf, const struct kafka_config *cfg, struct error *e) {
    char text[32] = "";
    size_t cap = sizeof text, most = (size_t)1 << 20;
    if (kafka_property(cfg, "fetch.max.bytes"))
        return 0;
    (void)rd_kafka_conf_get(conf, "message.max.bytes", text, &cap);
    size_t message = strtoul(text, NULL, 10);
    return set_number(conf, "fetch.max.bytes", message > most ? message : most, e);
}

static int set_fixed(rd_kafka_conf_t *conf, const struct kafka_config *cfg,
                     enum kafka_purpose purpose, struct error *e) {
    if (set(conf, "bootstrap.servers", cfg->bootstrap_servers, e))
        return -1;
    if (purpose == KAFKA_PRODUCE)
        return 0;
    for (size_t i = 0; i < N_FIXED; i++)
        if (fixed[i].value && set(conf, fixed[i].name, fixed[i].value, e))
            return -1;
    return set(conf, "group.id", cfg->group_id, e);
}

rd_kafka_conf_t *kafka_conf(const struct kafka_config *cfg, enum kafka_purpose purpose,
                            size_t *wake_bytes, struct error *e) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int rc = tune(conf, cfg, purpose, wake_bytes, e);
    for (size_t i = 0; rc == 0 && i < cfg->n_properties; i++) {
        const struct kafka_property *p = &cfg->properties[i];
        const char *why = kafka_property_refused(p->name);
        rc = why ? error_set(e, ERR_USAGE, "kafka.properties.%s: %s", p->name, why)
                 : set(conf, p->name, p->value, e);
    }
    if (rc == 0 && purpose == KAFKA_CONSUME)
        rc = limit_response(conf, cfg, e);
    if (rc == 0)
        rc = set_fixed(conf, cfg, purpose, e);
    if (rc == 0)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}
