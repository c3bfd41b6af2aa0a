/* Produces the events of events.c: pace, simulated time, delivery. */
#include "kafka/generator.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "kafka/events.h"
#include "kafka/rdkafka_internal.h"

enum {
    ROUND_EVENTS = 1000,       /* between two looks at the clock, hold() and *stop */
    ROUND_MS = 50,             /* the same, where events come slowly */
    HOLD_MS = 20,              /* how soon hold() is asked again */
    REACH_MS = 10000,          /* for the topic to be found */
    FLUSH_MS = 40000,          /* longer than the time-out of a message (rdkafka_conf.c) */
    STOPPED_FLUSH_MS = 3000,   /* somebody waits for us to stop */
    UNPACED_PER_SECOND = 50000 /* with rate 0: so many events make up a second of simulated time */
};

struct run {
    const struct generator_config *cfg;
    const atomic_bool *stop;
    struct generator_result *result;
    struct kafka_client *client;
    struct events *events;
    int64_t start_ms;     /* simulated time at began */
    int64_t began;        /* monotonic */
    uint64_t produced;    /* handed to librdkafka */
    uint64_t paced;       /* events that were due while hold() held, and are left out */
    struct error failure; /* the first delivery that failed */
};

static bool stopped(const struct run *r) {
    return r->stop && atomic_load(r->stop);
}

/* Served by the producing thread. Messages purged after a stop are no failure. */
static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque) {
    (void)rk;
    struct kafka_client *c = opaque;
    struct run *r = c->owner;
    if (!m->err)
        return;
    r->result->failed++;
    if (m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || m->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT ||
        r->failure.code != ERR_NONE)
        return;
    char last[sizeof c->last_error];
    (void)pthread_mutex_lock(&c->lock);
    memcpy(last, c->last_error, sizeof last);
    (void)pthread_mutex_unlock(&c->lock);
    if (m->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)
        (void)error_set(&r->failure, ERR_UNAVAILABLE,
                        "topic %s at %s: no broker has taken an event for 30 s (%s)", r->cfg->topic,
                        r->cfg->bootstrap_servers, last[0] ? last : "no connection broke");
    else
        (void)error_set(&r->failure, kafka_error_code(m->err), "topic %s at %s: %s", r->cfg->topic,
                        r->cfg->bootstrap_servers, rd_kafka_err2str(m->err));
}

/* ---- The topic: a producer would create it, with whatever number of partitions ---- */

static int find_topic(const struct kafka_config *kafka, struct error *e) {
    rd_kafka_conf_t *conf = kafka_conf(kafka, KAFKA_ASK, NULL, e);
    if (!conf)
        return -1;
    struct kafka_client *c = kafka_client_new(kafka, KAFKA_ASK, conf, NULL, e);
    if (!c)
        return -1;
    int32_t count;
    int rc = kafka_client_find_topic(c, REACH_MS, &count, e);
    kafka_client_free(c);
    return rc;
}

/* ---- Producing ---- */

static int64_t simulated_ms(const struct run *r, int64_t now) {
    const struct generator_config *cfg = r->cfg;
    if (cfg->rate > 0)
        return r->start_ms + (int64_t)((double)(now - r->began) * cfg->speed);
    return r->start_ms + (int64_t)((double)r->produced * 1000.0 * cfg->speed / UNPACED_PER_SECOND);
}

static rd_kafka_resp_err_t hand_over(struct run *r, const struct made_event *ev, int64_t ms) {
    /* The casts drop const: the value is copied, the key is too. */
    rd_kafka_vu_t v[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = r->client->topic},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = (void *)(uintptr_t)ev->value, .size = ev->value_len}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = (void *)(uintptr_t)ev->key, .size = ev->key_len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = ms},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(r->client->rk, v, sizeof v / sizeof v[0]);
    if (!error)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t err = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return err;
}

static int produce_one(struct run *r, int64_t now, struct error *e) {
    struct made_event ev;
    int64_t ms = simulated_ms(r, now);
    events_next(r->events, ms, &ev);
    rd_kafka_resp_err_t err;
    while ((err = hand_over(r, &ev, ms)) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        (void)rd_kafka_poll(r->client->rk, ROUND_MS);
        if (stopped(r) || r->failure.code != ERR_NONE)
            return 0;
    }
    if (err)
        return error_set(e, kafka_error_code(err), "topic %s: %s", r->cfg->topic,
                         rd_kafka_err2str(err));
    r->produced++;
    r->result->late += ev.kind == EVENT_LATE;
    r->result->malformed += ev.kind == EVENT_MALFORMED;
    r->result->bytes += ev.value_len;
    return 0;
}

/* How many events may be produced now. */
static uint64_t due(const struct run *r, int64_t now) {
    const struct generator_config *cfg = r->cfg;
    uint64_t n = ROUND_EVENTS;
    if (cfg->rate > 0) {
        double all = (double)(now - r->began) * cfg->rate / 1000.0 + 1;
        uint64_t past = r->produced + r->paced;
        uint64_t behind = all > (double)past ? (uint64_t)all - past : 0;
        n = behind < n ? behind : n;
    }
    if (cfg->events > 0 && cfg->events - r->produced < n)
        n = cfg->events - r->produced;
    return n;
}

/* Until the other side has caught up. What would have been due meanwhile is not made up for. */
static void hold(struct run *r) {
    bool held = false;
    while (r->cfg->hold && !stopped(r) && r->failure.code == ERR_NONE &&
           r->cfg->hold(r->cfg->hold_ctx, r->produced)) {
        held = true;
        (void)rd_kafka_poll(r->client->rk, HOLD_MS);
    }
    if (!held || r->cfg->rate <= 0)
        return;
    double all = (double)(clock_monotonic(clock_system()) - r->began) * r->cfg->rate / 1000.0;
    if (all > (double)(r->produced + r->paced))
        r->paced = (uint64_t)all - r->produced;
}

static int produce(struct run *r, struct error *e) {
    while (!stopped(r) && r->failure.code == ERR_NONE &&
           (r->cfg->events == 0 || r->produced < r->cfg->events)) {
        hold(r);
        int64_t now = clock_monotonic(clock_system());
        uint64_t n = due(r, now);
        for (uint64_t i = 0; i < n; i++)
            if (produce_one(r, now, e))
                return -1;
        int wait_ms = 0;
        if (n == 0) { /* until the next event is due, or the next look */
            double gap = 1000.0 / r->cfg->rate;
            wait_ms = gap < 1 ? 1 : gap > ROUND_MS ? ROUND_MS : (int)gap;
        }
        (void)rd_kafka_poll(r->client->rk, wait_ms);
        struct error fatal;
        if (kafka_client_fatal(r->client, &fatal))
            r->failure = fatal;
    }
    return 0;
}

static void flush(struct run *r) {
    int64_t began = clock_monotonic(clock_system());
    for (;;) {
        int64_t took = clock_monotonic(clock_system()) - began;
        bool hurry = stopped(r) || r->failure.code != ERR_NONE;
        if (rd_kafka_outq_len(r->client->rk) == 0)
            return;
        if (took >= (hurry ? STOPPED_FLUSH_MS : FLUSH_MS))
            break;
        (void)rd_kafka_flush(r->client->rk, ROUND_MS);
    }
    (void)rd_kafka_purge(r->client->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    (void)rd_kafka_flush(r->client->rk, STOPPED_FLUSH_MS);
}

static int run(struct run *r, const struct kafka_config *kafka, struct error *e) {
    const struct generator_config *cfg = r->cfg;
    if (find_topic(kafka, e))
        return -1;
    rd_kafka_conf_t *conf = kafka_conf(kafka, KAFKA_PRODUCE, NULL, e);
    if (!conf)
        return -1;
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    r->client = kafka_client_new(kafka, KAFKA_PRODUCE, conf, r, e);
    if (!r->client)
        return -1;
    struct events_config ec = {.users = cfg->users,
                               .disorder_ms = cfg->disorder_ms,
                               .late = cfg->late,
                               .late_by_ms = cfg->late_by_ms,
                               .malformed = cfg->malformed,
                               .seed = cfg->seed};
    r->events = events_new(&ec);
    r->began = clock_monotonic(clock_system());
    int rc = produce(r, e);
    flush(r);
    r->result->events = r->produced - r->result->failed;
    if (rc == 0 && r->failure.code != ERR_NONE) {
        if (e)
            *e = r->failure;
        rc = -1;
    }
    return rc;
}

int generator_run(const struct generator_config *cfg, const atomic_bool *stop,
                  struct generator_result *result, struct error *e) {
    struct kafka_config kafka = {.bootstrap_servers = cfg->bootstrap_servers,
                                 .topic = cfg->topic,
                                 .group_id = "tidemark-generate",
                                 .properties = cfg->properties,
                                 .n_properties = cfg->n_properties};
    struct run r = {.cfg = cfg, .stop = stop, .result = result};
    *result = (struct generator_result){0};
    r.start_ms = cfg->start_ms ? cfg->start_ms : clock_wall(clock_system());
    int rc = run(&r, &kafka, e);
    kafka_client_free(r.client);
    events_free(r.events);
    return rc;
}
