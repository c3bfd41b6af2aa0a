#include "control/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

/* -1 with *why, an errno. */
static int listen_at(const struct addrinfo *a, int backlog, int *why) {
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, backlog) == 0)
        return fd;
    *why = errno;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static int cannot_listen(const char *host, uint16_t port, int why, struct error *e) {
    if (why == EADDRINUSE)
        return error_set(e, ERR_IO,
                         "http.listen: %s:%u is taken by another process (another tidemark?); "
                         "set http.listen to a free port",
                         host, port);
    return error_errno(e, why, "http.listen: cannot listen on %s:%u", host, port);
}

static bool is_loopback(const struct in6_addr *a) {
    return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

static void describe(struct listening *l) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t len = sizeof address;
    (void)getsockname(l->fd, &address.any, &len);
    bool v6 = address.any.sa_family == AF_INET6;
    l->port = ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port);
    l->loopback =
        v6 ? is_loopback(&address.v6.sin6_addr) : ntohl(address.v4.sin_addr.s_addr) >> 24 == 127;
}

int listen_on(const char *host, uint16_t port, int backlog, struct listening *l, struct error *e) {
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc == EAI_MEMORY)
        out_of_memory();
    if (rc != 0)
        return error_set(e, rc == EAI_AGAIN ? ERR_IO : ERR_USAGE,
                         "http.listen: %s is no address of this machine: %s", host,
                         gai_strerror(rc));
    int why = 0;
    l->fd = -1;
    for (const struct addrinfo *a = list; a && l->fd < 0 && why != EADDRINUSE; a = a->ai_next)
        l->fd = listen_at(a, backlog, &why); /* localhost may mean ::1 first, without IPv6 */
    freeaddrinfo(list);
    if (l->fd < 0)
        return cannot_listen(host, port, why, e);
    describe(l);
    return 0;
}
