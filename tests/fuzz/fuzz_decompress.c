/* Any bytes as the compressed records of a batch: they end alike whatever memory there is for what
 * they hold, and do no harm to the next batch, in which what a compressor wrote comes out again.
 * The first byte is the codec and the most that may come out. */
#include "fuzz.h"

#include <isa-l/igzip_lib.h>
#include <lz4frame.h>
#include <zstd.h>

#include "base/buffer.h"
#include "kafka/decompress.h"

enum { MAX = 1 << 20 };

static const enum codec codecs[] = {CODEC_GZIP, CODEC_LZ4, CODEC_ZSTD, CODEC_SNAPPY};

static int unpack(struct decompressor *d, enum codec codec, const uint8_t *data, size_t size,
                  struct buffer *out) {
    struct error e = {0};
    int rc = decompress(d, codec, (const char *)data, size, out, &e);
    CHECK(out->cap <= out->max + 1);
    if (rc == 0) {
        CHECK(out->len <= out->max && out->len < out->cap && out->data[out->len] == '\0');
        return rc;
    }
    CHECK(e.text[0] && out->len == 0);
    CHECK(e.code == (codec == CODEC_SNAPPY ? ERR_UNSUPPORTED : ERR_CORRUPT) || e.code == ERR_LIMIT);
    return rc;
}

static void any_bytes(struct decompressor *d, enum codec codec, const uint8_t *data, size_t size,
                      size_t max) {
    struct buffer grown, whole;
    buffer_init(&grown, max);
    buffer_init(&whole, max);
    CHECK(buffer_reserve(&whole, max));
    int rc = unpack(d, codec, data, size, &grown);
    CHECK(unpack(d, codec, data, size, &whole) == rc);
    if (rc == 0)
        CHECK(grown.len == whole.len && memcmp(grown.data, whole.data, whole.len) == 0);
    buffer_free(&grown);
    buffer_free(&whole);
}

static size_t pack_gzip(const uint8_t *data, size_t size, char *to, size_t bound) {
    struct isal_zstream z;
    isal_deflate_stateless_init(&z);
    z.gzip_flag = IGZIP_GZIP;
    z.next_in = (uint8_t *)(uintptr_t)data;
    z.avail_in = (uint32_t)size;
    z.next_out = (uint8_t *)to;
    z.avail_out = (uint32_t)bound;
    z.end_of_stream = 1;
    CHECK(isal_deflate_stateless(&z) == COMP_OK);
    return z.total_out;
}

static size_t pack(enum codec codec, const uint8_t *data, size_t size, char *to, size_t bound) {
    if (codec == CODEC_GZIP)
        return pack_gzip(data, size, to, bound);
    size_t n = codec == CODEC_LZ4 ? LZ4F_compressFrame(to, bound, data, size, NULL)
                                  : ZSTD_compress(to, bound, data, size, 1);
    CHECK(codec == CODEC_LZ4 ? !LZ4F_isError(n) : !ZSTD_isError(n));
    return n;
}

static void round_trip(struct decompressor *d, enum codec codec, const uint8_t *data, size_t size) {
    struct buffer out;
    buffer_init(&out, size);
    size_t bound = LZ4F_compressFrameBound(size, NULL) + ZSTD_compressBound(size);
    char *packed = xmalloc(bound);
    size_t n = pack(codec, data, size, packed, bound);
    CHECK(unpack(d, codec, (const uint8_t *)packed, n, &out) == 0);
    CHECK(out.len == size && (size == 0 || memcmp(out.data, data, size) == 0));
    free(packed);
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    enum codec codec = codecs[data[0] & 3];
    size_t max = data[0] & 4 ? MAX : (size_t)data[0] >> 3;
    struct decompressor *d = decompressor_new();
    any_bytes(d, codec, data + 1, size - 1, max);
    if (codec != CODEC_SNAPPY)
        round_trip(d, codec, data + 1, size - 1);
    decompressor_free(d);
    return 0;
}
