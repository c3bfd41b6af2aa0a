#include "checkpoint/start.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/memory.h"

enum { START_BYTES_MAX = 4 * 1024 * 1024, PATIENCE_MS = 30000, PUT_TRIES = 6 };

void start_offsets_free(struct start_offsets *s) {
    free(s->offset);
    *s = (struct start_offsets){0};
}

static int decode(const char *data, size_t len, const char *cluster, const char *topic,
                  struct start_offsets *out, struct error *e) {
    json_error_t why;
    json_t *o = json_loadb(data, len, JSON_REJECT_DUPLICATES, &why);
    const char *theirs = json_string_value(json_object_get(o, "topic"));
    const char *their_cluster = json_string_value(json_object_get(o, "cluster"));
    json_t *offsets = json_object_get(o, "offsets");
    int rc = 0;
    if (!theirs || !their_cluster || !json_is_array(offsets) ||
        json_integer_value(json_object_get(o, "v")) != 1) {
        rc = error_set(e, ERR_CORRUPT, "it is corrupt (%s); restore this object",
                       o ? "a field is missing" : why.text);
    } else if (strcmp(theirs, topic) != 0 || strcmp(their_cluster, cluster) != 0) {
        rc = error_set(e, ERR_MISMATCH,
                       "it belongs to topic %s of Kafka cluster %s, this job has topic %s of "
                       "cluster %s; give the job another name and output.path",
                       theirs, their_cluster, topic, cluster);
    } else {
        out->n = (int32_t)json_array_size(offsets);
        out->offset = xcalloc((size_t)out->n, sizeof *out->offset);
        for (int32_t i = 0; i < out->n; i++) {
            json_t *v = json_array_get(offsets, (size_t)i);
            out->offset[i] = (int64_t)json_integer_value(v);
            if (!json_is_integer(v) || out->offset[i] < 0)
                rc = error_set(e, ERR_CORRUPT, "offsets[%" PRId32 "] is no offset", i);
        }
    }
    json_decref(o);
    return rc;
}

int start_read(struct store *s, const char *prefix, const char *cluster, const char *topic,
               struct start_offsets *out, bool *found, struct error *e) {
    *out = (struct start_offsets){0};
    *found = false;
    char *key = xasprintf("%sstart.json", prefix);
    struct store_op op = {
        .kind = STORE_GET, .key = key, .max_bytes = START_BYTES_MAX, .retry_ms = PATIENCE_MS};
    int rc = store_call(s, &op);
    if (rc == 0) {
        *found = true;
        rc = decode(op.answer.data, op.answer.len, cluster, topic, out, e);
    } else if (op.error.code == ERR_NOT_FOUND) {
        rc = 0;
    } else {
        *e = op.error;
    }
    if (rc != 0) {
        (void)error_wrap(e, "%s%s", s->path, key);
        start_offsets_free(out);
    }
    store_op_clear(&op);
    free(key);
    return rc;
}

static char *encode(const char *cluster, const char *topic, const char *kafka_start,
                    const struct start_offsets *offsets) {
    json_t *a = json_array();
    for (int32_t i = 0; i < offsets->n; i++)
        (void)json_array_append_new(a, json_integer((json_int_t)offsets->offset[i]));
    json_t *o = json_pack("{s:i, s:s, s:s, s:s, s:o}", "v", 1, "cluster", cluster, "topic", topic,
                          "start", kafka_start, "offsets", a);
    char *text = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(o);
    if (!text)
        out_of_memory();
    return text;
}

/* The whole thing has one writer's bytes or another's; both are read back by the caller, so a put
 * whose answer was lost is simply repeated. */
int start_put(struct store *s, const char *prefix, const char *cluster, const char *topic,
              const char *kafka_start, const struct start_offsets *offsets, struct error *e) {
    char *key = xasprintf("%sstart.json", prefix);
    char *text = encode(cluster, topic, kafka_start, offsets);
    int rc = -1;
    for (int i = 0; i < PUT_TRIES && rc != 0; i++) {
        struct store_op op = {
            .kind = STORE_PUT_IF_ABSENT, .key = key, .body = text, .body_len = strlen(text)};
        rc = store_call(s, &op);
        *e = op.error;
        store_op_clear(&op);
        if (rc != 0 && !e->retriable)
            break;
    }
    if (rc != 0)
        (void)error_wrap(e, "cannot put %s%s", s->path, key);
    free(text);
    free(key);
    return rc;
}

int start_refuse_leftovers(struct store *output, const char *prefix, const char *checkpoint_path,
                           struct error *e) {
    struct store_op op = {.kind = STORE_LIST, .key = prefix, .retry_ms = PATIENCE_MS};
    int rc = store_call(output, &op);
    if (rc != 0) {
        *e = op.error;
        (void)error_wrap(e, "cannot list %s%s", output->path, prefix);
    } else if (op.n_entries > 0) {
        rc =
            error_set(e, ERR_MISMATCH,
                      "no checkpoints at %s, but %s%s holds manifests of an earlier run of this "
                      "job: starting afresh would write everything twice. Restore checkpoint.path, "
                      "or give the job another name and output.path",
                      checkpoint_path, output->path, prefix);
    }
    store_op_clear(&op);
    return rc;
}
