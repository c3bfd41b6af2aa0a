/* Makes Kafka record batches of format 2, right ones and, by what is changed before the end or put
 * into the finished batch, wrong ones. */
#ifndef TIDEMARK_SUPPORT_BATCH_MAKER_H
#define TIDEMARK_SUPPORT_BATCH_MAKER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Where the header's fields stand. */
enum {
    BATCH_BASE_OFFSET = 0,
    BATCH_LENGTH = 8,
    BATCH_LEADER_EPOCH = 12,
    BATCH_MAGIC = 16,
    BATCH_CRC = 17,
    BATCH_ATTRIBUTES = 21,
    BATCH_LAST_OFFSET_DELTA = 23,
    BATCH_BASE_TIMESTAMP = 27,
    BATCH_MAX_TIMESTAMP = 35,
    BATCH_PRODUCER_ID = 43,
    BATCH_PRODUCER_EPOCH = 51,
    BATCH_BASE_SEQUENCE = 53,
    BATCH_COUNT = 57,
    BATCH_RECORDS = 61,
};

/* Attributes; the lowest three bits are the codec. */
enum { BATCH_LOG_APPEND_TIME = 0x08, BATCH_TRANSACTIONAL = 0x10, BATCH_CONTROL = 0x20 };

struct batch_maker {
    struct buffer records;
    int64_t base_offset, base_timestamp, producer_id;
    int attributes;
    /* Follow from what is added; to be changed before batch_end. */
    int32_t last_offset_delta, count;
    int64_t max_timestamp;
};

void batch_begin(struct batch_maker *m, int64_t base_offset, int64_t base_timestamp, int attributes,
                 int64_t producer_id);
/* A length of -1: no key, no value. That many headers, of which each second one has no value. */
void batch_add(struct batch_maker *m, int32_t offset_delta, int64_t timestamp_delta,
               const char *key, int key_len, const char *value, int value_len, int headers);
/* The marker that ends a transaction: of a control batch the only record. */
void batch_add_marker(struct batch_maker *m, int version, int type);
/* Whatever stands for n_records records: compressed ones, or none at all. */
void batch_add_raw(struct batch_maker *m, const char *bytes, size_t n, int n_records);
/* Packs what was added so far, as the codec in the attributes says; nothing where there is none. Of
 * snappy only the attributes are right. */
void batch_compress(struct batch_maker *m);
/* The batch, *n bytes, in exactly as much memory, which the caller frees. The maker is freed. */
char *batch_end(struct batch_maker *m, size_t *n);

/* Writes v, big-endian. */
void batch_put(char *p, int bytes, int64_t v);
/* Makes the CRC right again. */
void batch_seal(char *batch, size_t n);
/* Appends v as varints are written in records: zigzag. */
void batch_varint(struct buffer *b, int64_t v);

#endif
