/* Any bytes as a record batch, whether its CRC is right or not, and as the records of one. Records
 * are compared with an independent reading, which takes one byte at a time. The first byte is the
 * count of the latter. */
#include "fuzz.h"

#include "kafka/record_batch.h"

enum { SPAN = 1000 }; /* offsets of a batch that is not from the input */

struct reader {
    const char *p, *end;
    bool failed;
};

static int64_t number(struct reader *r, int max) {
    uint64_t v = 0, last = 0x80;
    int n = 0;
    for (; last & 0x80; n++) {
        if (n == max || r->p == r->end) {
            r->failed = true;
            return 0;
        }
        last = (unsigned char)*r->p++;
        v += (last & 0x7f) << (7 * n); /* what is beyond 64 bits is lost */
    }
    if (max == 5)
        v &= UINT32_MAX;
    return v & 1 ? -(int64_t)(v / 2) - 1 : (int64_t)(v / 2);
}

static struct reader part(struct reader *r, int64_t n) {
    struct reader all = {r->p, r->p, true};
    if (r->failed || n < 0 || n > r->end - r->p) {
        r->failed = true;
        return all;
    }
    all.failed = false;
    all.end = r->p += n;
    return all;
}

static const char *key_or_value(struct reader *r, size_t *len) {
    int64_t n = number(r, 5);
    *len = 0;
    if (r->failed || n == -1)
        return NULL;
    struct reader all = part(r, n);
    *len = (size_t)(all.end - all.p);
    return all.p;
}

/* The record at *r's place, or failed. */
static struct record reference(struct reader *r, const struct record_batch *b) {
    struct record record = {0};
    struct reader all = part(r, number(r, 5));
    struct reader attributes = part(&all, 1);
    bool append_time = b->log_append_time || (!attributes.failed && attributes.p[0] & 8);
    int64_t timestamp_delta = number(&all, 10);
    all.failed |= __builtin_add_overflow(b->base_offset, number(&all, 5), &record.offset);
    record.timestamp = b->max_timestamp;
    if (!append_time)
        (void)__builtin_add_overflow(b->base_timestamp, timestamp_delta, &record.timestamp);
    record.key = key_or_value(&all, &record.key_len);
    record.value = key_or_value(&all, &record.value_len);
    r->failed |= all.failed || all.p == all.end;
    return record;
}

static void lies_inside(const char *p, size_t len, const char *records, size_t n) {
    CHECK(p ? p >= records && len <= n && p <= records + n - len : len == 0);
}

static void same(const struct record *got, const struct record *want) {
    CHECK(got->offset == want->offset && got->timestamp == want->timestamp);
    CHECK(got->key == want->key && got->key_len == want->key_len);
    CHECK(got->value == want->value && got->value_len == want->value_len);
}

static void walk(const struct record_batch *b, const char *records, size_t n) {
    struct record_cursor c;
    struct record got;
    struct reader r = {records, records + n, false};
    int64_t offset = b->base_offset - 1;
    int32_t found = 0;
    int rc;
    record_cursor_begin(&c, b, records, n);
    while ((rc = record_cursor_next(&c, &got)) > 0) {
        struct record want = reference(&r, b);
        CHECK(!r.failed);
        same(&got, &want);
        lies_inside(got.key, got.key_len, records, n);
        lies_inside(got.value, got.value_len, records, n);
        CHECK(got.offset > offset && got.offset <= b->last_offset);
        offset = got.offset;
        found++;
        (void)record_batch_aborts(&got);
    }
    CHECK(found <= b->count);
    if (rc == 0) {
        CHECK(found == b->count && r.p == r.end);
    } else if (found == b->count) {
        CHECK(r.p < r.end);
    } else {
        struct record refused = reference(&r, b);
        CHECK(r.failed || refused.offset <= offset || refused.offset > b->last_offset);
    }
}

static void any_batch(const char *p, size_t n) {
    struct record_batch b;
    struct error e = {0};
    int rc = record_batch_read(&b, p, n, &e);
    CHECK(rc >= 0 || ((e.code == ERR_CORRUPT || e.code == ERR_UNSUPPORTED) && e.text[0]));
    if (rc <= 0)
        return;
    CHECK(b.len <= n && b.records >= p && b.records + b.records_len == p + b.len);
    CHECK(b.base_offset >= 0 && b.base_offset <= b.last_offset && b.count >= 0);
    (void)record_batch_intact(&b, p);
    walk(&b, b.records, b.records_len);
}

static void any_records(int32_t count, const char *p, size_t n) {
    struct record_batch b = {.last_offset = SPAN, .count = count};
    walk(&b, p, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *p = (const char *)data; /* libFuzzer's memory is exactly as large as the input */
    any_batch(p, size);
    if (size > 0)
        any_records(data[0], p + 1, size - 1);
    return 0;
}
