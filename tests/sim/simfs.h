/* A file system in memory behind struct directory_io. It knows at any moment what a power cut would
 * leave: bytes that no fsync has covered may be gone, torn or zero, and names whose directory was not
 * synced may be there or not. After an fsync that failed it behaves as Linux does: a file's next one
 * succeeds, but what was to be written is not on the disk; for a directory's the journal ends, and
 * nothing can be changed until the power cut.
 *
 * Everything lies below SIMFS_ROOT. The calls that change something are counted; a test is told before
 * each, and may let one fail. */
#ifndef TIDEMARK_SIM_SIMFS_H
#define TIDEMARK_SIM_SIMFS_H

#include "store/directory.h"

#define SIMFS_ROOT "/sim/"

struct simfs {
    struct directory_io io; /* first */
    struct simfs_inode *inodes;
    size_t n_inodes, cap_inodes;
    struct simfs_fd *fds;
    size_t n_fds, cap_fds;
    struct dirent entry; /* that readdir returned last */

    uint64_t changes; /* calls that change something, so far */
    void (*before_change)(void *ctx);
    /* A name appeared, with these bytes. */
    void (*appeared)(void *ctx, const char *name, const char *data, size_t len);
    void *ctx;
    uint64_t fail_at; /* this change fails (0: none) ... */
    int fail_errno;   /* ... with this */
    bool failed, read_only;
};

struct simfs *simfs_new(void);
/* What a process that dies leaves behind: no open files. */
struct simfs *simfs_clone(const struct simfs *fs);
void simfs_free(struct simfs *fs);

enum simfs_cut {
    CUT_DROP, /* all that was not synced is gone */
    CUT_TEAR  /* any of it may be there, whole or in part */
};

void simfs_power_cut(struct simfs *fs, enum simfs_cut how, struct random *random);

/* Calls fn for each file below the root that is no temporary file or upload; in no order. */
void simfs_each(const struct simfs *fs,
                void (*fn)(void *ctx, const char *name, const char *data, size_t len), void *ctx);
/* The bytes or NULL. */
const char *simfs_object(const struct simfs *fs, const char *name, size_t *len);
/* A consumer takes a file away, durably. */
bool simfs_remove(struct simfs *fs, const char *name);

#endif
