/* Who owns which partition, and from where each is read. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "kafka/rdkafka_internal.h"

enum {
    ASK_MS = 1000, /* poll() must come back in time for everything else */
};

struct part *rdkafka_part(struct rdkafka_source *s, int32_t id) {
    int32_t i = partition_table_find(&s->part_of, id);
    return i >= 0 ? &s->parts[i] : NULL;
}

/* ---- assign() ---- */

/* librdkafka takes the forwarding away when it has stopped fetching for an assignment before, which may
 * be after this one was made. What came since then stands in the partition's own queue, and moves. */
void rdkafka_forward_parts(struct rdkafka_source *s) {
    for (size_t i = 0; i < s->n_parts && s->heard < s->n_parts; i++)
        if (!s->parts[i].heard)
            rd_kafka_queue_forward(s->parts[i].queue, s->records);
}

/* An error in a queue that nobody reads keeps its partition, and with it the client, from being destroyed.
 * So all of them move where they are dropped, and those that come later are as a rule. */
void rdkafka_forget_parts(struct rdkafka_source *s) {
    for (size_t i = 0; i < s->n_parts; i++) {
        rd_kafka_queue_io_event_enable(s->parts[i].queue, -1, NULL, 0);
        rd_kafka_queue_forward(s->parts[i].queue, s->records);
    }
    rdkafka_drop_records(s);
    for (size_t i = 0; i < s->n_parts; i++)
        rd_kafka_queue_destroy(s->parts[i].queue);
    free(s->parts);
    partition_table_free(&s->part_of);
    s->parts = NULL;
    s->n_parts = s->heard = 0;
    s->assignments++;
}

/* The partitions' queues all forward to one, apart from the consumer's: librdkafka's limits then hold
 * for all partitions together. Once an application has set where a partition's queue forwards to,
 * librdkafka leaves that alone when it starts to fetch. Hence before rd_kafka_assign; after it, records
 * could already stand in the consumer's queue. */
static int take_queue(struct rdkafka_source *s, struct part *p, const struct source_position *at,
                      struct error *e) {
    static const uint64_t one = 1;
    p->id = at->partition;
    p->expected = at->offset;
    p->first = p->last = -1;
    p->end = -1;
    p->queue = rd_kafka_queue_get_partition(s->client->rk, s->cfg->topic, at->partition);
    if (!p->queue)
        return error_set(e, ERR_KAFKA, "topic %s partition %d: no queue", s->cfg->topic,
                         (int)at->partition);
    rd_kafka_queue_io_event_enable(p->queue, s->event_fd, &one, sizeof one);
    rd_kafka_queue_forward(p->queue, s->records);
    return 0;
}

/* librdkafka stops fetching by messages to itself. A partition that is taken away again before it has
 * stopped is stopped twice, at which librdkafka 2.0.2 aborts the process. It takes up messages one after
 * the other: before the first question it hears of stopping, and before the second that it is done. */
static rd_kafka_resp_err_t assign_and_settle(struct rdkafka_source *s,
                                             const rd_kafka_topic_partition_list_t *list) {
    rd_kafka_resp_err_t err = rd_kafka_assign(s->client->rk, list);
    for (int i = 0; i < 2; i++) {
        rd_kafka_topic_partition_list_t *now = NULL;
        if (!rd_kafka_assignment(s->client->rk, &now))
            rd_kafka_topic_partition_list_destroy(now);
    }
    return err;
}

int rdkafka_give_all_up(struct rdkafka_source *s, struct error *e) {
    /* In a group an empty assignment is still one: we stay a member that consumes nothing. */
    rd_kafka_topic_partition_list_t *none =
        s->cfg->use_group && s->owned ? rd_kafka_topic_partition_list_new(0) : NULL;
    rd_kafka_resp_err_t err = assign_and_settle(s, none);
    if (none)
        rd_kafka_topic_partition_list_destroy(none);
    rdkafka_forget_parts(s);
    if (err)
        return error_set(e, kafka_error_code(err), "topic %s: can't give up its partitions: %s",
                         s->cfg->topic, rd_kafka_err2str(err));
    return 0;
}

int rdkafka_let_librdkafka_read(struct rdkafka_source *s, const struct source_position *positions,
                                size_t n, struct error *e) {
    rdkafka_forget_parts(s);
    s->parts = xcalloc(n, sizeof *s->parts);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rd_kafka_topic_partition_list_add(list, s->cfg->topic, positions[i].partition)->offset =
            positions[i].offset;
        rc = take_queue(s, &s->parts[i], &positions[i], e);
        if (rc == 0)
            partition_table_put(&s->part_of, positions[i].partition, s->n_parts++);
    }
    rdkafka_drop_records(s); /* errors that stood in the partitions' own queues and moved */
    rd_kafka_resp_err_t err = rc ? RD_KAFKA_RESP_ERR_NO_ERROR : assign_and_settle(s, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err)
        rc = error_set(e, kafka_error_code(err), "topic %s: can't assign partitions: %s",
                       s->cfg->topic, rd_kafka_err2str(err));
    if (rc)
        rdkafka_forget_parts(s);
    return rc;
}

int rdkafka_assign(struct source *base, const struct source_position *positions, size_t n,
                   struct error *e) {
    struct rdkafka_source *s = rdkafka_of(base);
    if (n > 0 && s->cfg->use_group && !s->owned)
        return error_set(e, ERR_INTERNAL, "the group %s assigns no partitions to us now",
                         s->cfg->group_id);
    rdkafka_fetcher_end(s);
    if (s->own.due_ms == INT64_MAX) /* what was in its way may lie behind us */
        s->own.due_ms = 0;
    if (n == 0 || rdkafka_fetcher_begin(s, positions, n))
        return rdkafka_give_all_up(s, e);
    return rdkafka_let_librdkafka_read(s, positions, n, e);
}

/* ---- A consumer group assigns ---- */

static void tell_assigned(struct rdkafka_source *s, const int32_t *partitions, size_t n) {
    s->called = true;
    s->handler.assigned(s->handler.ctx, partitions, n);
}

static void group_assigned(struct rdkafka_source *s, const rd_kafka_topic_partition_list_t *list) {
    /* Taking the partitions over can take seconds. Until librdkafka is answered it neither rejoins
     * nor revokes, and holds up every other member's rebalance; so it gets an empty assignment now
     * and the real one from the worker's assign(). */
    s->owned = true;
    (void)rdkafka_assign(&s->base, NULL, 0, NULL);
    size_t n = 0;
    int32_t *partitions = xcalloc((size_t)list->cnt + 1, sizeof *partitions);
    for (int i = 0; i < list->cnt; i++)
        partitions[n++] = list->elems[i].partition;
    log_debug("group_assigned", "group %s assigns %zu partitions of topic %s to us",
              s->cfg->group_id, n, s->cfg->topic);
    tell_assigned(s, partitions, n);
    free(partitions);
}

static void group_revoked(struct rdkafka_source *s) {
    log_debug("group_revoked", "group %s takes the partitions of topic %s away", s->cfg->group_id,
              s->cfg->topic);
    s->called = true;
    s->handler.revoked(s->handler.ctx);
    rdkafka_send_commits(s); /* while they are ours */
    s->owned = false;
    (void)rdkafka_assign(&s->base, NULL, 0, NULL);
}

void rdkafka_rebalance_cb(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                          rd_kafka_topic_partition_list_t *list, void *opaque) {
    struct kafka_client *c = opaque;
    struct rdkafka_source *s = c->owner;
    if (s->closing) {
        (void)rd_kafka_assign(rk, NULL);
    } else if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        group_assigned(s, list);
    } else { /* revoked, or an error after which nothing is ours */
        if (err != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
            log_warn("rebalance", "group %s: %s", s->cfg->group_id, rd_kafka_err2str(err));
        group_revoked(s);
    }
}

/* ---- Assigned by hand ---- */

static int by_hand_list(struct rdkafka_source *s, int32_t count, struct error *e) {
    for (size_t i = 0; i < s->cfg->n_partitions; i++)
        if (s->cfg->partitions[i] < 0 || s->cfg->partitions[i] >= count)
            return error_set(e, ERR_NOT_FOUND,
                             "kafka.assignment: topic %s has no partition %d, only 0 to %d",
                             s->cfg->topic, (int)s->cfg->partitions[i], (int)count - 1);
    s->known = count;
    tell_assigned(s, s->cfg->partitions, s->cfg->n_partitions);
    return 0;
}

static void by_hand_all(struct rdkafka_source *s, int32_t count) {
    if (count <= s->known)
        return;
    if (s->known > 0)
        log_info("partitions_added", "topic %s has %d partitions now, %d before", s->cfg->topic,
                 (int)count, (int)s->known);
    int32_t *partitions = xcalloc((size_t)count, sizeof *partitions);
    for (int32_t i = 0; i < count; i++)
        partitions[i] = i;
    s->known = count;
    tell_assigned(s, partitions, (size_t)count);
    free(partitions);
}

static int find_partitions(struct rdkafka_source *s, struct error *e) {
    if (s->known > 0) {
        if (s->cfg->all)
            by_hand_all(s, s->counted); /* rdkafka_watch asks */
        return 0;
    }
    int32_t count = 0;
    struct error why;
    if (kafka_client_find_topic(s->client, ASK_MS, &count, &why)) {
        if (why.code == ERR_UNAVAILABLE)
            return 0;
        if (e)
            *e = why;
        return -1;
    }
    if (!s->cfg->all)
        return by_hand_list(s, count, e);
    by_hand_all(s, count);
    return 0;
}

int rdkafka_begin(struct rdkafka_source *s, struct error *e) {
    if (!s->cfg->use_group)
        return find_partitions(s, e);
    if (s->subscribed)
        return 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, s->cfg->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(s->client->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err)
        return error_set(e, kafka_error_code(err), "can't join the group %s for topic %s: %s",
                         s->cfg->group_id, s->cfg->topic, rd_kafka_err2str(err));
    s->subscribed = true;
    return 0;
}
