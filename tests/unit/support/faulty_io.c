/* System calls of which a test lets one fail. */
#include <errno.h>

#include "support/directory_fixture.h"

/* True where this call fails; errno is set then. */
static bool fails(struct directory_io *io, int call) {
    struct faulty_io *f = (struct faulty_io *)io;
    f->calls[call]++;
    if (f->nth && (f->call == ANY_CALL || f->call == call) && --f->nth == 0) {
        f->failed = call;
        errno = f->errnum;
        return true;
    }
    return false;
}

/* For calls that signals interrupt. */
static bool fails_or_interrupted(struct directory_io *io, int call) {
    struct faulty_io *f = (struct faulty_io *)io;
    f->coin = !f->coin;
    if (f->interrupted && f->coin) {
        errno = EINTR;
        return true;
    }
    return fails(io, call);
}

static size_t shorten(struct directory_io *io, size_t n) {
    size_t most = ((struct faulty_io *)io)->short_write;
    return most && n > most ? most : n;
}

static struct directory_io *real(void) {
    return directory_io_system();
}

static int faulty_open(struct directory_io *io, const char *path, int flags, mode_t mode) {
    return fails_or_interrupted(io, CALL_OPEN) ? -1 : real()->open(real(), path, flags, mode);
}

static int faulty_close(struct directory_io *io, int fd) {
    int rc = real()->close(real(), fd); /* closed in any case, as Linux does */
    return fails(io, CALL_CLOSE) ? -1 : rc;
}

static ssize_t faulty_pread(struct directory_io *io, int fd, void *buf, size_t n, off_t offset) {
    if (fails_or_interrupted(io, CALL_PREAD))
        return -1;
    return real()->pread(real(), fd, buf, shorten(io, n), offset);
}

static ssize_t faulty_pwrite(struct directory_io *io, int fd, const void *buf, size_t n,
                             off_t offset) {
    if (fails_or_interrupted(io, CALL_PWRITE))
        return -1;
    return real()->pwrite(real(), fd, buf, shorten(io, n), offset);
}

static int faulty_fsync(struct directory_io *io, int fd) {
    return fails_or_interrupted(io, CALL_FSYNC) ? -1 : real()->fsync(real(), fd);
}

static int faulty_fdatasync(struct directory_io *io, int fd) {
    return fails_or_interrupted(io, CALL_FDATASYNC) ? -1 : real()->fdatasync(real(), fd);
}

static int faulty_fstat(struct directory_io *io, int fd, struct stat *st) {
    return fails(io, CALL_FSTAT) ? -1 : real()->fstat(real(), fd, st);
}

static int faulty_stat(struct directory_io *io, const char *path, struct stat *st) {
    return fails(io, CALL_STAT) ? -1 : real()->stat(real(), path, st);
}

static int faulty_link(struct directory_io *io, const char *from, const char *to) {
    return fails(io, CALL_LINK) ? -1 : real()->link(real(), from, to);
}

static int faulty_unlink(struct directory_io *io, const char *path) {
    return fails(io, CALL_UNLINK) ? -1 : real()->unlink(real(), path);
}

static int faulty_mkdir(struct directory_io *io, const char *path, mode_t mode) {
    return fails(io, CALL_MKDIR) ? -1 : real()->mkdir(real(), path, mode);
}

static struct dirent *faulty_readdir(struct directory_io *io, DIR *dir) {
    return fails(io, CALL_READDIR) ? NULL : real()->readdir(real(), dir);
}

void faulty_io_init(struct faulty_io *f) {
    *f = (struct faulty_io){
        .io = {faulty_open, faulty_close, faulty_pread, faulty_pwrite, faulty_fsync,
               faulty_fdatasync, faulty_fstat, faulty_stat, faulty_link, faulty_unlink,
               faulty_mkdir, faulty_readdir},
        .failed = ANY_CALL,
    };
}

void faulty_io_set(struct faulty_io *f, int call, int nth, int errnum) {
    f->call = call;
    f->nth = nth;
    f->errnum = errnum;
    f->failed = ANY_CALL;
}
