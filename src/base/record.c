#include "base/record.h"

#include "base/checksum.h"

static uint32_t add_i64(uint32_t crc, int64_t v) {
    unsigned char le[8];
    for (int i = 0; i < 8; i++)
        le[i] = (unsigned char)((uint64_t)v >> (8 * i));
    return crc32c(crc, le, sizeof le);
}

uint32_t record_crc32c(const struct record *r) {
    uint32_t crc = add_i64(0, r->timestamp);
    crc = add_i64(crc, r->key ? (int64_t)r->key_len : -1);
    if (r->key)
        crc = crc32c(crc, r->key, r->key_len);
    crc = add_i64(crc, r->value ? (int64_t)r->value_len : -1);
    if (r->value)
        crc = crc32c(crc, r->value, r->value_len);
    return crc;
}
