/* The listening socket of http.listen. */
#ifndef TIDEMARK_CONTROL_LISTEN_H
#define TIDEMARK_CONTROL_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct listening {
    int fd;
    uint16_t port; /* the one that was bound */
    bool loopback; /* only this machine can connect */
};

/* 0, or -1 with *e: ERR_USAGE where host is no address, ERR_IO where it is taken. */
int listen_on(const char *host, uint16_t port, int backlog, struct listening *l, struct error *e);

#endif
