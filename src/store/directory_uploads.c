/* Unfinished uploads of the directory store: files of .uploads/, appended to and synced by the process
 * that created them. Another process only copies from them (directory_complete.c). */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/directory_internal.h"

/* ---- The table ---------------------------------------------------------------------------------- */

static int untrusted(struct error *e, const struct upload *u) {
    return error_set(e, ERR_IO,
                     "%.400s: writing or syncing it failed before, so the file is not trusted any "
                     "more; see the kernel's log, then start the job again",
                     u->path);
}

/* FNV-1a; ids are random, but a checkpoint may have any text. */
static struct upload **bucket_of(struct directory *d, const char *id) {
    uint32_t hash = 2166136261u;
    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 16777619u;
    return &d->uploads[hash % UPLOAD_BUCKETS];
}

struct upload *directory_upload_find(struct directory *d, const char *id, const char *key) {
    for (struct upload *u = *bucket_of(d, id); u; u = u->next)
        if (strcmp(u->id, id) == 0 && strcmp(u->key, key) == 0)
            return u;
    return NULL;
}

static void keep_open(struct directory *d, struct upload *u, int fd) {
    assert(d->n_open < OPEN_MAX_UPLOADS);
    u->fd = fd;
    d->open[d->n_open++] = u;
}

static void remove_open(struct directory *d, const struct upload *u) {
    size_t i = 0;
    while (d->open[i] != u)
        i++;
    d->n_open--;
    memmove(d->open + i, d->open + i + 1, (d->n_open - i) * sizeof(struct upload *));
}

static void close_upload(struct directory *d, struct upload *u) {
    if (u->fd < 0)
        return;
    remove_open(d, u);
    (void)d->io->close(d->io, u->fd);
    u->fd = -1;
}

static void free_upload(struct directory *d, struct upload *u) {
    close_upload(d, u);
    free(u->id);
    free(u->key);
    free(u->path);
    free(u);
}

void directory_upload_drop(struct directory *d, struct upload *u) {
    struct upload **p = bucket_of(d, u->id);
    while (*p != u)
        p = &(*p)->next;
    *p = u->next;
    free_upload(d, u);
}

void directory_upload_drop_all(struct directory *d) {
    for (size_t i = 0; i < UPLOAD_BUCKETS; i++)
        while (d->uploads[i]) {
            struct upload *u = d->uploads[i];
            d->uploads[i] = u->next;
            free_upload(d, u);
        }
}

int directory_upload_sync(struct directory *d, struct upload *u, struct error *e) {
    if (!u->dirty)
        return 0;
    if (directory_fsync_fd(d, u->fd, true) == 0) {
        u->dirty = false;
        return 0;
    }
    u->untrusted = true; /* the kernel may have dropped the pages: another fsync could succeed */
    (void)directory_error(e, errno, "sync", u->path);
    e->code = ERR_IO;
    (void)error_wrap(e, "the file is not trusted any more");
    return -1;
}

/* Makes room for one more open file. A dirty file is synced before it is closed, because a failure
 * to write it back would be reported to nobody afterwards. */
static void limit_open(struct directory *d) {
    while (d->n_open == OPEN_MAX_UPLOADS) {
        struct error e; /* its next use says so: it is untrusted then */
        (void)directory_upload_sync(d, d->open[0], &e);
        close_upload(d, d->open[0]);
    }
}

static int reopen(struct directory *d, struct upload *u, struct error *e) {
    limit_open(d);
    struct stat st;
    int fd = directory_open_fd(d, u->path, O_WRONLY);
    if (fd < 0 && errno == ENOENT)
        return error_set(e, ERR_NO_SUCH_UPLOAD, "%.400s does not exist any more", u->path);
    if (fd < 0)
        return directory_error(e, errno, "open", u->path);
    int rc = 0;
    if (d->io->fstat(d->io, fd, &st))
        rc = directory_error(e, errno, "examine", u->path);
    else if (st.st_dev != u->dev || st.st_ino != u->ino)
        rc = error_set(e, ERR_NO_SUCH_UPLOAD, "%.400s is another file now", u->path);
    if (rc) {
        (void)d->io->close(d->io, fd);
        return rc;
    }
    keep_open(d, u, fd);
    return 0;
}

struct upload *directory_upload_use(struct directory *d, const char *id, const char *key,
                                    struct error *e) {
    struct upload *u = directory_upload_find(d, id, key);
    if (!u) {
        (void)error_set(e, ERR_NO_SUCH_UPLOAD, "%s is no open upload of this process for %.300s%s",
                        id, d->store.path, key);
        return NULL;
    }
    if (u->untrusted) {
        (void)untrusted(e, u);
        return NULL;
    }
    if (u->fd < 0)
        return reopen(d, u, e) == 0 ? u : NULL;
    remove_open(d, u); /* to the end: used last */
    keep_open(d, u, u->fd);
    return u;
}

/* ---- Requests ----------------------------------------------------------------------------------- */

static int create_file(struct directory *d, const char *name, struct upload *u, struct error *e) {
    struct stat st;
    limit_open(d);
    int fd = directory_open_new(d, name, u->path, e);
    if (fd < 0)
        return -1;
    keep_open(d, u, fd);
    if (d->io->fstat(d->io, u->fd, &st))
        (void)directory_error(e, errno, "examine", u->path);
    else if (directory_sync_parent(d, name, e) == 0) {
        u->dev = st.st_dev;
        u->ino = st.st_ino;
        return 0;
    }
    directory_remove_leftover(d, u->path);
    return -1;
}

void directory_create(struct directory *d, struct store_op *op) {
    if (directory_check_key(op->key, &op->error) || directory_check_trusted(d, &op->error))
        return;
    struct upload *u = xcalloc(1, sizeof *u);
    u->fd = -1;
    u->id = xmalloc(DIRECTORY_ID_LEN + 1);
    random_hex(d->random, DIRECTORY_ID_BYTES, u->id);
    u->key = xstrdup(op->key);
    char *name = directory_upload_name(u->id, op->key);
    u->path = directory_path(d, name);
    int rc = create_file(d, name, u, &op->error);
    struct upload **bucket = bucket_of(d, u->id);
    u->next = *bucket;
    *bucket = u;
    if (rc)
        directory_upload_drop(d, u);
    else
        op->upload_id = xstrdup(u->id);
    free(name);
}

/* A part written again with the same bytes (rule 7) lands at the same place. No sync: that is asked
 * for once for all the parts of an interval. */
void directory_part(struct directory *d, struct store_op *op) {
    if (directory_check_trusted(d, &op->error))
        return;
    struct upload *u = directory_upload_use(d, op->upload, op->key, &op->error);
    if (!u)
        return;
    uint64_t written = 0;
    for (const struct chunk *c = op->chunks; c; c = c->next) {
        if (written + c->len > op->bytes)
            break;
        u->dirty = true;
        if (directory_write(d, u->fd, u->path, c->data, c->len, op->offset + written, &op->error)) {
            u->untrusted = op->error.code == ERR_IO;
            return;
        }
        written += c->len;
    }
    /* A hint: the disk begins now instead of at the next sync, where a checkpoint would wait for all
     * of it (8 MB parts: the longest write 10 ms instead of 100). It reports no error and hides none
     * from the sync. */
    (void)sync_file_range(u->fd, (off_t)op->offset, (off_t)written, SYNC_FILE_RANGE_WRITE);
    if (written != op->bytes)
        (void)error_set(&op->error, ERR_INTERNAL,
                        "part %d of %.300s: its chunks do not hold %llu bytes", op->part, op->key,
                        (unsigned long long)op->bytes);
}

void directory_sync(struct directory *d, struct store_op *op) {
    if (directory_check_trusted(d, &op->error))
        return;
    struct upload *u = directory_upload_use(d, op->upload, op->key, &op->error);
    if (u)
        (void)directory_upload_sync(d, u, &op->error);
}

/* An upload's file, or a temporary file as LIST_UPLOADS names it (its path is its id). */
static char *abort_name(const struct store_op *op) {
    const char *slash = strrchr(op->upload, '/');
    const char *base = slash ? slash + 1 : op->upload;
    if (strncmp(base, DIRECTORY_TEMP, strlen(DIRECTORY_TEMP)) != 0)
        return directory_upload_name(op->upload, op->key);
    return xstrdup(op->upload);
}

static int check_abort(const struct store_op *op, struct error *e) {
    const char *slash = strrchr(op->upload, '/');
    if (!slash)
        return 0;
    char *above = xstrndup(op->upload, (size_t)(slash - op->upload));
    int rc = directory_check_key(above, e);
    free(above);
    return rc;
}

void directory_abort(struct directory *d, struct store_op *op) {
    if (check_abort(op, &op->error))
        return;
    struct upload *u = directory_upload_find(d, op->upload, op->key);
    if (u)
        directory_upload_drop(d, u);
    char *name = abort_name(op);
    char *path = directory_path(d, name);
    if (d->io->unlink(d->io, path) && errno != ENOENT && errno != ENOTDIR)
        (void)directory_error(&op->error, errno, "remove", path);
    free(path);
    free(name);
}
