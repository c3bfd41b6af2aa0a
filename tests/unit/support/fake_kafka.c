#include "support/fake_kafka.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "support/batch_maker.h"
#include "support/fake_log.h"

enum {
    CONNECTIONS_MAX = 16,
    BYTES_MAX = 64 << 20,
    WAIT_US = 200, /* for records that a request does not find */
    OFFSET_OUT_OF_RANGE = 1,
    UNKNOWN_TOPIC_OR_PARTITION = 3
};

struct partition {
    struct fake_log log;
    int refusal;
};

struct request {
    int32_t correlation, bytes;
    size_t n;
    struct fake_kafka_ask asks[FAKE_KAFKA_PARTITIONS];
    int32_t partition_bytes[FAKE_KAFKA_PARTITIONS];
};

struct connection {
    int fd;
    bool asked; /* and not answered yet */
    struct request request;
    size_t number;
    int64_t due_us; /* then it is answered without a record */
};

struct fake_kafka {
    pthread_t thread;
    int listener, wake_pipe[2], port;
    char *topic;
    struct connection connections[CONNECTIONS_MAX]; /* the thread's own */
    int n_connections;
    atomic_bool stopping;

    pthread_mutex_t lock; /* guards what follows */
    bool held;
    struct fake_kafka_habits habits;
    struct partition partitions[FAKE_KAFKA_PARTITIONS];
    int32_t answer_limit, partition_limit;
    size_t cut_request, cut_bytes; /* SIZE_MAX: none */
    size_t spoil_at;               /* likewise */
    int spoil_byte;
    struct request *requests;
    size_t n_requests, cap_requests, n_answers;
};

static void fail(const char *what) {
    perror(what);
    abort();
}

/* ---- What the partitions hold ---- */

/* It looks once more at requests that wait. */
static void wake(struct fake_kafka *k) {
    if (write(k->wake_pipe[1], "", 1) != 1)
        fail("write");
}

void fake_kafka_append(struct fake_kafka *k, int32_t partition, char *batch, size_t n) {
    pthread_mutex_lock(&k->lock);
    fake_log_append(&k->partitions[partition].log, batch, n);
    pthread_mutex_unlock(&k->lock);
    wake(k);
}

void fake_kafka_set_high(struct fake_kafka *k, int32_t partition, int64_t offset) {
    pthread_mutex_lock(&k->lock);
    k->partitions[partition].log.high = offset;
    pthread_mutex_unlock(&k->lock);
}

int64_t fake_kafka_stable(struct fake_kafka *k, int32_t partition) {
    pthread_mutex_lock(&k->lock);
    int64_t stable = fake_log_stable(&k->partitions[partition].log);
    pthread_mutex_unlock(&k->lock);
    return stable;
}

void fake_kafka_add_aborted(struct fake_kafka *k, int32_t partition, int64_t producer_id,
                            int64_t first_offset, int64_t marker_offset) {
    pthread_mutex_lock(&k->lock);
    fake_log_add_aborted(&k->partitions[partition].log, producer_id, first_offset, marker_offset);
    pthread_mutex_unlock(&k->lock);
}

/* ---- An answer ---- */

/* What is left of the answer while it is filled. */
struct filling {
    struct buffer out;
    int64_t bytes_left;
    bool at_least_one, something;
};

static void put(struct buffer *out, int bytes, int64_t v) {
    fake_log_put(out, bytes, v);
}

static void put_records(struct filling *a, const struct fake_log *l, int64_t offset,
                        int64_t limit) {
    limit = limit < a->bytes_left ? limit : a->bytes_left;
    int64_t len = fake_log_put_records(l, &a->out, offset, limit, a->at_least_one);
    a->bytes_left -= len < a->bytes_left ? len : a->bytes_left;
    if (len > 0) {
        a->at_least_one = false;
        a->something = true;
    }
}

static void put_refusal(struct filling *a, int error) {
    put(&a->out, 2, error);
    put(&a->out, 8, -1); /* high watermark, last stable offset, log's start */
    put(&a->out, 8, -1);
    put(&a->out, 8, -1);
    put(&a->out, 4, -1); /* aborted transactions */
    put(&a->out, 4, 0);
    a->something = true;
}

static void put_partition(const struct fake_kafka *k, struct filling *a,
                          const struct fake_kafka_ask *ask, int32_t limit) {
    bool known = ask->partition >= 0 && ask->partition < FAKE_KAFKA_PARTITIONS;
    const struct partition *p = &k->partitions[known ? ask->partition : 0];
    const struct fake_log *l = &p->log;
    put(&a->out, 4, ask->partition);
    if (!known)
        put_refusal(a, UNKNOWN_TOPIC_OR_PARTITION);
    else if (p->refusal)
        put_refusal(a, p->refusal);
    else if (ask->offset < 0 || ask->offset > fake_log_end(l))
        put_refusal(a, OFFSET_OUT_OF_RANGE);
    else {
        put(&a->out, 2, 0);
        put(&a->out, 8, fake_log_high(l));
        put(&a->out, 8, k->habits.hides_stable ? -1 : fake_log_stable(l));
        put(&a->out, 8, 0); /* the log's start */
        fake_log_put_aborted(l, &a->out, ask->offset);
        put_records(a, l, k->habits.begins_early ? fake_log_before(l, ask->offset) : ask->offset,
                    limit < k->partition_limit ? limit : k->partition_limit);
    }
}

/* False where there is nothing to say. */
static bool fill(const struct fake_kafka *k, const struct request *r, struct buffer *out) {
    struct filling a = {.bytes_left = r->bytes < k->answer_limit ? r->bytes : k->answer_limit,
                        .at_least_one = true};
    buffer_init(&a.out, BYTES_MAX);
    put(&a.out, 4, 0); /* its length */
    put(&a.out, 4, r->correlation);
    put(&a.out, 4, 0); /* throttled for no time */
    put(&a.out, 2, 0); /* no error */
    put(&a.out, 4, 0); /* no session */
    put(&a.out, 4, 1); /* topic */
    put(&a.out, 2, (int64_t)strlen(k->topic));
    if (buffer_puts(&a.out, k->topic) != 0)
        abort();
    put(&a.out, 4, (int64_t)r->n);
    for (size_t i = 0; i < r->n; i++)
        put_partition(k, &a, &r->asks[i], r->partition_bytes[i]);
    batch_put(a.out.data, 4, (int64_t)a.out.len - 4);
    *out = a.out;
    return a.something;
}

/* ---- A request ---- */

struct input {
    const char *p, *end;
};

static int64_t take(struct input *in, int bytes) {
    if (in->end - in->p < bytes)
        fail("a request that is too short");
    in->p += bytes;
    return fake_log_get(in->p - bytes, bytes);
}

static void want(int64_t got, int64_t wanted, const char *what) {
    if (got == wanted)
        return;
    (void)fprintf(stderr, "a Fetch request: %s is %lld\n", what, (long long)got);
    abort();
}

static void take_string(struct input *in, const char *wanted) {
    int64_t n = take(in, 2);
    if (n < 0 || in->end - in->p < n ||
        (wanted && ((size_t)n != strlen(wanted) || memcmp(in->p, wanted, (size_t)n) != 0)))
        fail("a request's string");
    in->p += n;
}

static void parse_request(const struct fake_kafka *k, struct request *r, const struct buffer *b) {
    struct input in = {b->data, b->data + b->len};
    want(take(&in, 2), 1, "the kind");
    want(take(&in, 2), 10, "the version");
    r->correlation = (int32_t)take(&in, 4);
    take_string(&in, NULL);
    want(take(&in, 4), -1, "the replica");
    (void)take(&in, 4); /* how long we may wait */
    want(take(&in, 4), 1, "the least number of bytes");
    r->bytes = (int32_t)take(&in, 4);
    want(take(&in, 1), 1, "the isolation level");
    want(take(&in, 4), 0, "the session");
    want(take(&in, 4), -1, "the session's epoch");
    want(take(&in, 4), 1, "the number of topics");
    take_string(&in, k->topic);
    r->n = (size_t)take(&in, 4);
    if (r->n == 0 || r->n > FAKE_KAFKA_PARTITIONS)
        fail("a request's number of partitions");
    for (size_t i = 0; i < r->n; i++) {
        r->asks[i].partition = (int32_t)take(&in, 4);
        want(take(&in, 4), -1, "the leader's epoch");
        r->asks[i].offset = take(&in, 8);
        want(take(&in, 8), -1, "the log's start");
        r->partition_bytes[i] = (int32_t)take(&in, 4);
    }
    want(take(&in, 4), 0, "the number of forgotten topics");
    want(in.end - in.p, 0, "what follows");
}

static bool receive(int fd, struct buffer *b, size_t n) {
    buffer_reset(b);
    while (b->len < n) {
        char *room = buffer_reserve(b, n - b->len);
        ssize_t got = room ? recv(fd, room, n - b->len, 0) : -1;
        if (got <= 0)
            return false;
        b->len += (size_t)got;
    }
    return true;
}

/* False where the client has gone. */
static bool read_request(struct fake_kafka *k, struct connection *c) {
    struct buffer b;
    buffer_init(&b, BYTES_MAX);
    bool whole = receive(c->fd, &b, 4) && receive(c->fd, &b, (size_t)fake_log_get(b.data, 4));
    if (whole) {
        parse_request(k, &c->request, &b);
        c->asked = true;
        c->due_us = clock_monotonic_us(clock_system()) + WAIT_US;
        pthread_mutex_lock(&k->lock);
        c->number = k->n_requests;
        array_reserve(&k->requests, &k->cap_requests, k->n_requests + 1, sizeof *k->requests);
        k->requests[k->n_requests++] = c->request;
        pthread_mutex_unlock(&k->lock);
    }
    buffer_free(&b);
    return whole;
}

/* ---- The thread ---- */

static bool send_all(int fd, const char *bytes, size_t n) {
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static void forget_refusals(struct fake_kafka *k, const struct request *r) {
    for (size_t i = 0; i < r->n; i++)
        if (r->asks[i].partition >= 0 && r->asks[i].partition < FAKE_KAFKA_PARTITIONS)
            k->partitions[r->asks[i].partition].refusal = 0;
}

/* How many bytes of the answer are to be sent; 0: none yet, or none at all where *cut. */
static size_t make_answer(struct fake_kafka *k, const struct connection *c, struct buffer *out,
                          bool *cut) {
    buffer_init(out, 0);
    if (k->held)
        return 0;
    bool something = fill(k, &c->request, out);
    if (!something && clock_monotonic_us(clock_system()) < c->due_us)
        return 0;
    forget_refusals(k, &c->request);
    if (k->spoil_at < out->len)
        out->data[k->spoil_at] = (char)k->spoil_byte;
    k->spoil_at = SIZE_MAX;
    *cut = c->number == k->cut_request;
    return *cut && k->cut_bytes < out->len ? k->cut_bytes : out->len;
}

/* False where the connection is to end. Nothing is locked while the client may not be reading. */
static bool answer(struct fake_kafka *k, struct connection *c) {
    struct buffer out;
    bool cut = false;
    pthread_mutex_lock(&k->lock);
    size_t n = make_answer(k, c, &out, &cut);
    pthread_mutex_unlock(&k->lock);
    bool sent = send_all(c->fd, out.data, n);
    buffer_free(&out);
    if (n > 0)
        c->asked = false;
    if (n == 0 || cut || !sent)
        return !cut && sent;
    pthread_mutex_lock(&k->lock);
    k->n_answers++;
    pthread_mutex_unlock(&k->lock);
    return true;
}

static void close_at(struct fake_kafka *k, int i) {
    (void)close(k->connections[i].fd);
    k->connections[i] = k->connections[--k->n_connections];
}

static void take_connection(struct fake_kafka *k) {
    static const int on = 1;
    int fd = accept(k->listener, NULL, NULL);
    if (fd < 0 || k->n_connections == CONNECTIONS_MAX)
        fail("accept");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    k->connections[k->n_connections++] = (struct connection){.fd = fd};
}

/* A client that waits for its answer says nothing. */
static int wait_for_work(struct fake_kafka *k, struct pollfd *p) {
    static const struct timespec wait = {.tv_nsec = WAIT_US * 1000};
    bool due = false;
    int n = k->n_connections;
    for (int i = 0; i < n; i++) {
        const struct connection *c = &k->connections[i];
        p[i] = (struct pollfd){.fd = c->asked ? -1 : c->fd, .events = POLLIN};
        due |= c->asked;
    }
    p[n] = (struct pollfd){.fd = k->listener, .events = POLLIN};
    p[n + 1] = (struct pollfd){.fd = k->wake_pipe[0], .events = POLLIN};
    if (ppoll(p, (nfds_t)n + 2, due ? &wait : NULL, NULL) < 0)
        fail("poll");
    return n;
}

static void *broker_thread(void *ctx) {
    struct fake_kafka *k = ctx;
    while (!atomic_load(&k->stopping)) {
        struct pollfd p[CONNECTIONS_MAX + 2];
        char woken[16];
        int n = wait_for_work(k, p);
        for (int i = n - 1; i >= 0; i--) {
            struct connection *c = &k->connections[i];
            if ((p[i].revents && !read_request(k, c)) || (c->asked && !answer(k, c)))
                close_at(k, i);
        }
        if (p[n].revents)
            take_connection(k);
        if (p[n + 1].revents && read(k->wake_pipe[0], woken, sizeof woken) < 0)
            fail("read");
    }
    return NULL;
}

struct fake_kafka *fake_kafka_start(const char *topic) {
    struct fake_kafka *k = xcalloc(1, sizeof *k);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pthread_mutex_init(&k->lock, NULL);
    k->topic = xstrdup(topic);
    k->answer_limit = k->partition_limit = INT32_MAX;
    k->cut_request = k->spoil_at = SIZE_MAX;
    for (size_t i = 0; i < FAKE_KAFKA_PARTITIONS; i++)
        fake_log_init(&k->partitions[i].log);
    k->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (k->listener < 0 || bind(k->listener, (struct sockaddr *)&address, sizeof address) ||
        listen(k->listener, CONNECTIONS_MAX) ||
        getsockname(k->listener, (struct sockaddr *)&address, &len) || pipe(k->wake_pipe))
        fail("fake_kafka_start");
    k->port = ntohs(address.sin_port);
    if (pthread_create(&k->thread, NULL, broker_thread, k))
        fail("pthread_create");
    return k;
}

void fake_kafka_stop(struct fake_kafka *k) {
    atomic_store(&k->stopping, true);
    wake(k);
    (void)pthread_join(k->thread, NULL);
    while (k->n_connections)
        close_at(k, 0);
    (void)close(k->listener);
    (void)close(k->wake_pipe[0]);
    (void)close(k->wake_pipe[1]);
    for (size_t i = 0; i < FAKE_KAFKA_PARTITIONS; i++)
        fake_log_free(&k->partitions[i].log);
    pthread_mutex_destroy(&k->lock);
    free(k->requests);
    free(k->topic);
    free(k);
}

int fake_kafka_port(const struct fake_kafka *k) {
    return k->port;
}

/* ---- How it answers, what it was asked ---- */

void fake_kafka_limit(struct fake_kafka *k, int32_t answer_bytes, int32_t partition_bytes) {
    pthread_mutex_lock(&k->lock);
    k->answer_limit = answer_bytes;
    k->partition_limit = partition_bytes;
    pthread_mutex_unlock(&k->lock);
}

void fake_kafka_behave(struct fake_kafka *k, struct fake_kafka_habits habits) {
    pthread_mutex_lock(&k->lock);
    k->habits = habits;
    pthread_mutex_unlock(&k->lock);
}

void fake_kafka_refuse(struct fake_kafka *k, int32_t partition, int error) {
    pthread_mutex_lock(&k->lock);
    k->partitions[partition].refusal = error;
    pthread_mutex_unlock(&k->lock);
}

void fake_kafka_cut(struct fake_kafka *k, size_t request, size_t bytes) {
    pthread_mutex_lock(&k->lock);
    k->cut_request = request;
    k->cut_bytes = bytes;
    pthread_mutex_unlock(&k->lock);
}

void fake_kafka_spoil(struct fake_kafka *k, size_t at, int byte) {
    pthread_mutex_lock(&k->lock);
    k->spoil_at = at;
    k->spoil_byte = byte;
    pthread_mutex_unlock(&k->lock);
}

static void set_held(struct fake_kafka *k, bool held) {
    pthread_mutex_lock(&k->lock);
    k->held = held;
    pthread_mutex_unlock(&k->lock);
    wake(k);
}

void fake_kafka_hold(struct fake_kafka *k) {
    set_held(k, true);
}

void fake_kafka_release(struct fake_kafka *k) {
    set_held(k, false);
}

static size_t read_count(struct fake_kafka *k, const size_t *count) {
    pthread_mutex_lock(&k->lock);
    size_t n = *count;
    pthread_mutex_unlock(&k->lock);
    return n;
}

size_t fake_kafka_requests(struct fake_kafka *k) {
    return read_count(k, &k->n_requests);
}

size_t fake_kafka_answers(struct fake_kafka *k) {
    return read_count(k, &k->n_answers);
}

size_t fake_kafka_request(struct fake_kafka *k, size_t i, struct fake_kafka_ask *asks) {
    size_t n = 0;
    pthread_mutex_lock(&k->lock);
    if (i < k->n_requests) {
        n = k->requests[i].n;
        memcpy(asks, k->requests[i].asks, n * sizeof *asks);
    }
    pthread_mutex_unlock(&k->lock);
    return n;
}
