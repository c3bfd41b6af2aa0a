/* When our own fetcher reads, and when librdkafka does: from each assignment on the former, where brokers
 * are spoken to in the plain and nothing is set that it does not know; the latter from the moment on that
 * the former is at a loss, from the same positions, until that has passed. librdkafka is a member of the
 * group, commits, and answers all questions in either case. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "kafka/rdkafka_internal.h"

enum {
    ASK_MS = 1000,    /* poll() must come back in time for everything else */
    CONNECT_MS = 500, /* to each broker */
    PAUSE_MS = 2000,  /* from the first trouble until we try again; doubled by each that follows */
    PAUSE_MAX = 300000,
    QUIET_MS = 60000 /* when it has read for so long, its next trouble is the first again */
};

/* ---- Whether it can be done ---- */

/* Of all that librdkafka can be told, this has nothing to do with how records are fetched. */
static const char *const harmless[] = {
    "client.id",          "session.timeout.ms",   "heartbeat.interval.ms",
    "group.instance.id",  "max.poll.interval.ms", "topic.metadata.refresh.interval.ms",
    "metadata.max.age.ms"};

static bool is_harmless(const struct kafka_property *p) {
    if (strcasecmp(p->name, "security.protocol") == 0)
        return strcasecmp(p->value, "plaintext") == 0;
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (strcasecmp(p->name, harmless[i]) == 0)
            return true;
    return false;
}

/* NULL, or the property for which librdkafka must read. */
static const char *reserved(const struct kafka_config *cfg) {
    for (size_t i = 0; i < cfg->n_properties; i++)
        if (!is_harmless(&cfg->properties[i]))
            return cfg->properties[i].name;
    return NULL;
}

void rdkafka_fetcher_init(struct rdkafka_source *s) {
    const char *property = reserved(s->cfg);
    s->own.allowed = !s->cfg->librdkafka_only && !property;
    if (!s->cfg->librdkafka_only && property)
        log_debug("kafka_fetcher", "librdkafka reads, for kafka.properties.%s is set", property);
}

/* ---- Beginning ---- */

/* Where the partitions' leaders are. */
struct leaders {
    struct fetcher_broker *brokers;
    int32_t *ids;
    size_t n;
    struct fetcher_share *shares;
};

static size_t broker_index(struct leaders *l, const struct rd_kafka_metadata *md, int32_t id) {
    for (size_t i = 0; i < l->n; i++)
        if (l->ids[i] == id)
            return i;
    for (int i = 0; i < md->broker_cnt; i++) {
        if (md->brokers[i].id != id)
            continue;
        l->ids[l->n] = id;
        l->brokers[l->n] = (struct fetcher_broker){md->brokers[i].host, md->brokers[i].port};
        return l->n++;
    }
    return SIZE_MAX;
}

static const struct rd_kafka_metadata_partition *find(const struct rd_kafka_metadata *md,
                                                      int32_t id) {
    if (md->topic_cnt != 1 || md->topics[0].err)
        return NULL;
    for (int i = 0; i < md->topics[0].partition_cnt; i++)
        if (md->topics[0].partitions[i].id == id)
            return &md->topics[0].partitions[i];
    return NULL;
}

static int find_leaders(const struct rdkafka_source *s, struct leaders *l,
                        const struct rd_kafka_metadata *md, const struct source_position *positions,
                        size_t n, struct error *e) {
    for (size_t i = 0; i < n; i++) {
        const struct rd_kafka_metadata_partition *p = find(md, positions[i].partition);
        size_t broker = p && !p->err ? broker_index(l, md, p->leader) : SIZE_MAX;
        if (broker == SIZE_MAX)
            return error_set(e, ERR_UNAVAILABLE, "topic %s partition %d has no leader",
                             s->cfg->topic, (int)positions[i].partition);
        l->shares[i] = (struct fetcher_share){positions[i].partition, positions[i].offset, broker};
    }
    return 0;
}

static struct fetcher *connect_to_leaders(const struct rdkafka_source *s,
                                          const struct rd_kafka_metadata *md,
                                          const struct source_position *positions, size_t n,
                                          struct error *e) {
    struct leaders l = {.brokers = xcalloc((size_t)md->broker_cnt + 1, sizeof *l.brokers),
                        .ids = xcalloc((size_t)md->broker_cnt + 1, sizeof *l.ids),
                        .shares = xcalloc(n, sizeof *l.shares)};
    struct fetcher *f = NULL;
    const char *client_id = kafka_property(s->cfg, "client.id");
    if (find_leaders(s, &l, md, positions, n, e) == 0) {
        struct fetcher_config cfg = {.topic = s->cfg->topic,
                                     .client_id = client_id ? client_id : KAFKA_CLIENT_ID,
                                     .brokers = l.brokers,
                                     .n_brokers = l.n,
                                     .shares = l.shares,
                                     .n_shares = n,
                                     .memory = s->cfg->fetch_queue_bytes,
                                     .timeout_ms = CONNECT_MS};
        f = fetcher_new(&cfg, e);
    }
    free(l.brokers);
    free(l.ids);
    free(l.shares);
    return f;
}

static struct fetcher *begin(const struct rdkafka_source *s,
                             const struct source_position *positions, size_t n, struct error *e) {
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(s->client->rk, 0, s->client->topic, &md, ASK_MS);
    if (err) {
        (void)error_set(e, ERR_UNAVAILABLE, "the leaders of topic %s: %s", s->cfg->topic,
                        rd_kafka_err2str(err));
        return NULL;
    }
    struct fetcher *f = connect_to_leaders(s, md, positions, n, e);
    rd_kafka_metadata_destroy(md);
    return f;
}

/* After trouble: when to try again, if at all before the next assignment. */
static void put_off(struct rdkafka_source *s, const struct error *why) {
    int64_t now = clock_monotonic(clock_system());
    bool quiet = s->own.fetcher && now - s->own.since_ms > QUIET_MS;
    s->own.pause_ms = quiet || s->own.pause_ms == 0 ? PAUSE_MS : 2 * s->own.pause_ms;
    if (s->own.pause_ms > PAUSE_MAX)
        s->own.pause_ms = PAUSE_MAX;
    s->own.due_ms = why->retriable ? now + s->own.pause_ms : INT64_MAX;
}

static bool is_due(const struct rdkafka_source *s) {
    return s->own.allowed && clock_monotonic(clock_system()) >= s->own.due_ms;
}

bool rdkafka_fetcher_begin(struct rdkafka_source *s, const struct source_position *positions,
                           size_t n) {
    struct error e;
    if (!is_due(s))
        return false;
    s->own.fetcher = begin(s, positions, n, &e);
    if (!s->own.fetcher) {
        log_debug("kafka_fetcher", "librdkafka reads for now: %s", e.text);
        put_off(s, &e);
        return false;
    }
    s->own.since_ms = clock_monotonic(clock_system());
    size_t connections = fetcher_connections(s->own.fetcher);
    s->own.fds = xrealloc(s->own.fds, (connections + 1) * sizeof *s->own.fds);
    log_debug("kafka_fetcher", "%zu partitions are read straight from %zu brokers", n, connections);
    return true;
}

void rdkafka_fetcher_end(struct rdkafka_source *s) {
    if (s->own.fetcher != s->own.busy)
        fetcher_free(s->own.fetcher);
    s->own.fetcher = NULL;
}

size_t rdkafka_fetcher_fetch(struct rdkafka_source *s, int32_t partition, size_t max,
                             const struct source_sink *sink) {
    struct fetcher *f = s->own.busy = s->own.fetcher;
    size_t n = fetcher_fetch(f, partition, max, sink);
    s->own.busy = NULL;
    if (s->own.fetcher != f)
        fetcher_free(f);
    return n;
}

/* ---- Changing over ---- */

static size_t positions_of_parts(const struct rdkafka_source *s, struct source_position *list) {
    size_t n = 0;
    for (size_t i = 0; i < s->n_parts; i++)
        if (!s->parts[i].left)
            list[n++] = (struct source_position){s->parts[i].id, s->parts[i].expected};
    return n;
}

static int go_over_to_librdkafka(struct rdkafka_source *s, struct error *e) {
    struct fetcher *f = s->own.fetcher;
    struct source_position *list = xcalloc(fetcher_shares(f), sizeof *list);
    size_t n = fetcher_positions(f, list);
    s->own.fetcher = NULL;
    int rc = n > 0 ? rdkafka_let_librdkafka_read(s, list, n, e) : 0;
    for (size_t i = 0; i < s->n_parts; i++)
        s->parts[i].end = fetcher_end(f, s->parts[i].id);
    fetcher_free(f);
    free(list);
    return rc;
}

static int go_back(struct rdkafka_source *s, struct error *e) {
    struct source_position *list = xcalloc(s->n_parts, sizeof *list);
    size_t n = positions_of_parts(s, list);
    int rc = n > 0 && rdkafka_fetcher_begin(s, list, n) ? rdkafka_give_all_up(s, e) : 0;
    free(list);
    return rc;
}

int rdkafka_fetcher_serve(struct rdkafka_source *s, struct error *e) {
    struct error why;
    if (!s->own.fetcher)
        return s->n_parts > 0 && s->strays == 0 && is_due(s) ? go_back(s, e) : 0;
    if (s->suspended || fetcher_serve(s->own.fetcher, &why) == 0)
        return 0;
    log_info("kafka_fetcher", "%s; librdkafka reads on from there", why.text);
    put_off(s, &why);
    return go_over_to_librdkafka(s, e);
}
