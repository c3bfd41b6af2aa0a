/* What the files of the librdkafka source share. Nothing outside src/kafka/ includes this. */
#ifndef TIDEMARK_KAFKA_RDKAFKA_INTERNAL_H
#define TIDEMARK_KAFKA_RDKAFKA_INTERNAL_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "kafka/fetcher.h"
#include "kafka/partition_table.h"
#include "kafka/rdkafka_source.h"

/* ---- rdkafka_conf.c: which properties a handle is made with ---- */

enum kafka_purpose {
    KAFKA_CONSUME, /* the worker's handle */
    KAFKA_PEEK,    /* one record, then gone */
    KAFKA_ASK,     /* metadata only */
    KAFKA_PRODUCE, /* the generator's */
};

#define KAFKA_CLIENT_ID "tidemark" /* where kafka.properties has no client.id */

/* The value of this one of kafka.properties, or NULL. */
const char *kafka_property(const struct kafka_config *cfg, const char *name);

/* What librdkafka allocates for a queued record besides its bytes. */
enum { KAFKA_RECORD_OVERHEAD = 512 };

/* A copy that lives as long as the source; free with kafka_config_free. */
struct kafka_config *kafka_config_copy(const struct kafka_config *cfg);
void kafka_config_free(struct kafka_config *cfg);

/* Our tuning, then kafka.properties, then what rule 12 fixes. *wake_bytes (may be NULL) is 0 where
 * librdkafka itself looks again soon after its queue was full, else after how many consumed bytes we
 * must make it look. NULL: ERR_USAGE. */
rd_kafka_conf_t *kafka_conf(const struct kafka_config *cfg, enum kafka_purpose purpose,
                            size_t *wake_bytes, struct error *e);

/* ---- rdkafka_client.c: a handle with its log, its errors and its topic ---- */

struct kafka_client {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    const struct kafka_config *cfg; /* the owner's copy */
    bool quiet;                     /* short-lived: its log lines are for debugging */
    void *owner;                    /* what librdkafka's callbacks belong to: the source */

    pthread_mutex_t lock; /* callbacks come from librdkafka's threads as well */
    char last_error[256]; /* the last trouble with a broker, for people */
    bool denied;          /* a broker refused our credentials */
    bool answered;        /* some broker has, once */
    bool all_down;        /* all connections have broken down; nobody says when one is back */
    struct error fatal;   /* the client can't go on: ERR_NONE as long as it can */
    int64_t log_window;   /* monotonic start of the current rate-limiting interval */
    unsigned log_lines, log_dropped;
};

/* Takes `conf` over. NULL: ERR_USAGE for properties that contradict each other. */
struct kafka_client *kafka_client_new(const struct kafka_config *cfg, enum kafka_purpose purpose,
                                      rd_kafka_conf_t *conf, void *owner, struct error *e);
/* Only from the thread that uses the client. Consumer groups are left before (rdkafka_source.c). */
void kafka_client_free(struct kafka_client *c);
/* Lets librdkafka call our error callback: it does so only where the application asks. */
void kafka_client_serve(struct kafka_client *c);
/* Copies the fatal error, if there is one. */
bool kafka_client_fatal(struct kafka_client *c, struct error *e);
void kafka_client_set_fatal(struct kafka_client *c, const struct error *e);
bool kafka_client_all_down(struct kafka_client *c);
void kafka_client_set_all_down(struct kafka_client *c, bool down);

/* ERR_* for one of librdkafka's codes. */
enum error_code kafka_error_code(rd_kafka_resp_err_t err);
/* Fills *e for a request that failed: names brokers, topic and the broker's last error where that
 * explains it. `what` is the thing that was tried ("offsets of partition 3"). Returns -1. */
int kafka_client_error(struct kafka_client *c, rd_kafka_resp_err_t err, const char *what,
                       int timeout_ms, struct error *e);
/* Number of the topic's partitions: ERR_NOT_FOUND, ERR_UNAVAILABLE, ERR_DENIED otherwise. */
int kafka_client_partitions(struct kafka_client *c, int timeout_ms, int32_t *count,
                            struct error *e);
enum { UNKNOWN_MS = 3000 };
/* The same, with patience: a topic is unknown only when brokers have said so for UNKNOWN_MS. They hear
 * of a new one one after the other (librdkafka's topic.metadata.propagation.max.ms is for that), and
 * any of them may be asked. */
int kafka_client_find_topic(struct kafka_client *c, int timeout_ms, int32_t *count,
                            struct error *e);

/* ---- rdkafka_source.c and its parts ---- */

enum { KAFKA_BATCH = 1000 };

struct part {
    int32_t id;
    int64_t expected;        /* records below it were delivered before or were not asked for */
    rd_kafka_queue_t *queue; /* forwards to the source's */
    int first, last;         /* of its records in the source's batch, in order; first -1: none */
    bool left;               /* no more of it before the next assign() */
    bool heard;              /* a record of it, or its end, came by the source's queue */
    bool stray;              /* a record came by the consumer's queue: stop here and read again */
    int64_t stray_offset;
    int64_t end; /* by the fetcher that read before, or -1 */
};

struct rdkafka_source {
    struct source base;
    struct kafka_config *cfg;
    struct source_handler handler;
    struct kafka_client *client;
    rd_kafka_queue_t *main_queue, *group_queue;
    rd_kafka_queue_t *records; /* of all partitions */
    int event_fd;              /* signalled by all queues and by wake() */
    atomic_bool woken;
    bool suspended;
    bool subscribed;
    bool closing;
    bool owned;      /* in a group: between its assignment and its revocation */
    bool called;     /* the handler was called by the poll() under way */
    bool failed;     /* the handler knows */
    int32_t known;   /* by hand: how many partitions the handler knows of */
    int32_t counted; /* partitions that the topic had when it was asked last */
    struct {
        int64_t every_ms,
            patience_ms; /* between two looks; until a topic that is gone fails the job */
        int64_t due, silent_since, gone_since; /* monotonic; 0: not */
    } watch;
    rd_kafka_topic_partition_list_t *commits; /* that poll() will send; NULL: none */
    struct part *parts;
    size_t n_parts, heard, strays; /* the latter: of them with a stray record */
    struct partition_table part_of;
    uint64_t assignments; /* so far */
    size_t wake_bytes, drained;
    bool may_take; /* the queue has not been found empty since the last poll() */
    /* What was taken from the queue together; `waiting` of it is not delivered. */
    size_t waiting;
    rd_kafka_message_t *batch[KAFKA_BATCH];
    int next[KAFKA_BATCH]; /* of the same partition, or -1 */
    struct {
        bool allowed;
        struct fetcher *fetcher;  /* NULL: librdkafka reads */
        struct fetcher *busy;     /* in its fetch(): a sink may end it, but not free it */
        struct pollfd *fds;       /* room for its connections and one more */
        int64_t due_ms, pause_ms; /* monotonic: when to try again; the pause before it */
        int64_t since_ms;         /* monotonic: the fetcher reads */
    } own;
};

static inline struct rdkafka_source *rdkafka_of(struct source *s) {
    return (struct rdkafka_source *)s;
}

struct part *rdkafka_part(struct rdkafka_source *s, int32_t id);
void rdkafka_failed(struct rdkafka_source *s, const struct error *e);
void rdkafka_send_commits(struct rdkafka_source *s);

/* rdkafka_fetch.c */
/* Drops what was taken from the queue and is not delivered, and what stands in the queue. */
void rdkafka_drop_records(struct rdkafka_source *s);

/* rdkafka_assign.c */
int rdkafka_assign(struct source *base, const struct source_position *positions, size_t n,
                   struct error *e);
void rdkafka_forget_parts(struct rdkafka_source *s);
/* Makes sure that records come by the source's queue, whatever librdkafka's threads did meanwhile. */
void rdkafka_forward_parts(struct rdkafka_source *s);
void rdkafka_rebalance_cb(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                          rd_kafka_topic_partition_list_t *list, void *opaque);
/* What poll() does first: subscribes, or finds the partitions assigned by hand. */
int rdkafka_begin(struct rdkafka_source *s, struct error *e);

/* Takes the partitions from librdkafka. In a group we stay a member. */
int rdkafka_give_all_up(struct rdkafka_source *s, struct error *e);
int rdkafka_let_librdkafka_read(struct rdkafka_source *s, const struct source_position *positions,
                                size_t n, struct error *e);

/* rdkafka_fetcher.c */
void rdkafka_fetcher_init(struct rdkafka_source *s);
/* False where librdkafka must read. */
bool rdkafka_fetcher_begin(struct rdkafka_source *s, const struct source_position *positions,
                           size_t n);
void rdkafka_fetcher_end(struct rdkafka_source *s);
size_t rdkafka_fetcher_fetch(struct rdkafka_source *s, int32_t partition, size_t max,
                             const struct source_sink *sink);
/* From poll(): lets it send and receive, and changes over to librdkafka and back. */
int rdkafka_fetcher_serve(struct rdkafka_source *s, struct error *e);

/* rdkafka_watch.c */
void rdkafka_watch_begin(struct rdkafka_source *s);
/* Now and then, from poll(). */
void rdkafka_watch(struct rdkafka_source *s);
bool rdkafka_answers(struct source *base);

/* rdkafka_fetch.c */
void rdkafka_leave(struct source *base, int32_t partition);
size_t rdkafka_fetch(struct source *base, int32_t partition, size_t max,
                     const struct source_sink *sink);
void rdkafka_record(const rd_kafka_message_t *m, struct record *r);

/* rdkafka_query.c */
int rdkafka_cluster_id(struct source *base, int timeout_ms, char *dst, size_t cap, struct error *e);
int rdkafka_partition_count(struct source *base, int timeout_ms, int32_t *count, struct error *e);
int rdkafka_bounds(struct source *base, int32_t partition, int timeout_ms, int64_t *start,
                   int64_t *end, struct error *e);
int64_t rdkafka_end(struct source *base, int32_t partition);
int rdkafka_offsets_for_time(struct source *base, int32_t n, int64_t time_ms, int timeout_ms,
                             int64_t *offsets, struct error *e);
int rdkafka_check_topic(struct source *base, int timeout_ms, struct error *e);

/* rdkafka_peek.c */
int rdkafka_peek(struct source *base, int32_t partition, int64_t offset, int timeout_ms,
                 enum source_peek *what, int64_t *found, uint32_t *crc32c, struct error *e);

#endif
