/* A directory as a store, on a local file system (rule 11). What is visible under a key is whole and
 * durable: files get their names by link() after fsync, and every directory on the way is synced.
 *
 * One thread executes requests in the order of their submission. Unfinished uploads are files of
 * <root>/.uploads/; names that begin with '.' belong to the store and are no keys. */
#ifndef TIDEMARK_STORE_DIRECTORY_H
#define TIDEMARK_STORE_DIRECTORY_H

#include <dirent.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/random.h"
#include "store/store.h"

/* The system calls that the store makes, so that tests can fail each of them in turn or play a power
 * cut. Results and errno as the C library's; stat follows symbolic links. Called by the store's
 * thread, and by the opening one before that starts. */
struct directory_io {
    int (*open)(struct directory_io *io, const char *path, int flags, mode_t mode);
    int (*close)(struct directory_io *io, int fd);
    ssize_t (*pread)(struct directory_io *io, int fd, void *buf, size_t n, off_t offset);
    ssize_t (*pwrite)(struct directory_io *io, int fd, const void *buf, size_t n, off_t offset);
    int (*fsync)(struct directory_io *io, int fd);
    int (*fdatasync)(struct directory_io *io, int fd);
    int (*fstat)(struct directory_io *io, int fd, struct stat *st);
    int (*stat)(struct directory_io *io, const char *path, struct stat *st);
    int (*link)(struct directory_io *io, const char *from, const char *to);
    int (*unlink)(struct directory_io *io, const char *path);
    int (*mkdir)(struct directory_io *io, const char *path, mode_t mode);
    struct dirent *(*readdir)(struct directory_io *io, DIR *dir);
};

/* The C library's; static. */
struct directory_io *directory_io_system(void);

/* Creates the directory and its parents where they are missing and starts the store's thread. NULL
 * with *e set on failure. path without a trailing '/' gets one. */
struct store *store_directory_open(const char *path, struct clock *clock, struct random *random,
                                   struct error *e);

/* The same over other system calls; io must outlive the store. */
struct store *store_directory_open_with_io(const char *path, struct clock *clock,
                                           struct random *random, struct directory_io *io,
                                           struct error *e);

#endif
