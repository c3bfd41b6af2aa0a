#include "store/store.h"

#include <stdlib.h>

const char *store_kind_name(enum store_kind kind) {
    static const char *const names[] = {
        [STORE_GET] = "get",
        [STORE_HEAD] = "head",
        [STORE_PUT_IF_ABSENT] = "put",
        [STORE_DELETE] = "delete",
        [STORE_LIST] = "list",
        [STORE_UPLOAD_CREATE] = "create",
        [STORE_UPLOAD_PART] = "part",
        [STORE_UPLOAD_SYNC] = "sync",
        [STORE_UPLOAD_COMPLETE] = "complete",
        [STORE_LIST_UPLOADS] = "list_uploads",
        [STORE_UPLOAD_ABORT] = "abort",
    };
    return names[kind];
}

void store_submit(struct store *s, struct store_op *op) {
    s->ops->submit(s, op);
}

size_t store_poll(struct store *s, int timeout_ms) {
    return s->ops->poll(s, timeout_ms);
}

void store_free(struct store *s) {
    if (s)
        s->ops->free(s);
}

static void mark_done(struct store_op *op) {
    *(bool *)op->ctx = true;
}

int store_call(struct store *s, struct store_op *op) {
    bool done = false;
    op->done = mark_done;
    op->ctx = &done;
    store_submit(s, op);
    while (!done)
        (void)store_poll(s, 1000);
    return op->error.code == ERR_NONE ? 0 : -1;
}

void store_op_clear(struct store_op *op) {
    for (size_t i = 0; i < op->n_entries; i++) {
        free(op->entries[i].key);
        free(op->entries[i].upload);
    }
    free(op->entries);
    free(op->upload_id);
    buffer_free(&op->answer);
    op->entries = NULL;
    op->n_entries = 0;
    op->upload_id = NULL;
    op->object_size = 0;
    op->etag[0] = '\0';
    op->http_status = 0;
    op->store_time = 0;
    error_clear(&op->error);
}
