#include "support/directory_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/memory.h"

char said[ERROR_TEXT_MAX];

static void must(bool ok, const char *what) {
    if (ok)
        return;
    perror(what);
    abort();
}

void directory_fixture_open(struct directory_fixture *f) {
    memset(f, 0, sizeof *f);
    faulty_io_init(&f->io);
    fake_clock_init(&f->clock);
    (void)snprintf(f->root, sizeof f->root, "/tmp/tidemark-test-XXXXXX");
    must(mkdtemp(f->root) != NULL, f->root);
    struct error e;
    f->store =
        store_directory_open_with_io(f->root, &f->clock.clock, random_system(), &f->io.io, &e);
    must(f->store != NULL, "store_directory_open");
}

struct store *directory_fixture_other(struct directory_fixture *f) {
    struct error e;
    struct store *s = store_directory_open(f->root, &f->clock.clock, random_system(), &e);
    must(s != NULL, "store_directory_open");
    return s;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void directory_fixture_close(struct directory_fixture *f) {
    store_free(f->store);
    (void)nftw(f->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- Requests ----------------------------------------------------------------------------------- */

static enum error_code call(struct store *s, struct store_op *op) {
    (void)store_call(s, op);
    memcpy(said, op->error.text, sizeof said);
    return op->error.code;
}

static enum error_code call_and_clear(struct store *s, struct store_op *op) {
    enum error_code code = call(s, op);
    store_op_clear(op);
    return code;
}

enum error_code try_put(struct store *s, const char *key, const char *text) {
    return call_and_clear(
        s, &(struct store_op){
               .kind = STORE_PUT_IF_ABSENT, .key = key, .body = text, .body_len = strlen(text)});
}

enum error_code try_get(struct store *s, const char *key, char *out, size_t cap) {
    struct store_op op = {.kind = STORE_GET, .key = key, .max_bytes = cap - 1};
    enum error_code code = call(s, &op);
    (void)snprintf(out, cap, "%s", code ? "" : buffer_text(&op.answer));
    store_op_clear(&op);
    return code;
}

enum error_code try_head(struct store *s, const char *key, uint64_t *size) {
    struct store_op op = {.kind = STORE_HEAD, .key = key};
    enum error_code code = call(s, &op);
    *size = op.object_size;
    store_op_clear(&op);
    return code;
}

enum error_code try_delete(struct store *s, const char *key) {
    return call_and_clear(s, &(struct store_op){.kind = STORE_DELETE, .key = key});
}

static enum error_code list(struct store *s, enum store_kind kind, const char *prefix,
                            const char *start_after, char *out, size_t cap) {
    struct store_op op = {.kind = kind, .key = prefix, .start_after = start_after};
    enum error_code code = call(s, &op);
    size_t n = 0;
    *out = '\0';
    for (size_t i = 0; i < op.n_entries && n < cap; i++) {
        const struct store_entry *entry = &op.entries[i];
        n += (size_t)snprintf(out + n, cap - n, "%s%s%s%s", i ? " " : "", entry->key,
                              entry->upload ? "=" : "", entry->upload ? entry->upload : "");
    }
    store_op_clear(&op);
    return code;
}

enum error_code try_list(struct store *s, const char *prefix, char *out, size_t cap) {
    return list(s, STORE_LIST, prefix, NULL, out, cap);
}

enum error_code try_list_after(struct store *s, const char *prefix, const char *start_after,
                               char *out, size_t cap) {
    return list(s, STORE_LIST, prefix, start_after, out, cap);
}

enum error_code try_list_uploads(struct store *s, const char *prefix, char *out, size_t cap) {
    return list(s, STORE_LIST_UPLOADS, prefix, NULL, out, cap);
}

/* ---- Uploads ------------------------------------------------------------------------------------ */

enum error_code try_create(struct store *s, struct test_upload *u, const char *key) {
    struct store_op op = {.kind = STORE_UPLOAD_CREATE, .key = key};
    *u = (struct test_upload){.key = key};
    enum error_code code = call(s, &op);
    if (!code)
        (void)snprintf(u->id, sizeof u->id, "%s", op.upload_id);
    store_op_clear(&op);
    return code;
}

static struct chunk *chunks_of(struct budget *b, const char *text) {
    struct chunk *first = NULL, **tail = &first;
    for (size_t left = strlen(text); left;) {
        size_t n = left < 3 ? left : 3;
        struct chunk *c = chunk_new(b, n);
        memcpy(c->data, text, n);
        c->len = (uint32_t)n;
        *tail = c;
        tail = &c->next;
        text += n;
        left -= n;
    }
    return first;
}

enum error_code try_part(struct store *s, struct test_upload *u, const char *text) {
    struct budget budget;
    budget_init(&budget, 1 << 20);
    struct chunk *chunks = chunks_of(&budget, text);
    struct store_part part = {.n = (int32_t)u->n_parts + 1,
                              .bytes = strlen(text),
                              .crc32c = crc32c(0, text, strlen(text))};
    struct store_op op = {.kind = STORE_UPLOAD_PART,
                          .key = u->key,
                          .upload = u->id,
                          .part = part.n,
                          .chunks = chunks,
                          .bytes = part.bytes,
                          .crc32c = part.crc32c,
                          .offset = u->bytes};
    enum error_code code = call(s, &op);
    memcpy(part.etag, op.etag, sizeof part.etag);
    store_op_clear(&op);
    chunk_free_chain(chunks);
    if (!code) {
        u->parts[u->n_parts++] = part;
        u->bytes += part.bytes;
    }
    return code;
}

enum error_code try_sync(struct store *s, const struct test_upload *u) {
    return call_and_clear(
        s, &(struct store_op){.kind = STORE_UPLOAD_SYNC, .key = u->key, .upload = u->id});
}

struct store_op complete_op(const struct test_upload *u, bool inherited) {
    return (struct store_op){.kind = STORE_UPLOAD_COMPLETE,
                             .key = u->key,
                             .upload = u->id,
                             .parts = u->parts,
                             .n_parts = u->n_parts,
                             .bytes = u->bytes,
                             .inherited = inherited};
}

enum error_code try_complete(struct store *s, const struct test_upload *u, bool inherited) {
    struct store_op op = complete_op(u, inherited);
    return call_and_clear(s, &op);
}

enum error_code try_abort(struct store *s, const char *key, const char *upload) {
    return call_and_clear(
        s, &(struct store_op){.kind = STORE_UPLOAD_ABORT, .key = key, .upload = upload});
}

/* ---- What lies on the disk ---------------------------------------------------------------------- */

static const char *counted_prefix;
static size_t counted;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    if (type == FTW_F && strncmp(path + ftw->base, counted_prefix, strlen(counted_prefix)) == 0)
        counted++;
    return 0;
}

size_t count_files(const struct directory_fixture *f, const char *relative, const char *prefix) {
    char *path = xasprintf("%s/%s", f->root, relative);
    counted_prefix = prefix;
    counted = 0;
    (void)nftw(path, count_one, 16, FTW_PHYS);
    free(path);
    return counted;
}

void append_file(const struct directory_fixture *f, const char *relative, const char *text) {
    char *path = xasprintf("%s/%s", f->root, relative);
    FILE *file = fopen(path, "a");
    must(file != NULL, path);
    must(fputs(text, file) >= 0 && fclose(file) == 0, path);
    free(path);
}

void truncate_file(const struct directory_fixture *f, const char *relative, long size) {
    char *path = xasprintf("%s/%s", f->root, relative);
    must(truncate(path, size) == 0, path);
    free(path);
}

char *upload_file(const struct test_upload *u) {
    char *name = xmalloc(64 + sizeof u->id + 3 * strlen(u->key));
    int n = sprintf(name, ".uploads/%s-", u->id);
    for (const char *k = u->key; *k; k++)
        n += sprintf(name + n, *k == '/' || *k == '%' ? "%%%02X" : "%c", *k);
    return name;
}
