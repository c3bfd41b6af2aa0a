#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "control/rest_flink.h"

/* ---- Bodies -------------------------------------------------------------------------------------- */

/* What may stand in a body. A misspelt "drain" must not become a stop that leaves files open, so all
 * else is refused, as Flink does. */
struct body_keys {
    const char *directory, *flag; /* their names */
};

static bool is_known(const struct body_keys *keys, const char *key) {
    return strcmp(key, keys->directory) == 0 || strcmp(key, keys->flag) == 0 ||
           strcmp(key, "formatType") == 0 || strcmp(key, "triggerId") == 0;
}

/* The object, to be freed; NULL after a 400. No body is an empty one. */
static json_t *body_of(const struct http_request *r, struct http_answer *a,
                       const struct body_keys *keys) {
    if (r->body[strspn(r->body, " \t\r\n")] == '\0')
        return json_object();
    json_error_t e;
    json_t *json = json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, &e);
    if (!json_is_object(json)) {
        answer_error(a, 400, "the body is no JSON object%s%s", json ? "" : ": ",
                     json ? "" : e.text);
        json_decref(json);
        return NULL;
    }
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value) {
        if (is_known(keys, key))
            continue;
        answer_error(a, 400,
                     "the body has an unknown key %s; known are %s, %s, formatType and "
                     "triggerId",
                     key, keys->directory, keys->flag);
        json_decref(json);
        return NULL;
    }
    return json;
}

static bool is_absent(const json_t *value) {
    return !value || json_is_null(value);
}

static bool takes_flag(struct http_answer *a, const json_t *body, const char *key, bool *flag) {
    const json_t *value = json_object_get(body, key);
    *flag = json_is_true(value);
    if (is_absent(value) || json_is_boolean(value))
        return true;
    answer_error(a, 400, "%s is true or false", key);
    return false;
}

/* There is one format, and it is as good as either: none of Flink's can be made or is needed. */
static bool takes_format(struct http_answer *a, const json_t *body) {
    const json_t *value = json_object_get(body, "formatType");
    const char *text = json_string_value(value);
    if (is_absent(value) ||
        (text && (strcasecmp(text, "CANONICAL") == 0 || strcasecmp(text, "NATIVE") == 0)))
        return true;
    answer_error(a, 400, "formatType is CANONICAL or NATIVE");
    return false;
}

static bool same_place(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    while (n > 0 && a[n - 1] == '/')
        n--;
    while (m > 0 && b[m - 1] == '/')
        m--;
    return n == m && memcmp(a, b, n) == 0;
}

static const char *checkpoint_path(const struct job_info *info) {
    for (size_t i = 0; i < info->n_settings; i++)
        if (strcmp(info->settings[i].key, "checkpoint.path") == 0)
            return info->settings[i].value;
    return info->checkpoints;
}

/* To take another place and put the checkpoint where it always goes would mislead. */
static bool takes_directory(const struct http_request *r, struct http_answer *a, const json_t *body,
                            const char *key) {
    const struct job_info *info = r->cfg->info;
    const json_t *value = json_object_get(body, key);
    const char *text = json_string_value(value);
    if (is_absent(value) ||
        (text && (same_place(text, info->checkpoints) || same_place(text, checkpoint_path(info)))))
        return true;
    answer_error(a, 400,
                 "%s: a savepoint goes where the job's checkpoints are, %s, and nowhere else: "
                 "leave it out",
                 key, info->checkpoints);
    return false;
}

static bool is_hex_id(const char *text) {
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    return n == REQUEST_ID_MAX - 1 && text[n] == '\0';
}

static bool takes_trigger(struct http_answer *a, const json_t *body, char id[REQUEST_ID_MAX]) {
    const json_t *value = json_object_get(body, "triggerId");
    const char *text = json_string_value(value);
    id[0] = '\0';
    if (is_absent(value))
        return true;
    if (!text || !is_hex_id(text)) {
        answer_error(a, 400, "triggerId is 32 hex digits");
        return false;
    }
    for (size_t i = 0; i < REQUEST_ID_MAX; i++)
        id[i] = (char)tolower((unsigned char)text[i]);
    return true;
}

/* ---- Asking -------------------------------------------------------------------------------------- */

/* With the flag set it is `with`, without it `without`. */
static void ask(const struct http_request *r, struct http_answer *a, const struct body_keys *keys,
                enum request_kind with, enum request_kind without) {
    char id[REQUEST_ID_MAX];
    bool flag;
    if (!answer_for_job(r, a))
        return;
    json_t *body = body_of(r, a, keys);
    if (!body)
        return;
    if (takes_directory(r, a, body, keys->directory) && takes_flag(a, body, keys->flag, &flag) &&
        takes_format(a, body) && takes_trigger(a, body, id)) {
        enum request_kind kind = flag ? with : without;
        if (id[0])
            requests_add_as(r->cfg->requests, kind, id);
        else
            requests_add(r->cfg->requests, kind, id);
        a->status = 202;
        answer_json(a, json_pack("{s:s}", "request-id", id));
    }
    json_decref(body);
}

void flink_savepoint(const struct http_request *r, struct http_answer *a) {
    static const struct body_keys keys = {"target-directory", "cancel-job"};
    ask(r, a, &keys, REQUEST_STOP, REQUEST_SAVEPOINT);
}

void flink_stop(const struct http_request *r, struct http_answer *a) {
    static const struct body_keys keys = {"targetDirectory", "drain"};
    ask(r, a, &keys, REQUEST_DRAIN, REQUEST_STOP);
}

/* mode=stop and what becomes of a job that has ended: as Flink answers. */
void flink_cancel(const struct http_request *r, struct http_answer *a) {
    const char *mode = r->query(r, "mode");
    enum job_state s = metrics_state(r->cfg->metrics, NULL);
    char id[REQUEST_ID_MAX];
    if (!answer_for_job(r, a))
        return;
    if (mode && strcmp(mode, "stop") == 0) {
        answer_error(a, 308,
                     "The termination mode \"stop\" has been removed. For an ungraceful shutdown, "
                     "please use \"cancel\" instead. For a graceful shutdown, please use "
                     "\"jobs/:jobId/stop\" instead.");
    } else if (mode && strcmp(mode, "cancel") != 0) {
        answer_error(a, 400, "unknown mode %s: it is cancel", mode);
    } else if (job_state_ended(s) && s != JOB_CANCELED) {
        answer_error(a, 409,
                     "Job cancellation failed because the job has already reached another terminal "
                     "state (%s).",
                     job_state_name(s));
    } else {
        requests_add(r->cfg->requests, REQUEST_CANCEL, id);
        a->status = 202;
        answer_json(a, json_object());
    }
}

/* ---- What became of it --------------------------------------------------------------------------- */

void flink_savepoint_status(const struct http_request *r, struct http_answer *a) {
    struct request q;
    char id[REQUEST_ID_MAX];
    if (!answer_for_job(r, a))
        return;
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (char)tolower((unsigned char)r->params[1][i]);
    id[sizeof id - 1] = '\0';
    if (strlen(r->params[1]) >= sizeof id || !requests_find(r->cfg->requests, id, &q))
        answer_error(a, 404, "There is no savepoint operation with triggerId=%s for job %s.",
                     r->params[1], r->params[0]);
    else if (q.state == REQUEST_PENDING)
        answer_json(a, json_pack("{s:{s:s}, s:n}", "status", "id", "IN_PROGRESS", "operation"));
    else
        answer_json(
            a, json_pack("{s:{s:s}, s:{s:o}}", "status", "id", "COMPLETED", "operation",
                         q.state == REQUEST_DONE ? "location" : "failure-cause",
                         q.state == REQUEST_DONE ? json_text(q.text) : flink_throwable(q.text)));
}
