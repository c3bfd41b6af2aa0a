/* A store that takes everything and keeps nothing but, where it is asked to, copies of the parts: the
 * chunks that the job sends, as it cuts them, file by file. */
#ifndef TIDEMARK_BENCH_CATCHER_H
#define TIDEMARK_BENCH_CATCHER_H

#include "store/store.h"

struct caught_part {
    unsigned long file;
    int32_t n;
    struct chunk *chunks;
    uint64_t bytes;
    uint32_t crc32c;
};

struct catcher {
    struct store store;
    bool keep;
    struct store_op *first, **last; /* submitted, to be answered by the next poll */
    unsigned long files;
    struct caught_part *parts; /* by file, then by n */
    size_t n, cap;
    struct budget budget; /* of the copies */
};

/* min_part as struct store's: it decides how large parts are. */
void catcher_init(struct catcher *c, uint64_t min_part);
void catcher_free(struct catcher *c);

#endif
