/* Shared by verify_*.c. */
#ifndef TIDEMARK_JOB_VERIFY_INTERNAL_H
#define TIDEMARK_JOB_VERIFY_INTERNAL_H

#include "checkpoint/codec.h"
#include "job/survey.h"
#include "job/verify.h"

/* A file that a manifest or a checkpoint's commits list. */
struct known_file {
    struct file_entry entry; /* without upload and parts */
    int32_t partition;
    uint64_t manifest;  /* number of the first manifest that lists it; 0: none */
    uint64_t committed; /* number of the newest checkpoint, where that has it in commits */
    bool counted;       /* in the totals that are being checked */
    bool present;       /* with the listed size */
    bool has_content;   /* `content` was read back */
    uint64_t content;   /* sum of the hashes of its lines */
};

/* By key. */
struct file_set {
    struct known_file *files;
    size_t n, cap;
    uint32_t *slots; /* index + 1, or 0 */
    size_t n_slots;
};

struct known_file *file_set_find(const struct file_set *set, const char *key);
/* The one of this key, added where it is new. It belongs to the set and moves when another is
 * added. */
struct known_file *file_set_add(struct file_set *set, int32_t partition,
                                const struct file_entry *entry, bool *added);
void file_set_free(struct file_set *set);

struct manifest_ref {
    char *key;  /* "_manifests/<name>/<topic>/p00002/chk-....json" */
    size_t dir; /* length of "_manifests/<name>/<topic>/p00002/" */
    int32_t partition;
    uint64_t number;
    int64_t modified;
    bool ours, loaded;
};

struct manifest_list {
    struct manifest_ref *refs; /* by key */
    size_t n;
};

struct base {
    uint64_t number; /* what this checkpoint and those before it list is not counted; 0: none */
    struct totals listed[CLASS_COUNT];
};

/* One partition of this job. */
struct part {
    const struct chain_seen *chain;
    const struct checkpoint *newest;
    struct base base;
    struct totals files[CLASS_COUNT]; /* sums over counted files */
    size_t n_files[CLASS_COUNT], n_manifests;
    uint64_t right_up_to, wrong_at; /* manifests between which the sums go wrong */
    bool has_start;
    int64_t start;  /* offset that the job began at */
    char note[200]; /* how it was compared with Kafka, "" where it was not to be */
};

/* Of each kind the first are named, the rest is counted. */
enum problem {
    PROBLEM_IDENTITY,
    PROBLEM_MANIFEST,
    PROBLEM_FILE,
    PROBLEM_TOTALS,
    PROBLEM_MISSING,
    PROBLEM_SIZE,
    PROBLEM_UNLISTED,
    PROBLEM_CONTENT,
    PROBLEM_KAFKA,
    PROBLEM_COUNT
};

struct verify {
    const struct verify_config *cfg;
    struct survey survey;
    struct part *parts;
    size_t n_parts;
    char *job; /* "<name>/<topic>/" */
    struct manifest_list manifests;
    struct file_set files;
    size_t removed, under_way; /* objects that are missing for a reason */
    size_t problems[PROBLEM_COUNT];
    char **texts;
    size_t n_texts, cap_texts;
};

void verify_problem(struct verify *v, enum problem kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
struct part *verify_part(struct verify *v, int32_t partition);

/* verify_manifests.c */
int verify_list_manifests(struct verify *v, struct manifest_list *list, struct error *e);
void manifest_list_free(struct manifest_list *list);
/* Loads this job's manifests and the newest checkpoints' commits into v->files, and checks each. */
int verify_load(struct verify *v, struct error *e);
/* Adds what any job lists by now to known: for objects that v->files does not hold. */
int verify_load_others(struct verify *v, struct file_set *known, struct error *e);

/* verify_totals.c */
int verify_totals(struct verify *v, struct error *e);

/* verify_objects.c */
int verify_objects(struct verify *v, struct error *e);

/* verify_content.c */
int verify_content(struct verify *v, struct error *e);

/* verify_kafka.c */
int verify_kafka(struct verify *v, struct error *e);

/* What the sums of `content` are made of. */
static inline uint64_t line_hash(uint32_t crc32c, uint64_t len) {
    return ((uint64_t)crc32c << 32 | (uint32_t)len) * UINT64_C(0x9e3779b97f4a7c15);
}

#endif
