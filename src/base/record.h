/* One Kafka record as every stage sees it. The bytes belong to the source and stay valid only while
 * the callback that delivers the record runs. */
#ifndef TIDEMARK_BASE_RECORD_H
#define TIDEMARK_BASE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#define RECORD_NO_TIMESTAMP INT64_MIN

struct record {
    int64_t offset;
    int64_t timestamp; /* the record's own, epoch milliseconds, or RECORD_NO_TIMESTAMP */
    const char *key;   /* NULL: no key (an empty key is not NULL) */
    size_t key_len;
    const char *value; /* NULL: no value (a tombstone) */
    size_t value_len;
};

/* CRC-32C over timestamp (8 bytes, little-endian), key and value, each preceded by its length
 * (8 bytes, little-endian; -1 for none): the checkpoint's last.crc32c. */
uint32_t record_crc32c(const struct record *r);

#endif
