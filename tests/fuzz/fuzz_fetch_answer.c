/* Any bytes as the answer to the Fetch request of correlation 7 for topic "t": its partitions, one
 * behind the other, their aborted transactions and their record batches lie inside of it, and each
 * byte of an answer that is taken as a whole belongs to something. */
#include "fuzz.h"

#include "kafka/fetch_wire.h"
#include "kafka/record_batch.h"

enum {
    CORRELATION = 7,
    HEAD = 18,         /* bytes before the first topic */
    TOPIC = 7,         /* and of a topic: its name, and the number of partitions */
    PART = 34,         /* of a partition before the aborted transactions */
    ABORTED = 16,      /* of each of these */
    BEFORE_RECORDS = 4 /* behind them: the records' length */
};

static int64_t number(const char *p, int bytes) {
    uint64_t v = (unsigned char)*p & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | (unsigned char)p[i];
    return (int64_t)v;
}

static void read_records(const struct record_batch *b) {
    struct record_cursor c;
    struct record r;
    record_cursor_begin(&c, b, b->records, b->records_len);
    while (record_cursor_next(&c, &r) == 1)
        CHECK(r.offset >= b->base_offset && r.offset <= b->last_offset);
}

static void read_batches(const struct fetch_part *part) {
    const char *p = part->records, *end = p + part->records_len;
    struct record_batch b;
    struct error e;
    while (p < end && record_batch_read(&b, p, (size_t)(end - p), &e) == 1) {
        CHECK(b.len > 0 && b.len <= (size_t)(end - p));
        (void)record_batch_intact(&b, p);
        if (b.codec == CODEC_NONE)
            read_records(&b);
        p += b.len;
    }
}

static void read_aborted(const struct fetch_part *part) {
    for (int32_t i = 0; i < part->n_aborted; i++) {
        const char *p = part->aborted + (size_t)i * ABORTED;
        int64_t producer_id, first_offset;
        fetch_aborted(part, i, &producer_id, &first_offset);
        CHECK(producer_id == number(p, 8) && first_offset == number(p + 8, 8));
    }
}

/* Whether topics without partitions are all that is between the two. */
static bool only_topics(const char *p, const char *end) {
    for (; p < end; p += TOPIC) {
        if (end - p < TOPIC || memcmp(p, "\0\1t", 3) != 0)
            return false;
        if (end - p > TOPIC && number(p + 3, 4) != 0)
            return false;
    }
    return true;
}

/* A partition, of which none of the bytes before `from` is; where the next one may begin. */
static const char *read_part(const struct fetch_part *part, const char *from, const char *end) {
    CHECK(part->n_aborted >= 0 && part->aborted >= from + PART && part->aborted <= end);
    CHECK(part->n_aborted <= (end - part->aborted) / ABORTED);
    const char *behind = part->aborted + (ptrdiff_t)part->n_aborted * ABORTED;
    CHECK(part->records == behind + BEFORE_RECORDS && part->records <= end);
    CHECK(part->records_len <= (size_t)(end - part->records));
    const char *p = part->aborted - PART;
    CHECK(only_topics(from, p));
    CHECK(part->partition == number(p, 4) && part->error == number(p + 4, 2));
    CHECK(part->high == number(p + 6, 8) && part->stable == number(p + 14, 8));
    int64_t n = number(p + 30, 4), len = number(behind, 4);
    CHECK(part->n_aborted == (n < 0 ? 0 : n));
    CHECK(part->records_len == (len < 0 ? 0 : (uint64_t)len));
    read_aborted(part);
    read_batches(part);
    return part->records + part->records_len;
}

static int begin(struct fetch_answer *a, const char *p, size_t n) {
    struct error e = {0};
    if (fetch_answer_begin(a, p, n, CORRELATION, "t", &e) == 0) {
        CHECK(n >= HEAD && number(p, 4) == CORRELATION && number(p + 8, 2) == 0);
        return 0;
    }
    CHECK(e.text[0] && (e.code == ERR_CORRUPT || e.code == ERR_UNAVAILABLE));
    CHECK((e.code == ERR_UNAVAILABLE) ==
          (n >= HEAD && number(p, 4) == CORRELATION && number(p + 8, 2) != 0));
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *p = (const char *)data; /* libFuzzer's memory is exactly as large as the input */
    const char *end = p + size;
    struct fetch_answer a;
    struct fetch_part part;
    struct error e = {0};
    int rc;
    if (begin(&a, p, size) != 0)
        return 0;
    p += HEAD;
    while ((rc = fetch_answer_next(&a, &part, &e)) == 1)
        p = read_part(&part, p, end);
    if (rc == 0)
        CHECK(only_topics(p, end) && fetch_answer_next(&a, &part, &e) == 0);
    else
        CHECK(rc == -1 && e.code == ERR_CORRUPT && e.text[0]);
    return 0;
}
