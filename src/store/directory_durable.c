/* Rule 11's primitives: a file is written and synced under a temporary name, gets its own by link(),
 * and the directories above it are synced. So a name that exists stands for a whole, durable file,
 * and of two processes that want the same name exactly one gets it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/directory_internal.h"

int directory_open_fd(struct directory *d, const char *path, int flags) {
    int fd;
    do
        fd = d->io->open(d->io, path, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int directory_fsync_fd(struct directory *d, int fd, bool data_only) {
    int rc;
    do
        rc = data_only ? d->io->fdatasync(d->io, fd) : d->io->fsync(d->io, fd);
    while (rc && errno == EINTR);
    return rc;
}

int directory_write(struct directory *d, int fd, const char *path, const void *data, size_t n,
                    uint64_t offset, struct error *e) {
    const char *p = data;
    while (n) {
        ssize_t k = d->io->pwrite(d->io, fd, p, n, (off_t)offset);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) { /* 0 for a write of more than 0 bytes: the file system takes no more */
            int errnum = k < 0 ? errno : ENOSPC;
            return directory_error(e, errnum, "write", path);
        }
        p += k;
        n -= (size_t)k;
        offset += (uint64_t)k;
    }
    return 0;
}

int directory_read(struct directory *d, int fd, const char *path, void *data, size_t n,
                   uint64_t offset, struct error *e) {
    char *p = data;
    while (n) {
        ssize_t k = d->io->pread(d->io, fd, p, n, (off_t)offset);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return directory_error(e, errno, "read", path);
        if (k == 0)
            return error_set(e, ERR_IO, "%.400s became shorter while it was read", path);
        p += k;
        n -= (size_t)k;
        offset += (uint64_t)k;
    }
    return 0;
}

int directory_check_trusted(const struct directory *d, struct error *e) {
    if (!d->untrusted)
        return 0;
    return error_set(e, ERR_IO,
                     "a directory below %.300s could not be synced before, so nothing more is "
                     "written there; see the kernel's log, then start the job again",
                     d->store.path);
}

/* relative: "" or a directory's name with '/' at its end. After a failed fsync the kernel may forget
 * what it could not write, so that the next fsync succeeds without it: hence no second try. */
static int sync_directory(struct directory *d, const char *relative, struct error *e) {
    char *path = directory_path(d, relative);
    int rc = 0;
    int fd = directory_open_fd(d, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        rc = directory_error(e, errno, "open", path);
    } else {
        if (directory_fsync_fd(d, fd, false)) {
            d->untrusted = true;
            rc = directory_error(e, errno, "sync the directory", path);
            e->code = ERR_IO;
        }
        (void)d->io->close(d->io, fd);
    }
    free(path);
    return rc;
}

int directory_sync_parent(struct directory *d, const char *key, struct error *e) {
    char *parent = directory_parent(key);
    int rc = sync_directory(d, parent, e);
    free(parent);
    return rc;
}

/* ---- Parents ------------------------------------------------------------------------------------ */

static bool is_durable(const struct directory *d, const char *relative) {
    for (size_t i = 0; i < DURABLE_MAX; i++)
        if (d->durable[i] && strcmp(d->durable[i], relative) == 0)
            return true;
    return false;
}

static void remember_durable(struct directory *d, const char *relative) {
    free(d->durable[d->durable_next]);
    d->durable[d->durable_next] = xstrdup(relative);
    d->durable_next = (d->durable_next + 1) % DURABLE_MAX;
}

void directory_forget_parents(struct directory *d) {
    for (size_t i = 0; i < DURABLE_MAX; i++) {
        free(d->durable[i]);
        d->durable[i] = NULL;
    }
}

/* One directory, "a/b/": exists, and its name in "a/" is durable. Also where it exists already: who
 * made it may have stopped before the fsync, or may not have come to it yet. */
static int make_directory(struct directory *d, const char *relative, struct error *e) {
    if (is_durable(d, relative))
        return 0;
    char *path = directory_path(d, relative);
    int rc = 0;
    if (d->io->mkdir(d->io, path, 0777) && errno != EEXIST)
        rc = directory_error(e, errno, "create the directory", path);
    free(path);
    if (rc)
        return rc;
    char *name = xstrndup(relative, strlen(relative) - 1);
    rc = directory_sync_parent(d, name, e);
    free(name);
    if (!rc)
        remember_durable(d, relative);
    return rc;
}

int directory_make_parents(struct directory *d, const char *key, struct error *e) {
    char *parent = directory_parent(key);
    int rc = 0;
    if (*parent && !is_durable(d, parent)) {
        for (const char *slash = strchr(parent, '/'); slash && !rc;
             slash = strchr(slash + 1, '/')) {
            char *relative = xstrndup(parent, (size_t)(slash - parent) + 1);
            rc = make_directory(d, relative, e);
            free(relative);
        }
    }
    free(parent);
    return rc;
}

/* One directory of the root's path, which may lie above the root: whole paths. */
static int make_root_step(struct directory *d, const char *path, struct error *e) {
    if (d->io->mkdir(d->io, path, 0777)) {
        if (errno == EEXIST)
            return 0;
        return directory_error(e, errno, "create the directory", path);
    }
    char *name = xstrndup(path, strlen(path) - 1);
    char *parent = directory_parent(name);
    int rc = 0;
    int fd = directory_open_fd(d, *parent ? parent : ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0 || directory_fsync_fd(d, fd, false))
        rc = directory_error(e, errno, "sync the directory above", path);
    if (fd >= 0)
        (void)d->io->close(d->io, fd);
    free(parent);
    free(name);
    return rc;
}

int directory_make_root(struct directory *d, struct error *e) {
    const char *root = d->store.path;
    struct stat st;
    if (d->io->stat(d->io, root, &st) == 0)
        return 0; /* with the trailing '/' only a directory is found */
    if (errno != ENOENT)
        return directory_error(e, errno, "open the directory", root);
    for (const char *slash = strchr(root + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        char *step = xstrndup(root, (size_t)(slash - root) + 1);
        int rc = slash[-1] == '/' ? 0 : make_root_step(d, step, e);
        free(step);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- Temporary files ---------------------------------------------------------------------------- */

/* A directory above it that somebody removed (it was empty) is made once more. */
int directory_open_new(struct directory *d, const char *name, const char *path, struct error *e) {
    for (int attempt = 0;; attempt++) {
        if (directory_make_parents(d, name, e))
            return -1;
        int fd = directory_open_fd(d, path, O_WRONLY | O_CREAT | O_EXCL);
        if (fd >= 0)
            return fd;
        int errnum = errno;
        if (errnum != ENOENT || attempt == 1)
            return directory_error(e, errnum, "create", path);
        directory_forget_parents(d);
    }
}

int directory_temp_open(struct directory *d, const char *key, struct directory_temp *t,
                        struct error *e) {
    char id[DIRECTORY_ID_LEN + 1];
    random_hex(d->random, DIRECTORY_ID_BYTES, id);
    char *parent = directory_parent(key);
    t->name = xasprintf("%s" DIRECTORY_TEMP "%s", parent, id);
    t->path = directory_path(d, t->name);
    free(parent);
    t->fd = directory_open_new(d, t->name, t->path, e);
    if (t->fd >= 0)
        return 0;
    free(t->name);
    free(t->path);
    return -1;
}

static void temp_end(struct directory *d, struct directory_temp *t) {
    if (t->fd >= 0)
        (void)d->io->close(d->io, t->fd);
    free(t->name);
    free(t->path);
}

void directory_remove_leftover(struct directory *d, const char *path) {
    if (d->io->unlink(d->io, path) && errno != ENOENT) {
        struct error e;
        (void)directory_error(&e, errno, "remove", path);
        log_warn("leftover", "%s; it is not visible as output, and gc removes it later", e.text);
    }
}

void directory_temp_discard(struct directory *d, struct directory_temp *t) {
    directory_remove_leftover(d, t->path);
    temp_end(d, t);
}

/* Others have their turn while it waits for the disk. */
static int sync_temp(struct directory *d, struct directory_temp *t, struct error *e) {
    directory_let_go(d);
    int rc = directory_fsync_fd(d, t->fd, false);
    int errnum = errno;
    directory_go_on(d);
    errno = errnum;
    if (rc == 0)
        return 0;
    (void)directory_error(e, errno, "sync", t->path);
    e->code =
        ERR_IO; /* also for ENOSPC: after a failed fsync the file is never trusted (rule 11) */
    return -1;
}

int directory_temp_publish(struct directory *d, struct directory_temp *t, const char *key,
                           struct error *e) {
    char *path = directory_path(d, key);
    int rc = sync_temp(d, t, e);
    if (!rc)
        rc = directory_check_trusted(d, e); /* still */
    if (!rc && d->io->link(d->io, t->path, path)) {
        rc = -1;
        if (errno == EEXIST)
            (void)error_set(e, ERR_EXISTS, "%.400s exists", path);
        else
            (void)directory_error(e, errno, "create", path);
    }
    directory_temp_discard(d, t);
    free(path);
    /* Also where the name exists: who asks next what it holds must be able to rely on it. */
    if (!rc || e->code == ERR_EXISTS) {
        struct error sync;
        error_clear(&sync);
        if (directory_sync_parent(d, key, &sync)) {
            *e = sync;
            rc = -1;
        }
    }
    return rc;
}
