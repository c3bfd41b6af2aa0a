/* The C library's calls in the directory store's vtable. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store/directory.h"

static int io_open(struct directory_io *io, const char *path, int flags, mode_t mode) {
    (void)io;
    return open(path, flags, mode);
}

static int io_close(struct directory_io *io, int fd) {
    (void)io;
    return close(fd);
}

static ssize_t io_pread(struct directory_io *io, int fd, void *buf, size_t n, off_t offset) {
    (void)io;
    return pread(fd, buf, n, offset);
}

static ssize_t io_pwrite(struct directory_io *io, int fd, const void *buf, size_t n, off_t offset) {
    (void)io;
    return pwrite(fd, buf, n, offset);
}

static int io_fsync(struct directory_io *io, int fd) {
    (void)io;
    return fsync(fd);
}

static int io_fdatasync(struct directory_io *io, int fd) {
    (void)io;
    return fdatasync(fd);
}

static int io_fstat(struct directory_io *io, int fd, struct stat *st) {
    (void)io;
    return fstat(fd, st);
}

static int io_stat(struct directory_io *io, const char *path, struct stat *st) {
    (void)io;
    return stat(path, st);
}

static int io_link(struct directory_io *io, const char *from, const char *to) {
    (void)io;
    return link(from, to);
}

static int io_unlink(struct directory_io *io, const char *path) {
    (void)io;
    return unlink(path);
}

static int io_mkdir(struct directory_io *io, const char *path, mode_t mode) {
    (void)io;
    return mkdir(path, mode);
}

static struct dirent *io_readdir(struct directory_io *io, DIR *dir) {
    (void)io;
    return readdir(dir);
}

struct directory_io *directory_io_system(void) {
    static struct directory_io system = {
        io_open,  io_close, io_pread, io_pwrite, io_fsync, io_fdatasync,
        io_fstat, io_stat,  io_link,  io_unlink, io_mkdir, io_readdir,
    };
    return &system;
}
