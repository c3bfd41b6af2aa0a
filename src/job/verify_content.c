/* --deep: every file read back by ranges. The stored bytes must have the CRC that was computed when
 * they were sent, and unpacked they must be as many lines as events. The sum of the lines' hashes is
 * kept for the comparison with Kafka. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "job/unpack.h"
#include "job/verify_internal.h"

enum { RANGE_BYTES = 8 * 1024 * 1024, PATIENCE_MS = 30000 };

struct lines {
    uint64_t n, sum, line_len;
    uint32_t line_crc;
};

static void count_lines(void *ctx, const char *data, size_t len) {
    struct lines *l = ctx;
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - data) + 1 : len;
        l->line_crc = crc32c(l->line_crc, data, n);
        l->line_len += n;
        if (end) {
            l->n++;
            l->sum += line_hash(l->line_crc, l->line_len);
            l->line_crc = 0;
            l->line_len = 0;
        }
        data += n;
        len -= n;
    }
}

/* Two requests take turns, so that the next range is on its way while one is unpacked. */
struct reading {
    struct store *store;
    const struct file_entry *file;
    uint64_t asked; /* bytes */
    struct store_op op[2];
    bool done[2];
};

static void mark(struct store_op *op) {
    *(bool *)op->ctx = true;
}

static void ask(struct reading *r, int turn) {
    uint64_t left = r->file->bytes - r->asked;
    r->done[turn] = true;
    if (left == 0)
        return;
    r->done[turn] = false;
    r->op[turn] = (struct store_op){.kind = STORE_GET,
                                    .key = r->file->key,
                                    .max_bytes = RANGE_BYTES,
                                    .range_start = r->asked,
                                    .range_len = left < RANGE_BYTES ? left : RANGE_BYTES,
                                    .retry_ms = PATIENCE_MS,
                                    .done = mark,
                                    .ctx = &r->done[turn]};
    r->asked += r->op[turn].range_len;
    store_submit(r->store, &r->op[turn]);
}

static void finish(struct reading *r) {
    for (int i = 0; i < 2; i++) {
        while (!r->done[i])
            (void)store_poll(r->store, 1000);
        store_op_clear(&r->op[i]);
    }
}

/* 0, or -1 with ERR_CORRUPT or what the store said. */
static int read_back(struct store *store, const struct file_entry *f, uint32_t *crc,
                     struct lines *lines, struct error *e) {
    struct reading r = {.store = store, .file = f};
    struct unpack *u = unpack_new(unpack_kind(f->key), count_lines, lines);
    int rc = 0, turn = 0;
    ask(&r, 0);
    r.done[1] = true;
    for (uint64_t done = 0; rc == 0 && done < f->bytes; turn = !turn) {
        ask(&r, !turn);
        struct store_op *op = &r.op[turn];
        while (!r.done[turn])
            (void)store_poll(store, 1000);
        *e = op->error;
        if (op->error.code != ERR_NONE)
            rc = -1;
        else if (op->answer.len != op->range_len)
            rc = error_set(e, ERR_CORRUPT, "it is cut short");
        else
            rc = unpack_feed(u, buffer_text(&op->answer), op->answer.len, e);
        if (rc == 0)
            *crc = crc32c(*crc, op->answer.data, op->answer.len);
        done += op->range_len;
        store_op_clear(op);
    }
    finish(&r);
    if (rc == 0)
        rc = unpack_end(u, e);
    unpack_free(u);
    return rc;
}

static void check_file(struct verify *v, struct known_file *f) {
    struct lines lines = {0};
    struct error e = {0};
    uint32_t crc = 0;
    const char *path = v->cfg->output->path, *key = f->entry.key;
    if (read_back(v->cfg->output, &f->entry, &crc, &lines, &e) != 0) {
        if (e.code == ERR_NOT_FOUND && v->cfg->allow_removed)
            v->removed++; /* meanwhile */
        else
            verify_problem(v, PROBLEM_CONTENT, "%s%s cannot be read back: %s", path, key, e.text);
        return;
    }
    f->has_content = true;
    f->content = lines.sum;
    if (crc != f->entry.crc32c)
        verify_problem(v, PROBLEM_CONTENT,
                       "%s%s has CRC-32C %08" PRIx32 " where %08" PRIx32
                       " was written: somebody has changed it",
                       path, key, crc, f->entry.crc32c);
    else if (lines.line_len > 0)
        verify_problem(v, PROBLEM_CONTENT, "%s%s does not end at a line's end", path, key);
    else if (lines.n != f->entry.count.events)
        verify_problem(v, PROBLEM_CONTENT, "%s%s has %" PRIu64 " lines for %" PRIu64 " events",
                       path, key, lines.n, f->entry.count.events);
}

int verify_content(struct verify *v, struct error *e) {
    (void)e;
    for (size_t i = 0; i < v->files.n; i++)
        if (v->files.files[i].present)
            check_file(v, &v->files.files[i]);
    return 0;
}
