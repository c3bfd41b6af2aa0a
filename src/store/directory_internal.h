/* What the files of the directory store share; nobody else includes this. */
#ifndef TIDEMARK_STORE_DIRECTORY_INTERNAL_H
#define TIDEMARK_STORE_DIRECTORY_INTERNAL_H

#include <pthread.h>

#include "store/directory.h"

/* Names of files on their way: 8 random bytes, and O_EXCL refuses the one in 2^64 that exists already. */
enum { DIRECTORY_ID_BYTES = 8, DIRECTORY_ID_LEN = 2 * DIRECTORY_ID_BYTES };
enum { DURABLE_MAX = 64 };
/* Thousands of uploads are unfinished where as many windows are open, so they are found by a table. Open
 * files kept; others are synced, closed and reopened on their next use. So a process that loses
 * partitions to others, and with them uploads that it never completes, does not run out of them. */
enum { UPLOAD_BUCKETS = 1024, OPEN_MAX_UPLOADS = 128 };

#define DIRECTORY_UPLOADS_NAME ".uploads"
#define DIRECTORY_UPLOADS DIRECTORY_UPLOADS_NAME "/"
#define DIRECTORY_TEMP ".tmp-"

/* An upload that this process created. */
struct upload {
    struct upload *next; /* of its bucket */
    char *id, *key, *path;
    int fd;         /* -1: closed because others were used more recently; always clean then */
    bool dirty;     /* written since the last fdatasync */
    bool untrusted; /* a write or sync failed: never used again (rule 11) */
    dev_t dev;      /* the file's identity, to know it again on reopening */
    ino_t ino;
};

/* Requests that a thread of their own carries out, one by one. */
struct directory_queue {
    struct store_op *first, **tail;
    pthread_cond_t submitted;
    pthread_t thread;
};

struct directory {
    struct store store; /* first: a struct store * is a struct directory * */
    struct directory_io *io;
    struct clock *clock;
    struct random *random;

    /* Held by the thread that carries out a request; guards what follows. A request lets go of it where
     * it moves many bytes of files that nobody else knows (directory_let_go). */
    pthread_mutex_t turn;
    struct upload *uploads[UPLOAD_BUCKETS];
    struct upload *open[OPEN_MAX_UPLOADS]; /* those with an open fd, least recently used first */
    size_t n_open;
    char *durable[DURABLE_MAX]; /* directories (relative) that this process knows to be durable */
    size_t durable_next;
    bool untrusted; /* a directory's fsync failed: nothing more is written */

    /* Shared by all threads, under lock, which may be taken within a turn. */
    pthread_mutex_t lock;
    pthread_cond_t finished;
    struct directory_queue requests, copies;
    struct store_op *done, **done_tail;
    bool stop;
    void (*wake)(void *ctx);
    void *wake_ctx;
};

/* ---- directory.c: turns ---- */

void directory_init(struct directory *d);
void directory_destroy(struct directory *d);
/* Carries op out, in a turn. */
void directory_run(struct directory *d, struct store_op *op);
/* Between these two another request may be carried out: whatever was found in *d before may be gone. */
void directory_let_go(struct directory *d);
void directory_go_on(struct directory *d);
/* The store is being freed: whoever moves many bytes gives up. */
bool directory_is_stopping(struct directory *d);

/* ---- directory_path.c: names and messages ---- */

/* "cannot <what> <path>: <reason>; <what to do>". Returns -1. */
int directory_error(struct error *e, int errnum, const char *what, const char *path);
/* ERR_USAGE for what is no key: absolute, empty or hidden segments ("..", ".uploads"). */
int directory_check_key(const char *key, struct error *e);
/* The same for a prefix, whose last segment may be empty or partial. */
int directory_check_prefix(const char *prefix, struct error *e);
/* root + relative, malloc'd. */
char *directory_path(const struct directory *d, const char *relative);
/* The directory of a path or key, with its trailing '/' ("" for none), malloc'd. */
char *directory_parent(const char *path);
/* ".uploads/<id>-<key with '%' and '/' percent-encoded>", malloc'd. */
char *directory_upload_name(const char *id, const char *key);
/* The reverse for a name in .uploads/: fills id and returns the key, malloc'd; NULL: no upload. */
char *directory_upload_parse(const char *name, char id[DIRECTORY_ID_LEN + 1]);

/* ---- directory_durable.c: files that are whole and durable before they have a name ---- */

/* Opens and closes again where a signal interrupts (all of these retry after EINTR). */
int directory_open_fd(struct directory *d, const char *path, int flags);
int directory_fsync_fd(struct directory *d, int fd, bool data_only);
/* All n bytes or an error; errno is left for the caller's judgement. */
int directory_write(struct directory *d, int fd, const char *path, const void *data, size_t n,
                    uint64_t offset, struct error *e);
int directory_read(struct directory *d, int fd, const char *path, void *data, size_t n,
                   uint64_t offset, struct error *e);
/* fsync of a key's directory (relative names). A failure makes the whole store untrusted. */
int directory_sync_parent(struct directory *d, const char *key, struct error *e);
/* Makes the key's directories exist and durable, including those that others have just made. */
int directory_make_parents(struct directory *d, const char *key, struct error *e);
/* Forgets which directories exist: after one has vanished under us. */
void directory_forget_parents(struct directory *d);
/* mkdir -p of the root, durably. */
int directory_make_root(struct directory *d, struct error *e);
/* Creates a file (O_EXCL) and the directories above it; its own name is not durable yet. -1 or fd. */
int directory_open_new(struct directory *d, const char *name, const char *path, struct error *e);
/* Refuses to write after a directory's fsync has failed. */
int directory_check_trusted(const struct directory *d, struct error *e);

/* A temporary file beside its future name. */
struct directory_temp {
    char *name, *path; /* relative, whole */
    int fd;
};

int directory_temp_open(struct directory *d, const char *key, struct directory_temp *t,
                        struct error *e);
/* fsync, link to key (EXISTS: nothing changed), unlink, fsync of the directory; ends t. */
int directory_temp_publish(struct directory *d, struct directory_temp *t, const char *key,
                           struct error *e);
void directory_temp_discard(struct directory *d, struct directory_temp *t);
/* Removes a name that is not needed any more; a failure is logged only, gc removes it later. */
void directory_remove_leftover(struct directory *d, const char *path);

/* ---- directory_files.c, directory_list.c, directory_uploads.c, directory_complete.c ---- */

void directory_get(struct directory *d, struct store_op *op);
void directory_head(struct directory *d, struct store_op *op);
void directory_put(struct directory *d, struct store_op *op);
void directory_delete(struct directory *d, struct store_op *op);

void directory_list(struct directory *d, struct store_op *op);
void directory_list_uploads(struct directory *d, struct store_op *op);

void directory_create(struct directory *d, struct store_op *op);
void directory_part(struct directory *d, struct store_op *op);
void directory_sync(struct directory *d, struct store_op *op);
void directory_complete(struct directory *d, struct store_op *op);
void directory_abort(struct directory *d, struct store_op *op);

/* This process's upload, or NULL. */
struct upload *directory_upload_find(struct directory *d, const char *id, const char *key);
/* The same, open and trusted; NULL with *e set otherwise. */
struct upload *directory_upload_use(struct directory *d, const char *id, const char *key,
                                    struct error *e);
/* fdatasync where anything is unsynced. */
int directory_upload_sync(struct directory *d, struct upload *u, struct error *e);
/* Closes and forgets it; the file stays. */
void directory_upload_drop(struct directory *d, struct upload *u);
void directory_upload_drop_all(struct directory *d);

#endif
