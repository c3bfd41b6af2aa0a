/* What all processes of a history share: the store (S3's habits in memory, or the product's own
 * directory store on a simulated file system), the clock, the log, and the oracle that watches. A world
 * can be cloned at any moment, which is how a history is stopped everywhere. */
#ifndef TIDEMARK_SIM_WORLD_H
#define TIDEMARK_SIM_WORLD_H

#include "simfs.h"
#include "store/directory_internal.h"
#include "support/fake_clock.h"
#include "support/fake_random.h"
#include "support/memory_store.h"
#include "support/sim_log.h"

#define CHAIN_PREFIX "_checkpoints/job/clicks/p00002/"
#define MANIFEST_PREFIX "_manifests/job/clicks/p00002/"

/* A file that a durable checkpoint's commits or a manifest lists. */
struct listed {
    struct file_entry file;
    bool in_manifest, visible;
    bool taken; /* by a consumer, or given up by the operator (--lost=removed) */
};

struct oracle {
    uint64_t newest;       /* number */
    uint64_t acknowledged; /* the greatest number whose put was answered with success */
    int64_t next;
    bool clean;
    struct listed *files;
    size_t n_files, cap_files;
    uint32_t *put; /* CRC-32C of each checkpoint that was put, by number */
    size_t n_put;
};

struct world {
    struct fake_clock clock;
    const struct sim_log *log;
    int64_t log_start, log_end;  /* what Kafka has and shows */
    int64_t lost_below;          /* the highest log_start that was accepted (--allow-data-loss) */
    struct memory_world *memory; /* or */
    struct simfs *fs;
    struct fake_random random; /* power cuts, next processes */
    struct oracle oracle;
    char failure[1024]; /* the first thing that must not be; "": nothing */

    uint64_t changes; /* of the store, so far */
    void (*before_change)(void *ctx);
    void *ctx;
    uint64_t fail_at; /* this change meets `fault` (0: none) */
    const struct fault *fault;
    bool trace;
    uint64_t claimed;  /* the number of the claim that a process began to work from last */
    int64_t compacted; /* record number (from 1) that Kafka no longer gives */
    bool consumer;     /* takes each file away as soon as a manifest lists it */
    bool deaf;         /* to the oracle: this history's log is another one now */
    struct late *late; /* puts and Completes that their processes have given up */
};

enum { TRAITS_DIRECTORY, TRAITS_S3, TRAITS_AWS, TRAITS_COUNT };
extern const char *const traits_names[TRAITS_COUNT];

struct world *world_new(int traits, const struct sim_log *log, uint64_t seed);
void world_free(struct world *w);
struct world *world_clone(const struct world *w);

/* Something is wrong. The first one counts. */
void world_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_trace(const struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum crash { CRASH_KILL, CRASH_POWER_DROP, CRASH_POWER_TEAR };
extern const char *const crash_names[];
/* All processes are dead. Looks at what is left: world_fail() where that is wrong. */
void world_crash(struct world *w, enum crash how);

/* ---- A process's handle on the store ---- */

/* What goes wrong with one request. */
struct fault {
    const char *name;
    enum error_code code; /* of the answer */
    bool applied;         /* the store did it nevertheless */
    int disk_errno;       /* directory: of the system call that fails */
    bool late;            /* a put or a Complete is done when world_arrive() says so */
};

struct handle {
    struct store store; /* first */
    struct world *world;
    struct directory *directory; /* or NULL */
    struct store_op *queue;      /* the oldest first; attempt != 0: carried out */
    int name;
    uint64_t tried;        /* checkpoint's number ... */
    uint32_t tried_crc32c; /* ... and these bytes of it */
};

struct handle *handle_new(struct world *w, int name, struct random *random);
size_t handle_pending(const struct handle *h);
const struct store_op *handle_op(const struct handle *h, size_t index);
/* The request reaches the store. fault may be NULL. */
void handle_apply(struct handle *h, size_t index, const struct fault *fault);
/* Its answer reaches the process. */
void handle_answer(struct handle *h, size_t index);
/* One request's next effect, in an order that the store could have: carried out (first call), then
 * answered. False where none is under way. */
bool handle_step(struct handle *h, size_t index, const struct fault *fault);

/* A request that is late reaches the store, the index-th of them. False where there is none. */
bool world_arrive(struct world *w, size_t index);

/* ---- The oracle (oracle.c) ---- */

void oracle_clear(struct oracle *o);
/* From what lies in the store; everything that must hold at any moment is checked. */
void oracle_look(struct world *w);
/* An object has just become visible. */
void oracle_appeared(struct world *w, const char *key, const char *data, size_t len);
/* A put was answered with success. */
void oracle_acknowledged(struct world *w, const char *key);
/* After a drained end. */
void oracle_end(struct world *w);
/* Calls fn for each object. */
void world_each(const struct world *w, const char *prefix,
                void (*fn)(void *ctx, const char *key, const char *data, size_t len), void *ctx);
const char *world_object(const struct world *w, const char *key, size_t *len);
/* A consumer takes a file that a manifest lists away. False where there is none. */
bool world_take_listed(struct world *w, size_t index);

#endif
