/* One librdkafka handle: its log goes to ours, and what its brokers last complained of is kept, since
 * a request that fails says only that it timed out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/patience.h"
#include "kafka/rdkafka_internal.h"

enum {
    LOG_WINDOW_MS = 10000,
    LOG_LINES_PER_WINDOW = 10,
    DESTROY_MS = 5000,       /* it takes some milliseconds, or for ever */
    METADATA_SLICE_MS = 500, /* how soon refused credentials end a wait */
    SYSLOG_ERR = 3, /* librdkafka's levels are syslog's, whose names clash with base/log.h */
    SYSLOG_WARNING = 4,
};

enum error_code kafka_error_code(rd_kafka_resp_err_t err) {
    switch (err) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return ERR_DENIED;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return ERR_NOT_FOUND;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
        return ERR_UNAVAILABLE;
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return ERR_DATA_LOSS;
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
        return ERR_CORRUPT;
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return ERR_USAGE;
    default:
        return ERR_KAFKA;
    }
}

/* ---- Callbacks; librdkafka's log comes from any of its threads ---- */

/* "ipv4#127.0.0.1:9/bootstrap: Connect to ipv4#127.0.0.1:9 failed: Connection refused (after 0ms in
 * state CONNECT)" becomes "Connection refused"; other texts lose their tail only. A connection that
 * just ended says least: it takes no other's place ("SSL handshake failed" and "Disconnected" come
 * in turns). */
static void remember(struct kafka_client *c, const char *reason) {
    const char *start = strstr(reason, "Connect to ") ? strstr(reason, " failed: ") : NULL;
    start = start ? start + strlen(" failed: ") : reason;
    const char *tail = strstr(start, " (after ");
    size_t n = tail ? (size_t)(tail - start) : strlen(start);
    bool just_ended = strstr(reason, ": Disconnected (after ") != NULL;
    (void)pthread_mutex_lock(&c->lock);
    if (!just_ended || !c->last_error[0])
        (void)snprintf(c->last_error, sizeof c->last_error, "%.*s", (int)n, start);
    (void)pthread_mutex_unlock(&c->lock);
}

/* False: enough lines for this interval; one line at the next interval's start says how many. */
static bool may_log(struct kafka_client *c) {
    int64_t now = clock_monotonic(clock_system());
    unsigned dropped = 0;
    (void)pthread_mutex_lock(&c->lock);
    if (now - c->log_window >= LOG_WINDOW_MS) {
        dropped = c->log_dropped;
        c->log_window = now;
        c->log_lines = c->log_dropped = 0;
    }
    bool ok = c->log_lines < LOG_LINES_PER_WINDOW;
    if (ok)
        c->log_lines++;
    else
        c->log_dropped++;
    (void)pthread_mutex_unlock(&c->lock);
    if (dropped > 0)
        log_warn("kafka_log", "%u further lines of the Kafka client were left out", dropped);
    return ok;
}

static void log_cb(const rd_kafka_t *rk, int level, const char *fac, const char *text) {
    struct kafka_client *c = rd_kafka_opaque(rk);
    if (level <= SYSLOG_ERR)
        remember(c, text);
    /* FAIL comes to error_cb as well. CONFWARN: kafka.properties serves consumers and producers
     * alike, so each handle complains of the other kind's names. */
    bool twice = strcmp(fac, "FAIL") == 0 || strcmp(fac, "CONFWARN") == 0;
    bool warn = level <= SYSLOG_WARNING && !c->quiet && !twice;
    if (!warn)
        log_debug("kafka_log", "%s: %s", fac, text);
    else if (may_log(c))
        log_warn("kafka_log", "%s: %s", fac, text);
}

static void error_cb(rd_kafka_t *rk, int err, const char *reason, void *opaque) {
    struct kafka_client *c = opaque;
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        char text[512];
        struct error e;
        rd_kafka_resp_err_t real = rd_kafka_fatal_error(rk, text, sizeof text);
        (void)error_set(&e, kafka_error_code(real), "the Kafka client can't go on: %s", text);
        e.retriable = false;
        kafka_client_set_fatal(c, &e);
        return;
    }
    /* It follows the errors of single brokers, which say more. */
    bool says_nothing = err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    if (says_nothing)
        kafka_client_set_all_down(c, true);
    else
        remember(c, reason);
    if (kafka_error_code(err) == ERR_DENIED) {
        (void)pthread_mutex_lock(&c->lock);
        c->denied = true;
        (void)pthread_mutex_unlock(&c->lock);
    }
    if (c->quiet || says_nothing)
        log_debug("kafka_broker", "%s", reason);
    else if (may_log(c))
        log_warn("kafka_broker", "%s", reason);
}

/* ---- The handle ---- */

struct kafka_client *kafka_client_new(const struct kafka_config *cfg, enum kafka_purpose purpose,
                                      rd_kafka_conf_t *conf, void *owner, struct error *e) {
    struct kafka_client *c = xcalloc(1, sizeof *c);
    c->cfg = cfg;
    c->quiet = purpose == KAFKA_ASK || purpose == KAFKA_PEEK;
    c->owner = owner;
    c->log_window = clock_monotonic(clock_system());
    (void)pthread_mutex_init(&c->lock, NULL);
    rd_kafka_conf_set_opaque(conf, c);
    rd_kafka_conf_set_log_cb(conf, log_cb);
    rd_kafka_conf_set_error_cb(conf, error_cb);
    char why[512];
    rd_kafka_type_t type = purpose == KAFKA_PRODUCE ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER;
    c->rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!c->rk) {
        rd_kafka_conf_destroy(conf);
        (void)error_set(e, ERR_USAGE, "kafka.properties: %s", why);
        kafka_client_free(c);
        return NULL;
    }
    c->topic = rd_kafka_topic_new(c->rk, cfg->topic, NULL);
    if (!c->topic) {
        (void)error_set(e, ERR_USAGE, "kafka.topic '%s': %s", cfg->topic,
                        rd_kafka_err2str(rd_kafka_last_error()));
        kafka_client_free(c);
        return NULL;
    }
    return c;
}

/* librdkafka 2.0.2 does not always come back from this. Seen: after a batch with a bad CRC, where a
 * broker's thread waited for a queue's lock that it held, and where the topic had been deleted. */
static void destroy(void *rk) {
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void kafka_client_free(struct kafka_client *c) {
    if (!c)
        return;
    if (c->topic)
        rd_kafka_topic_destroy(c->topic);
    if (c->rk && !call_with_patience(destroy, c->rk, DESTROY_MS)) {
        log_warn("kafka_close",
                 "the Kafka client library has not ended within %d s and is left behind; nothing "
                 "is lost by it",
                 DESTROY_MS / 1000);
        return; /* its threads may still call back: c stays */
    }
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

void kafka_client_serve(struct kafka_client *c) {
    (void)rd_kafka_poll(c->rk, 0);
}

bool kafka_client_fatal(struct kafka_client *c, struct error *e) {
    (void)pthread_mutex_lock(&c->lock);
    *e = c->fatal;
    (void)pthread_mutex_unlock(&c->lock);
    return e->code != ERR_NONE;
}

void kafka_client_set_fatal(struct kafka_client *c, const struct error *e) {
    (void)pthread_mutex_lock(&c->lock);
    if (c->fatal.code == ERR_NONE)
        c->fatal = *e;
    (void)pthread_mutex_unlock(&c->lock);
}

bool kafka_client_all_down(struct kafka_client *c) {
    (void)pthread_mutex_lock(&c->lock);
    bool down = c->all_down;
    (void)pthread_mutex_unlock(&c->lock);
    return down;
}

void kafka_client_set_all_down(struct kafka_client *c, bool down) {
    (void)pthread_mutex_lock(&c->lock);
    c->all_down = down;
    (void)pthread_mutex_unlock(&c->lock);
}

/* ---- Errors that say what is wrong ---- */

static int unreachable(struct kafka_client *c, const char *what, int timeout_ms, struct error *e) {
    char last[sizeof c->last_error];
    (void)pthread_mutex_lock(&c->lock);
    memcpy(last, c->last_error, sizeof last);
    bool denied = c->denied, answered = c->answered;
    (void)pthread_mutex_unlock(&c->lock);
    const char *servers = c->cfg->bootstrap_servers;
    if (denied)
        return error_set(e, ERR_DENIED,
                         "Kafka at %s refuses the credentials (%s): correct "
                         "kafka.properties.sasl.* and security.protocol",
                         servers, last);
    if (answered)
        return error_set(
            e, ERR_UNAVAILABLE,
            "Kafka at %s has not answered the request for the %s of topic %s within %g s "
            "(%s): check that all its brokers run and that each partition has a leader",
            servers, what, c->cfg->topic, timeout_ms / 1000.0,
            last[0] ? last : "no connection broke");
    if (last[0] == '\0')
        (void)snprintf(last, sizeof last,
                       "no answer to the request for the %s; a wrong security.protocol looks so",
                       what);
    /* "ssl://host:port/bootstrap: SSL handshake failed: ...", or "Disconnected (after 0ms in state
     * SSL_HANDSHAKE)" by how quick it is: somebody answers, but not so. */
    const char *check = strstr(last, "SSL ") || strstr(last, "SSL_")
                            ? "kafka.properties.security.protocol and ssl.*"
                            : "that it runs and kafka.bootstrap_servers";
    return error_set(e, ERR_UNAVAILABLE, "no Kafka broker answers at %s within %g s (%s): check %s",
                     servers, timeout_ms / 1000.0, last, check);
}

int kafka_client_error(struct kafka_client *c, rd_kafka_resp_err_t err, const char *what,
                       int timeout_ms, struct error *e) {
    kafka_client_serve(c);
    enum error_code code = kafka_error_code(err);
    const char *text = rd_kafka_err2str(err), *topic = c->cfg->topic;
    const char *servers = c->cfg->bootstrap_servers;
    if (err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
        return error_set(e, ERR_NOT_FOUND, "%s of topic %s at %s: no such partition", what, topic,
                         servers);
    if (code == ERR_NOT_FOUND)
        return error_set(e, ERR_NOT_FOUND,
                         "topic %s does not exist at %s; create it or correct kafka.topic", topic,
                         servers);
    if (err == RD_KAFKA_RESP_ERR__TRANSPORT || err == RD_KAFKA_RESP_ERR__TIMED_OUT ||
        err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || err == RD_KAFKA_RESP_ERR__AUTHENTICATION)
        return unreachable(c, what, timeout_ms, e);
    if (code == ERR_DENIED)
        return error_set(e, ERR_DENIED,
                         "Kafka at %s does not permit the %s of topic %s: %s; grant this user Read "
                         "and Describe on the topic",
                         servers, what, topic, text);
    return error_set(e, code, "%s of topic %s at %s: %s", what, topic, servers, text);
}

/* One attempt; what the topic itself answers counts as the outcome. */
static rd_kafka_resp_err_t ask_partitions(struct kafka_client *c, int timeout_ms, int32_t *count) {
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(c->rk, 0, c->topic, &md, timeout_ms);
    if (!err) {
        (void)pthread_mutex_lock(&c->lock);
        c->answered = true;
        (void)pthread_mutex_unlock(&c->lock);
        if (md->topic_cnt != 1)
            err = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        else if (md->topics[0].err)
            err = md->topics[0].err;
        else
            *count = md->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(md);
    }
    return err;
}

int kafka_client_partitions(struct kafka_client *c, int timeout_ms, int32_t *count,
                            struct error *e) {
    int64_t deadline = clock_monotonic(clock_system()) + timeout_ms;
    for (;;) {
        int64_t left = deadline - clock_monotonic(clock_system());
        int slice = left > METADATA_SLICE_MS ? METADATA_SLICE_MS : left > 1 ? (int)left : 1;
        rd_kafka_resp_err_t err = ask_partitions(c, slice, count);
        if (!err)
            return 0;
        kafka_client_serve(c);
        (void)pthread_mutex_lock(&c->lock);
        bool denied = c->denied;
        (void)pthread_mutex_unlock(&c->lock);
        if (denied || kafka_error_code(err) != ERR_UNAVAILABLE || left <= slice)
            return kafka_client_error(c, err, "partitions", timeout_ms, e);
        /* A topic without a leader answers at once, and would be asked without end. */
        (void)rd_kafka_poll(c->rk, err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ? 100 : 0);
    }
}

int kafka_client_find_topic(struct kafka_client *c, int timeout_ms, int32_t *count,
                            struct error *e) {
    int64_t asked = clock_monotonic(clock_system());
    for (;;) {
        int64_t passed = clock_monotonic(clock_system()) - asked;
        int left = passed < timeout_ms ? timeout_ms - (int)passed : 1;
        int rc = kafka_client_partitions(c, left, count, e);
        if (rc == 0 || e->code != ERR_NOT_FOUND || passed >= UNKNOWN_MS || passed >= timeout_ms)
            return rc;
        (void)rd_kafka_poll(c->rk, 100);
    }
}
