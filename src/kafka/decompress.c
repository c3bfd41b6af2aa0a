#include "kafka/decompress.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/igzip_lib.h>
#include <lz4frame.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/memory.h"

/* Each is made for the first batch that needs it. */
struct decompressor {
    struct inflate_state *gzip;
    LZ4F_dctx *lz4;
    ZSTD_DCtx *zstd;
};

/* A first guess at what n bytes hold, where they don't say it themselves. */
enum { FIRST_BYTES = 64 * 1024, USUAL_RATIO = 4 };

enum outcome { DONE, TOO_SMALL /* the buffer, as it is */, FAILED };

const char *codec_name(enum codec codec) {
    static const char *const names[] = {"none", "gzip",    "snappy",  "lz4",
                                        "zstd", "codec 5", "codec 6", "codec 7"};
    assert((size_t)codec < sizeof names / sizeof *names); /* of three bits */
    return names[codec];
}

/* All of a buffer but the byte for the NUL. */
static size_t room(const struct buffer *out) {
    return out->cap - 1;
}

static enum outcome cut_short(enum codec codec, struct error *e) {
    (void)error_set(e, ERR_CORRUPT, "the %s data is cut short", codec_name(codec));
    return FAILED;
}

/* By isal_inflate_stateless, because isal_inflate decodes the first 64 KiB into a buffer of its
 * own, and says less clearly what it lacks. */
static enum outcome run_gzip(struct decompressor *d, const char *data, size_t n, struct buffer *out,
                             struct error *e) {
    if (!d->gzip)
        d->gzip = xcalloc(1, sizeof *d->gzip); /* damaged data may ask for what no table has */
    struct inflate_state *g = d->gzip;
    isal_inflate_init(g);
    g->crc_flag = ISAL_GZIP;
    g->next_in = (uint8_t *)(uintptr_t)data; /* it only reads them */
    g->avail_in = (uint32_t)n;
    g->next_out = (uint8_t *)out->data;
    g->avail_out = (uint32_t)room(out);
    do {
        int rc = isal_inflate_stateless(g);
        if (rc == ISAL_OUT_OVERFLOW)
            return TOO_SMALL;
        if (rc == ISAL_END_INPUT)
            return cut_short(CODEC_GZIP, e);
        if (rc != ISAL_DECOMP_OK) {
            (void)error_set(e, ERR_CORRUPT, "the gzip data is damaged (igzip %d)", rc);
            return FAILED;
        }
    } while (g->avail_in > 0);
    out->len = room(out) - g->avail_out;
    return DONE;
}

static enum outcome lz4_failed(size_t rc, struct error *e) {
    const char *reason = LZ4F_getErrorName(rc);
    if (strcmp(reason, "ERROR_allocation_failed") == 0)
        out_of_memory();
    (void)error_set(e, ERR_CORRUPT, "the lz4 data is damaged (%s)", reason);
    return FAILED;
}

static LZ4F_dctx *lz4_state(struct decompressor *d) {
    if (!d->lz4 && LZ4F_isError(LZ4F_createDecompressionContext(&d->lz4, LZ4F_VERSION)))
        out_of_memory();
    return d->lz4;
}

/* Where it stopped within a frame. LZ4F_resetDecompressionContext is not enough: up to 1.9.4 it
 * keeps what is missing of the frame's content size, and a later frame that gives none would be
 * found damaged (lz4's issue 1227). */
static void drop_lz4_state(struct decompressor *d) {
    (void)LZ4F_freeDecompressionContext(d->lz4);
    d->lz4 = NULL;
}

static enum outcome lz4_frames(LZ4F_dctx *ctx, const char *data, size_t n, struct buffer *out,
                               struct error *e) {
    size_t len = 0;
    for (size_t at = 0; at < n;) {
        size_t taken = n - at, made = room(out) - len;
        size_t rc = LZ4F_decompress(ctx, out->data + len, &made, data + at, &taken, NULL);
        if (LZ4F_isError(rc))
            return lz4_failed(rc, e);
        at += taken;
        len += made;
        /* It waits for more of the one or of the other; 0 is the end of a frame. */
        if (rc != 0)
            return at < n ? TOO_SMALL : cut_short(CODEC_LZ4, e);
    }
    out->len = len;
    return DONE;
}

static enum outcome run_lz4(struct decompressor *d, const char *data, size_t n, struct buffer *out,
                            struct error *e) {
    enum outcome outcome = lz4_frames(lz4_state(d), data, n, out, e);
    if (outcome != DONE)
        drop_lz4_state(d);
    return outcome;
}

static uint64_t lz4_content_size(struct decompressor *d, const char *data, size_t n) {
    LZ4F_frameInfo_t info = LZ4F_INIT_FRAMEINFO;
    bool known = !LZ4F_isError(LZ4F_getFrameInfo(lz4_state(d), &info, data, &n));
    drop_lz4_state(d);
    return known ? info.contentSize : 0;
}

/* It reads frames in a row. Not by ZSTD_decompressStream, which decodes into a window of its own
 * and copies: here the buffer is the window, so that its maximum bounds that, too. */
static enum outcome run_zstd(struct decompressor *d, const char *data, size_t n, struct buffer *out,
                             struct error *e) {
    if (!d->zstd && !(d->zstd = ZSTD_createDCtx()))
        out_of_memory();
    size_t rc = ZSTD_decompressDCtx(d->zstd, out->data, room(out), data, n);
    if (!ZSTD_isError(rc)) {
        out->len = rc;
        return DONE;
    }
    if (ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation)
        out_of_memory();
    if (ZSTD_getErrorCode(rc) == ZSTD_error_dstSize_tooSmall)
        return TOO_SMALL;
    (void)error_set(e, ERR_CORRUPT, "the zstd data is damaged (%s)", ZSTD_getErrorName(rc));
    return FAILED;
}

static enum outcome run(struct decompressor *d, enum codec codec, const char *data, size_t n,
                        struct buffer *out, struct error *e) {
    if (codec == CODEC_GZIP)
        return run_gzip(d, data, n, out, e);
    return codec == CODEC_LZ4 ? run_lz4(d, data, n, out, e) : run_zstd(d, data, n, out, e);
}

/* Of the first frame, as its header has it: 0 where it doesn't, which is the usual case. */
static uint64_t content_size(struct decompressor *d, enum codec codec, const char *data, size_t n) {
    if (codec == CODEC_ZSTD) {
        unsigned long long size = ZSTD_getFrameContentSize(data, n);
        return size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR ? 0 : size;
    }
    return codec == CODEC_LZ4 ? lz4_content_size(d, data, n) : 0;
}

/* At least doubles the buffer; what the content claims to need is given at once, within the
 * maximum. False where that is reached already. The data is decoded anew then, which is rare
 * where a buffer is kept. */
static bool grow(struct decompressor *d, enum codec codec, const char *data, size_t n,
                 struct buffer *out) {
    if (out->cap > out->max)
        return false;
    uint64_t want = content_size(d, codec, data, n);
    if (want == 0)
        want = (uint64_t)n * USUAL_RATIO;
    uint64_t least = out->cap ? (uint64_t)out->cap * 2 - 1 : FIRST_BYTES;
    if (want < least)
        want = least;
    return buffer_reserve(out, want < out->max ? (size_t)want : out->max) != NULL;
}

static enum outcome run_in_room(struct decompressor *d, enum codec codec, const char *data,
                                size_t n, struct buffer *out, struct error *e) {
    enum outcome outcome = out->cap ? run(d, codec, data, n, out, e) : TOO_SMALL;
    while (outcome == TOO_SMALL && grow(d, codec, data, n, out))
        outcome = run(d, codec, data, n, out, e);
    if (outcome == TOO_SMALL)
        (void)error_set(e, ERR_LIMIT, "the %s data holds more than %zu bytes", codec_name(codec),
                        out->max);
    return outcome;
}

struct decompressor *decompressor_new(void) {
    return xcalloc(1, sizeof(struct decompressor));
}

void decompressor_free(struct decompressor *d) {
    if (!d)
        return;
    free(d->gzip);
    drop_lz4_state(d);
    (void)ZSTD_freeDCtx(d->zstd);
    free(d);
}

int decompress(struct decompressor *d, enum codec codec, const char *data, size_t n,
               struct buffer *out, struct error *e) {
    assert(codec != CODEC_NONE && n <= UINT32_MAX && out->max < UINT32_MAX);
    buffer_reset(out);
    if (codec != CODEC_GZIP && codec != CODEC_LZ4 && codec != CODEC_ZSTD)
        return error_set(e, ERR_UNSUPPORTED, "the data is compressed with %s, which is not known",
                         codec_name(codec));
    /* To zstd, no bytes are no frames, which would be no error. */
    enum outcome outcome = n == 0 ? cut_short(codec, e) : run_in_room(d, codec, data, n, out, e);
    if (outcome != DONE) {
        buffer_reset(out);
        return -1;
    }
    out->data[out->len] = '\0';
    return 0;
}
