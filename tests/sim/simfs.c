#include "simfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

enum { NONE = -1, FIRST_FD = 1000000 };

/* A name in a directory: where it leads now, and where after a power cut. */
struct name {
    char *text;
    int now, durable; /* inodes or NONE */
};

struct bytes {
    char *data;
    size_t len, cap;
};

struct simfs_inode {
    bool dir, lost; /* lost: an fsync failed, what was dirty never gets to the disk */
    struct bytes now, durable;
    struct name *names;
    size_t n_names, cap_names;
};

/* A directory's fd is a real one (of "/"), because the store hands it to fdopendir(). */
struct simfs_fd {
    int fd; /* -1: free */
    int inode;
    size_t cursor;
};

static struct simfs *self(struct directory_io *io) {
    return (struct simfs *)io;
}

/* ---- Bytes and names ---------------------------------------------------------------------------- */

static void bytes_set(struct bytes *b, const char *data, size_t len) {
    array_reserve(&b->data, &b->cap, len + 1, 1);
    if (len)
        memmove(b->data, data, len);
    b->data[len] = '\0';
    b->len = len;
}

static int new_inode(struct simfs *fs, bool dir) {
    array_reserve(&fs->inodes, &fs->cap_inodes, fs->n_inodes + 1, sizeof *fs->inodes);
    fs->inodes[fs->n_inodes] = (struct simfs_inode){.dir = dir};
    return (int)fs->n_inodes++;
}

static struct name *find_name(const struct simfs_inode *dir, const char *text, size_t len) {
    for (size_t i = 0; i < dir->n_names; i++)
        if (strncmp(dir->names[i].text, text, len) == 0 && dir->names[i].text[len] == '\0')
            return &dir->names[i];
    return NULL;
}

static struct name *need_name(struct simfs_inode *dir, const char *text) {
    struct name *n = find_name(dir, text, strlen(text));
    if (n)
        return n;
    array_reserve(&dir->names, &dir->cap_names, dir->n_names + 1, sizeof *dir->names);
    dir->names[dir->n_names] = (struct name){xstrdup(text), NONE, NONE};
    return &dir->names[dir->n_names++];
}

/* The directory that a path lies in, and the last segment (without a trailing '/'); -1 with errno. */
static int find_parent(const struct simfs *fs, const char *path, char last[512]) {
    if (strncmp(path, SIMFS_ROOT, strlen(SIMFS_ROOT)) != 0) {
        errno = EACCES;
        return -1;
    }
    int at = 0;
    for (const char *p = path + strlen(SIMFS_ROOT);;) {
        const char *slash = strchr(p, '/');
        size_t len = slash ? (size_t)(slash - p) : strlen(p);
        if (!slash || slash[1] == '\0') {
            (void)snprintf(last, 512, "%.*s", (int)len, p);
            return at;
        }
        const struct name *n = find_name(&fs->inodes[at], p, len);
        if (!n || n->now == NONE) {
            errno = ENOENT;
            return -1;
        }
        at = n->now;
        if (!fs->inodes[at].dir) {
            errno = ENOTDIR;
            return -1;
        }
        p = slash + 1;
    }
}

/* -1 with errno ENOENT and such. */
static int find_inode(const struct simfs *fs, const char *path) {
    char last[512];
    int parent = find_parent(fs, path, last);
    if (parent < 0 || !*last)
        return parent;
    const struct name *n = find_name(&fs->inodes[parent], last, strlen(last));
    if (n && n->now != NONE)
        return n->now;
    errno = ENOENT;
    return -1;
}

/* False where the call fails. */
static bool change(struct simfs *fs) {
    fs->changes++;
    if (fs->before_change)
        fs->before_change(fs->ctx);
    if (fs->read_only) {
        errno = EROFS;
        return false;
    }
    if (fs->changes != fs->fail_at)
        return true;
    fs->failed = true;
    errno = fs->fail_errno;
    return false;
}

/* ---- System calls ------------------------------------------------------------------------------- */

static int add_fd(struct simfs *fs, int fd, int inode) {
    size_t i = 0;
    while (i < fs->n_fds && fs->fds[i].fd != -1 && fs->fds[i].fd != fd)
        i++;
    if (i == fs->n_fds) {
        array_reserve(&fs->fds, &fs->cap_fds, fs->n_fds + 1, sizeof *fs->fds);
        fs->n_fds++;
    }
    fs->fds[i] = (struct simfs_fd){fd == NONE ? FIRST_FD + (int)i : fd, inode, 0};
    return fs->fds[i].fd;
}

static struct simfs_fd *find_fd(struct simfs *fs, int fd) {
    for (size_t i = 0; i < fs->n_fds; i++)
        if (fs->fds[i].fd == fd)
            return &fs->fds[i];
    errno = EBADF;
    return NULL;
}

static int create(struct simfs *fs, const char *path) {
    char last[512];
    int parent = find_parent(fs, path, last);
    if (parent < 0)
        return -1;
    struct name *n = find_name(&fs->inodes[parent], last, strlen(last));
    if (n && n->now != NONE) {
        errno = EEXIST;
        return -1;
    }
    if (!change(fs))
        return -1;
    int inode = new_inode(fs, false);
    need_name(&fs->inodes[parent], last)->now = inode;
    return inode;
}

static int sim_open(struct directory_io *io, const char *path, int flags, mode_t mode) {
    (void)mode;
    struct simfs *fs = self(io);
    int inode = flags & O_CREAT ? create(fs, path) : find_inode(fs, path);
    if (inode < 0)
        return -1;
    if (!(flags & O_DIRECTORY))
        return add_fd(fs, NONE, inode);
    if (!fs->inodes[inode].dir) {
        errno = ENOTDIR;
        return -1;
    }
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : add_fd(fs, fd, inode);
}

static int sim_close(struct directory_io *io, int fd) {
    struct simfs_fd *f = find_fd(self(io), fd);
    if (!f)
        return -1;
    if (fd < FIRST_FD)
        (void)close(fd);
    f->fd = -1;
    return 0;
}

static ssize_t sim_pread(struct directory_io *io, int fd, void *buf, size_t n, off_t offset) {
    struct simfs_fd *f = find_fd(self(io), fd);
    if (!f)
        return -1;
    const struct bytes *b = &self(io)->inodes[f->inode].now;
    size_t at = (size_t)offset, left = at < b->len ? b->len - at : 0;
    if (n > left)
        n = left;
    if (n)
        memcpy(buf, b->data + at, n);
    return (ssize_t)n;
}

static ssize_t sim_pwrite(struct directory_io *io, int fd, const void *buf, size_t n,
                          off_t offset) {
    struct simfs *fs = self(io);
    struct simfs_fd *f = find_fd(fs, fd);
    if (!f || !change(fs))
        return -1;
    struct bytes *b = &fs->inodes[f->inode].now;
    size_t end = (size_t)offset + n;
    if (end > b->len) {
        array_reserve(&b->data, &b->cap, end + 1, 1);
        memset(b->data + b->len, 0, end + 1 - b->len);
        b->len = end;
    }
    memcpy(b->data + offset, buf, n);
    return (ssize_t)n;
}

static int sim_fsync(struct directory_io *io, int fd) {
    struct simfs *fs = self(io);
    struct simfs_fd *f = find_fd(fs, fd);
    if (!f)
        return -1;
    if (!change(fs)) {
        struct simfs_inode *failed = &fs->inodes[f->inode];
        failed->lost = !failed->dir;
        fs->read_only |= failed->dir;
        return -1;
    }
    struct simfs_inode *i = &fs->inodes[f->inode];
    if (i->lost)
        return 0;
    bytes_set(&i->durable, i->now.data, i->now.len);
    for (size_t k = 0; k < i->n_names; k++)
        i->names[k].durable = i->names[k].now;
    return 0;
}

static void fill_stat(const struct simfs *fs, int inode, struct stat *st) {
    memset(st, 0, sizeof *st);
    st->st_mode = fs->inodes[inode].dir ? S_IFDIR | 0777 : S_IFREG | 0666;
    st->st_size = (off_t)fs->inodes[inode].now.len;
    st->st_ino = (ino_t)inode + 1;
    st->st_dev = 1;
}

static int sim_fstat(struct directory_io *io, int fd, struct stat *st) {
    struct simfs_fd *f = find_fd(self(io), fd);
    if (f)
        fill_stat(self(io), f->inode, st);
    return f ? 0 : -1;
}

static int sim_stat(struct directory_io *io, const char *path, struct stat *st) {
    int inode = find_inode(self(io), path);
    if (inode >= 0)
        fill_stat(self(io), inode, st);
    return inode < 0 ? -1 : 0;
}

static int sim_link(struct directory_io *io, const char *from, const char *to) {
    struct simfs *fs = self(io);
    char last[512];
    int inode = find_inode(fs, from), parent = find_parent(fs, to, last);
    if (inode < 0 || parent < 0)
        return -1;
    struct name *n = find_name(&fs->inodes[parent], last, strlen(last));
    if (n && n->now != NONE) {
        errno = EEXIST;
        return -1;
    }
    if (!change(fs))
        return -1;
    need_name(&fs->inodes[parent], last)->now = inode;
    const struct bytes *b = &fs->inodes[inode].now;
    if (fs->appeared)
        fs->appeared(fs->ctx, to + strlen(SIMFS_ROOT), b->data ? b->data : "", b->len);
    return 0;
}

static int sim_unlink(struct directory_io *io, const char *path) {
    struct simfs *fs = self(io);
    char last[512];
    int inode = find_inode(fs, path), parent = find_parent(fs, path, last);
    if (inode < 0 || parent < 0 || !change(fs))
        return -1;
    find_name(&fs->inodes[parent], last, strlen(last))->now = NONE;
    return 0;
}

static int sim_mkdir(struct directory_io *io, const char *path, mode_t mode) {
    (void)mode;
    struct simfs *fs = self(io);
    char last[512];
    int parent = find_parent(fs, path, last);
    if (parent < 0)
        return -1;
    if (find_inode(fs, path) >= 0) {
        errno = EEXIST;
        return -1;
    }
    if (!change(fs))
        return -1;
    int inode = new_inode(fs, true);
    need_name(&fs->inodes[parent], last)->now = inode;
    return 0;
}

static struct dirent *sim_readdir(struct directory_io *io, DIR *dir) {
    struct simfs *fs = self(io);
    struct simfs_fd *f = find_fd(fs, dirfd(dir));
    if (!f)
        return NULL;
    const struct simfs_inode *d = &fs->inodes[f->inode];
    while (f->cursor < d->n_names && d->names[f->cursor].now == NONE)
        f->cursor++;
    errno = 0;
    if (f->cursor == d->n_names)
        return NULL;
    const struct name *n = &d->names[f->cursor++];
    (void)snprintf(fs->entry.d_name, sizeof fs->entry.d_name, "%s", n->text);
    fs->entry.d_type = fs->inodes[n->now].dir ? DT_DIR : DT_REG;
    return &fs->entry;
}

/* ---- Its life ----------------------------------------------------------------------------------- */

static const struct directory_io calls = {
    sim_open,  sim_close, sim_pread, sim_pwrite, sim_fsync, sim_fsync,
    sim_fstat, sim_stat,  sim_link,  sim_unlink, sim_mkdir, sim_readdir,
};

struct simfs *simfs_new(void) {
    struct simfs *fs = xcalloc(1, sizeof *fs);
    fs->io = calls;
    (void)new_inode(fs, true);
    return fs;
}

void simfs_free(struct simfs *fs) {
    for (size_t i = 0; i < fs->n_inodes; i++) {
        struct simfs_inode *n = &fs->inodes[i];
        free(n->now.data);
        free(n->durable.data);
        for (size_t k = 0; k < n->n_names; k++)
            free(n->names[k].text);
        free(n->names);
    }
    free(fs->inodes);
    free(fs->fds);
    free(fs);
}

struct simfs *simfs_clone(const struct simfs *fs) {
    struct simfs *copy = xcalloc(1, sizeof *copy);
    copy->io = calls;
    copy->read_only = fs->read_only;
    copy->n_inodes = copy->cap_inodes = fs->n_inodes;
    copy->inodes = xcalloc(fs->n_inodes, sizeof *copy->inodes);
    bool *used = xcalloc(fs->n_inodes, sizeof *used);
    used[0] = true;
    for (size_t i = 0; i < fs->n_inodes; i++) {
        const struct simfs_inode *from = &fs->inodes[i];
        struct simfs_inode *to = &copy->inodes[i];
        to->dir = from->dir;
        to->lost = from->lost;
        to->names = xcalloc(from->n_names, sizeof *to->names);
        to->cap_names = from->n_names;
        for (size_t k = 0; k < from->n_names; k++) {
            const struct name *n = &from->names[k];
            if (n->now == NONE && n->durable == NONE)
                continue;
            to->names[to->n_names++] = (struct name){xstrdup(n->text), n->now, n->durable};
            if (n->now != NONE)
                used[n->now] = true;
            if (n->durable != NONE)
                used[n->durable] = true;
        }
    }
    for (size_t i = 0; i < fs->n_inodes; i++) {
        if (!used[i] || fs->inodes[i].dir)
            continue;
        bytes_set(&copy->inodes[i].now, fs->inodes[i].now.data, fs->inodes[i].now.len);
        bytes_set(&copy->inodes[i].durable, fs->inodes[i].durable.data, fs->inodes[i].durable.len);
    }
    free(used);
    return copy;
}

/* ---- Power cut ---------------------------------------------------------------------------------- */

/* The file system had grown the file, but perhaps not written, or not in this order. */
static void tear(struct simfs_inode *i, struct random *random) {
    size_t old = i->durable.len;
    uint64_t how = random_below(random, 4);
    if (i->lost || how == 0 || i->now.len <= old)
        return;
    size_t keep = how == 1 ? i->now.len : old + random_below(random, i->now.len - old + 1);
    size_t end = i->now.len;
    bytes_set(&i->durable, i->now.data, how == 3 ? end : keep);
    if (how == 3)
        memset(i->durable.data + keep, 0, end - keep);
}

void simfs_power_cut(struct simfs *fs, enum simfs_cut how, struct random *random) {
    fs->read_only = false;
    for (size_t i = 0; i < fs->n_inodes; i++) {
        struct simfs_inode *n = &fs->inodes[i];
        if (how == CUT_TEAR && !n->dir)
            tear(n, random);
        bytes_set(&n->now, n->durable.data, n->durable.len);
        n->lost = false;
        for (size_t k = 0; k < n->n_names; k++) {
            struct name *e = &n->names[k];
            if (how == CUT_TEAR && e->now != e->durable && random_below(random, 2))
                e->durable = e->now;
            e->now = e->durable;
        }
    }
}

/* ---- For tests ---------------------------------------------------------------------------------- */

static void walk(const struct simfs *fs, int dir, const char *prefix,
                 void (*fn)(void *ctx, const char *name, const char *data, size_t len), void *ctx) {
    const struct simfs_inode *d = &fs->inodes[dir];
    for (size_t i = 0; i < d->n_names; i++) {
        const struct name *n = &d->names[i];
        if (n->now == NONE || n->text[0] == '.')
            continue;
        const struct simfs_inode *at = &fs->inodes[n->now];
        char *path = xasprintf("%s%s%s", prefix, n->text, at->dir ? "/" : "");
        if (at->dir)
            walk(fs, n->now, path, fn, ctx);
        else
            fn(ctx, path, at->now.data ? at->now.data : "", at->now.len);
        free(path);
    }
}

void simfs_each(const struct simfs *fs,
                void (*fn)(void *ctx, const char *name, const char *data, size_t len), void *ctx) {
    walk(fs, 0, "", fn, ctx);
}

const char *simfs_object(const struct simfs *fs, const char *name, size_t *len) {
    char *path = xasprintf(SIMFS_ROOT "%s", name);
    int inode = find_inode(fs, path);
    free(path);
    if (inode < 0 || fs->inodes[inode].dir)
        return NULL;
    const struct bytes *b = &fs->inodes[inode].now;
    *len = b->len;
    return b->data ? b->data : "";
}

bool simfs_remove(struct simfs *fs, const char *name) {
    char *path = xasprintf(SIMFS_ROOT "%s", name), last[512];
    int inode = find_inode(fs, path), parent = find_parent(fs, path, last);
    free(path);
    if (inode < 0)
        return false;
    struct name *n = find_name(&fs->inodes[parent], last, strlen(last));
    n->now = n->durable = NONE;
    return true;
}
