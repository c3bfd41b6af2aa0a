#include "kafka/record_batch.h"

#include "base/checksum.h"
#include "base/compiler.h"
#include "kafka/big_endian.h"

/* Where the header's fields stand. */
enum {
    AT_BASE_OFFSET = 0,
    AT_LENGTH = 8,
    AT_MAGIC = 16, /* in formats 0 and 1, too */
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_COUNT = 57,
    AT_RECORDS = 61,
};
enum { BEFORE_LENGTH = AT_LENGTH + 4 }; /* what the batch's length does not count */

enum {
    CODEC_BITS = 0x07,
    LOG_APPEND_TIME = 0x08,
    TRANSACTIONAL = 0x10,
    CONTROL = 0x20,
};

enum { VARINT_MAX = 5, VARLONG_MAX = 10 }; /* bytes */

static int unsupported(int64_t offset, int magic, struct error *e) {
    return error_set(e, ERR_UNSUPPORTED,
                     "the records at offset %lld are in format %d%s, and only format 2 is read",
                     (long long)offset, magic,
                     magic == 0 || magic == 1 ? ", of before Kafka 0.11" : "");
}

static int corrupt(int64_t offset, const char *what, int64_t value, struct error *e) {
    return error_set(e, ERR_CORRUPT, "the record batch at offset %lld is damaged: its %s is %lld",
                     (long long)offset, what, (long long)value);
}

int record_batch_read(struct record_batch *b, const char *p, size_t n, struct error *e) {
    if (n <= AT_MAGIC)
        return 0;
    b->base_offset = i64_at(p + AT_BASE_OFFSET);
    if (p[AT_MAGIC] != 2)
        return unsupported(b->base_offset, (signed char)p[AT_MAGIC], e);
    int32_t length = i32_at(p + AT_LENGTH);
    if (length < AT_RECORDS - BEFORE_LENGTH)
        return corrupt(b->base_offset, "length", length, e);
    if (b->base_offset < 0)
        return corrupt(b->base_offset, "base offset", b->base_offset, e);
    if (n < AT_RECORDS)
        return 0;
    int32_t last_offset_delta = i32_at(p + AT_LAST_OFFSET_DELTA);
    if (last_offset_delta < 0 ||
        __builtin_add_overflow(b->base_offset, last_offset_delta, &b->last_offset) ||
        b->last_offset == INT64_MAX) /* nothing could follow */
        return corrupt(b->base_offset, "last offset delta", last_offset_delta, e);
    b->count = i32_at(p + AT_COUNT);
    if (b->count < 0)
        return corrupt(b->base_offset, "count of records", b->count, e);
    b->len = BEFORE_LENGTH + (size_t)length;
    if (n < b->len)
        return 0;
    int16_t attributes = i16_at(p + AT_ATTRIBUTES);
    b->codec = (enum codec)(attributes & CODEC_BITS);
    b->log_append_time = attributes & LOG_APPEND_TIME;
    b->transactional = attributes & TRANSACTIONAL;
    b->control = attributes & CONTROL;
    b->base_timestamp = i64_at(p + AT_BASE_TIMESTAMP);
    b->max_timestamp = i64_at(p + AT_MAX_TIMESTAMP);
    b->producer_id = i64_at(p + AT_PRODUCER_ID);
    b->records = p + AT_RECORDS;
    b->records_len = b->len - AT_RECORDS;
    return 1;
}

bool record_batch_intact(const struct record_batch *b, const char *p) {
    return crc32c(0, p + AT_ATTRIBUTES, b->len - AT_ATTRIBUTES) == (uint32_t)i32_at(p + AT_CRC);
}

void record_cursor_begin(struct record_cursor *c, const struct record_batch *b, const char *records,
                         size_t n) {
    *c = (struct record_cursor){
        .p = records,
        .end = n ? records + n : records, /* NULL where nothing was decompressed */
        .left = b->count,
        .base_offset = b->base_offset,
        .base_timestamp = b->base_timestamp,
        .max_timestamp = b->max_timestamp,
        .append_time = b->log_append_time,
        .previous_delta = -1,
        .last_delta = (int32_t)(b->last_offset - b->base_offset),
    };
}

/* A varint of any length up to max bytes: seven bits in each byte, the lowest first, and the eighth
 * where another byte follows. Returns what stands behind it, NULL where it does not end. Bits that
 * the type has no room for are lost, as they are to Kafka's own consumer. */
static __attribute__((noinline)) const char *long_varint(const char *p, const char *end, int max,
                                                         uint64_t *raw) {
    *raw = 0;
    for (int i = 0; i < max && p < end; i++) {
        unsigned char byte = (unsigned char)*p++;
        *raw |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return p;
    }
    return NULL;
}

/* Nearly all have one byte or two. In a record something follows each, so that it costs nothing to
 * look at two bytes at once. */
INLINE const char *raw_varint(const char *p, const char *end, int max, uint64_t *raw) {
    if (LIKELY(end - p >= 2)) {
        unsigned char first = (unsigned char)p[0], second = (unsigned char)p[1];
        *raw = first;
        if (first < 0x80)
            return p + 1;
        *raw = (first & 0x7fu) | (uint64_t)second << 7;
        if (LIKELY(second < 0x80))
            return p + 2;
    }
    return long_varint(p, end, max, raw);
}

/* Zigzag: 0, -1, 1, -2, ... */
INLINE const char *varint(const char *p, const char *end, int32_t *v) {
    uint64_t raw;
    p = raw_varint(p, end, VARINT_MAX, &raw);
    *v = (int32_t)((uint32_t)raw >> 1 ^ (0 - ((uint32_t)raw & 1)));
    return p;
}

INLINE const char *varlong(const char *p, const char *end, int64_t *v) {
    uint64_t raw;
    p = raw_varint(p, end, VARLONG_MAX, &raw);
    *v = (int64_t)(raw >> 1 ^ (0 - (raw & 1)));
    return p;
}

/* A length and as many bytes: a key or a value. */
INLINE const char *bytes(const char *p, const char *end, const char **data, size_t *len) {
    int32_t n;
    p = varint(p, end, &n);
    if (!p)
        return NULL;
    *data = p;
    *len = (size_t)n;
    if (LIKELY((size_t)n <= (size_t)(end - p))) /* a negative one is larger than any rest */
        return p + n;
    *data = NULL;
    *len = 0;
    return n == -1 ? p : NULL;
}

/* Headers are passed over by the record's length: nobody wants them. */
int record_cursor_next(struct record_cursor *c, struct record *r) {
    if (c->left == 0)
        return c->p == c->end ? 0 : -1;
    int32_t length, offset_delta;
    int64_t timestamp_delta;
    const char *p = varint(c->p, c->end, &length);
    if (!p || length < 1 || length > c->end - p)
        return -1;
    const char *end = p + length;
    /* A record's own attributes mean nothing yet, but to librdkafka, and a record's time must not
     * depend on who reads it. */
    bool append_time = c->append_time || *p & LOG_APPEND_TIME;
    p++;
    p = varlong(p, end, &timestamp_delta);
    if (p)
        p = varint(p, end, &offset_delta);
    if (p)
        p = bytes(p, end, &r->key, &r->key_len);
    if (p)
        p = bytes(p, end, &r->value, &r->value_len);
    /* The count of headers stands behind the value, if only as a zero. */
    if (!p || p == end || offset_delta <= c->previous_delta || offset_delta > c->last_delta)
        return -1;
    r->offset = c->base_offset + offset_delta;
    r->timestamp = c->max_timestamp;
    if (!append_time) /* producers may have sent any two numbers */
        r->timestamp = (int64_t)((uint64_t)c->base_timestamp + (uint64_t)timestamp_delta);
    c->previous_delta = offset_delta;
    c->p = end;
    c->left--;
    return 1;
}

/* The marker's key: a version, of which later ones may add fields behind these, and the type: 0 is
 * ABORT, 1 COMMIT. */
bool record_batch_aborts(const struct record *marker) {
    return marker->key && marker->key_len >= 4 && i16_at(marker->key) >= 0 &&
           i16_at(marker->key + 2) == 0;
}
