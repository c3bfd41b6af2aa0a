/* Any bytes as what a client sends to http.listen: the server answers with HTTP or closes, and goes on
 * serving. Over a real connection, because the parser is libmicrohttpd's. */
#include "fuzz.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/http.h"
#include "support/control_world.h"

enum { PATIENCE_MS = 1, GOOD_PATIENCE_MS = 2000, SERVED_EVERY = 256, CLIENTS = 200 };

static struct control_world *world;
static struct http_server *server;

static void publish(struct metrics *m) {
    static const char *const reasons[] = {"none", "invalid_json"};
    struct partition_metrics p = {.partition = 2, .state = "running", .max_ts = TS_NONE, .end = -1};
    struct job_metrics now = {
        .running = true, .reasons = reasons, .n_reasons = 2, .partitions = &p, .n_partitions = 1};
    metrics_publish(m, &now);
}

/* From another address each time: the server closes first, so a pair of ports is not free again for a
 * minute, and one address has ports for a quarter of that. */
static int connect_to_server(void) {
    static uint32_t n;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + n++ % CLIENTS)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    CHECK(bind(fd, (struct sockaddr *)&from, sizeof from) == 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

/* Sends everything and returns the beginning of what comes back until the server closes or nothing
 * more has come for so long: it waits ten seconds for the rest of half a request. */
static size_t exchange(const void *data, size_t size, int patience_ms, char *answer, size_t cap) {
    int fd = connect_to_server();
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t n = 0;
    (void)send(fd, data, size, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    while (poll(&p, 1, patience_ms) == 1) {
        char rest[4096];
        ssize_t got = recv(fd, rest, sizeof rest, 0);
        if (got <= 0)
            break;
        size_t room = cap - n < (size_t)got ? cap - n : (size_t)got;
        memcpy(answer + n, rest, room);
        n += room;
    }
    struct linger reset = {.l_onoff = 1}; /* half a request is not waited for */
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)close(fd);
    return n;
}

static bool begins(const char *answer, size_t n, const char *with) {
    return n >= strlen(with) && memcmp(answer, with, strlen(with)) == 0;
}

/* At exit, before what the server's thread uses is torn down. */
static void stop(void) {
    http_server_stop(server);
    control_world_free(world);
}

static void start(void) {
    struct error e;
    world = control_world_new();
    publish(world->metrics);
    server = http_server_start(&world->cfg, &e);
    CHECK(server);
    /* libcrypto registers its end at its first use, which is the thread's: have it run behind ours */
    CHECK(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) == 1 && atexit(stop) == 0);
}

/* It may have to let go of others first. */
static bool serves(void) {
    static const char good[] =
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    char answer[64];
    for (int i = 0; i < 50; i++) {
        size_t n = exchange(good, sizeof good - 1, GOOD_PATIENCE_MS, answer, sizeof answer);
        if (begins(answer, n, "HTTP/1.1 200"))
            return true;
        (void)usleep(10000);
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static unsigned runs;
    char answer[64];
    if (!server)
        start();
    size_t n = exchange(data, size, PATIENCE_MS, answer, sizeof answer);
    CHECK(n < strlen("HTTP/1.") || begins(answer, n, "HTTP/1."));
    CHECK(runs++ % SERVED_EVERY != 0 || serves());
    return 0;
}
