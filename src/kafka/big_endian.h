/* Numbers as Kafka's protocol and its record batches have them: big-endian, and not aligned. */
#ifndef TIDEMARK_KAFKA_BIG_ENDIAN_H
#define TIDEMARK_KAFKA_BIG_ENDIAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline int16_t i16_at(const char *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return (int16_t)be16toh(v);
}

static inline int32_t i32_at(const char *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return (int32_t)be32toh(v);
}

static inline int64_t i64_at(const char *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return (int64_t)be64toh(v);
}

#endif
