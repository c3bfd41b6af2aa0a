/* Any bytes as an object that verify --deep reads: both formats end, in pieces of any size alike, and
 * what our compressor wrote comes out again. The first byte is the size of the pieces. */
#include "fuzz.h"

#include "base/checksum.h"
#include "base/compress.h"
#include "job/unpack.h"

enum { UNPACKED_MAX = 1 << 26 };

struct sum {
    size_t len;
    uint32_t crc;
};

static void take(void *ctx, const char *data, size_t len) {
    struct sum *sum = ctx;
    sum->crc = crc32c(sum->crc, data, len);
    sum->len += len;
}

/* 0, or -1 for damaged data. */
static int unpack(enum compression kind, const uint8_t *data, size_t size, size_t piece,
                  struct sum *sum) {
    struct error e = {0};
    struct unpack *u = unpack_new(kind, take, sum);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < size && sum->len < UNPACKED_MAX; at += piece)
        rc = unpack_feed(u, (const char *)data + at, size - at < piece ? size - at : piece, &e);
    if (rc == 0)
        rc = unpack_end(u, &e);
    CHECK(rc == 0 || (e.code == ERR_CORRUPT && e.text[0]));
    unpack_free(u);
    return rc;
}

/* Debian's libzstd also reads formats from before 2016, but their magic number only in one piece. */
static bool has_old_frame(const uint8_t *data, size_t size) {
    for (size_t i = 0; i + 4 <= size; i++)
        if (data[i] < 0x28 && memcmp(data + i + 1, "\xb5\x2f\xfd", 3) == 0)
            return true;
    return false;
}

static void any_bytes(enum compression kind, const uint8_t *data, size_t size, size_t piece) {
    struct sum whole = {0}, pieces = {0};
    int rc = unpack(kind, data, size, size + 1, &whole);
    int again = unpack(kind, data, size, piece, &pieces);
    if (has_old_frame(data, size))
        return;
    if (whole.len < UNPACKED_MAX && pieces.len < UNPACKED_MAX)
        CHECK(rc == again);
    if (rc == 0 && again == 0)
        CHECK(whole.len == pieces.len && whole.crc == pieces.crc);
}

static void round_trip(enum compression kind, const uint8_t *data, size_t size, size_t piece) {
    struct budget budget;
    struct sum sum = {0};
    budget_init(&budget, 0);
    struct chunk *raw = chunk_new(&budget, size);
    memcpy(raw->data, data, size);
    raw->len = (uint32_t)size;
    struct compressor *c = compressor_new(kind);
    struct chunk *packed = compressor_run(c, raw, &budget);
    CHECK(unpack(kind, (const uint8_t *)packed->data, packed->len, piece, &sum) == 0);
    CHECK(sum.len == size && sum.crc == crc32c(0, data, size));
    compressor_free(c);
    chunk_free(packed);
    chunk_free(raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    size_t piece = 1u + data[0];
    for (enum compression kind = COMPRESSION_GZIP; kind <= COMPRESSION_ZSTD; kind++) {
        any_bytes(kind, data + 1, size - 1, piece);
        round_trip(kind, data + 1, size - 1, piece);
    }
    return 0;
}
