/* Whether Kafka answers, and whether the topic is still there. librdkafka waits for both without end:
 * it says that all connections are down, never that one is back, and takes a deleted topic's
 * partitions away as a group would. So who reads nothing asks. */
#include "base/clock.h"
#include "base/log.h"
#include "kafka/rdkafka_internal.h"

enum {
    EVERY_MS = 5000,
    ASK_MS = 1000,      /* poll() must come back in time for everything else */
    PATIENCE_MS = 30000 /* brokers that have just begun do not know their topics yet */
};

void rdkafka_watch_begin(struct rdkafka_source *s) {
    s->watch.every_ms = EVERY_MS;
    s->watch.patience_ms = PATIENCE_MS;
    s->watch.due = clock_monotonic(clock_system()) + EVERY_MS;
}

static void answered(struct rdkafka_source *s, int64_t now, int32_t count) {
    if (s->watch.silent_since)
        log_info("kafka_answers", "Kafka at %s answers again, after %lld s",
                 s->cfg->bootstrap_servers, (long long)(now - s->watch.silent_since) / 1000);
    s->watch.silent_since = s->watch.gone_since = 0;
    s->counted = count;
    kafka_client_set_all_down(s->client, false);
}

static void silent(struct rdkafka_source *s, int64_t now, const struct error *why) {
    if (s->watch.silent_since)
        return;
    s->watch.silent_since = now;
    log_warn("kafka_unreachable", "%s; reading goes on by itself once one does", why->text);
}

static void gone(struct rdkafka_source *s, int64_t now, const struct error *why) {
    if (!s->watch.gone_since) {
        s->watch.gone_since = now;
        log_warn("topic_gone", "%s; the job fails if it is still so in %d s", why->text,
                 (int)(s->watch.patience_ms / 1000));
    } else if (now - s->watch.gone_since >= s->watch.patience_ms) {
        struct error e = *why;
        (void)error_wrap(&e,
                         "the topic was deleted while the job ran; made anew it is another log, "
                         "which needs another name and output.path");
        rdkafka_failed(s, &e);
    }
}

static bool must_ask(const struct rdkafka_source *s) {
    bool reads = s->n_parts > 0 || s->own.fetcher;
    return !s->cfg->use_group /* for partitions that were added */ || !reads ||
           s->watch.silent_since || s->watch.gone_since || kafka_client_all_down(s->client);
}

void rdkafka_watch(struct rdkafka_source *s) {
    int64_t now = clock_monotonic(clock_system());
    if (now < s->watch.due)
        return;
    s->watch.due = now + s->watch.every_ms;
    if (s->failed || !must_ask(s))
        return;
    int32_t count = 0;
    struct error why;
    if (kafka_client_partitions(s->client, ASK_MS, &count, &why) == 0)
        answered(s, now, count);
    else if (why.code == ERR_NOT_FOUND)
        gone(s, now, &why);
    else
        silent(s, now, &why);
}

bool rdkafka_answers(struct source *base) {
    return rdkafka_of(base)->watch.silent_since == 0;
}
