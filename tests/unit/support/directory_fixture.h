/* A directory store in a temporary directory, over system calls that a test can make fail, and short
 * forms of the requests. The forms return the error's code, whose text is in `said`. */
#ifndef TIDEMARK_SUPPORT_DIRECTORY_FIXTURE_H
#define TIDEMARK_SUPPORT_DIRECTORY_FIXTURE_H

#include "store/directory.h"
#include "support/fake_clock.h"

enum {
    ANY_CALL = -1,
    CALL_OPEN,
    CALL_CLOSE,
    CALL_PREAD,
    CALL_PWRITE,
    CALL_FSYNC,
    CALL_FDATASYNC,
    CALL_FSTAT,
    CALL_STAT,
    CALL_LINK,
    CALL_UNLINK,
    CALL_MKDIR,
    CALL_READDIR
};

/* The C library's calls; the nth of one sort (or of any) fails. */
struct faulty_io {
    struct directory_io io; /* first */
    int call, nth, errnum;  /* nth 0: none fails; counted down */
    int failed;             /* the sort that has failed, ANY_CALL: none yet */
    int calls[CALL_READDIR + 1];
    bool interrupted; /* every second call that may fails with EINTR */
    bool coin;
    size_t short_write; /* the most that one pwrite or pread moves; 0: any */
};

void faulty_io_init(struct faulty_io *f);
void faulty_io_set(struct faulty_io *f, int call, int nth, int errnum);

struct directory_fixture {
    char root[64]; /* the temporary directory, without '/' at its end */
    struct faulty_io io;
    struct fake_clock clock;
    struct store *store;
};

extern char said[ERROR_TEXT_MAX];

void directory_fixture_open(struct directory_fixture *f);
/* Another process on the same directory, over the C library's own calls. */
struct store *directory_fixture_other(struct directory_fixture *f);
/* Closes the store and removes the tree. */
void directory_fixture_close(struct directory_fixture *f);

enum error_code try_put(struct store *s, const char *key, const char *text);
/* out: NUL-terminated, "" where it fails. */
enum error_code try_get(struct store *s, const char *key, char *out, size_t cap);
enum error_code try_head(struct store *s, const char *key, uint64_t *size);
enum error_code try_delete(struct store *s, const char *key);
/* The keys, joined by blanks; with uploads as "key=id". */
enum error_code try_list(struct store *s, const char *prefix, char *out, size_t cap);
enum error_code try_list_after(struct store *s, const char *prefix, const char *start_after,
                               char *out, size_t cap);
enum error_code try_list_uploads(struct store *s, const char *prefix, char *out, size_t cap);

/* An upload as its claim's state knows it. */
struct test_upload {
    const char *key;
    char id[64];
    struct store_part parts[8];
    size_t n_parts;
    uint64_t bytes;
};

enum error_code try_create(struct store *s, struct test_upload *u, const char *key);
/* Appends one part, in chunks of 3 bytes. Where it fails, u stays as it was. */
enum error_code try_part(struct store *s, struct test_upload *u, const char *text);
enum error_code try_sync(struct store *s, const struct test_upload *u);
/* Complete of what has been put; its texts stay the upload's. */
struct store_op complete_op(const struct test_upload *u, bool inherited);
enum error_code try_complete(struct store *s, const struct test_upload *u, bool inherited);
enum error_code try_abort(struct store *s, const char *key, const char *upload);

/* ---- What lies on the disk ---- */

/* Regular files below root/relative whose names begin with the prefix ("" = all). */
size_t count_files(const struct directory_fixture *f, const char *relative, const char *prefix);
/* Appends to, or shortens, what the store thinks is its own. */
void append_file(const struct directory_fixture *f, const char *relative, const char *text);
void truncate_file(const struct directory_fixture *f, const char *relative, long size);
/* The upload's file, relative, malloc'd. */
char *upload_file(const struct test_upload *u);

#endif
