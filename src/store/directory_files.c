/* Whole objects of the directory store: get, head, put if absent, delete. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "store/directory_internal.h"

/* ENOTDIR: a segment of the key is a file, so nothing can lie below it. */
static bool is_absent(int errnum) {
    return errnum == ENOENT || errnum == ENOTDIR;
}

static int not_found(struct error *e, const char *path) {
    return error_set(e, ERR_NOT_FOUND, "%.400s does not exist", path);
}

static int read_range(struct directory *d, int fd, const char *path, uint64_t size,
                      struct store_op *op) {
    uint64_t len = op->range_start < size ? size - op->range_start : 0;
    if (op->range_len && op->range_len < len)
        len = op->range_len;
    buffer_init(&op->answer, op->max_bytes);
    char *dst = len <= SIZE_MAX ? buffer_reserve(&op->answer, (size_t)len) : NULL;
    if (!dst)
        return error_set(&op->error, ERR_LIMIT, "%.400s has %llu bytes, more than the %zu allowed",
                         path, (unsigned long long)len, op->max_bytes);
    if (directory_read(d, fd, path, dst, (size_t)len, op->range_start, &op->error))
        return -1;
    dst[len] = '\0';
    op->answer.len = (size_t)len;
    return 0;
}

void directory_get(struct directory *d, struct store_op *op) {
    if (directory_check_key(op->key, &op->error))
        return;
    char *path = directory_path(d, op->key);
    struct stat st;
    int fd = directory_open_fd(d, path, O_RDONLY);
    if (fd < 0 && is_absent(errno))
        (void)not_found(&op->error, path);
    else if (fd < 0)
        (void)directory_error(&op->error, errno, "open", path);
    else if (d->io->fstat(d->io, fd, &st))
        (void)directory_error(&op->error, errno, "examine", path);
    else if (!S_ISREG(st.st_mode))
        (void)not_found(&op->error, path);
    else
        (void)read_range(d, fd, path, (uint64_t)st.st_size, op);
    if (fd >= 0)
        (void)d->io->close(d->io, fd);
    free(path);
}

void directory_head(struct directory *d, struct store_op *op) {
    if (directory_check_key(op->key, &op->error))
        return;
    char *path = directory_path(d, op->key);
    struct stat st;
    if (d->io->stat(d->io, path, &st) == 0) {
        if (S_ISREG(st.st_mode))
            op->object_size = (uint64_t)st.st_size;
        else
            (void)not_found(&op->error, path);
    } else if (is_absent(errno)) {
        (void)not_found(&op->error, path);
    } else {
        (void)directory_error(&op->error, errno, "examine", path);
    }
    free(path);
}

void directory_put(struct directory *d, struct store_op *op) {
    struct directory_temp t;
    if (directory_check_key(op->key, &op->error) || directory_check_trusted(d, &op->error) ||
        directory_temp_open(d, op->key, &t, &op->error))
        return;
    if (directory_write(d, t.fd, t.path, op->body, op->body_len, 0, &op->error))
        directory_temp_discard(d, &t);
    else
        (void)directory_temp_publish(d, &t, op->key, &op->error);
}

void directory_delete(struct directory *d, struct store_op *op) {
    if (directory_check_key(op->key, &op->error))
        return;
    char *path = directory_path(d, op->key);
    if (d->io->unlink(d->io, path) == 0)
        (void)directory_sync_parent(d, op->key, &op->error);
    else if (!is_absent(errno) && errno != EISDIR) /* a directory is no object */
        (void)directory_error(&op->error, errno, "remove", path);
    free(path);
}
