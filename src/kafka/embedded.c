/* librdkafka's mock cluster, hosted by a handle that does nothing else. */
#include "kafka/embedded.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

struct embedded {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
};

/* The host knows no broker and says so at each chance. */
static void log_cb(const rd_kafka_t *rk, int level, const char *fac, const char *text) {
    (void)rk;
    (void)level;
    log_debug("kafka_mock", "%s: %s", fac, text);
}

struct embedded *embedded_start(const char *topic, int32_t partitions, struct error *e) {
    struct embedded *m = xcalloc(1, sizeof *m);
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, log_cb);
    m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!m->rk) {
        rd_kafka_conf_destroy(conf);
        (void)error_set(e, ERR_KAFKA, "embedded Kafka: %s", why);
        embedded_stop(m);
        return NULL;
    }
    m->cluster = rd_kafka_mock_cluster_new(m->rk, 1);
    if (!m->cluster) {
        (void)error_set(e, ERR_KAFKA, "embedded Kafka: the mock cluster does not start");
        embedded_stop(m);
        return NULL;
    }
    rd_kafka_resp_err_t err = rd_kafka_mock_topic_create(m->cluster, topic, (int)partitions, 1);
    if (err) {
        (void)error_set(e, ERR_KAFKA, "embedded Kafka: topic %s with %d partitions: %s", topic,
                        (int)partitions, rd_kafka_err2str(err));
        embedded_stop(m);
        return NULL;
    }
    return m;
}

const char *embedded_bootstrap_servers(const struct embedded *m) {
    return rd_kafka_mock_cluster_bootstraps(m->cluster);
}

void embedded_stop(struct embedded *m) {
    if (!m)
        return;
    if (m->cluster)
        rd_kafka_mock_cluster_destroy(m->cluster);
    if (m->rk)
        rd_kafka_destroy(m->rk);
    free(m);
}
