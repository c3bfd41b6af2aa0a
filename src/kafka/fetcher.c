/* Asking: which partitions of which broker, from where, and what an answer says of them. */
#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "kafka/fetcher_internal.h"

enum {
    WAIT_MS = 10,          /* as fetch.wait.max.ms of rdkafka_conf.c, and for its reason */
    ANSWER_MIN = 64 << 10, /* bytes of records */
    ANSWER_BEST = 512 << 10,
    TURN = 4 << 20 /* bytes that come of one partition before the next begins, if it has so many */
};

struct share *fetcher_share(const struct fetcher *f, int32_t partition) {
    int32_t i = partition_table_find(&f->share_of, partition);
    return i >= 0 ? &f->shares[i] : NULL;
}

/* ---- Making it ---- */

static void add_share(struct fetcher *f, const struct fetcher_share *from) {
    size_t i = f->n_shares++;
    struct feed *feed = &f->feeds[from->broker];
    f->shares[i] = (struct share){.id = from->partition,
                                  .feed = from->broker,
                                  .at = feed->n_shares,
                                  .position = from->offset,
                                  .next = from->offset,
                                  .high = -1,
                                  .told = -1};
    feed->shares[feed->n_shares++] = i;
    partition_table_put(&f->share_of, from->partition, i);
}

static int32_t answer_bytes(const struct fetcher_config *cfg) {
    size_t each = cfg->memory / cfg->n_brokers / 16; /* what it is decompressed to comes on top */
    return each < ANSWER_MIN ? ANSWER_MIN : each > ANSWER_BEST ? ANSWER_BEST : (int32_t)each;
}

struct fetcher *fetcher_new(const struct fetcher_config *cfg, struct error *e) {
    assert(cfg->n_brokers > 0 && cfg->n_shares > 0);
    struct fetcher *f = xcalloc(1, sizeof *f);
    fetcher_delivery_init(f);
    f->topic = xstrdup(cfg->topic);
    f->client_id = xstrdup(cfg->client_id);
    f->limits.wait_ms = WAIT_MS;
    f->limits.bytes = f->limits.partition_bytes = answer_bytes(cfg);
    f->shares = xcalloc(cfg->n_shares, sizeof *f->shares);
    f->feeds = xcalloc(cfg->n_brokers, sizeof *f->feeds);
    for (size_t i = 0; i < cfg->n_brokers; i++) {
        struct feed *feed = &f->feeds[f->n_feeds++];
        feed->shares = xcalloc(cfg->n_shares, sizeof *feed->shares);
        if (broker_link_open(&feed->link, cfg->brokers[i].host, cfg->brokers[i].port,
                             cfg->timeout_ms, e) != 0) {
            fetcher_free(f);
            return NULL;
        }
    }
    for (size_t i = 0; i < cfg->n_shares; i++)
        add_share(f, &cfg->shares[i]);
    return f;
}

void fetcher_free(struct fetcher *f) {
    if (!f)
        return;
    for (size_t i = 0; i < f->n_feeds; i++) {
        struct feed *feed = &f->feeds[i];
        broker_link_close(&feed->link);
        free(feed->shares);
    }
    fetcher_delivery_free(f);
    free(f->feeds);
    free(f->shares);
    partition_table_free(&f->share_of);
    free(f->topic);
    free(f->client_id);
    free(f);
}

/* ---- Asking ---- */

/* Nothing to ask for: all were left. */
static int ask(struct fetcher *f, struct feed *feed, struct error *e) {
    struct fetch_request r;
    buffer_reset(&feed->link.request);
    feed->correlation = feed->correlation == INT32_MAX ? 0 : feed->correlation + 1;
    fetch_request_begin(&r, &feed->link.request, feed->correlation, f->client_id, f->topic,
                        &f->limits);
    for (size_t i = 0; i < feed->n_shares; i++) {
        size_t at = (feed->first + i) % feed->n_shares;
        const struct share *s = &f->shares[feed->shares[at]];
        if (!s->left)
            fetch_request_add(&r, s->id, s->next);
    }
    if (r.count == 0)
        return 0;
    if (fetch_request_end(&r) != 0)
        return error_set(e, ERR_LIMIT, "a Fetch request for too many partitions");
    return broker_link_ask(&feed->link, e);
}

/* ---- An answer has come ---- */

/* Errors pass or they don't: librdkafka finds out. */
static int refused(const struct fetcher *f, const struct fetch_part *part, struct error *e) {
    return error_set(e, ERR_UNAVAILABLE, "topic %s partition %d: a Fetch request got error %d",
                     f->topic, (int)part->partition, (int)part->error);
}

/* Moves s->next behind the whole batches. */
static int skim(const struct fetcher *f, struct share *s, const struct fetch_part *part,
                struct error *e) {
    const char *p = part->records, *end = p + part->records_len;
    while (p < end) {
        struct record_batch b;
        int rc = record_batch_read(&b, p, (size_t)(end - p), e);
        if (rc < 0)
            return error_wrap(e, "topic %s partition %d", f->topic, (int)s->id);
        if (rc == 0)
            break;
        if (b.last_offset >= s->next)
            s->next = b.last_offset + 1;
        p += b.len;
    }
    if (part->records_len > 0 && p == part->records)
        return error_set(e, ERR_CORRUPT, "topic %s partition %d: a batch came in part only",
                         f->topic, (int)s->id);
    return 0;
}

/* How far into the request's order this partition stands. */
static size_t turn_of(const struct feed *feed, const struct share *s) {
    return (s->at + feed->n_shares - feed->first) % feed->n_shares;
}

/* A partition that is far behind is read for a while before others are: each has its windows open, and
 * what is written to them should still be in the caches. */
static bool is_turn_over(struct share *s, const struct fetch_part *part) {
    s->turn += part->records_len;
    if (!s->left && s->next < fetch_part_end(part) && s->turn < TURN)
        return false;
    s->turn = 0;
    return true;
}

static int look_over_part(struct fetcher *f, struct feed *feed, const struct fetch_part *part,
                          size_t *turns, struct error *e) {
    struct share *s = fetcher_share(f, part->partition);
    if (!s || &f->feeds[s->feed] != feed)
        return error_set(e, ERR_CORRUPT, "%s answers for partition %d, which was not asked for",
                         feed->link.name, (int)part->partition);
    if (part->error)
        return refused(f, part, e);
    s->high = part->high;
    if (!s->left && skim(f, s, part, e) != 0)
        return -1;
    if (part->records_len > 0)
        *turns = turn_of(feed, s) + is_turn_over(s, part);
    return 0;
}

/* A broker fills its answer in the order of the request. The next one begins with the partition that
 * something came of last, as long as it is its turn, else behind it. */
static int look_over(struct fetcher *f, struct feed *feed, struct error *e) {
    struct fetch_part part;
    size_t turns = 0;
    const struct buffer *b = &feed->link.answer;
    int rc = fetch_answer_begin(&feed->answer, broker_link_answer(b), broker_link_answer_len(b),
                                feed->correlation, f->topic, e);
    struct fetch_answer a = feed->answer;
    while (rc == 0 && (rc = fetch_answer_next(&a, &part, e)) == 1)
        rc = look_over_part(f, feed, &part, &turns, e);
    feed->first = (feed->first + turns) % feed->n_shares;
    return rc;
}

/* While an answer is delivered the next one is received, and when that is complete the one after it is
 * asked for: the broker and the network work while we do. */
static int serve_feed(struct fetcher *f, struct feed *feed, struct error *e) {
    while (!feed->waiting) {
        if (!feed->link.asked && ask(f, feed, e) != 0)
            return -1;
        int rc = broker_link_serve(&feed->link, e);
        if (rc <= 0)
            return rc;
        feed->waiting = true;
        if (look_over(f, feed, e) != 0 || ask(f, feed, e) != 0)
            return -1;
        fetcher_next_answer(f);
    }
    return 0;
}

int fetcher_serve(struct fetcher *f, struct error *e) {
    fetcher_delivery_rest(f);
    for (size_t i = 0; i < f->n_feeds && f->trouble.code == ERR_NONE; i++)
        (void)serve_feed(f, &f->feeds[i], &f->trouble);
    if (f->trouble.code == ERR_NONE)
        return 0;
    *e = f->trouble;
    return -1;
}

bool fetcher_has_records(const struct fetcher *f) {
    return f->delivery.share != NULL;
}

size_t fetcher_connections(const struct fetcher *f) {
    return f->n_feeds;
}

void fetcher_poll_fds(const struct fetcher *f, struct pollfd *fds) {
    for (size_t i = 0; i < f->n_feeds; i++) {
        const struct broker_link *l = &f->feeds[i].link;
        /* One that was asked for nothing may be closed: nobody would read that, and poll(2) not wait. */
        fds[i] = (struct pollfd){.fd = l->asked ? l->fd : -1, .events = broker_link_events(l)};
    }
}

int64_t fetcher_end(const struct fetcher *f, int32_t partition) {
    const struct share *s = fetcher_share(f, partition);
    return s ? s->high : -1;
}

size_t fetcher_shares(const struct fetcher *f) {
    return f->n_shares;
}

size_t fetcher_positions(const struct fetcher *f, struct source_position *list) {
    size_t n = 0;
    for (size_t i = 0; i < f->n_shares; i++)
        if (!f->shares[i].left)
            list[n++] = (struct source_position){f->shares[i].id, f->shares[i].position};
    return n;
}
