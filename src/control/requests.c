#include "control/requests.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

struct entry {
    struct request request;
    uint64_t savepoint; /* how many have been asked for, this one included; 0: none of them */
    bool told;
};

struct requests {
    _Atomic int *command;
    int stop, drain;
    _Atomic uint64_t savepoints;
    pthread_mutex_t lock; /* of what follows */
    struct entry entries[REQUESTS_MAX];
    uint64_t ever;
    bool ended, ended_ok;
    char ended_text[REQUEST_TEXT_MAX];
};

struct requests *requests_new(_Atomic int *command, int stop, int drain) {
    struct requests *r = xcalloc(1, sizeof *r);
    r->command = command;
    r->stop = stop;
    r->drain = drain;
    atomic_init(&r->savepoints, 0);
    (void)pthread_mutex_init(&r->lock, NULL);
    return r;
}

void requests_free(struct requests *r) {
    if (!r)
        return;
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

static void answer(struct entry *e, bool ok, const char *text) {
    if (e->request.state != REQUEST_PENDING)
        return;
    e->request.state = ok ? REQUEST_DONE : REQUEST_FAILED;
    (void)snprintf(e->request.text, sizeof e->request.text, "%s", text);
}

/* A later command overrides an earlier one, never the other way round. */
static void raise_command(struct requests *r, int command) {
    int now = atomic_load(r->command);
    while (now < command && !atomic_compare_exchange_weak(r->command, &now, command))
        ;
}

/* Under the lock; NULL where there is none. */
static struct entry *entry_of(struct requests *r, const char *id) {
    for (size_t i = 0; i < REQUESTS_MAX; i++)
        if (r->entries[i].request.id[0] && strcmp(r->entries[i].request.id, id) == 0)
            return &r->entries[i];
    return NULL;
}

static void add(struct requests *r, enum request_kind kind, const char *id) {
    struct entry *e = &r->entries[r->ever++ % REQUESTS_MAX];
    *e = (struct entry){.request = {.kind = kind}};
    (void)snprintf(e->request.id, sizeof e->request.id, "%s", id);
    if (r->ended)
        answer(e, r->ended_ok && kind != REQUEST_SAVEPOINT, r->ended_text);
    else if (kind == REQUEST_SAVEPOINT)
        e->savepoint = atomic_fetch_add(&r->savepoints, 1) + 1;
    else
        raise_command(r, kind == REQUEST_DRAIN ? r->drain : r->stop);
}

void requests_add(struct requests *r, enum request_kind kind, char id[REQUEST_ID_MAX]) {
    random_hex(random_system(), 16, id);
    requests_add_as(r, kind, id);
}

void requests_add_as(struct requests *r, enum request_kind kind, const char *id) {
    (void)pthread_mutex_lock(&r->lock);
    if (!entry_of(r, id))
        add(r, kind, id);
    (void)pthread_mutex_unlock(&r->lock);
}

bool requests_find(struct requests *r, const char *id, struct request *out) {
    (void)pthread_mutex_lock(&r->lock);
    struct entry *e = entry_of(r, id);
    if (e) {
        *out = e->request;
        e->told |= e->request.state != REQUEST_PENDING;
    }
    (void)pthread_mutex_unlock(&r->lock);
    return e != NULL;
}

uint64_t requests_savepoints(const struct requests *r) {
    return r ? atomic_load(&r->savepoints) : 0;
}

void requests_savepoints_done(struct requests *r, uint64_t up_to, bool ok, const char *text) {
    if (!r)
        return;
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < REQUESTS_MAX; i++)
        if (r->entries[i].savepoint > 0 && r->entries[i].savepoint <= up_to)
            answer(&r->entries[i], ok, text);
    (void)pthread_mutex_unlock(&r->lock);
}

void requests_ended(struct requests *r, bool ok, const char *text) {
    if (!r)
        return;
    (void)pthread_mutex_lock(&r->lock);
    r->ended = true;
    r->ended_ok = ok;
    (void)snprintf(r->ended_text, sizeof r->ended_text, "%s", text);
    for (size_t i = 0; i < REQUESTS_MAX; i++)
        if (r->entries[i].request.id[0])
            answer(&r->entries[i], ok, text);
    (void)pthread_mutex_unlock(&r->lock);
}

bool requests_untold(struct requests *r) {
    if (!r)
        return false;
    bool untold = false;
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        const struct entry *e = &r->entries[i];
        untold |= (e->request.kind == REQUEST_STOP || e->request.kind == REQUEST_DRAIN) &&
                  e->request.id[0] && !e->told;
    }
    (void)pthread_mutex_unlock(&r->lock);
    return untold;
}
