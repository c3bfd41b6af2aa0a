/* Questions to the brokers, each bounded by its time-out: identity, the log's bounds, the topic's
 * settings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "kafka/rdkafka_internal.h"

enum { SLICE_MS = 1000, TIME_SLICE_MS = 5000, METADATA_MS = 1000, AGAIN_MS = 100 };

int rdkafka_cluster_id(struct source *base, int timeout_ms, char *dst, size_t cap,
                       struct error *e) {
    struct rdkafka_source *s = rdkafka_of(base);
    if (s->cfg->embedded) { /* the mock's own is a pointer, new at each run */
        (void)snprintf(dst, cap, "embedded");
        return 0;
    }
    /* Metadata first: it fails early and says why, which rd_kafka_clusterid does not. */
    int32_t count;
    if (kafka_client_partitions(s->client, timeout_ms, &count, e) && e->code != ERR_NOT_FOUND)
        return -1;
    char *id = rd_kafka_clusterid(s->client->rk, timeout_ms);
    if (!id)
        return kafka_client_error(s->client, RD_KAFKA_RESP_ERR__TIMED_OUT, "cluster id", timeout_ms,
                                  e);
    int rc = 0;
    if (snprintf(dst, cap, "%s", id) >= (int)cap)
        rc = error_set(e, ERR_LIMIT, "the Kafka cluster's id is too long: %s", id);
    rd_kafka_mem_free(s->client->rk, id);
    return rc;
}

int rdkafka_partition_count(struct source *base, int timeout_ms, int32_t *count, struct error *e) {
    return kafka_client_find_topic(rdkafka_of(base)->client, timeout_ms, count, e);
}

/* Partitions that are asked for in one request to each of their leaders. */
struct range {
    int32_t first, n;
};

/* One attempt; *failed is the partition that the error is about. rd_kafka_query_watermark_offsets would
 * do for the two special times, but goes on waiting when its time-out has passed. */
static rd_kafka_resp_err_t ask_offsets(struct kafka_client *c, struct range r, int64_t what,
                                       int timeout_ms, int64_t *offsets, int32_t *failed) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(r.n);
    for (int32_t i = 0; i < r.n; i++)
        rd_kafka_topic_partition_list_add(list, c->cfg->topic, r.first + i)->offset = what;
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(c->rk, list, timeout_ms);
    for (int i = 0; i < list->cnt && !err; i++) {
        err = list->elems[i].err;
        *failed = list->elems[i].partition;
        offsets[list->elems[i].partition - r.first] = list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

/* A question that is asked again, in slices of its time, with new metadata before each next one.
 * librdkafka sends a request to the leader, or the controller, that it knows of; where that broker has
 * just died the request waits for its return, although another has taken over meanwhile. */
struct asking {
    int64_t deadline_ms; /* monotonic */
    int timeout_ms, slice_ms;
};

static struct asking asking_begin(int timeout_ms, int slice_ms) {
    return (struct asking){clock_monotonic(clock_system()) + timeout_ms, timeout_ms, slice_ms};
}

/* Milliseconds for the next attempt. */
static int asking_slice(const struct asking *a) {
    int64_t left = a->deadline_ms - clock_monotonic(clock_system());
    return left > a->slice_ms ? a->slice_ms : left > 1 ? (int)left : 1;
}

/* After an attempt that failed: whether another may do better. */
static bool asking_again(const struct asking *a, struct kafka_client *c, rd_kafka_resp_err_t err) {
    int64_t left = a->deadline_ms - clock_monotonic(clock_system());
    /* A broker that has not heard of its topic yet, as in kafka_client_find_topic. */
    bool unknown =
        err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    bool may_hear = unknown && a->timeout_ms - left < UNKNOWN_MS;
    if (left <= 0 || (kafka_error_code(err) != ERR_UNAVAILABLE && !may_hear))
        return false;
    /* A leader that is not ready yet says so at once, and would be asked without end. */
    (void)rd_kafka_poll(c->rk, AGAIN_MS);
    int32_t count;
    struct error ignored; /* the next attempt says what is wrong */
    (void)kafka_client_partitions(c, left < METADATA_MS ? (int)left : METADATA_MS, &count,
                                  &ignored);
    return true;
}

/* ListOffsets: `what` is a time in epoch milliseconds, or one of Kafka's two special times,
 * RD_KAFKA_OFFSET_BEGINNING and RD_KAFKA_OFFSET_END. Those are answered at once, others may have to be
 * searched for. */
static int list_offsets(struct kafka_client *c, struct range r, int64_t what, int timeout_ms,
                        int64_t *offsets, struct error *e) {
    struct asking asking = asking_begin(timeout_ms, what < 0 ? SLICE_MS : TIME_SLICE_MS);
    int32_t failed;
    rd_kafka_resp_err_t err;
    do {
        failed = r.first;
        err = ask_offsets(c, r, what, asking_slice(&asking), offsets, &failed);
    } while (err && asking_again(&asking, c, err));
    if (!err)
        return 0;
    char name[64];
    (void)snprintf(name, sizeof name, "offsets of partition %d", (int)failed);
    return kafka_client_error(c, err, name, timeout_ms, e);
}

int rdkafka_bounds(struct source *base, int32_t partition, int timeout_ms, int64_t *start,
                   int64_t *end, struct error *e) {
    struct kafka_client *c = rdkafka_of(base)->client;
    struct range r = {partition, 1};
    /* The start first: the log's start never passes an end that is asked for later. */
    if (list_offsets(c, r, RD_KAFKA_OFFSET_BEGINNING, timeout_ms, start, e) ||
        list_offsets(c, r, RD_KAFKA_OFFSET_END, timeout_ms, end, e))
        return -1;
    return 0;
}

/* The high watermark of the newest fetch's answer. What librdkafka heard last may be from long before
 * the fetcher's answers. */
int64_t rdkafka_end(struct source *base, int32_t partition) {
    struct rdkafka_source *s = rdkafka_of(base);
    const struct part *p = rdkafka_part(s, partition);
    int64_t low, high, end = p ? p->end : -1;
    if (s->own.fetcher && (high = fetcher_end(s->own.fetcher, partition)) >= 0)
        return high;
    if (rd_kafka_get_watermark_offsets(s->client->rk, s->cfg->topic, partition, &low, &high) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return end;
    return high > end ? high : end;
}

/* Puts a partition's end where there is no record of the time asked for. */
static int end_where_none(struct kafka_client *c, struct range all, int timeout_ms,
                          int64_t *offsets, struct error *e) {
    bool none = false;
    for (int32_t i = 0; i < all.n; i++)
        none = none || offsets[i] < 0;
    if (!none)
        return 0;
    int64_t *ends = xcalloc((size_t)all.n, sizeof *ends);
    int rc = list_offsets(c, all, RD_KAFKA_OFFSET_END, timeout_ms, ends, e);
    for (int32_t i = 0; i < all.n && rc == 0; i++)
        if (offsets[i] < 0)
            offsets[i] = ends[i];
    free(ends);
    return rc;
}

int rdkafka_offsets_for_time(struct source *base, int32_t n, int64_t time_ms, int timeout_ms,
                             int64_t *offsets, struct error *e) {
    struct kafka_client *c = rdkafka_of(base)->client;
    struct range all = {0, n};
    if (time_ms < 0) /* below zero are the protocol's special times; no record is that old */
        return list_offsets(c, all, RD_KAFKA_OFFSET_BEGINNING, timeout_ms, offsets, e);
    if (time_ms == INT64_MAX)
        return list_offsets(c, all, RD_KAFKA_OFFSET_END, timeout_ms, offsets, e);
    if (list_offsets(c, all, time_ms, timeout_ms, offsets, e))
        return -1;
    return end_where_none(c, all, timeout_ms, offsets, e);
}

/* cleanup.policy of the topic in an answer to DescribeConfigs; NULL with *err where it has none. */
static const char *cleanup_policy(rd_kafka_event_t *ev, rd_kafka_resp_err_t *err) {
    *err = rd_kafka_event_error(ev);
    if (*err)
        return NULL;
    size_t n = 0;
    const rd_kafka_ConfigResource_t **resources =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(ev), &n);
    if (n != 1) {
        *err = RD_KAFKA_RESP_ERR__BAD_MSG;
        return NULL;
    }
    *err = rd_kafka_ConfigResource_error(resources[0]);
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resources[0], &n);
    for (size_t i = 0; !*err && i < n; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    return NULL;
}

static rd_kafka_event_t *describe_topic(struct kafka_client *c, int timeout_ms) {
    char why[256];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(c->rk);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(c->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, why, sizeof why);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, c->cfg->topic);
    rd_kafka_DescribeConfigs(c->rk, &resource, 1, options, queue);
    rd_kafka_event_t *ev = rd_kafka_queue_poll(queue, timeout_ms + 100);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return ev;
}

/* The answer to DescribeConfigs, which librdkafka asks of the controller; to be destroyed. NULL with
 * *err where there is none that says anything of the topic. */
static rd_kafka_event_t *ask_topic(struct kafka_client *c, int timeout_ms, const char **policy,
                                   rd_kafka_resp_err_t *err) {
    struct asking asking = asking_begin(timeout_ms, SLICE_MS);
    for (;;) {
        *err = RD_KAFKA_RESP_ERR__TIMED_OUT;
        rd_kafka_event_t *ev = describe_topic(c, asking_slice(&asking));
        *policy = ev ? cleanup_policy(ev, err) : NULL;
        if (!*err)
            return ev;
        if (ev)
            rd_kafka_event_destroy(ev);
        if (!asking_again(&asking, c, *err))
            return NULL;
    }
}

int rdkafka_check_topic(struct source *base, int timeout_ms, struct error *e) {
    struct rdkafka_source *s = rdkafka_of(base);
    if (s->cfg->embedded) /* the mock lets DescribeConfigs run into its time-out */
        return 0;
    const char *policy;
    rd_kafka_resp_err_t err;
    rd_kafka_event_t *ev = ask_topic(s->client, timeout_ms, &policy, &err);
    int rc = 0;
    if (policy && strstr(policy, "compact"))
        rc = error_set(e, ERR_MISMATCH,
                       "topic %s is compacted (cleanup.policy=%s): Kafka removes records that may "
                       "have to be read again; use a topic with cleanup.policy=delete",
                       s->cfg->topic, policy);
    else if (kafka_error_code(err) == ERR_NOT_FOUND || kafka_error_code(err) == ERR_UNAVAILABLE)
        rc = kafka_client_error(s->client, err, "settings", timeout_ms, e);
    else if (err)
        log_warn("topic_settings",
                 "topic %s: its settings can't be read (%s); make sure that it is not compacted",
                 s->cfg->topic, rd_kafka_err2str(err));
    if (ev)
        rd_kafka_event_destroy(ev);
    return rc;
}
