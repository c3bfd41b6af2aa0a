/* Complete in the directory store: an upload gets its key's name (rules 8 and 11). A repeat finds the
 * name with the listed size, and that is success. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "store/directory_internal.h"

enum { COPY_BYTES = 256 * 1024 };

/* The key's own name as it stands: 1 it holds op->bytes, 0 it is absent, -1 with *e set. */
static int existing(struct directory *d, const struct store_op *op, struct error *e) {
    struct stat st;
    char *path = directory_path(d, op->key);
    int rc;
    if (d->io->stat(d->io, path, &st))
        rc = errno == ENOENT ? 0 : directory_error(e, errno, "examine", path);
    else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == op->bytes)
        rc = 1;
    else
        rc = error_set(e, ERR_EXISTS, "%.400s exists with %lld bytes instead of %llu", path,
                       (long long)st.st_size, (unsigned long long)op->bytes);
    free(path);
    return rc;
}

/* After EEXIST. */
static int must_exist(struct directory *d, const struct store_op *op, struct error *e) {
    int there = existing(d, op, e);
    if (there == 0)
        return error_set(e, ERR_EXISTS, "%.300s%s appeared and vanished again", d->store.path,
                         op->key);
    return there == 1 ? 0 : -1;
}

/* The name is there; what makes it last may not have happened yet. */
static int make_durable(struct directory *d, const char *key, struct error *e) {
    if (directory_make_parents(d, key, e))
        return -1;
    return directory_sync_parent(d, key, e);
}

/* ---- An upload of this process ------------------------------------------------------------------ */

static int check_size(struct directory *d, const struct upload *u, uint64_t bytes,
                      struct error *e) {
    struct stat st;
    if (d->io->fstat(d->io, u->fd, &st))
        return directory_error(e, errno, "examine", u->path);
    uint64_t size = (uint64_t)st.st_size;
    if (size == bytes)
        return 0;
    return error_set(e, size < bytes ? ERR_INVALID_PART : ERR_INTERNAL,
                     "%.400s has %llu bytes instead of the %llu of its parts", u->path,
                     (unsigned long long)size, (unsigned long long)bytes);
}

/* Gives the upload's file the key's name. A directory that vanished under us is made again. */
static int link_upload(struct directory *d, const struct upload *u, const struct store_op *op,
                       struct error *e) {
    char *path = directory_path(d, op->key);
    int rc = -1;
    for (int attempt = 0; attempt < 2; attempt++) {
        if ((rc = directory_make_parents(d, op->key, e)))
            break;
        rc = d->io->link(d->io, u->path, path);
        int errnum = errno;
        if (rc && errnum == EEXIST) {
            rc = must_exist(d, op, e);
            break;
        }
        if (!rc)
            break;
        (void)directory_error(e, errnum, "create", path);
        if (errnum != ENOENT)
            break;
        directory_forget_parents(d);
    }
    free(path);
    return rc;
}

static int complete_own(struct directory *d, const struct store_op *op, struct error *e) {
    struct upload *u = directory_upload_use(d, op->upload, op->key, e);
    if (!u || check_size(d, u, op->bytes, e) || directory_upload_sync(d, u, e))
        return -1;
    if (link_upload(d, u, op, e)) {
        struct stat st;
        if (e->code == ERR_IO && d->io->stat(d->io, u->path, &st) && errno == ENOENT)
            (void)error_set(e, ERR_NO_SUCH_UPLOAD, "%.400s does not exist any more", u->path);
        return -1;
    }
    return directory_sync_parent(d, op->key, e);
}

/* ---- An upload of another claim ----------------------------------------------------------------- */

/* What is copied, and where to. */
struct copy {
    struct directory *d;
    int from, to;
    const char *from_path, *to_path;
    char *block;     /* COPY_BYTES */
    uint64_t offset; /* bytes that are copied */
};

/* One block, or what is left of a part. */
static int copy_block(struct copy *c, size_t n, uint32_t *crc, struct error *e) {
    if (directory_is_stopping(c->d))
        return error_set(e, ERR_INTERNAL, "%.400s is not copied: the job ends", c->from_path);
    if (directory_read(c->d, c->from, c->from_path, c->block, n, c->offset, e) ||
        directory_write(c->d, c->to, c->to_path, c->block, n, c->offset, e))
        return -1;
    *crc = crc32c(*crc, c->block, n);
    c->offset += n;
    return 0;
}

static int copy_part(struct copy *c, const struct store_part *part, struct error *e) {
    uint32_t crc = 0;
    for (uint64_t left = part->bytes; left > 0;) {
        size_t n = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        if (copy_block(c, n, &crc, e))
            return -1;
        left -= n;
    }
    if (crc == part->crc32c)
        return 0;
    return error_set(e, ERR_CORRUPT,
                     "%.300s: part %d, %llu bytes before offset %llu, has CRC %08x instead of %08x",
                     c->from_path, part->n, (unsigned long long)part->bytes,
                     (unsigned long long)c->offset, crc, part->crc32c);
}

/* Copies exactly the listed parts, checking each. Their owner may still be alive and appending (it
 * does not know yet that it lost): that is why its file never gets the key's name (rule 11). Nobody
 * else knows the new file, so other requests have their turn meanwhile. */
static int copy_parts(struct directory *d, int from, const char *from_path,
                      const struct directory_temp *t, const struct store_op *op, struct error *e) {
    struct copy c = {d, from, t->fd, from_path, t->path, xmalloc(COPY_BYTES), 0};
    int rc = 0;
    directory_let_go(d);
    for (size_t i = 0; i < op->n_parts && !rc; i++)
        rc = copy_part(&c, &op->parts[i], e);
    directory_go_on(d);
    free(c.block);
    return rc;
}

static int check_listed(const struct store_op *op, struct error *e) {
    uint64_t sum = 0;
    for (size_t i = 0; i < op->n_parts; i++)
        sum += op->parts[i].bytes;
    if (sum == op->bytes)
        return 0;
    return error_set(e, ERR_INTERNAL, "%.300s: its parts have %llu bytes, not %llu", op->key,
                     (unsigned long long)sum, (unsigned long long)op->bytes);
}

static int open_inherited(struct directory *d, const char *path, uint64_t bytes, int *fd,
                          struct error *e) {
    struct stat st;
    *fd = directory_open_fd(d, path, O_RDONLY);
    if (*fd < 0 && errno == ENOENT)
        return error_set(e, ERR_NO_SUCH_UPLOAD, "%.400s does not exist", path);
    if (*fd < 0)
        return directory_error(e, errno, "open", path);
    if (d->io->fstat(d->io, *fd, &st))
        return directory_error(e, errno, "examine", path);
    if ((uint64_t)st.st_size < bytes)
        return error_set(e, ERR_INVALID_PART, "%.400s has %lld bytes, its parts %llu", path,
                         (long long)st.st_size, (unsigned long long)bytes);
    return 0;
}

static int copy_to_key(struct directory *d, const char *from_path, const struct store_op *op,
                       struct error *e) {
    struct directory_temp t;
    int fd;
    int rc = open_inherited(d, from_path, op->bytes, &fd, e);
    if (!rc)
        rc = directory_temp_open(d, op->key, &t, e);
    if (!rc) {
        if (copy_parts(d, fd, from_path, &t, op, e)) {
            directory_temp_discard(d, &t);
            rc = -1;
        } else {
            rc = directory_temp_publish(d, &t, op->key, e);
        }
    }
    if (fd >= 0)
        (void)d->io->close(d->io, fd);
    return rc;
}

static int complete_inherited(struct directory *d, const char *from_path, const struct store_op *op,
                              struct error *e) {
    if (check_listed(op, e))
        return -1;
    if (copy_to_key(d, from_path, op, e) == 0)
        return 0;
    if (e->code != ERR_EXISTS)
        return -1;
    error_clear(e); /* another process was quicker, perhaps with the same bytes */
    return must_exist(d, op, e);
}

/* ---- Either ------------------------------------------------------------------------------------- */

/* 0: the key has its bytes, durably. own: this process created the upload and nobody inherited it;
 * one of ours that was completed before is unknown by now, and its repeat finds the key. */
static int appear(struct directory *d, const char *from_path, bool own, const struct store_op *op,
                  struct error *e) {
    int there = existing(d, op, e);
    if (there < 0)
        return -1;
    if (there)
        return make_durable(d, op->key, e);
    return own ? complete_own(d, op, e) : complete_inherited(d, from_path, op, e);
}

/* Who copies or restores an output may have left hidden directories out. */
static bool has_uploads(struct directory *d) {
    struct stat st;
    char *path = directory_path(d, DIRECTORY_UPLOADS);
    bool absent = d->io->stat(d->io, path, &st) != 0 && errno == ENOENT;
    free(path);
    return !absent;
}

/* The upload is gone before Complete succeeds, also after a power cut: a consumer may take the object
 * away as soon as a manifest lists it, and an upload that came back would be published again. */
static int retire_upload(struct directory *d, const char *name, const char *path, struct error *e) {
    bool gone = d->io->unlink(d->io, path) != 0;
    if (gone && errno != ENOENT)
        return directory_error(e, errno, "remove", path);
    return directory_sync_parent(d, gone && !has_uploads(d) ? DIRECTORY_UPLOADS_NAME : name, e);
}

/* An id comes from a checkpoint and becomes part of a path. */
static bool is_upload_id(const char *id) {
    return strlen(id) == DIRECTORY_ID_LEN && strspn(id, "0123456789abcdef") == DIRECTORY_ID_LEN;
}

void directory_complete(struct directory *d, struct store_op *op) {
    if (directory_check_key(op->key, &op->error) || directory_check_trusted(d, &op->error))
        return;
    if (!is_upload_id(op->upload)) {
        (void)error_set(&op->error, ERR_NO_SUCH_UPLOAD, "'%.100s' is no upload of a directory",
                        op->upload);
        return;
    }
    struct upload *u = directory_upload_find(d, op->upload, op->key);
    if (u && u->untrusted) {
        (void)directory_upload_use(d, op->upload, op->key, &op->error); /* says why */
        return;
    }
    char *name = directory_upload_name(op->upload, op->key);
    char *path = directory_path(d, name);
    if (appear(d, path, u && !op->inherited, op, &op->error) == 0 &&
        retire_upload(d, name, path, &op->error) == 0 &&
        (u = directory_upload_find(d, op->upload, op->key))) /* again: others had their turn */
        directory_upload_drop(d, u);
    free(path);
    free(name);
}
