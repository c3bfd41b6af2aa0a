/* What has happened: the newest checkpoints, published files, errors and samples of late and rejected
 * records, for the REST and the page. Rings of fixed size under one lock; the worker writes a line
 * when something happens, never for an event. */
#ifndef TIDEMARK_CONTROL_JOURNAL_H
#define TIDEMARK_CONTROL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "checkpoint/checkpoint.h"

enum {
    JOURNAL_CHECKPOINTS = 200,
    JOURNAL_FILES = 200,
    JOURNAL_ERRORS = 50,
    JOURNAL_SAMPLES = 40, /* of late, and as many of rejected records */
    JOURNAL_KEY_MAX = 256,
    JOURNAL_TEXT_MAX = 640,
    JOURNAL_VALUE_MAX = 512
};

struct journal_checkpoint {
    int64_t at_ms;   /* epoch; when it became durable or failed */
    uint64_t id;     /* of this journal, from 1 */
    uint64_t number; /* in the partition's chain; 0 where it is a failure */
    int32_t partition;
    bool failed;    /* not durable within checkpoint.timeout; it goes on being tried */
    bool savepoint; /* asked for by somebody */
    int64_t duration_ms;
    uint64_t bytes;
    int64_t next; /* offset */
    uint32_t gaps, open_files, commits;
    char why[JOURNAL_TEXT_MAX]; /* of a failure */
};

struct journal_file {
    int64_t at_ms; /* epoch; when it became visible */
    uint64_t id;
    int32_t partition;
    enum event_class class;
    int64_t window_start; /* or TS_NONE */
    int64_t
        visibility_ms; /* since its window had closed, or -1 where that is not so or not known */
    uint64_t events, bytes;
    char key[JOURNAL_KEY_MAX]; /* cut with "..." where it is longer */
};

struct journal_error {
    int64_t at_ms;
    uint64_t id;
    int32_t partition; /* or -1: the job's */
    char kind[40];     /* the log's event name: "job_restarting", "partition_lost", ... */
    char text[JOURNAL_TEXT_MAX];
};

struct journal_sample {
    int64_t at_ms; /* epoch; when it was read */
    uint64_t id;
    int32_t partition;
    int64_t offset;
    int64_t record_ts;                   /* Kafka's, ms, or TS_NONE */
    const char *reason;                  /* static; NULL for a late one */
    char detail[200];                    /* rejected: what is wrong with it */
    int64_t ts, window_start, watermark; /* late: the event's time, its window, what it missed */
    size_t value_len;                    /* of the whole value */
    size_t kept;                         /* of it, in value: may be no UTF-8 */
    char value[JOURNAL_VALUE_MAX];
};

struct journal;

struct journal *journal_new(struct clock *clock);
void journal_free(struct journal *j);

/* at_ms and id are filled in. From the worker's thread; NULL journals are fine. */
void journal_add_checkpoint(struct journal *j, const struct journal_checkpoint *c);
void journal_add_file(struct journal *j, const struct journal_file *f);
void journal_add_error(struct journal *j, int32_t partition, const char *kind, const char *text);
void journal_add_sample(struct journal *j, bool late, const struct journal_sample *s);

/* Up to cap of the newest, the newest first; the number copied. *ever: how many there have been since
 * the process began. From any thread. */
size_t journal_checkpoints(struct journal *j, struct journal_checkpoint *dst, size_t cap,
                           uint64_t *ever);
size_t journal_files(struct journal *j, struct journal_file *dst, size_t cap, uint64_t *ever);
size_t journal_errors(struct journal *j, struct journal_error *dst, size_t cap, uint64_t *ever);
size_t journal_samples(struct journal *j, bool late, struct journal_sample *dst, size_t cap,
                       uint64_t *ever);

#endif
