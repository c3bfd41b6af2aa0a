/* The store behind a vtable: S3 (s3.c), a directory (directory.c), and what tests put in their
 * place. Requests are asynchronous: submit() never blocks, and poll() calls done() on the thread
 * that owns the store, one thread only. One attempt is made for each request; retry.c puts retries
 * of harmless requests on top, and the middle decides about the others (rules 1 and 8). */
#ifndef TIDEMARK_STORE_STORE_H
#define TIDEMARK_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/chunk.h"
#include "base/error.h"

enum store_kind {
    STORE_GET,           /* key -> answer (whole, or range_start/range_len); NOT_FOUND if absent */
    STORE_HEAD,          /* key -> object_size; NOT_FOUND if absent */
    STORE_PUT_IF_ABSENT, /* key, body; EXISTS, CONFLICT, UNKNOWN: rule 1. Atomic and durable. */
    STORE_DELETE,        /* key; success also where it is absent */
    STORE_LIST, /* key is a prefix ("" = all) -> entries of all keys below, sorted bytewise */
    STORE_UPLOAD_CREATE,   /* key -> upload_id */
    STORE_UPLOAD_PART,     /* key, upload, part, chunks, bytes, crc32c, offset -> etag */
    STORE_UPLOAD_SYNC,     /* key, upload: all parts written so far become durable (sync_parts) */
    STORE_UPLOAD_COMPLETE, /* key, upload, parts, bytes, inherited: the object appears, atomically */
    STORE_LIST_UPLOADS,    /* key is a prefix -> entries with upload ids; gc only (rule 10) */
    STORE_UPLOAD_ABORT,    /* key, upload; gc only; success also where it is absent */
    STORE_KIND_COUNT
};

/* "get", "put", "complete", ...: for logs and metrics. */
const char *store_kind_name(enum store_kind kind);

enum { STORE_ETAG_MAX = 136 };

/* One part of an upload. parts[] of a file are numbered from 1 without holes. */
struct store_part {
    int32_t n;
    char etag[STORE_ETAG_MAX]; /* as the store gave it, without quotes; "" for a directory */
    uint64_t bytes;
    uint32_t crc32c;
};

struct store_entry {
    char *key;        /* relative to the store's root */
    char *upload;     /* LIST_UPLOADS only, else NULL */
    uint64_t size;    /* bytes; 0 for uploads */
    int64_t modified; /* epoch ms by the store's clock (uploads: when it was begun) */
};

struct store_op {
    enum store_kind kind;

    /* Request. All pointers are borrowed and must stay valid until done() is called. */
    const char *key;
    const void *body;
    size_t body_len;
    size_t max_bytes;        /* GET: the answer's declared cap (ERR_LIMIT beyond it) */
    uint64_t range_start;    /* GET: first byte; */
    uint64_t range_len;      /* number of bytes, 0 = up to the end */
    const char *start_after; /* LIST: only keys behind this one, bytewise; NULL: all */
    const char *upload;
    int32_t part;               /* from 1 */
    const struct chunk *chunks; /* PART: the bytes, chunk by chunk */
    uint64_t bytes;             /* PART: their number; COMPLETE: the whole object's */
    uint32_t crc32c;            /* PART: over these bytes */
    uint64_t offset;            /* PART: bytes of the object before this part */
    const struct store_part *parts;
    size_t n_parts;
    bool inherited;   /* COMPLETE: begun by another claim (rule 11: copy before linking) */
    int64_t retry_ms; /* for retry.c: give up after so long; 0 never retry, -1 never give up */

    /* Answer, valid in done(). */
    struct error error;   /* code ERR_NONE: success */
    struct buffer answer; /* GET */
    uint64_t object_size; /* HEAD */
    char *upload_id;      /* CREATE: malloc'd, free it or take it (and set NULL) */
    char etag[STORE_ETAG_MAX];
    struct store_entry *entries; /* LIST, LIST_UPLOADS: freed by store_op_clear */
    size_t n_entries;
    int32_t http_status; /* 0 where there was none */
    int64_t store_time;  /* LIST, LIST_UPLOADS: epoch ms by the store's own clock (Date) */

    /* Called once from store_poll(), on its thread. It may free op and submit others. */
    void (*done)(struct store_op *op);
    void *ctx;

    /* For the store's own use while the op is under way. */
    struct store_op *next;
    void *impl;
    int32_t attempt;
    int64_t started_ms, due_ms;
    struct { /* retry.c's, which stands between the store and the op's owner */
        void (*done)(struct store_op *op);
        void *ctx;
        struct store_op *next, *prev;
        int32_t attempt;
        int64_t first_ms, sent_ms, due_ms;
    } retry;
};

struct store;

struct store_ops {
    void (*submit)(struct store *s, struct store_op *op);
    /* Calls done() of finished ops; waits up to timeout_ms (0: not at all) while there is none.
     * Returns how many were delivered. */
    size_t (*poll)(struct store *s, int timeout_ms);
    /* fn is called from any thread when poll() has something to deliver. */
    void (*set_wake)(struct store *s, void (*fn)(void *ctx), void *ctx);
    /* Gives up all that is under way without calling done(), joins threads, frees. Never aborts an
     * upload (rule 10). Ops under way must stay valid until it returns. */
    void (*free)(struct store *s);
};

struct store {
    const struct store_ops *ops;
    char *path;        /* as configured, with a trailing '/' : for messages and the identity */
    bool sync_parts;   /* a part counts only after UPLOAD_SYNC (directory) */
    uint64_t min_part; /* bytes; 0: none (directory) */
    int32_t max_parts; /* parts an upload may have */
};

void store_submit(struct store *s, struct store_op *op);
size_t store_poll(struct store *s, int timeout_ms);
void store_free(struct store *s);

/* Submits op and polls until it is done, for commands that do one thing at a time. 0, or -1 with
 * op->error. op->done and ctx are overwritten. */
int store_call(struct store *s, struct store_op *op);

/* Frees the answer (answer, upload_id, entries) and resets it, so that op can be submitted again. */
void store_op_clear(struct store_op *op);

#endif
