#include "job/survey.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "checkpoint/chain.h"
#include "checkpoint/codec.h"
#include "job/fetch.h"

enum { VANISHED_TRIES = 5, PARTITION_DIGITS_MIN = 5, PARTITION_DIGITS_MAX = 9 };

/* ---- Names ---------------------------------------------------------------------------------- */

size_t survey_parse_key(const char *key, int32_t *partition, uint64_t *number) {
    const char *name = strrchr(key, '/');
    if (!name || (*number = chain_parse_name(name + 1)) == 0)
        return 0;
    const char *p = name;
    while (p > key && p[-1] != '/')
        p--;
    size_t digits = strspn(p + (*p == 'p'), "0123456789");
    if (*p != 'p' || digits < PARTITION_DIGITS_MIN || digits > PARTITION_DIGITS_MAX ||
        p + 1 + digits != name)
        return 0;
    *partition = (int32_t)strtol(p + 1, NULL, 10);
    return (size_t)(name - key) + 1;
}

/* ---- One chain's newest --------------------------------------------------------------------- */

/* Between LIST and GET ten newer checkpoints may have been put and this one removed (rule 3): then
 * the chain's own listing is looked at again. */
static int look_again(struct store *s, struct chain_seen *c, struct error *e) {
    struct store_op op;
    if (fetch_list(s, c->prefix, STORE_LIST, &op, e) != 0)
        return -1;
    for (size_t i = 0; i < op.n_entries; i++) {
        uint64_t n = chain_parse_name(op.entries[i].key + strlen(c->prefix));
        if (n > c->number) {
            c->number = n;
            c->modified = op.entries[i].modified;
        }
    }
    store_op_clear(&op);
    return 0;
}

static char *key_of(const struct chain_seen *c) {
    char name[32];
    chain_name(c->number, name);
    return xasprintf("%s%s", c->prefix, name);
}

static int keep(void *ctx, size_t index, const char *data, size_t len, struct error *e) {
    (void)index, (void)e;
    struct chain_seen *c = ctx;
    if (data) {
        c->bytes = xmalloc(len + 1);
        memcpy(c->bytes, data, len);
        c->bytes[len] = '\0';
        c->len = len;
    }
    return 0;
}

static int read_chain(struct store *s, struct chain_seen *c, struct error *e) {
    char *key = key_of(c);
    int rc = fetch_all(s, &key, 1, CHECKPOINT_BYTES_MAX, keep, c, e);
    for (int i = 0; rc == 0 && !c->bytes && i < VANISHED_TRIES; i++) {
        rc = look_again(s, c, e);
        free(key);
        key = key_of(c);
        if (rc == 0)
            rc = fetch_all(s, &key, 1, CHECKPOINT_BYTES_MAX, keep, c, e);
    }
    if (rc == 0 && !c->bytes)
        rc = error_set(e, ERR_NOT_FOUND, "%s%s is listed but cannot be read", s->path, key);
    else if (rc == 0 && checkpoint_decode(c->bytes, c->len, &c->newest, e) != 0)
        rc = error_wrap(e, "%s%s", s->path, key);
    else if (rc == 0 &&
             (c->newest.number != c->number || c->newest.identity.partition != c->partition))
        rc = error_set(e, ERR_CORRUPT,
                       "%s%s says that it is checkpoint %" PRIu64 " of partition %" PRId32
                       ": somebody has copied or renamed it",
                       s->path, key, c->newest.number, c->newest.identity.partition);
    free(key);
    return rc;
}

/* ---- All chains ------------------------------------------------------------------------------ */

static void collect(const struct store_op *op, struct survey *out) {
    size_t cap = 0;
    for (size_t i = 0; i < op->n_entries; i++) {
        int32_t partition;
        uint64_t number;
        const char *key = op->entries[i].key;
        size_t n = survey_parse_key(key, &partition, &number);
        if (n == 0)
            continue;
        struct chain_seen *last = out->n ? &out->chains[out->n - 1] : NULL;
        if (!last || strlen(last->prefix) != n || strncmp(last->prefix, key, n) != 0) {
            array_reserve(&out->chains, &cap, out->n + 1, sizeof *out->chains);
            last = &out->chains[out->n++];
            *last = (struct chain_seen){.prefix = xstrndup(key, n), .partition = partition};
        }
        if (number > last->number) {
            last->number = number;
            last->modified = op->entries[i].modified;
        }
    }
    out->store_time = op->store_time;
}

int survey_read(struct store *checkpoints, const char *prefix, struct survey *out,
                struct error *e) {
    struct store_op op;
    *out = (struct survey){0};
    if (fetch_list(checkpoints, prefix, STORE_LIST, &op, e) != 0)
        return -1;
    collect(&op, out);
    store_op_clear(&op);
    for (size_t i = 0; i < out->n; i++) {
        if (read_chain(checkpoints, &out->chains[i], e) != 0) {
            survey_free(out);
            return -1;
        }
    }
    return 0;
}

void survey_free(struct survey *s) {
    for (size_t i = 0; i < s->n; i++) {
        free(s->chains[i].prefix);
        free(s->chains[i].bytes);
        checkpoint_clear(&s->chains[i].newest);
    }
    free(s->chains);
    *s = (struct survey){0};
}

const struct chain_seen *survey_find(const struct survey *s, const char *prefix) {
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->chains[i].prefix, prefix) == 0)
            return &s->chains[i];
    return NULL;
}

int survey_newest(struct store *checkpoints, const char *prefix, uint64_t *number,
                  struct error *e) {
    struct chain_seen c = {.prefix = xstrdup(prefix)};
    int rc = look_again(checkpoints, &c, e);
    *number = c.number;
    free(c.prefix);
    return rc;
}

/* ---- One chain's past ------------------------------------------------------------------------ */

struct history {
    struct store *store;
    char **keys;
    struct checkpoint *list;
};

static int decode_past(void *ctx, size_t index, const char *data, size_t len, struct error *e) {
    struct history *h = ctx;
    if (!data)
        return 0;
    if (checkpoint_decode(data, len, &h->list[index], e) == 0)
        return 0;
    return error_wrap(e, "%s%s", h->store->path, h->keys[index]);
}

int survey_history(struct store *checkpoints, const char *prefix, struct checkpoint **list,
                   size_t *n, struct error *e) {
    struct store_op op;
    *list = NULL;
    *n = 0;
    if (fetch_list(checkpoints, prefix, STORE_LIST, &op, e) != 0)
        return -1;
    struct history h = {.store = checkpoints,
                        .keys = xcalloc(op.n_entries + 1, sizeof *h.keys),
                        .list = xcalloc(op.n_entries + 1, sizeof *h.list)};
    size_t count = 0;
    for (size_t i = 0; i < op.n_entries; i++)
        if (chain_parse_name(op.entries[i].key + strlen(prefix)) > 0)
            h.keys[count++] = op.entries[i].key;
    int rc = fetch_all(checkpoints, h.keys, count, CHECKPOINT_BYTES_MAX, decode_past, &h, e);
    for (size_t i = 0; i < count; i++)
        if (h.list[i].number > 0)
            h.list[(*n)++] = h.list[i];
    *list = h.list;
    store_op_clear(&op);
    free(h.keys);
    if (rc == 0)
        return 0;
    survey_history_free(*list, *n);
    *list = NULL;
    *n = 0;
    return -1;
}

void survey_history_free(struct checkpoint *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        checkpoint_clear(&list[i]);
    free(list);
}
