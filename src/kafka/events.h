/* Click events for the generator: one JSON object each, as json.dumps prints it. */
#ifndef TIDEMARK_KAFKA_EVENTS_H
#define TIDEMARK_KAFKA_EVENTS_H

#include <stddef.h>
#include <stdint.h>

struct events_config {
    uint32_t users;
    int64_t disorder_ms;
    double late;
    int64_t late_by_ms;
    double malformed;
    uint64_t seed;
};

enum event_kind { EVENT_GOOD, EVENT_LATE, EVENT_MALFORMED };

enum { EVENT_VALUE_MAX = 768, EVENT_KEY_MAX = 24 };

struct made_event {
    enum event_kind kind;
    char key[EVENT_KEY_MAX]; /* the user_id, also where the value lacks it */
    size_t key_len;
    char value[EVENT_VALUE_MAX];
    size_t value_len;
};

struct events;

struct events *events_new(const struct events_config *cfg);
/* The next event, as seen at `now_ms`: a pure function of the seed and the calls so far. */
void events_next(struct events *g, int64_t now_ms, struct made_event *ev);
void events_free(struct events *g);

#endif
