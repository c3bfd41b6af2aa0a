/* Listings of the directory store: a walk below the root that yields keys as S3 would. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/directory_internal.h"

struct walk {
    struct directory *d;
    const char *prefix;      /* of the keys wanted, as a string */
    const char *start_after; /* NULL: all of them */
    bool temporaries;        /* list these instead of objects */
    char **pending;          /* directories still to be read, relative, with '/' at their ends */
    size_t n_pending, cap_pending;
    struct store_entry *entries;
    size_t n, cap;
    struct error *e;
};

static void add_entry(struct walk *w, char *key, char *upload, const struct stat *st) {
    array_reserve(&w->entries, &w->cap, w->n + 1, sizeof *w->entries);
    w->entries[w->n++] = (struct store_entry){
        .key = key,
        .upload = upload,
        .size = upload ? 0 : (uint64_t)st->st_size,
        .modified = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000,
    };
}

static void add_directory(struct walk *w, char *relative) {
    array_reserve(&w->pending, &w->cap_pending, w->n_pending + 1, sizeof *w->pending);
    w->pending[w->n_pending++] = relative;
}

/* True where keys with the prefix may lie below the directory. */
static bool may_hold(const struct walk *w, const char *relative) {
    size_t a = strlen(relative), b = strlen(w->prefix);
    return strncmp(relative, w->prefix, a < b ? a : b) == 0;
}

static bool wanted_name(const struct walk *w, const char *name) {
    if (w->temporaries)
        return strncmp(name, DIRECTORY_TEMP, strlen(DIRECTORY_TEMP)) == 0;
    return name[0] != '.';
}

static bool wanted_key(const struct walk *w, const char *key) {
    return strncmp(key, w->prefix, strlen(w->prefix)) == 0 &&
           (!w->start_after || strcmp(key, w->start_after) > 0);
}

/* 0 also where it has vanished meanwhile. Takes relative. */
static int visit(struct walk *w, char *relative, const char *name, unsigned char type) {
    struct stat st;
    char *path = directory_path(w->d, relative);
    int rc = 0;
    if (w->d->io->stat(w->d->io, path, &st)) {
        if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
            rc = directory_error(w->e, errno, "examine", path);
    } else if (S_ISDIR(st.st_mode)) {
        if (name[0] != '.' &&
            type != DT_LNK) { /* links to directories could lead round in circles */
            char *directory = xasprintf("%s/", relative);
            if (may_hold(w, directory))
                add_directory(w, directory);
            else
                free(directory);
        }
    } else if (S_ISREG(st.st_mode) && wanted_name(w, name) && wanted_key(w, relative)) {
        add_entry(w, relative, w->temporaries ? xstrdup(relative) : NULL, &st);
        relative = NULL;
    }
    free(path);
    free(relative);
    return rc;
}

/* Opens a directory for reading; NULL with errno set. */
static DIR *open_directory(struct directory *d, const char *path) {
    int fd = directory_open_fd(d, path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return NULL;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int errnum = errno;
        (void)d->io->close(d->io, fd);
        errno = errnum;
    }
    return dir;
}

typedef int visit_fn(struct walk *w, const char *relative, const struct dirent *entry);

/* Calls fn for each name in the directory. A missing one is empty, except the root itself: that is a
 * file system which is gone, and "no checkpoint" would be a wrong answer then. */
static int each_name(struct walk *w, const char *relative, visit_fn *fn) {
    char *path = directory_path(w->d, relative);
    int rc = 0;
    DIR *dir = open_directory(w->d, path);
    if (!dir) {
        if (!*relative || (errno != ENOENT && errno != ENOTDIR))
            rc = directory_error(w->e, errno, "list", path);
        free(path);
        return rc;
    }
    while (!rc) {
        errno = 0;
        const struct dirent *entry = w->d->io->readdir(w->d->io, dir);
        if (!entry && errno)
            rc = directory_error(w->e, errno, "list", path);
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = fn(w, relative, entry);
    }
    (void)closedir(dir);
    free(path);
    return rc;
}

static int visit_tree(struct walk *w, const char *relative, const struct dirent *entry) {
    if (entry->d_name[0] == '.' && !wanted_name(w, entry->d_name))
        return 0;
    char *key = xasprintf("%s%s", relative, entry->d_name);
    if (entry->d_type == DT_REG && (!wanted_name(w, entry->d_name) || !wanted_key(w, key))) {
        free(key); /* spares the stat */
        return 0;
    }
    return visit(w, key, entry->d_name, entry->d_type);
}

static int visit_upload(struct walk *w, const char *relative, const struct dirent *entry) {
    char id[DIRECTORY_ID_LEN + 1];
    char *key = directory_upload_parse(entry->d_name, id);
    if (!key)
        return 0;
    struct stat st;
    char *name = xasprintf("%s%s", relative, entry->d_name);
    char *path = directory_path(w->d, name);
    int rc = 0;
    if (strncmp(key, w->prefix, strlen(w->prefix)) != 0) {
        free(key);
    } else if (w->d->io->stat(w->d->io, path, &st)) {
        if (errno != ENOENT)
            rc = directory_error(w->e, errno, "examine", path);
        free(key);
    } else {
        add_entry(w, key, xstrdup(id), &st);
    }
    free(path);
    free(name);
    return rc;
}

static int walk_tree(struct walk *w) {
    int rc = 0;
    add_directory(w, directory_parent(w->prefix));
    while (w->n_pending) {
        char *relative = w->pending[--w->n_pending];
        if (!rc)
            rc = each_name(w, relative, visit_tree);
        free(relative);
    }
    free(w->pending);
    return rc;
}

static int by_key(const void *a, const void *b) {
    const struct store_entry *x = a, *y = b;
    int c = strcmp(x->key, y->key);
    return c || !x->upload ? c : strcmp(x->upload, y->upload);
}

static void finish(struct walk *w, struct store_op *op) {
    if (w->n > 1)
        qsort(w->entries, w->n, sizeof *w->entries, by_key);
    op->entries = w->entries; /* also after an error: store_op_clear frees them */
    op->n_entries = w->n;
    op->store_time = clock_wall(w->d->clock); /* files have this machine's time */
}

void directory_list(struct directory *d, struct store_op *op) {
    if (directory_check_prefix(op->key, &op->error))
        return;
    struct walk w = {.d = d, .prefix = op->key, .start_after = op->start_after, .e = &op->error};
    /* A prefix whose directory does not exist yields nothing, but only where the root does exist. */
    struct stat st;
    if (d->io->stat(d->io, d->store.path, &st))
        (void)directory_error(&op->error, errno, "list", d->store.path);
    else
        (void)walk_tree(&w);
    finish(&w, op);
}

/* Uploads, and temporary files that a crash left behind: gc treats both alike (rule 10). Their time
 * is that of the last write, so one that is still written never looks old. */
void directory_list_uploads(struct directory *d, struct store_op *op) {
    if (directory_check_prefix(op->key, &op->error))
        return;
    struct walk w = {.d = d, .prefix = "", .temporaries = true, .e = &op->error};
    w.prefix = op->key;
    if (each_name(&w, DIRECTORY_UPLOADS, visit_upload) == 0)
        (void)walk_tree(&w);
    finish(&w, op);
}
