#include "catcher.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void submit(struct store *s, struct store_op *op) {
    struct catcher *c = (struct catcher *)s;
    op->next = NULL;
    *c->last = op;
    c->last = &op->next;
}

static struct chunk *copy_chunks(struct catcher *c, const struct chunk *from) {
    struct chunk *head = NULL, **end = &head;
    for (; from; from = from->next) {
        struct chunk *to = chunk_new(&c->budget, from->cap);
        memcpy(to->data, from->data, from->len);
        to->len = from->len;
        *end = to;
        end = &to->next;
    }
    return head;
}

/* Open windows' parts come in turn, those of one file in order. */
static void catch_part(struct catcher *c, const struct store_op *op) {
    struct caught_part part = {.file = strtoul(op->upload, NULL, 10),
                               .n = op->part,
                               .chunks = copy_chunks(c, op->chunks),
                               .bytes = op->bytes,
                               .crc32c = op->crc32c};
    array_reserve(&c->parts, &c->cap, c->n + 1, sizeof *c->parts);
    size_t i = c->n++;
    for (; i > 0 && c->parts[i - 1].file > part.file; i--)
        c->parts[i] = c->parts[i - 1];
    c->parts[i] = part;
}

static size_t poll(struct store *s, int timeout_ms) {
    struct catcher *c = (struct catcher *)s;
    (void)timeout_ms;
    size_t n = 0;
    while (c->first) {
        struct store_op *op = c->first;
        c->first = op->next;
        if (!c->first)
            c->last = &c->first;
        if (op->kind == STORE_UPLOAD_CREATE)
            op->upload_id = xasprintf("%lu", c->files++);
        if (op->kind == STORE_UPLOAD_PART && c->keep)
            catch_part(c, op);
        op->done(op);
        n++;
    }
    return n;
}

static char path[] = "caught/";
static const struct store_ops ops = {.submit = submit, .poll = poll};

void catcher_init(struct catcher *c, uint64_t min_part) {
    *c = (struct catcher){
        .store = {.ops = &ops, .path = path, .min_part = min_part, .max_parts = 10000}};
    c->last = &c->first;
    budget_init(&c->budget, SIZE_MAX);
}

void catcher_free(struct catcher *c) {
    for (size_t i = 0; i < c->n; i++)
        chunk_free_chain(c->parts[i].chunks);
    free(c->parts);
}
