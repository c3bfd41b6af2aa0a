#include "base/compress.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/igzip_lib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/memory.h"

struct compressor {
    enum compression kind;
    ZSTD_CCtx *zstd;
    struct isal_zstream *gzip;
    uint8_t *gzip_tables; /* igzip's working memory for level 1 */
    char *frame;          /* the largest frame so far fits */
    size_t cap;
};

enum { ZSTD_LEVEL = 1, GZIP_LEVEL = 1 };
enum { GZIP_WRAPPER = 18, STORED_BLOCK = 65535, STORED_HEADER = 5, GZIP_SLACK = 64 };

const char *compression_suffix(enum compression kind) {
    static const char *const suffixes[] = {
        [COMPRESSION_NONE] = "", [COMPRESSION_GZIP] = ".gz", [COMPRESSION_ZSTD] = ".zst"};
    return suffixes[kind];
}

/* Both libraries fail only without memory, given a buffer of their own bound. */
static void fail(const char *library, const char *reason) {
    (void)fprintf(stderr, "tidemark: %s cannot compress: %s\n", library, reason);
    exit(1);
}

static void check_zstd(size_t rc) {
    if (ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation)
        out_of_memory();
    if (ZSTD_isError(rc))
        fail("zstd", ZSTD_getErrorName(rc));
}

struct compressor *compressor_new(enum compression kind) {
    assert(kind != COMPRESSION_NONE);
    struct compressor *c = xcalloc(1, sizeof *c);
    c->kind = kind;
    if (kind == COMPRESSION_GZIP) {
        c->gzip = xmalloc(sizeof *c->gzip);
        c->gzip_tables = xmalloc(ISAL_DEF_LVL1_DEFAULT);
        return c;
    }
    c->zstd = ZSTD_createCCtx();
    if (!c->zstd)
        out_of_memory();
    check_zstd(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL));
    check_zstd(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1)); /* gzip has one too */
    return c;
}

void compressor_free(struct compressor *c) {
    if (!c)
        return;
    (void)ZSTD_freeCCtx(c->zstd);
    free(c->gzip);
    free(c->gzip_tables);
    free(c->frame);
    free(c);
}

/* Incompressible bytes become stored blocks with a header each. */
static size_t bound(const struct compressor *c, size_t n) {
    if (c->kind == COMPRESSION_ZSTD)
        return ZSTD_compressBound(n);
    return n + (n / STORED_BLOCK + 1) * STORED_HEADER + GZIP_WRAPPER + GZIP_SLACK;
}

static size_t run_zstd(struct compressor *c, const struct chunk *raw) {
    size_t n = ZSTD_compress2(c->zstd, c->frame, c->cap, raw->data, raw->len);
    check_zstd(n);
    return n;
}

static size_t run_gzip(struct compressor *c, const struct chunk *raw) {
    struct isal_zstream *z = c->gzip;
    isal_deflate_stateless_init(z);
    z->gzip_flag = IGZIP_GZIP;
    z->level = GZIP_LEVEL;
    z->level_buf = c->gzip_tables;
    z->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
    z->next_in = (uint8_t *)(uintptr_t)raw->data; /* it only reads them */
    z->avail_in = raw->len;
    z->next_out = (uint8_t *)c->frame;
    z->avail_out = (uint32_t)c->cap;
    z->end_of_stream = 1;
    int rc = isal_deflate_stateless(z);
    if (rc != COMP_OK || z->avail_in)
        fail("igzip", rc == STATELESS_OVERFLOW ? "the result passes its bound" : "internal error");
    return z->total_out;
}

struct chunk *compressor_run(struct compressor *c, const struct chunk *raw, struct budget *b) {
    size_t need = bound(c, raw->len);
    if (need > c->cap) {
        free(c->frame);
        c->frame = xmalloc(need);
        c->cap = need;
    }
    size_t n = c->kind == COMPRESSION_ZSTD ? run_zstd(c, raw) : run_gzip(c, raw);
    struct chunk *chunk = chunk_new(b, n);
    memcpy(chunk->data, c->frame, n);
    chunk->len = (uint32_t)n;
    return chunk;
}
