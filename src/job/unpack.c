#include "job/unpack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/igzip_lib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/memory.h"

enum { OUTPUT_BYTES = 256 * 1024 };

struct unpack {
    enum compression kind;
    unpack_fn *fn;
    void *ctx;
    struct inflate_state *gzip;
    ZSTD_DStream *zstd;
    bool inside; /* of a frame or member */
    char output[OUTPUT_BYTES];
};

enum compression unpack_kind(const char *key) {
    for (enum compression c = COMPRESSION_GZIP; c <= COMPRESSION_ZSTD; c++) {
        size_t n = strlen(key), m = strlen(compression_suffix(c));
        if (n > m && strcmp(key + n - m, compression_suffix(c)) == 0)
            return c;
    }
    return COMPRESSION_NONE;
}

static void begin_member(struct unpack *u) {
    isal_inflate_init(u->gzip);
    u->gzip->crc_flag = ISAL_GZIP;
}

struct unpack *unpack_new(enum compression kind, unpack_fn *fn, void *ctx) {
    struct unpack *u = xcalloc(1, sizeof *u);
    u->kind = kind;
    u->fn = fn;
    u->ctx = ctx;
    if (kind == COMPRESSION_GZIP) {
        u->gzip = xmalloc(sizeof *u->gzip);
        begin_member(u);
    } else if (kind == COMPRESSION_ZSTD) {
        u->zstd = ZSTD_createDStream();
        if (!u->zstd)
            out_of_memory();
    }
    return u;
}

void unpack_free(struct unpack *u) {
    if (!u)
        return;
    free(u->gzip);
    (void)ZSTD_freeDStream(u->zstd);
    free(u);
}

static int feed_gzip(struct unpack *u, const char *data, size_t len, struct error *e) {
    struct inflate_state *g = u->gzip;
    g->next_in = (uint8_t *)(uintptr_t)data;
    g->avail_in = (uint32_t)len;
    for (;;) {
        g->next_out = (uint8_t *)u->output;
        g->avail_out = OUTPUT_BYTES;
        int rc = isal_inflate(g);
        if (rc != ISAL_DECOMP_OK)
            return error_set(e, ERR_CORRUPT, "the gzip data is damaged (igzip %d)", rc);
        size_t n = OUTPUT_BYTES - g->avail_out;
        u->inside = true;
        if (n > 0)
            u->fn(u->ctx, u->output, n);
        if (g->block_state == ISAL_BLOCK_FINISH) {
            uint8_t *rest = g->next_in;
            uint32_t left = g->avail_in;
            begin_member(u);
            g->next_in = rest;
            g->avail_in = left;
            u->inside = false;
        }
        if (g->avail_in == 0 && g->avail_out > 0)
            return 0;
        if (g->avail_in == 0 && !u->inside)
            return 0;
    }
}

static int feed_zstd(struct unpack *u, const char *data, size_t len, struct error *e) {
    ZSTD_inBuffer in = {data, len, 0};
    for (;;) {
        ZSTD_outBuffer out = {u->output, OUTPUT_BYTES, 0};
        size_t rc = ZSTD_decompressStream(u->zstd, &out, &in);
        if (ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation)
            out_of_memory();
        if (ZSTD_isError(rc))
            return error_set(e, ERR_CORRUPT, "the zstd data is damaged (%s)",
                             ZSTD_getErrorName(rc));
        u->inside = rc != 0;
        if (out.pos > 0)
            u->fn(u->ctx, u->output, out.pos);
        if (in.pos == in.size && out.pos < out.size)
            return 0;
        if (in.pos == in.size && !u->inside)
            return 0;
    }
}

int unpack_feed(struct unpack *u, const char *data, size_t len, struct error *e) {
    if (len == 0)
        return 0;
    if (u->kind == COMPRESSION_GZIP)
        return feed_gzip(u, data, len, e);
    if (u->kind == COMPRESSION_ZSTD)
        return feed_zstd(u, data, len, e);
    u->fn(u->ctx, data, len);
    return 0;
}

int unpack_end(struct unpack *u, struct error *e) {
    if (!u->inside)
        return 0;
    return error_set(e, ERR_CORRUPT, "the compressed data is cut short");
}
