#include "topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "base/memory.h"
#include "kafka/events.h"

/* As bench/rig.py fills the topic, and the defaults of `generate`. */
enum { PARTITIONS = 3, USERS = 100000, DISORDER_MS = 60000, SEED = 1, UNPACED_PER_SECOND = 50000 };
#define START_MS INT64_C(1729630800000) /* 2024-10-22T21:00:00Z */

/* Rounded as it is by being written on a command line. */
static double speed_of(double hours, uint64_t events) {
    char text[64];
    (void)snprintf(text, sizeof text, "%.6f", hours * 3600 * UNPACED_PER_SECOND / (double)events);
    return strtod(text, NULL);
}

static char *keep(char *to, const void *from, size_t n) {
    memcpy(to, from, n);
    return to + n;
}

void topic_make(struct topic *t, uint64_t events, double hours, size_t most) {
    struct events_config cfg = {.users = USERS, .disorder_ms = DISORDER_MS, .seed = SEED};
    struct events *made = events_new(&cfg);
    struct made_event ev;
    double speed = speed_of(hours, events);
    *t = (struct topic){.events = events};
    t->records = xcalloc(most, sizeof *t->records);
    t->blob = xmalloc(most * (EVENT_VALUE_MAX + EVENT_KEY_MAX));
    char *end = t->blob;
    for (uint64_t i = 0; i < events; i++) {
        int64_t ms = START_MS + (int64_t)((double)i * 1000.0 * speed / UNPACED_PER_SECOND);
        events_next(made, ms, &ev);
        t->bytes += ev.value_len;
        if (t->n == most ||
            rd_kafka_msg_partitioner_murmur2(NULL, ev.key, ev.key_len, PARTITIONS, NULL, NULL) != 0)
            continue;
        t->records[t->n] = (struct record){.offset = (int64_t)t->n,
                                           .timestamp = ms,
                                           .key = end,
                                           .key_len = ev.key_len,
                                           .value = end + ev.key_len,
                                           .value_len = ev.value_len};
        end = keep(keep(end, ev.key, ev.key_len), ev.value, ev.value_len);
        t->record_bytes += ev.value_len;
        t->n++;
    }
    events_free(made);
}

void topic_free(struct topic *t) {
    free(t->records);
    free(t->blob);
}
