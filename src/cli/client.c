#include "cli/client.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

enum {
    ANSWER_MAX = 32 * 1024 * 1024,
    CONNECT_MS = 5000,
    REQUEST_MS = 30000,
    POLL_MS = 100,
    STATUS_OK_END = 300
};

struct client {
    CURL *curl;
    struct curl_slist *headers;
    char *url; /* without a '/' at its end */
    struct buffer answer;
    char trouble[CURL_ERROR_SIZE];
};

static size_t on_data(char *data, size_t size, size_t n, void *ctx) {
    struct client *c = ctx;
    return buffer_append(&c->answer, data, size * n) == 0 ? n : 0;
}

static void add_header(struct client *c, const char *line) {
    struct curl_slist *list = curl_slist_append(c->headers, line);
    if (!list)
        out_of_memory();
    c->headers = list;
}

static void set_options(struct client *c) {
    CURL *h = c->curl;
    (void)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->trouble);
    (void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
    (void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, c->headers);
    (void)curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    (void)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)REQUEST_MS);
    (void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
}

struct client *client_new(const struct cli_args *args, struct error *e) {
    const char *url = cli_value(args, "url");
    if (!url)
        url = CLIENT_URL_DEFAULT;
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        (void)error_set(e, ERR_USAGE, "--url %s: write http://HOST:PORT", url);
        return NULL;
    }
    memory_init_curl();
    struct client *c = xcalloc(1, sizeof *c);
    c->url = xstrdup(url);
    for (size_t n = strlen(c->url); n > 0 && c->url[n - 1] == '/'; n--)
        c->url[n - 1] = '\0';
    buffer_init(&c->answer, ANSWER_MAX);
    c->curl = curl_easy_init();
    if (!c->curl)
        out_of_memory();
    const char *token = getenv("TIDEMARK_HTTP_TOKEN");
    if (token && *token) {
        char *line = xasprintf("Authorization: Bearer %s", token);
        add_header(c, line);
        free(line);
    }
    add_header(c, "Content-Type: application/json");
    set_options(c);
    return c;
}

void client_free(struct client *c) {
    if (!c)
        return;
    curl_easy_cleanup(c->curl);
    curl_slist_free_all(c->headers);
    buffer_free(&c->answer);
    free(c->url);
    free(c);
}

const char *client_url(const struct client *c) {
    return c->url;
}

/* Flink's shape of an error: {"errors":["..."]}. */
static const char *reason(const json_t *answer) {
    const char *text = json_string_value(json_array_get(json_object_get(answer, "errors"), 0));
    return text ? text : "no reason is given";
}

static enum error_code code_of(long status) {
    switch (status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_NOT_FOUND;
    default:
        return ERR_INTERNAL;
    }
}

static json_t *take_answer(struct client *c, const char *path, struct error *e) {
    long status = 0;
    (void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    json_t *answer = json_loadb(buffer_text(&c->answer), c->answer.len, JSON_DECODE_ANY, NULL);
    if (status >= STATUS_OK_END) {
        (void)error_set(e, code_of(status), "%s%s answers %ld: %s%s", c->url, path, status,
                        reason(answer),
                        status == 401 ? " (set TIDEMARK_HTTP_TOKEN to the job's http.token)" : "");
        json_decref(answer);
        return NULL;
    }
    if (!answer)
        (void)error_set(e, ERR_CORRUPT,
                        "%s%s answers something else than JSON: is it tidemark that listens there?",
                        c->url, path);
    return answer;
}

json_t *client_call(struct client *c, const char *method, const char *path, const char *body,
                    struct error *e) {
    char *url = xasprintf("%s%s", c->url, path);
    buffer_reset(&c->answer);
    c->trouble[0] = '\0';
    (void)curl_easy_setopt(c->curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    if (strcmp(method, "GET") == 0) {
        (void)curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
    } else {
        (void)curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, body ? (long)strlen(body) : 0L);
        (void)curl_easy_setopt(c->curl, CURLOPT_COPYPOSTFIELDS, body ? body : "");
    }
    CURLcode rc = curl_easy_perform(c->curl);
    free(url);
    if (rc == CURLE_OK)
        return take_answer(c, path, e);
    (void)error_set(e, ERR_UNAVAILABLE,
                    "nothing answers at %s (%s): is the job running, and is its http.listen there? "
                    "--url names another place",
                    c->url, c->trouble[0] ? c->trouble : curl_easy_strerror(rc));
    return NULL;
}

json_t *client_get(struct client *c, struct error *e, const char *path, ...) {
    char text[512];
    va_list ap;
    va_start(ap, path);
    (void)vsnprintf(text, sizeof text, path, ap);
    va_end(ap);
    return client_call(c, "GET", text, NULL, e);
}

const char *client_text(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

int64_t client_number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value)
           : json_is_real(value)  ? (int64_t)json_real_value(value)
                                  : -1;
}

int client_job_id(struct client *c, char id[33], struct error *e) {
    json_t *answer = client_get(c, e, "/jobs/overview");
    if (!answer)
        return -1;
    const json_t *jobs = json_object_get(answer, "jobs");
    const char *text = client_text(json_array_get(jobs, 0), "jid");
    int rc = 0;
    if (json_array_size(jobs) != 1)
        rc = error_set(e, ERR_NOT_FOUND, "%s has %zu jobs: it is no tidemark", c->url,
                       json_array_size(jobs));
    else if (strlen(text) != 32)
        rc = error_set(e, ERR_CORRUPT, "%s gives its job no id of 32 digits", c->url);
    else
        memcpy(id, text, 33);
    json_decref(answer);
    return rc;
}

/* 1: not yet. */
static int look_at(const json_t *answer, const char *trigger, char **location, struct error *e) {
    if (strcmp(client_text(json_object_get(answer, "status"), "id"), "COMPLETED") != 0)
        return 1;
    const json_t *operation = json_object_get(answer, "operation");
    const char *place = json_string_value(json_object_get(operation, "location"));
    if (place) {
        *location = xstrdup(place);
        return 0;
    }
    const char *why = client_text(json_object_get(operation, "failure-cause"), "stack-trace");
    return error_set(e, ERR_INTERNAL, "it failed: %s", *why ? why : trigger);
}

int client_wait(struct client *c, const char *id, const char *trigger, int64_t patience_ms,
                char **location, struct error *e) {
    int64_t until = clock_monotonic(clock_system()) + patience_ms;
    for (;;) {
        json_t *answer = client_get(c, e, "/jobs/%s/savepoints/%s", id, trigger);
        if (!answer)
            return -1;
        int rc = look_at(answer, trigger, location, e);
        json_decref(answer);
        if (rc <= 0)
            return rc;
        if (patience_ms >= 0 && clock_monotonic(clock_system()) > until)
            return error_set(e, ERR_UNAVAILABLE,
                             "not done after %lld s; it goes on, tidemark status tells",
                             (long long)patience_ms / 1000);
        clock_sleep(POLL_MS);
    }
}

int client_command(const struct cli_spec *spec, int argc, char **argv,
                   int (*fn)(struct client *c, const struct cli_args *args, struct error *e)) {
    struct cli_args args;
    struct error e = {0};
    int code;
    if (!cli_parse(spec, argc, argv, &args, &code))
        return code;
    struct client *c = client_new(&args, &e);
    int rc = c ? fn(c, &args, &e) : -1;
    client_free(c);
    cli_args_free(&args);
    return rc == 0 ? EXIT_DONE : cli_fail(spec->name, &e);
}
