/* A connection to one broker in the plain, on which one request at a time is under way. Nothing here
 * waits but opening it. */
#ifndef TIDEMARK_KAFKA_BROKER_LINK_H
#define TIDEMARK_KAFKA_BROKER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

enum { BROKER_ANSWER_MAX = 100000000 /* bytes, as librdkafka's receive.message.max.bytes */ };

struct broker_link {
    int fd;        /* -1: none */
    char name[80]; /* "host:port", for people */
    struct buffer request;
    size_t sent;
    bool asked;           /* a request is under way */
    struct buffer answer; /* its length in front */
    bool taken;           /* the answer was complete: the next begins anew */
    int64_t heard_ms;     /* monotonic: since when nothing has come or gone */
};

/* Finds the host's addresses and connects to the first that takes the connection, within some timeout_ms
 * each. -1: ERR_UNAVAILABLE, and nothing is open. broker_link_close in either case. */
int broker_link_open(struct broker_link *l, const char *host, int port, int timeout_ms,
                     struct error *e);
void broker_link_close(struct broker_link *l);

/* The caller has put a request into the empty l->request. -1 as below. */
int broker_link_ask(struct broker_link *l, struct error *e);
/* Sends and receives what goes. 1: l->answer is complete; it stays so until the next call, may be exchanged
 * for another buffer before, and the next request may be asked meanwhile. 0: not yet, or nothing was asked.
 * -1: ERR_UNAVAILABLE where the connection is gone or silent for 30 s, ERR_LIMIT for an answer of more than
 * 100 MB. */
int broker_link_serve(struct broker_link *l, struct error *e);
/* A complete answer without its length. */
const char *broker_link_answer(const struct buffer *answer);
size_t broker_link_answer_len(const struct buffer *answer);
/* What poll(2) should wait for. */
short broker_link_events(const struct broker_link *l);

#endif
