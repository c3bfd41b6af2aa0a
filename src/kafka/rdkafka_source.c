/* The record source over librdkafka: making it, waiting on it, closing it. What it fetches, assigns
 * and asks stands in the files beside this one. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "kafka/rdkafka_internal.h"

enum {
    CLOSE_MS = 3000 /* a group is left politely for so long, then without a word */
};

/* ---- commit() ---- */

static void source_commit(struct source *base, int32_t partition, int64_t next) {
    struct rdkafka_source *s = rdkafka_of(base);
    if (!s->cfg->use_group || !s->owned)
        return;
    if (!s->commits)
        s->commits = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *p =
        rd_kafka_topic_partition_list_find(s->commits, s->cfg->topic, partition);
    if (!p)
        p = rd_kafka_topic_partition_list_add(s->commits, s->cfg->topic, partition);
    p->offset = next;
}

/* All that there is since the last time, in one request. */
void rdkafka_send_commits(struct rdkafka_source *s) {
    if (!s->commits)
        return;
    rd_kafka_resp_err_t err = rd_kafka_commit(s->client->rk, s->commits, 1);
    if (err)
        log_debug("group_commit", "%d partitions: %s", s->commits->cnt, rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_destroy(s->commits);
    s->commits = NULL;
}

/* ---- poll() ---- */

void rdkafka_failed(struct rdkafka_source *s, const struct error *e) {
    if (s->failed)
        return;
    s->failed = s->called = true;
    s->handler.failed(s->handler.ctx, e);
}

static const char *denial_hint(rd_kafka_resp_err_t err) {
    switch (err) {
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return " Grant this user Read on the group (kafka.group_id)";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return " Grant this user Read and Describe on the topic";
    default:
        return "";
    }
}

/* Since the partitions' records have a queue of their own, only the group's troubles come this way. */
static void serve_message(struct rdkafka_source *s, const rd_kafka_message_t *m) {
    /* An error of the whole topic has no offset, and names partition 0. */
    struct part *p = m->rkt && (!m->err || m->offset >= 0) ? rdkafka_part(s, m->partition) : NULL;
    if (p && p->left)
        return;
    if (p) { /* not seen, but a lost record must not depend on that */
        s->strays += !p->stray;
        p->stray = true;
        p->stray_offset = m->offset >= 0 ? m->offset : p->expected;
        s->called = true;
        return;
    }
    struct error e;
    enum error_code code = kafka_error_code(m->err);
    (void)error_set(&e, code, "group %s, topic %s: %s%s", s->cfg->group_id, s->cfg->topic,
                    rd_kafka_message_errstr(m), denial_hint(m->err));
    bool ends = s->cfg->use_group && (code == ERR_DENIED || code == ERR_NOT_FOUND);
    if (ends || m->err == RD_KAFKA_RESP_ERR__FATAL)
        rdkafka_failed(s, &e);
    else if (s->cfg->use_group)
        log_warn("kafka_group", "%s", e.text);
    else /* by hand, the group's coordinator is needed for nothing */
        log_debug("kafka_group", "%s", e.text);
}

static void serve(struct rdkafka_source *s) {
    kafka_client_serve(s->client);
    rd_kafka_message_t *m;
    while ((m = rd_kafka_consumer_poll(s->client->rk, 0)) != NULL) {
        serve_message(s, m);
        rd_kafka_message_destroy(m);
    }
    struct error e;
    if (!s->failed && kafka_client_fatal(s->client, &e))
        rdkafka_failed(s, &e);
}

static bool records_wait(const struct rdkafka_source *s) {
    if (s->suspended)
        return false;
    if (s->own.fetcher)
        return fetcher_has_records(s->own.fetcher);
    return s->waiting > 0 || s->strays > 0 || rd_kafka_queue_length(s->records) > 0;
}

static void wait_for_event(struct rdkafka_source *s, int timeout_ms) {
    struct pollfd alone, *fds = s->own.fetcher ? s->own.fds : &alone;
    nfds_t n = 1;
    uint64_t count;
    fds[0] = (struct pollfd){.fd = s->event_fd, .events = POLLIN};
    if (s->own.fetcher && !s->suspended) {
        fetcher_poll_fds(s->own.fetcher, fds + 1);
        n += fetcher_connections(s->own.fetcher);
    }
    if (poll(fds, n, timeout_ms) > 0 && fds[0].revents)
        while (read(s->event_fd, &count, sizeof count) < 0 && errno == EINTR)
            ;
}

static int source_poll(struct source *base, int timeout_ms, struct error *e) {
    struct rdkafka_source *s = rdkafka_of(base);
    int64_t deadline = clock_monotonic(clock_system()) + timeout_ms;
    s->called = false;
    s->may_take = true;
    rdkafka_send_commits(s);
    for (;;) {
        /* Any signal that comes from here on ends the wait below, so nothing served late. */
        rdkafka_watch(s);
        if (rdkafka_begin(s, e))
            return -1;
        serve(s);
        rdkafka_forward_parts(s);
        if (rdkafka_fetcher_serve(s, e))
            return -1;
        bool woken = atomic_exchange(&s->woken, false);
        if (s->called || woken || records_wait(s))
            return 0;
        int64_t left = deadline - clock_monotonic(clock_system());
        if (left <= 0)
            return 0;
        wait_for_event(s, (int)left);
    }
}

static void source_wake(struct source *base) {
    struct rdkafka_source *s = rdkafka_of(base);
    uint64_t one = 1;
    atomic_store(&s->woken, true);
    while (write(s->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void source_suspend(struct source *base, bool on) {
    rdkafka_of(base)->suspended = on;
}

/* ---- free() ---- */

/* rd_kafka_consumer_close would wait for the coordinator without end; through a queue, closing can be
 * given up. */
static void leave_group(struct rdkafka_source *s) {
    rd_kafka_queue_t *queue = rd_kafka_queue_new(s->client->rk);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(s->client->rk, queue);
    if (error)
        rd_kafka_error_destroy(error);
    int64_t deadline = clock_monotonic(clock_system()) + CLOSE_MS;
    while (!error && !rd_kafka_consumer_closed(s->client->rk)) {
        if (clock_monotonic(clock_system()) >= deadline) {
            log_warn("kafka_close",
                     "group %s did not confirm that we leave; it will see by its session time-out",
                     s->cfg->group_id);
            break;
        }
        rd_kafka_event_t *ev = rd_kafka_queue_poll(queue, 50);
        if (ev && rd_kafka_event_type(ev) == RD_KAFKA_EVENT_REBALANCE)
            (void)rd_kafka_assign(s->client->rk, NULL);
        if (ev)
            rd_kafka_event_destroy(ev);
    }
    rd_kafka_queue_destroy(queue);
}

static void drop_queue(rd_kafka_queue_t *queue) {
    if (!queue)
        return;
    rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
    rd_kafka_queue_destroy(queue);
}

static void source_free(struct source *base) {
    struct rdkafka_source *s = rdkafka_of(base);
    s->closing = true;
    rdkafka_fetcher_end(s);
    free(s->own.fds);
    if (s->client) {
        rdkafka_send_commits(s);
        if (s->n_parts > 0 || s->owned)
            (void)rd_kafka_assign(s->client->rk, NULL);
        rdkafka_forget_parts(s);
        if (s->subscribed)
            leave_group(s);
        drop_queue(s->main_queue);
        drop_queue(s->group_queue);
        drop_queue(s->records);
        kafka_client_free(s->client);
    }
    if (s->event_fd >= 0)
        (void)close(s->event_fd);
    kafka_config_free(s->cfg);
    free(s);
}

/* ---- Making it ---- */

static const struct source_ops ops = {
    .poll = source_poll,
    .wake = source_wake,
    .cluster_id = rdkafka_cluster_id,
    .partition_count = rdkafka_partition_count,
    .end = rdkafka_end,
    .answers = rdkafka_answers,
    .bounds = rdkafka_bounds,
    .offsets_for_time = rdkafka_offsets_for_time,
    .peek = rdkafka_peek,
    .check_topic = rdkafka_check_topic,
    .assign = rdkafka_assign,
    .fetch = rdkafka_fetch,
    .leave = rdkafka_leave,
    .suspend = source_suspend,
    .commit = source_commit,
    .free = source_free,
};

static int connect_client(struct rdkafka_source *s, struct error *e) {
    static const uint64_t one = 1;
    rd_kafka_conf_t *conf = kafka_conf(s->cfg, KAFKA_CONSUME, &s->wake_bytes, e);
    if (!conf)
        return -1;
    rd_kafka_conf_set_rebalance_cb(conf, rdkafka_rebalance_cb);
    s->client = kafka_client_new(s->cfg, KAFKA_CONSUME, conf, s, e);
    if (!s->client)
        return -1;
    /* The main queue (errors of brokers) stays apart from the consumer's (rebalances), so questions
     * can serve the one without calling the handler through the other. */
    s->main_queue = rd_kafka_queue_get_main(s->client->rk);
    s->group_queue = rd_kafka_queue_get_consumer(s->client->rk);
    s->records = rd_kafka_queue_new(s->client->rk);
    rd_kafka_queue_io_event_enable(s->main_queue, s->event_fd, &one, sizeof one);
    rd_kafka_queue_io_event_enable(s->group_queue, s->event_fd, &one, sizeof one);
    rd_kafka_queue_io_event_enable(s->records, s->event_fd, &one, sizeof one);
    return 0;
}

/* Fetched batches come and go by the megabyte. By default glibc returns such memory to the system and
 * faults it in again, which costs a tenth of what consuming does altogether. For the process. */
static void keep_freed_memory(void) {
    (void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)mallopt(M_TOP_PAD, 1 << 20);
}

struct source *rdkafka_source_new(const struct kafka_config *cfg,
                                  const struct source_handler *handler, struct error *e) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, keep_freed_memory);
    struct rdkafka_source *s = xcalloc(1, sizeof *s);
    s->base.ops = &ops;
    s->handler = *handler;
    s->cfg = kafka_config_copy(cfg);
    rdkafka_watch_begin(s);
    rdkafka_fetcher_init(s);
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->event_fd < 0) {
        (void)error_errno(e, errno, "eventfd");
        source_free(&s->base);
        return NULL;
    }
    if (connect_client(s, e)) {
        source_free(&s->base);
        return NULL;
    }
    return &s->base;
}
