#include "job/settings_layers.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "job/settings_table.h"
#include "job/settings_text.h"

enum { VALUE_MAX = SETTING_TEXT_MAX + 64, CANONICAL_MAX = 16 * 1024 };

/* ---- For people ---------------------------------------------------------------------------- */

static void visit_properties(const struct settings_kafka *k, settings_visit_fn *fn, void *ctx) {
    for (size_t i = 0; i < k->n_properties; i++) {
        char key[640];
        const struct kafka_property *p = &k->properties[i];
        (void)snprintf(key, sizeof key, SETTINGS_PROPERTIES "%s", p->name);
        fn(ctx, key, kafka_property_is_secret(p->name) ? "***" : p->value, k->property_origins[i]);
    }
}

void settings_visit(const struct settings *s, settings_visit_fn *fn, void *ctx) {
    struct buffer value;
    buffer_init(&value, VALUE_MAX);
    for (size_t i = 0; i < settings_rows; i++) {
        const struct setting *row = &settings_table[i];
        buffer_reset(&value);
        setting_format(row, s, &value);
        const char *text = buffer_text(&value);
        fn(ctx, row->key, row->secret && *text ? "***" : text, s->origins[i]);
        if (strcmp(row->key, "kafka.assignment") == 0)
            visit_properties(&s->kafka, fn, ctx);
    }
    buffer_free(&value);
}

/* ---- The rules' identity ------------------------------------------------------------------- */

static const char *timestamp_format_name(enum timestamp_format format) {
    const struct setting *row = settings_row("event.timestamp_format");
    return row->choices[format];
}

/* Windows that differ by a whole number of sizes are the same windows. */
static int64_t least_offset(const struct settings_window *w) {
    int64_t offset = w->offset % w->size;
    return offset < 0 ? offset + w->size : offset;
}

/* Spelled out rather than walked over the table: this text must not change when the table does. */
static void canonical(const struct settings *s, struct buffer *out) {
    (void)buffer_printf(out, "event.key_field=%s\n", s->event.key_field);
    (void)buffer_printf(out, "event.timestamp_field=%s\n", s->event.timestamp_field);
    (void)buffer_printf(out, "event.timestamp_format=%s\n",
                        timestamp_format_name(s->event.timestamp_format));
    (void)buffer_printf(out, "event.max_future=%lld\n", (long long)s->event.max_future);
    (void)buffer_printf(out, "window.size=%lld\n", (long long)s->window.size);
    (void)buffer_printf(out, "window.offset=%lld\n", (long long)least_offset(&s->window));
    (void)buffer_printf(out, "window.out_of_orderness=%lld\n",
                        (long long)s->window.out_of_orderness);
    (void)buffer_printf(out, "window.allowed_lateness=%lld\n",
                        (long long)s->window.allowed_lateness);
    (void)buffer_printf(out, "rules=%d\n", SETTINGS_RULES);
}

void settings_hash(const struct settings *s, char hex[17]) {
    struct buffer text;
    unsigned char digest[EVP_MAX_MD_SIZE];
    buffer_init(&text, CANONICAL_MAX);
    canonical(s, &text);
    if (EVP_Digest(buffer_text(&text), text.len, digest, NULL, EVP_sha256(), NULL) != 1)
        out_of_memory(); /* nothing else can go wrong, and a wrong identity would be worse */
    for (size_t i = 0; i < 8; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    buffer_free(&text);
}

/* ---- For the parts further down the road ---------------------------------------------------- */

void settings_event_rules(const struct settings *s, struct event_rules *rules) {
    *rules = (struct event_rules){
        .key_field = s->event.key_field,
        .timestamp_field = s->event.timestamp_field,
        .timestamp_format = s->event.timestamp_format,
        .max_future_ms = s->event.max_future,
        .window = {.size = s->window.size,
                   .offset = s->window.offset,
                   .out_of_orderness = s->window.out_of_orderness,
                   .allowed_lateness = s->window.allowed_lateness},
    };
}

/* An eighth of the memory, but no more than 32 MiB: a larger queue only made reading dearer. */
static size_t fetch_queue_bytes(uint64_t limit) {
    const uint64_t most = UINT64_C(32) << 20;
    return (size_t)(limit / 8 < most ? limit / 8 : most);
}

void settings_kafka_config(const struct settings *s, struct kafka_config *cfg) {
    *cfg = (struct kafka_config){
        .bootstrap_servers = s->kafka.bootstrap_servers,
        .topic = s->kafka.topic,
        .group_id = s->kafka.group_id,
        .use_group = s->kafka.assignment.kind == ASSIGNMENT_GROUP,
        .all = s->kafka.assignment.kind == ASSIGNMENT_ALL,
        .partitions = s->kafka.assignment.partitions,
        .n_partitions = s->kafka.assignment.n_partitions,
        .properties = s->kafka.properties,
        .n_properties = s->kafka.n_properties,
        .fetch_queue_bytes = fetch_queue_bytes(s->memory.limit),
        .librdkafka_only = s->kafka.fetcher == FETCHER_LIBRDKAFKA,
    };
}

void settings_s3_config(const struct settings *s, struct s3_config *cfg) {
    *cfg = (struct s3_config){
        .endpoint = s->s3.endpoint,
        .region = s->s3.region,
        .path_style = s->s3.path_style,
        .access_key = s->s3.access_key,
        .secret_key = s->s3.secret_key,
        .session_token = s->s3.session_token,
    };
}

int settings_listen(const struct settings *s, char *host, size_t cap, uint16_t *port) {
    return split_listen(s->http.listen, host, cap, port);
}
