/* An oracle for whole workers that knows the log alone: which class and window each record has and how
 * its line reads, written down a second time (docs/semantics.md, with the default settings). */
#ifndef TIDEMARK_SIM_LINES_H
#define TIDEMARK_SIM_LINES_H

#include "base/random.h"
#include "checkpoint/checkpoint.h"
#include "support/memory_store.h"

struct line {
    bool unseen; /* a control record, or an aborted one */
    enum event_class class;
    int64_t window;
    char *value;       /* as produced, or NULL */
    char *begin, *end; /* the line; a rejected one's words on its reason stand between them */
    int seen;          /* in how many visible lines, when looked last */
};

/* Of one partition. */
struct lines {
    struct line *list; /* by offset */
    int64_t n;
    size_t cap;
    int64_t max_ts;
};

void lines_free(struct lines *l);
void lines_skip(struct lines *l, int64_t n);
/* Each is valid until the next is added. */
const struct line *lines_add_null(struct lines *l, bool literal);
const struct line *lines_add_rejected(struct lines *l, bool no_key, int64_t timestamp);
const struct line *lines_add_event(struct lines *l, struct random *r, int64_t timestamp);

/* Each visible line is a record's, in the file of its partition, class and window, and no other is;
 * each visible file stands in a manifest or in the newest checkpoint; each file of a manifest is there
 * with its size and as many lines. -1 with *why where that is not so. */
int lines_look(struct lines *all, int32_t partitions, const struct memory_world *store, char *why,
               size_t n);
/* After lines_look(): each record below the offset stands in exactly one line, if it has any. */
int lines_check_below(const struct lines *l, int32_t partition, int64_t end, char *why, size_t n);
/* After a bounded run and lines_look(): each record stands in exactly one line or in the count of
 * nulls, and the checkpoint has read and listed exactly these. */
int lines_check_end(const struct lines *l, int32_t partition, const struct checkpoint *k, char *why,
                    size_t n);

#endif
