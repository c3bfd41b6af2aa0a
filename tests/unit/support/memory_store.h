/* A store in memory with S3's habits, single-threaded and deterministic, for tests of the middle.
 *
 * A memory_world is what all processes see: objects and unfinished uploads. Each memory_store_open()
 * is one process's handle on it, so that zombies can be played. By default poll() carries out and
 * answers everything that has been submitted, in order. A test that holds a handle decides by itself:
 *
 *     memory_store_hold(s, true);
 *     memory_store_apply(s, 0);    the request reaches the store, its answer is still on the way
 *     memory_store_step(s, 0);     the same where not yet done, then the answer arrives: done()
 *     memory_store_lose(s, 0);     the request never arrives; ERR_UNKNOWN is the answer
 *     store_free(s)                the process dies; what was applied stays, the rest never happens
 *
 * Indexes count the requests under way, the oldest being 0. */
#ifndef TIDEMARK_SUPPORT_MEMORY_STORE_H
#define TIDEMARK_SUPPORT_MEMORY_STORE_H

#include "base/clock.h"
#include "store/store.h"

struct memory_traits {
    bool sync_parts; /* like a directory: parts count after SYNC, Complete copies what is listed */
    uint64_t min_part;   /* ERR_TOO_SMALL on Complete where another than the last part is smaller */
    int32_t max_parts;   /* ERR_INVALID_PART beyond it */
    bool repeat_success; /* a repeated Complete succeeds (AWS), else ERR_NO_SUCH_UPLOAD (MinIO) */
    bool ignores_if_none_match; /* a store that rule 10's probe must refuse: puts overwrite */
};

extern const struct memory_traits memory_like_s3;        /* 5 MiB, 10,000 parts */
extern const struct memory_traits memory_like_directory; /* sync_parts, no smallest part */

struct memory_world;

/* The traits are copied; handles copy theirs on opening. clock gives `modified`, NULL: always 0. */
struct memory_world *memory_world_new(const struct memory_traits *traits, struct clock *clock);
/* The same objects and uploads once more; requests under way are not in it. */
struct memory_world *memory_world_clone(const struct memory_world *w, struct clock *clock);
/* After all handles. */
void memory_world_free(struct memory_world *w);

struct store *memory_store_open(struct memory_world *w);

/* ---- Delivery by hand ---- */

void memory_store_hold(struct store *s, bool hold);
size_t memory_store_pending(const struct store *s);
/* NULL where there are not so many. */
const struct store_op *memory_store_pending_op(const struct store *s, size_t index);
/* These do nothing and return false where there is no such request. */
bool memory_store_apply(struct store *s, size_t index);
bool memory_store_step(struct store *s, size_t index);
bool memory_store_lose(struct store *s, size_t index);
/* Steps the oldest until none is left, also those that done() submits. Returns how many. */
size_t memory_store_drain(struct store *s);

/* ---- Faults ---- */

enum memory_fault {
    FAULT_BEFORE, /* the store refuses: nothing happens */
    FAULT_AFTER,  /* it happens, but the answer is the error (a lost answer: ERR_UNKNOWN) */
};

/* The nth request of this kind from now on (1: the next) that this handle carries out fails. Several
 * may be set; each is used once. */
void memory_store_fail(struct store *s, enum store_kind kind, int nth, enum error_code code,
                       enum memory_fault when);
/* Every request of every kind fails, until ERR_NONE is set: an unreachable store. */
void memory_store_fail_all(struct store *s, enum error_code code);

/* ---- What the world holds ---- */

/* The bytes (NUL-terminated) or NULL; they stay until the object changes. */
const char *memory_world_object(const struct memory_world *w, const char *key, size_t *len);
/* Objects below a prefix, and the index-th of them in order (NULL: no more). */
size_t memory_world_count(const struct memory_world *w, const char *prefix);
const char *memory_world_key(const struct memory_world *w, const char *prefix, size_t index);
size_t memory_world_uploads(const struct memory_world *w);
/* The id of the index-th upload, or NULL. */
const char *memory_world_upload(const struct memory_world *w, size_t index);
/* Requests carried out so far by all handles, by kind; refused ones (FAULT_BEFORE) are not counted. */
size_t memory_world_requests(const struct memory_world *w, enum store_kind kind);

/* ---- What others do to it ---- */

/* Puts or replaces an object (a corrupt checkpoint, say). */
void memory_world_plant(struct memory_world *w, const char *key, const void *data, size_t len);
/* Each returns false where there is none. */
bool memory_world_remove(struct memory_world *w, const char *key);
bool memory_world_drop_upload(struct memory_world *w, const char *upload);
/* Parts that were not synced are gone (sync_parts only). */
void memory_world_power_cut(struct memory_world *w);

#endif
