/* Checkpoints for tests. */
#ifndef TIDEMARK_TESTS_CHECKPOINT_SAMPLES_H
#define TIDEMARK_TESTS_CHECKPOINT_SAMPLES_H

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "checkpoint/checkpoint.h"

static inline struct identity sample_identity(void) {
    return (struct identity){.cluster = xstrdup("cluster"),
                             .topic = xstrdup("clicks"),
                             .partition = 2,
                             .output = xstrdup("s3://memory/"),
                             .settings = "0123456789abcdef"};
}

/* events of them in n parts of 10 bytes each; no upload has begun where n is negative. */
static inline struct file_entry sample_file(const char *key, int64_t first, uint64_t events,
                                            int n) {
    struct file_entry f = {.class = CLASS_EVENT,
                           .window = 1729630800000,
                           .key = xstrdup(key),
                           .upload = n < 0 ? NULL : xasprintf("upload of %s", key),
                           .first = first,
                           .first_max_ts = TS_NONE,
                           .last = first - 1 + (int64_t)events,
                           .count = {events, 0xfedcba9876543210u},
                           .bytes = (uint64_t)n * 10,
                           .crc32c = 0x0badcafe,
                           .n_parts = (size_t)n};
    f.parts = n > 0 ? xcalloc((size_t)n, sizeof *f.parts) : NULL;
    for (int i = 0; i < n; i++) {
        f.parts[i] =
            (struct store_part){.n = i + 1, .bytes = 10, .crc32c = 0xfffffff0u + (unsigned)i};
        (void)snprintf(f.parts[i].etag, sizeof f.parts[i].etag, "etag-%d", i);
    }
    return f;
}

/* One of everything, with the extremes that the format has to carry. */
static inline void sample_checkpoint(struct checkpoint *c) {
    *c = (struct checkpoint){.number = 17,
                             .writer_host = xstrdup("h\"\xc3\xa9\n"),
                             .writer_version = xstrdup("1.0.0"),
                             .writer_time = xstrdup("2024-10-22T21:00:00Z"),
                             .writer_pid = 7,
                             .identity = sample_identity(),
                             .next = INT64_MAX,
                             .has_last = true,
                             .last_offset = INT64_MAX - 1,
                             .last_crc32c = 0xffffffff,
                             .replay_from = 500,
                             .replay_max_ts = -62135596800000};
    memcpy(c->claim_id, "0123456789abcdef0123456789abcdef", 33);
    c->gaps = xcalloc(2, sizeof *c->gaps);
    c->gaps[0] = (struct gap){CLASS_EVENT, -1000, 500, 999, 12};
    c->gaps[1] = (struct gap){CLASS_LATE, TS_NONE, 600, 600, 1};
    c->n_gaps = 2;
    c->files = xcalloc(2, sizeof *c->files);
    c->files[0] = sample_file("open", 480, 20, 2);
    c->files[1] = sample_file("empty", 0, 0, 0); /* last is -1 */
    c->n_files = 2;
    c->commits = xcalloc(1, sizeof *c->commits);
    c->commits[0] = sample_file("_rejected/p", 3, 4, 1);
    c->commits[0].class = CLASS_REJECTED;
    c->commits[0].window = TS_NONE;
    c->n_commits = 1;
    c->losses = xcalloc(2, sizeof *c->losses);
    c->losses[0] = (struct loss){1, 2, -1};
    c->losses[1] = (struct loss){3, 3, 1};
    c->n_losses = 2;
    for (int i = 0; i < CLASS_COUNT; i++) {
        c->read[i] = (struct totals){100u + (unsigned)i, UINT64_MAX - (unsigned)i};
        c->listed[i] = (struct totals){10u + (unsigned)i, (unsigned)i};
    }
}

#endif
