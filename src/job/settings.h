/* The settings of a job, resolved: --set > environment > YAML file > default. One table
 * (settings_table.c) says what each one is called, means and may be; docs/settings.md, --help and
 * the parser all come from it. */
#ifndef TIDEMARK_JOB_SETTINGS_H
#define TIDEMARK_JOB_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "event/event.h"
#include "kafka/rdkafka_source.h"
#include "store/open.h"

enum start_kind { START_EARLIEST, START_LATEST, START_TIME };
enum assignment_kind { ASSIGNMENT_GROUP, ASSIGNMENT_ALL, ASSIGNMENT_LIST };
enum output_compression { OUTPUT_NONE, OUTPUT_GZIP, OUTPUT_ZSTD };
enum output_emit { EMIT_ON_CLOSE, EMIT_CHECKPOINT };
enum kafka_fetcher { FETCHER_DIRECT, FETCHER_LIBRDKAFKA };

struct settings_start {
    enum start_kind kind;
    int64_t time_ms; /* where kind is START_TIME */
};

struct settings_assignment {
    enum assignment_kind kind;
    int32_t *partitions; /* where kind is ASSIGNMENT_LIST: ascending, each once */
    size_t n_partitions;
};

/* Strings are NULL only where a comment says so. Times are milliseconds, sizes bytes. */
struct settings {
    char *name;
    struct settings_kafka {
        char *bootstrap_servers, *topic, *group_id;
        struct settings_start start;
        enum kafka_fetcher fetcher;
        struct settings_assignment assignment;
        struct kafka_property *properties; /* kafka.properties.*, ascending by name; owned */
        size_t n_properties;
        char **property_origins;
    } kafka;
    struct settings_event {
        char *key_field, *timestamp_field;
        enum timestamp_format timestamp_format;
        int64_t max_future;
    } event;
    struct settings_window {
        int64_t size, offset, out_of_orderness, allowed_lateness, idle_flush;
    } window;
    struct settings_output {
        char *path; /* ends with '/' */
        char *partition_by;
        enum output_compression compression;
        uint64_t part_size, max_file_size;
        int64_t max_file_age;
        enum output_emit emit;
    } output;
    struct settings_checkpoint {
        char *path; /* ends with '/' */
        int64_t interval, min_pause, timeout;
        int64_t tolerable_failures;
        int64_t max_replay; /* records */
    } checkpoint;
    struct settings_restart {
        int64_t attempts;
        int64_t delay;
    } restart;
    struct settings_s3 {
        char *endpoint; /* NULL: AWS's own */
        char *region;
        bool path_style;
        char *access_key, *secret_key, *session_token; /* NULL: none */
    } s3;
    int64_t parallelism;
    struct settings_memory {
        uint64_t limit;
    } memory;
    struct settings_http {
        char *listen; /* host:port; settings_listen takes it apart */
        char *token;  /* NULL: none */
    } http;
    struct settings_log {
        enum log_format format;
        enum log_level level;
    } log;
    char **origins; /* one for each row of the table: "default", "job.yaml:7", ... */
};

/* Where settings come from. */
struct settings_source {
    const char *yaml; /* path of a YAML file, or NULL */
    const char *const *sets;
    size_t n_sets;            /* "KEY=VALUE" and "KEY=@FILE", as given with --set */
    char *const *environment; /* as environ; NULL: none */
    bool terminal;            /* whether stderr is one: log.format's default */
};

/* 0, or -1 with ERR_USAGE and a text that names the source; then *s needs no settings_free. */
int settings_load(struct settings *s, const struct settings_source *src, struct error *e);
void settings_free(struct settings *s);

/* Calls fn for every setting in the table's order, kafka.properties.* behind kafka.assignment.
 * value is text that would parse again, "***" for a secret that is set, "" where there is none. */
typedef void settings_visit_fn(void *ctx, const char *key, const char *value, const char *origin);
void settings_visit(const struct settings *s, settings_visit_fn *fn, void *ctx);

/* The identity of the rules by which events become output (docs/exactly-once.md): 16 hex digits
 * over event.*, window.* (without idle_flush, which decides only about files) and SETTINGS_RULES.
 * Equal windows have equal hashes, however their offset is written. */
#define SETTINGS_RULES 1 /* version of the rules of docs/semantics.md */
void settings_hash(const struct settings *s, char hex[17]);

/* Views for the parts further down the road; they borrow from *s. */
void settings_event_rules(const struct settings *s, struct event_rules *rules);
void settings_kafka_config(const struct settings *s, struct kafka_config *cfg);
void settings_s3_config(const struct settings *s, struct s3_config *cfg);

/* http.listen's host (without brackets) and port. 0, or -1 where cap is too small. */
int settings_listen(const struct settings *s, char *host, size_t cap, uint16_t *port);

#endif
