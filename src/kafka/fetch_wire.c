#include "kafka/fetch_wire.h"

#include <stdbool.h>
#include <string.h>

#include "kafka/big_endian.h"

enum {
    API_FETCH = 1,
    VERSION = 10,
    CONSUMER = -1, /* replica_id of who is no broker */
    READ_COMMITTED = 1,
    NO_SESSION = -1, /* its epoch */
    UNKNOWN = -1,    /* leader epoch, the follower's log start */
    ABORTED_BYTES = 16
};

/* ---- The request ---- */

static void put(struct buffer *out, uint64_t v, size_t bytes) {
    unsigned char be[8];
    for (size_t i = 0; i < bytes; i++)
        be[i] = (unsigned char)(v >> 8 * (bytes - 1 - i));
    (void)buffer_append(out, be, bytes);
}

static void put_i8(struct buffer *out, int8_t v) {
    put(out, (uint64_t)v, 1);
}

static void put_i16(struct buffer *out, int16_t v) {
    put(out, (uint64_t)v, 2);
}

static void put_i32(struct buffer *out, int32_t v) {
    put(out, (uint64_t)v, 4);
}

static void put_i64(struct buffer *out, int64_t v) {
    put(out, (uint64_t)v, 8);
}

static void put_string(struct buffer *out, const char *s) {
    size_t n = strlen(s);
    put_i16(out, (int16_t)n);
    (void)buffer_append(out, s, n);
}

static void put_i32_at(struct buffer *out, size_t at, int32_t v) {
    for (size_t i = 0; i < 4; i++)
        out->data[at + i] = (char)((uint32_t)v >> 8 * (3 - i));
}

void fetch_request_begin(struct fetch_request *r, struct buffer *out, int32_t correlation,
                         const char *client_id, const char *topic,
                         const struct fetch_limits *limits) {
    *r = (struct fetch_request){.out = out, .limits = limits};
    put_i32(out, 0); /* its length */
    put_i16(out, API_FETCH);
    put_i16(out, VERSION);
    put_i32(out, correlation);
    put_string(out, client_id);
    put_i32(out, CONSUMER);
    put_i32(out, limits->wait_ms);
    put_i32(out, 1); /* byte, at least, or the broker waits */
    put_i32(out, limits->bytes);
    put_i8(out, READ_COMMITTED);
    put_i32(out, 0); /* session */
    put_i32(out, NO_SESSION);
    put_i32(out, 1); /* topic */
    put_string(out, topic);
    r->count_at = out->len;
    put_i32(out, 0);
}

void fetch_request_add(struct fetch_request *r, int32_t partition, int64_t offset) {
    put_i32(r->out, partition);
    put_i32(r->out, UNKNOWN);
    put_i64(r->out, offset);
    put_i64(r->out, UNKNOWN);
    put_i32(r->out, r->limits->partition_bytes);
    r->count++;
}

int fetch_request_end(struct fetch_request *r) {
    put_i32(r->out, 0); /* forgotten topics of a session */
    if (r->out->overflow)
        return -1;
    put_i32_at(r->out, r->count_at, r->count);
    put_i32_at(r->out, 0, (int32_t)(r->out->len - 4));
    return 0;
}

/* ---- The answer ---- */

static bool has(const struct fetch_answer *a, size_t n) {
    return (size_t)(a->end - a->p) >= n;
}

static int16_t get_i16(struct fetch_answer *a) {
    a->p += 2;
    return i16_at(a->p - 2);
}

static int32_t get_i32(struct fetch_answer *a) {
    a->p += 4;
    return i32_at(a->p - 4);
}

static int64_t get_i64(struct fetch_answer *a) {
    a->p += 8;
    return i64_at(a->p - 8);
}

static int corrupt(struct error *e) {
    return error_set(e, ERR_CORRUPT, "the answer to a Fetch request makes no sense");
}

int fetch_answer_begin(struct fetch_answer *a, const char *data, size_t n, int32_t correlation,
                       const char *topic, struct error *e) {
    *a = (struct fetch_answer){.p = data, .end = data + n, .topic = topic};
    if (!has(a, 18) || get_i32(a) != correlation)
        return corrupt(e);
    (void)get_i32(a); /* for how long the broker throttles us: it sees to that itself (KIP-219) */
    int error = get_i16(a);
    if (error)
        return error_set(e, ERR_UNAVAILABLE, "a Fetch request was answered with error %d", error);
    (void)get_i32(a); /* session */
    a->topics = get_i32(a);
    return a->topics < 0 ? corrupt(e) : 0;
}

/* The name of a topic, which must be ours, and how many partitions follow. */
static int begin_topic(struct fetch_answer *a, struct error *e) {
    size_t n = strlen(a->topic);
    if (!has(a, 2) || (size_t)get_i16(a) != n || !has(a, n + 4) || memcmp(a->p, a->topic, n) != 0)
        return corrupt(e);
    a->p += n;
    a->parts = get_i32(a);
    a->topics--;
    return a->parts < 0 ? corrupt(e) : 0;
}

static int read_part(struct fetch_answer *a, struct fetch_part *part, struct error *e) {
    if (!has(a, 34))
        return corrupt(e);
    part->partition = get_i32(a);
    part->error = get_i16(a);
    part->high = get_i64(a);
    part->stable = get_i64(a);
    (void)get_i64(a); /* the log's start */
    part->n_aborted = get_i32(a);
    if (part->n_aborted < 0) /* -1: null */
        part->n_aborted = 0;
    part->aborted = a->p;
    if (!has(a, (size_t)part->n_aborted * ABORTED_BYTES + 4))
        return corrupt(e);
    a->p += (size_t)part->n_aborted * ABORTED_BYTES;
    int32_t len = get_i32(a);
    part->records_len = len < 0 ? 0 : (size_t)len;
    part->records = a->p;
    if (!has(a, part->records_len))
        return corrupt(e);
    a->p += part->records_len;
    return 1;
}

int fetch_answer_next(struct fetch_answer *a, struct fetch_part *part, struct error *e) {
    while (a->parts == 0) {
        if (a->topics == 0)
            return a->p == a->end ? 0 : corrupt(e);
        if (begin_topic(a, e))
            return -1;
    }
    a->parts--;
    return read_part(a, part, e);
}

void fetch_aborted(const struct fetch_part *part, int32_t i, int64_t *producer_id,
                   int64_t *first_offset) {
    const char *p = part->aborted + (size_t)i * ABORTED_BYTES;
    *producer_id = i64_at(p);
    *first_offset = i64_at(p + 8);
}
