#include "support/batch_maker.h"

#include <stdlib.h>
#include <string.h>

#include <isa-l/igzip_lib.h>
#include <lz4frame.h>
#include <zstd.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "kafka/decompress.h"

enum { BEFORE_LENGTH = 12, LARGEST = 1 << 26 };

static void append(struct buffer *b, const void *data, size_t n) {
    if (buffer_append(b, data, n) < 0)
        abort();
}

void batch_put(char *p, int bytes, int64_t v) {
    for (int i = 0; i < bytes; i++)
        p[i] = (char)((uint64_t)v >> (8 * (bytes - 1 - i)));
}

void batch_seal(char *batch, size_t n) {
    batch_put(batch + BATCH_CRC, 4, crc32c(0, batch + BATCH_ATTRIBUTES, n - BATCH_ATTRIBUTES));
}

void batch_varint(struct buffer *b, int64_t v) {
    uint64_t raw = (uint64_t)v << 1;
    if (v < 0)
        raw = ~raw;
    do {
        char byte = (char)((raw & 0x7f) | (raw > 0x7f ? 0x80 : 0));
        append(b, &byte, 1);
        raw >>= 7;
    } while (raw);
}

void batch_begin(struct batch_maker *m, int64_t base_offset, int64_t base_timestamp, int attributes,
                 int64_t producer_id) {
    *m = (struct batch_maker){.base_offset = base_offset,
                              .base_timestamp = base_timestamp,
                              .producer_id = producer_id,
                              .attributes = attributes,
                              .max_timestamp = base_timestamp};
    buffer_init(&m->records, LARGEST);
}

static void add_bytes(struct buffer *b, const char *data, int len) {
    batch_varint(b, len);
    if (len > 0)
        append(b, data, (size_t)len);
}

void batch_add(struct batch_maker *m, int32_t offset_delta, int64_t timestamp_delta,
               const char *key, int key_len, const char *value, int value_len, int headers) {
    struct buffer record;
    buffer_init(&record, LARGEST);
    append(&record, "", 1); /* attributes */
    batch_varint(&record, timestamp_delta);
    batch_varint(&record, offset_delta);
    add_bytes(&record, key, key_len);
    add_bytes(&record, value, value_len);
    batch_varint(&record, headers);
    for (int i = 0; i < headers; i++) {
        add_bytes(&record, "name", 4);
        add_bytes(&record, "of a header", i % 2 ? -1 : 11);
    }
    add_bytes(&m->records, record.data, (int)record.len);
    buffer_free(&record);
    m->count++;
    if (offset_delta > m->last_offset_delta)
        m->last_offset_delta = offset_delta;
    int64_t timestamp = (int64_t)((uint64_t)m->base_timestamp + (uint64_t)timestamp_delta);
    if (timestamp > m->max_timestamp)
        m->max_timestamp = timestamp;
}

void batch_add_marker(struct batch_maker *m, int version, int type) {
    char key[4], value[6] = ""; /* version and coordinator's epoch */
    batch_put(key, 2, version);
    batch_put(key + 2, 2, type);
    batch_add(m, 0, 0, key, sizeof key, value, sizeof value, 0);
}

void batch_add_raw(struct batch_maker *m, const char *bytes, size_t n, int n_records) {
    append(&m->records, bytes, n);
    m->count += n_records;
}

static size_t gzip(const struct buffer *from, char *to, size_t room) {
    struct isal_zstream *z = xmalloc(sizeof *z);
    isal_deflate_stateless_init(z);
    z->gzip_flag = IGZIP_GZIP;
    z->next_in = (uint8_t *)from->data;
    z->avail_in = (uint32_t)from->len;
    z->next_out = (uint8_t *)to;
    z->avail_out = (uint32_t)room;
    z->end_of_stream = 1;
    if (isal_deflate_stateless(z) != COMP_OK)
        abort();
    size_t n = z->total_out;
    free(z);
    return n;
}

static size_t lz4(const struct buffer *from, char *to, size_t room) {
    size_t n = LZ4F_compressFrame(to, room, from->data, from->len, NULL);
    if (LZ4F_isError(n))
        abort();
    return n;
}

static size_t zstd(const struct buffer *from, char *to, size_t room) {
    size_t n = ZSTD_compress(to, room, from->data, from->len, 1);
    if (ZSTD_isError(n))
        abort();
    return n;
}

void batch_compress(struct batch_maker *m) {
    size_t room = 2 * m->records.len + 1024; /* more than any of them asks for */
    int codec = m->attributes & 7;
    if (codec != CODEC_GZIP && codec != CODEC_LZ4 && codec != CODEC_ZSTD)
        return;
    struct buffer packed;
    buffer_init(&packed, 2 * (size_t)LARGEST + 1024);
    char *to = buffer_reserve(&packed, room);
    packed.len = codec == CODEC_GZIP  ? gzip(&m->records, to, room)
                 : codec == CODEC_LZ4 ? lz4(&m->records, to, room)
                                      : zstd(&m->records, to, room);
    buffer_free(&m->records);
    m->records = packed;
}

char *batch_end(struct batch_maker *m, size_t *n) {
    *n = BATCH_RECORDS + m->records.len;
    char *batch = xmalloc(*n);
    batch_put(batch + BATCH_BASE_OFFSET, 8, m->base_offset);
    batch_put(batch + BATCH_LENGTH, 4, (int64_t)*n - BEFORE_LENGTH);
    batch_put(batch + BATCH_LEADER_EPOCH, 4, 7);
    batch_put(batch + BATCH_MAGIC, 1, 2);
    batch_put(batch + BATCH_ATTRIBUTES, 2, m->attributes);
    batch_put(batch + BATCH_LAST_OFFSET_DELTA, 4, m->last_offset_delta);
    batch_put(batch + BATCH_BASE_TIMESTAMP, 8, m->base_timestamp);
    batch_put(batch + BATCH_MAX_TIMESTAMP, 8, m->max_timestamp);
    batch_put(batch + BATCH_PRODUCER_ID, 8, m->producer_id);
    batch_put(batch + BATCH_PRODUCER_EPOCH, 2, m->producer_id < 0 ? -1 : 0);
    batch_put(batch + BATCH_BASE_SEQUENCE, 4, m->producer_id < 0 ? -1 : 0);
    batch_put(batch + BATCH_COUNT, 4, m->count);
    if (m->records.len > 0)
        memcpy(batch + BATCH_RECORDS, m->records.data, m->records.len);
    batch_seal(batch, *n);
    buffer_free(&m->records);
    return batch;
}
