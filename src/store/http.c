#include "store/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

enum {
    URL_MAX = 32 * 1024, /* a key has at most 1,024 bytes, three times that when encoded */
    ERROR_BODY_MAX = 64 * 1024,
    TICK_MS = 250,              /* how often stalled requests are looked for */
    IDLE_CONNECTION_MAX_S = 60, /* firewalls forget idle connections without telling */
    /* Handed to the socket at once. libcurl turns its whole loop once for each, so that with its own
     * 64 KiB sending cost a third more; a connection that sends holds so much memory. */
    SEND_BYTES = 512 * 1024,
};

struct http {
    struct http_config config;
    CURLM *multi;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows */
    struct http_request *submitted, **submitted_tail;
    bool stop;

    /* The I/O thread's own. */
    struct http_request *waiting, **waiting_tail;
    struct http_request **active;
    int n_active;
};

static int64_t now_ms(const struct http *h) {
    return clock_monotonic(h->config.clock);
}

/* ---- One request ---- */

void http_add_header(struct http_request *r, const char *name, const char *value) {
    char *line = *value ? xasprintf("%s: %s", name, value) : xasprintf("%s:", name);
    struct curl_slist *list = curl_slist_append(r->headers, line);
    free(line);
    if (!list)
        out_of_memory();
    r->headers = list;
}

void http_request_reset(struct http_request *r) {
    http_request_free(r);
    buffer_init(&r->url, URL_MAX);
    buffer_init(&r->answer, 0);
    r->method = "GET";
    r->body = NULL;
    r->chunks = NULL;
    r->body_len = 0;
    r->answer_max = 0;
    r->once = false;
    r->outcome = HTTP_LOST;
    r->status = 0;
    r->content_length = -1;
    r->date = 0;
    r->trouble[0] = r->etag[0] = r->server[0] = r->bucket_region[0] = r->error_buffer[0] = '\0';
    r->too_large = r->head_ended = false;
}

void http_request_free(struct http_request *r) {
    curl_slist_free_all(r->headers);
    r->headers = NULL;
    buffer_free(&r->url);
    buffer_free(&r->answer);
}

static void rewind_body(struct http_request *r) {
    r->reading = r->chunks;
    r->read = r->read_in_chunk = 0;
}

static size_t read_body(char *dst, size_t size, size_t count, void *ctx) {
    struct http_request *r = ctx;
    size_t room = size * count, n = 0;
    if (room > r->body_len - r->read)
        room = (size_t)(r->body_len - r->read);
    if (!r->chunks && room) {
        memcpy(dst, (const char *)r->body + r->read, room);
        n = room;
    }
    while (r->reading && n < room) {
        size_t left = r->reading->len - (size_t)r->read_in_chunk;
        size_t part = left < room - n ? left : room - n;
        memcpy(dst + n, r->reading->data + r->read_in_chunk, part);
        n += part;
        r->read_in_chunk += part;
        if (part == left) {
            r->reading = r->reading->next;
            r->read_in_chunk = 0;
        }
    }
    r->read += n;
    r->progress_ms = now_ms(r->http);
    return n;
}

/* Only ever back to the start: before the request is sent again on a new connection. */
static int seek_body(void *ctx, curl_off_t offset, int origin) {
    struct http_request *r = ctx;
    if (offset != 0 || origin != SEEK_SET || (r->once && r->read))
        return CURL_SEEKFUNC_FAIL;
    rewind_body(r);
    return CURL_SEEKFUNC_OK;
}

static size_t write_answer(char *data, size_t size, size_t count, void *ctx) {
    struct http_request *r = ctx;
    size_t n = size * count;
    long status = 0;
    (void)curl_easy_getinfo((CURL *)r->easy, CURLINFO_RESPONSE_CODE, &status);
    r->progress_ms = now_ms(r->http);
    if (status >= 300) {
        r->answer.max = ERROR_BODY_MAX;
        (void)buffer_append(&r->answer, data, n); /* the beginning is enough */
        return n;
    }
    r->answer.max = r->answer_max;
    if (buffer_append(&r->answer, data, n)) {
        r->too_large = true;
        return 0; /* ends the transfer */
    }
    return n;
}

/* Takes the value where the line's name is `name`. */
static bool take_field(const char *line, size_t len, const char *name, char dst[HTTP_FIELD_SIZE]) {
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
        return false;
    const char *from = line + n + 1, *to = line + len;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == '\r' || to[-1] == '\n' || to[-1] == ' '))
        to--;
    size_t value_len = (size_t)(to - from);
    if (value_len >= HTTP_FIELD_SIZE)
        value_len = 0;
    memcpy(dst, from, value_len);
    dst[value_len] = '\0';
    return true;
}

static size_t read_header(char *line, size_t size, size_t count, void *ctx) {
    struct http_request *r = ctx;
    size_t len = size * count;
    char date[HTTP_FIELD_SIZE];
    r->progress_ms = now_ms(r->http);
    if (*line == '\r' || *line == '\n')
        r->head_ended = true;
    else if (len > 5 && memcmp(line, "HTTP/", 5) == 0)
        r->head_ended = false; /* another one follows an interim answer's */
    if (take_field(line, len, "Date", date)) {
        time_t t = curl_getdate(date, NULL);
        r->date = t > 0 ? (int64_t)t * 1000 : 0;
    } else if (!take_field(line, len, "ETag", r->etag) &&
               !take_field(line, len, "Server", r->server)) {
        (void)take_field(line, len, "x-amz-bucket-region", r->bucket_region);
    }
    return len;
}

static void set_transfer(CURL *easy, struct http_request *r) {
    const struct http_config *config = &r->http->config;
    curl_easy_setopt(easy, CURLOPT_URL, buffer_text(&r->url));
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* '..' in a key is part of its name */
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "tidemark/" TIDEMARK_VERSION);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_CONNECTION_MAX_S);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, r->error_buffer);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, (void *)r);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's, not S3's */
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, read_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, (void *)r);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, (void *)r);
}

/* Every body goes the way of an upload, POST too, so that its size is announced and it is read where
 * it lies. */
static void set_method(CURL *easy, struct http_request *r) {
    bool has_body = strcmp(r->method, "PUT") == 0 || strcmp(r->method, "POST") == 0;
    if (strcmp(r->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (has_body) {
        rewind_body(r);
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BYTES);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body_len);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
        curl_easy_setopt(easy, CURLOPT_READDATA, (void *)r);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek_body);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, (void *)r);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
    } else {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
    }
}

/* ---- The I/O thread ---- */

static void start(struct http *h, struct http_request *r) {
    r->http = h;
    r->prepare(r);
    http_add_header(r, "Expect", ""); /* a round trip saved; an early refusal is rare */
    CURL *easy = curl_easy_init();
    if (!easy)
        out_of_memory();
    r->easy = easy;
    r->progress_ms = now_ms(h);
    set_transfer(easy, r);
    set_method(easy, r);
    h->active[h->n_active++] = r;
    CURLMcode rc = curl_multi_add_handle(h->multi, easy);
    assert(rc == CURLM_OK);
    (void)rc;
}

static void start_waiting(struct http *h) {
    while (h->waiting && h->n_active < h->config.connections) {
        struct http_request *r = h->waiting;
        h->waiting = r->next;
        if (!h->waiting)
            h->waiting_tail = &h->waiting;
        r->next = NULL;
        start(h, r);
    }
}

/* Takes r's transfer down; r itself stays. */
static void detach(struct http *h, struct http_request *r) {
    for (int i = 0; i < h->n_active; i++) {
        if (h->active[i] == r) {
            h->active[i] = h->active[--h->n_active];
            break;
        }
    }
    (void)curl_multi_remove_handle(h->multi, (CURL *)r->easy);
    curl_easy_cleanup((CURL *)r->easy);
    r->easy = NULL;
}

static bool is_certificate_trouble(CURLcode code) {
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_ISSUER_ERROR ||
           code == CURLE_SSL_CRL_BADFILE || code == CURLE_SSL_INVALIDCERTSTATUS;
}

/* libcurl takes a connection that ends within the head for the end of an answer without a body. */
static CURLcode check_head(const struct http_request *r, CURLcode code) {
    return code == CURLE_OK && !r->head_ended ? CURLE_PARTIAL_FILE : code;
}

static enum http_outcome outcome_of(const struct http_request *r, CURLcode code, long sent) {
    if (code == CURLE_OK)
        return HTTP_ANSWERED;
    if (r->too_large)
        return HTTP_TOO_LARGE;
    if (sent > 0)
        return HTTP_LOST;
    if (is_certificate_trouble(code) || code == CURLE_URL_MALFORMAT ||
        code == CURLE_UNSUPPORTED_PROTOCOL)
        return HTTP_REFUSED;
    return HTTP_NOT_SENT;
}

static void finish(struct http *h, struct http_request *r, CURLcode code, const char *trouble) {
    CURL *easy = r->easy;
    long sent = 0;
    curl_off_t length = -1;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &r->status);
    (void)curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
    (void)curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    r->content_length = length;
    code = check_head(r, code);
    r->outcome = outcome_of(r, code, sent);
    if (code != CURLE_OK && !trouble)
        trouble = r->error_buffer[0] ? r->error_buffer : curl_easy_strerror(code);
    (void)snprintf(r->trouble, sizeof r->trouble, "%s", trouble ? trouble : "");
    detach(h, r);
    r->done(r);
}

static void finish_ended(struct http *h) {
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(h->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result; /* the message goes with its handle */
        char *r = NULL;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &r);
        finish(h, (struct http_request *)(void *)r, code, NULL);
    }
}

/* libcurl's own limits count from the start or average the speed; what matters here is silence, be it
 * in the body's way out, the server's thinking or the answer's way back. */
static void finish_stalled(struct http *h) {
    int64_t now = now_ms(h);
    for (int i = h->n_active - 1; i >= 0; i--) {
        struct http_request *r = h->active[i];
        if (now - r->progress_ms < h->config.request_timeout_ms)
            continue;
        char trouble[96];
        (void)snprintf(trouble, sizeof trouble, "no progress for %lld ms",
                       (long long)h->config.request_timeout_ms);
        finish(h, r, CURLE_OPERATION_TIMEDOUT, trouble);
    }
}

/* False when the thread is to end. */
static bool take_submitted(struct http *h) {
    pthread_mutex_lock(&h->lock);
    bool go_on = !h->stop;
    if (h->submitted) {
        *h->waiting_tail = h->submitted;
        h->waiting_tail = h->submitted_tail;
        h->submitted = NULL;
        h->submitted_tail = &h->submitted;
    }
    pthread_mutex_unlock(&h->lock);
    return go_on;
}

static int poll_ms(const struct http *h) {
    if (h->waiting && h->n_active < h->config.connections)
        return 0; /* one has just ended and made room */
    if (h->n_active == 0)
        return 60 * 1000;
    int64_t quarter = h->config.request_timeout_ms / 4 + 1;
    return quarter < TICK_MS ? (int)quarter : TICK_MS;
}

static void *io_thread(void *ctx) {
    struct http *h = ctx;
    while (take_submitted(h)) {
        int running;
        start_waiting(h);
        (void)curl_multi_perform(h->multi, &running);
        finish_ended(h);
        finish_stalled(h);
        /* What done() submitted has woken the poll already. */
        (void)curl_multi_poll(h->multi, NULL, 0, poll_ms(h), NULL);
    }
    return NULL;
}

/* ---- Start and end ---- */

/* Signals are for the main thread; SIGPIPE, which OpenSSL's writes raise, stays blocked for good. */
static int start_thread(struct http *h) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&h->thread, NULL, io_thread, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

struct http *http_new(const struct http_config *config) {
    memory_init_curl();
    struct http *h = xcalloc(1, sizeof *h);
    h->config = *config;
    h->submitted_tail = &h->submitted;
    h->waiting_tail = &h->waiting;
    h->active = xcalloc((size_t)config->connections, sizeof(struct http_request *));
    pthread_mutex_init(&h->lock, NULL);
    h->multi = curl_multi_init();
    if (!h->multi)
        out_of_memory();
    curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)config->connections);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)config->connections);
    if (start_thread(h) == 0)
        return h;
    (void)curl_multi_cleanup(h->multi);
    pthread_mutex_destroy(&h->lock);
    free(h->active);
    free(h);
    return NULL;
}

void http_submit(struct http *h, struct http_request *r) {
    r->next = NULL;
    pthread_mutex_lock(&h->lock);
    *h->submitted_tail = r;
    h->submitted_tail = &r->next;
    pthread_mutex_unlock(&h->lock);
    (void)curl_multi_wakeup(h->multi);
}

static void drop_list(struct http_request *r, void (*drop)(struct http_request *r)) {
    while (r) {
        struct http_request *next = r->next;
        drop(r);
        r = next;
    }
}

void http_free(struct http *h, void (*drop)(struct http_request *r)) {
    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_mutex_unlock(&h->lock);
    (void)curl_multi_wakeup(h->multi);
    (void)pthread_join(h->thread, NULL);
    while (h->n_active) {
        struct http_request *r = h->active[0];
        detach(h, r);
        drop(r);
    }
    (void)take_submitted(h);
    drop_list(h->waiting, drop);
    (void)curl_multi_cleanup(h->multi);
    pthread_mutex_destroy(&h->lock);
    free(h->active);
    free(h);
}
