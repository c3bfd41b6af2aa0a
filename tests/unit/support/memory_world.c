/* Objects and uploads in memory, with the habits of S3 or of a directory. */
#include "support/memory_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"

struct blob {
    char *data; /* NUL-terminated */
    size_t len;
};

struct object {
    char *key;
    struct blob blob;
    char *upload; /* that it was completed from, or NULL */
    int64_t modified;
};

struct part {
    int32_t n;
    struct blob blob;
    uint32_t crc32c;
    char etag[STORE_ETAG_MAX];
    bool synced;
};

struct upload {
    char *id, *key;
    int64_t modified;
    struct part *parts; /* in the order of their first arrival */
    size_t n_parts, cap_parts;
};

struct memory_world {
    struct memory_traits traits;
    struct clock *clock;
    struct object *objects; /* sorted by key */
    size_t n_objects, cap_objects;
    struct upload *uploads;
    size_t n_uploads, cap_uploads;
    unsigned drawn_ids;
    size_t requests[STORE_KIND_COUNT];
};

const struct memory_traits memory_like_s3 = {.min_part = 5 << 20, .max_parts = 10000};
const struct memory_traits memory_like_directory = {.sync_parts = true, .max_parts = 1000000};

/* ---- Objects ------------------------------------------------------------------------------------ */

static int64_t now(const struct memory_world *w) {
    return w->clock ? clock_wall(w->clock) : 0;
}

static struct blob blob_new(const void *data, size_t len) {
    struct blob b = {xmalloc(len + 1), len};
    if (len)
        memcpy(b.data, data, len);
    b.data[len] = '\0';
    return b;
}

/* Where the key stands, or would. */
static size_t position(const struct memory_world *w, const char *key) {
    size_t low = 0, high = w->n_objects;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(w->objects[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct object *find(const struct memory_world *w, const char *key) {
    size_t i = position(w, key);
    return i < w->n_objects && strcmp(w->objects[i].key, key) == 0 ? &w->objects[i] : NULL;
}

static void object_clear(struct object *o) {
    free(o->key);
    free(o->blob.data);
    free(o->upload);
}

/* Takes the blob. */
static void put(struct memory_world *w, const char *key, struct blob blob, const char *upload) {
    struct object o = {xstrdup(key), blob, upload ? xstrdup(upload) : NULL, now(w)};
    struct object *old = find(w, key);
    if (old) {
        object_clear(old);
        *old = o;
        return;
    }
    size_t i = position(w, key);
    array_reserve(&w->objects, &w->cap_objects, w->n_objects + 1, sizeof *w->objects);
    memmove(w->objects + i + 1, w->objects + i, (w->n_objects - i) * sizeof *w->objects);
    w->objects[i] = o;
    w->n_objects++;
}

static void run_get(struct memory_world *w, struct store_op *op) {
    const struct object *o = find(w, op->key);
    if (!o) {
        (void)error_set(&op->error, ERR_NOT_FOUND, "%s does not exist", op->key);
        return;
    }
    uint64_t len = op->range_start < o->blob.len ? o->blob.len - op->range_start : 0;
    if (op->range_len && op->range_len < len)
        len = op->range_len;
    buffer_init(&op->answer, op->max_bytes);
    if (len > op->max_bytes)
        (void)error_set(&op->error, ERR_LIMIT, "%s has too many bytes", op->key);
    else if (len)
        (void)buffer_append(&op->answer, o->blob.data + op->range_start, len);
}

static void run_head(struct memory_world *w, struct store_op *op) {
    const struct object *o = find(w, op->key);
    if (o)
        op->object_size = o->blob.len;
    else
        (void)error_set(&op->error, ERR_NOT_FOUND, "%s does not exist", op->key);
}

static void run_put(struct memory_world *w, struct store_op *op) {
    if (find(w, op->key) && !w->traits.ignores_if_none_match)
        (void)error_set(&op->error, ERR_EXISTS, "%s exists", op->key);
    else
        put(w, op->key, blob_new(op->body, op->body_len), NULL);
}

static void run_delete(struct memory_world *w, struct store_op *op) {
    (void)memory_world_remove(w, op->key);
}

static bool begins(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static void run_list(struct memory_world *w, struct store_op *op) {
    size_t cap = 0;
    for (size_t i = position(w, op->key); i < w->n_objects; i++) {
        const struct object *o = &w->objects[i];
        if (!begins(o->key, op->key))
            break;
        if (op->start_after && strcmp(o->key, op->start_after) <= 0)
            continue;
        array_reserve(&op->entries, &cap, op->n_entries + 1, sizeof *op->entries);
        op->entries[op->n_entries++] =
            (struct store_entry){xstrdup(o->key), NULL, o->blob.len, o->modified};
    }
    op->store_time = now(w);
}

/* ---- Uploads ------------------------------------------------------------------------------------ */

static struct upload *find_upload(const struct memory_world *w, const struct store_op *op) {
    for (size_t i = 0; i < w->n_uploads; i++)
        if (strcmp(w->uploads[i].id, op->upload) == 0 && strcmp(w->uploads[i].key, op->key) == 0)
            return &w->uploads[i];
    return NULL;
}

static void upload_clear(struct upload *u) {
    for (size_t i = 0; i < u->n_parts; i++)
        free(u->parts[i].blob.data);
    free(u->parts);
    free(u->id);
    free(u->key);
}

static struct part *find_part(const struct upload *u, int32_t n) {
    for (size_t i = 0; i < u->n_parts; i++)
        if (u->parts[i].n == n)
            return &u->parts[i];
    return NULL;
}

static struct upload *need_upload(const struct memory_world *w, struct store_op *op) {
    struct upload *u = find_upload(w, op);
    if (!u)
        (void)error_set(&op->error, ERR_NO_SUCH_UPLOAD, "%s: no upload %s", op->key, op->upload);
    return u;
}

static void run_create(struct memory_world *w, struct store_op *op) {
    array_reserve(&w->uploads, &w->cap_uploads, w->n_uploads + 1, sizeof *w->uploads);
    w->uploads[w->n_uploads++] = (struct upload){.id = xasprintf("upload-%06u", ++w->drawn_ids),
                                                 .key = xstrdup(op->key),
                                                 .modified = now(w)};
    op->upload_id = xstrdup(w->uploads[w->n_uploads - 1].id);
}

static struct blob join_chunks(const struct chunk *chunks) {
    size_t len = 0;
    for (const struct chunk *c = chunks; c; c = c->next)
        len += c->len;
    struct blob b = {xmalloc(len + 1), 0};
    for (const struct chunk *c = chunks; c; c = c->next) {
        memcpy(b.data + b.len, c->data, c->len);
        b.len += c->len;
    }
    b.data[len] = '\0';
    return b;
}

/* A part out of its place would be a hole in a directory's file. Unknown parts before it are not
 * judged: the store may have lost them. */
static bool in_place(const struct upload *u, const struct store_op *op) {
    uint64_t before = 0;
    for (int32_t n = 1; n < op->part; n++) {
        const struct part *p = find_part(u, n);
        if (!p)
            return true;
        before += p->blob.len;
    }
    return before == op->offset;
}

static void run_part(struct memory_world *w, struct store_op *op) {
    struct upload *u = need_upload(w, op);
    if (!u)
        return;
    struct part part = {.n = op->part, .blob = join_chunks(op->chunks), .crc32c = op->crc32c};
    const char *wrong = NULL;
    if (part.n < 1 || part.n > w->traits.max_parts)
        wrong = "its number is out of range";
    else if (part.blob.len != op->bytes)
        wrong = "its chunks do not have op->bytes";
    else if (crc32c(0, part.blob.data, part.blob.len) != op->crc32c)
        wrong = "its bytes do not have op->crc32c";
    else if (!in_place(u, op))
        wrong = "its offset is not where the parts before it end";
    if (wrong) {
        (void)error_set(&op->error, ERR_INTERNAL, "%s: part %d: %s", op->key, op->part, wrong);
        free(part.blob.data);
        return;
    }
    if (!w->traits.sync_parts)
        (void)snprintf(part.etag, sizeof part.etag, "%08x-%zu", part.crc32c, part.blob.len);
    memcpy(op->etag, part.etag, sizeof op->etag);
    struct part *old = find_part(u, op->part);
    if (old) {
        free(old->blob.data);
        *old = part;
        return;
    }
    array_reserve(&u->parts, &u->cap_parts, u->n_parts + 1, sizeof *u->parts);
    u->parts[u->n_parts++] = part;
}

static void run_sync(struct memory_world *w, struct store_op *op) {
    struct upload *u = need_upload(w, op);
    for (size_t i = 0; u && i < u->n_parts; i++)
        u->parts[i].synced = true;
}

/* A directory's upload is one run of bytes: parts may be listed joined, and the last ones not at all. */
static int join_bytes(const struct upload *u, struct store_op *op, struct blob *whole) {
    size_t have = 0, at = 0;
    for (size_t i = 0; i < u->n_parts; i++)
        have += u->parts[i].blob.len;
    struct blob all = {xmalloc(have + 1), 0};
    const struct part *p;
    for (int32_t n = 1; (p = find_part(u, n)); n++) {
        memcpy(all.data + all.len, p->blob.data, p->blob.len);
        all.len += p->blob.len;
    }
    *whole = all;
    for (size_t i = 0; i < op->n_parts; i++) {
        const struct store_part *want = &op->parts[i];
        if (want->bytes > all.len - at || crc32c(0, all.data + at, want->bytes) != want->crc32c)
            return error_set(&op->error, ERR_INVALID_PART, "%s: part %d", op->key, want->n);
        at += want->bytes;
    }
    if (!op->n_parts || at != op->bytes)
        return error_set(&op->error, ERR_INTERNAL, "%s: its parts have not op->bytes", op->key);
    whole->len = at;
    whole->data[at] = '\0';
    return 0;
}

/* The listed parts as the store has them, or an error. */
static int join_parts(const struct memory_world *w, const struct upload *u, struct store_op *op,
                      struct blob *whole) {
    *whole = (struct blob){xmalloc(op->bytes + 1), 0};
    for (size_t i = 0; i < op->n_parts; i++) {
        const struct store_part *want = &op->parts[i];
        const struct part *p = find_part(u, want->n);
        if (!p || p->blob.len != want->bytes || p->crc32c != want->crc32c ||
            strcmp(p->etag, want->etag) != 0 || (i && want->n <= op->parts[i - 1].n))
            return error_set(&op->error, ERR_INVALID_PART, "%s: part %d", op->key, want->n);
        if (i + 1 < op->n_parts && p->blob.len < w->traits.min_part)
            return error_set(&op->error, ERR_TOO_SMALL, "%s: part %d", op->key, want->n);
        if (p->blob.len > op->bytes - whole->len)
            return error_set(&op->error, ERR_INTERNAL, "%s: its parts pass op->bytes", op->key);
        memcpy(whole->data + whole->len, p->blob.data, p->blob.len);
        whole->len += p->blob.len;
    }
    whole->data[whole->len] = '\0';
    if (!op->n_parts || whole->len != op->bytes)
        return error_set(&op->error, ERR_INTERNAL, "%s: its parts have not op->bytes", op->key);
    return 0;
}

static void run_complete(struct memory_world *w, struct store_op *op) {
    const struct object *o = find(w, op->key);
    if (o && (w->traits.sync_parts
                  ? o->blob.len == op->bytes
                  : w->traits.repeat_success && o->upload && strcmp(o->upload, op->upload) == 0)) {
        (void)memory_world_drop_upload(w, op->upload);
        return;
    }
    struct upload *u = need_upload(w, op);
    if (!u)
        return;
    if (o) {
        (void)error_set(&op->error, ERR_EXISTS, "%s exists", op->key);
        return;
    }
    struct blob whole;
    if (w->traits.sync_parts ? join_bytes(u, op, &whole) : join_parts(w, u, op, &whole)) {
        free(whole.data);
        return;
    }
    put(w, op->key, whole, op->upload);
    (void)memory_world_drop_upload(w, op->upload);
}

static int by_key_and_upload(const void *a, const void *b) {
    const struct store_entry *x = a, *y = b;
    int c = strcmp(x->key, y->key);
    return c ? c : strcmp(x->upload, y->upload);
}

static void run_list_uploads(struct memory_world *w, struct store_op *op) {
    size_t cap = 0;
    for (size_t i = 0; i < w->n_uploads; i++) {
        const struct upload *u = &w->uploads[i];
        if (!begins(u->key, op->key))
            continue;
        array_reserve(&op->entries, &cap, op->n_entries + 1, sizeof *op->entries);
        op->entries[op->n_entries++] =
            (struct store_entry){xstrdup(u->key), xstrdup(u->id), 0, u->modified};
    }
    if (op->n_entries)
        qsort(op->entries, op->n_entries, sizeof *op->entries, by_key_and_upload);
    op->store_time = now(w);
}

static void run_abort(struct memory_world *w, struct store_op *op) {
    if (find_upload(w, op))
        (void)memory_world_drop_upload(w, op->upload);
}

void memory_world_run(struct memory_world *w, struct store_op *op) {
    static void (*const actions[])(struct memory_world *, struct store_op *) = {
        [STORE_GET] = run_get,
        [STORE_HEAD] = run_head,
        [STORE_PUT_IF_ABSENT] = run_put,
        [STORE_DELETE] = run_delete,
        [STORE_LIST] = run_list,
        [STORE_UPLOAD_CREATE] = run_create,
        [STORE_UPLOAD_PART] = run_part,
        [STORE_UPLOAD_SYNC] = run_sync,
        [STORE_UPLOAD_COMPLETE] = run_complete,
        [STORE_LIST_UPLOADS] = run_list_uploads,
        [STORE_UPLOAD_ABORT] = run_abort,
    };
    w->requests[op->kind]++;
    actions[op->kind](w, op);
}

/* ---- For tests ---------------------------------------------------------------------------------- */

struct memory_world *memory_world_new(const struct memory_traits *traits, struct clock *clock) {
    struct memory_world *w = xcalloc(1, sizeof *w);
    w->traits = *traits;
    w->clock = clock;
    return w;
}

static void upload_copy(struct upload *to, const struct upload *from) {
    *to = (struct upload){.id = xstrdup(from->id),
                          .key = xstrdup(from->key),
                          .modified = from->modified,
                          .parts = xcalloc(from->n_parts, sizeof *to->parts),
                          .n_parts = from->n_parts,
                          .cap_parts = from->n_parts};
    for (size_t i = 0; i < from->n_parts; i++) {
        to->parts[i] = from->parts[i];
        to->parts[i].blob = blob_new(from->parts[i].blob.data, from->parts[i].blob.len);
    }
}

struct memory_world *memory_world_clone(const struct memory_world *w, struct clock *clock) {
    struct memory_world *copy = memory_world_new(&w->traits, clock);
    copy->drawn_ids = w->drawn_ids;
    memcpy(copy->requests, w->requests, sizeof copy->requests);
    copy->objects = xcalloc(w->n_objects, sizeof *copy->objects);
    copy->n_objects = copy->cap_objects = w->n_objects;
    for (size_t i = 0; i < w->n_objects; i++) {
        const struct object *o = &w->objects[i];
        copy->objects[i] = (struct object){xstrdup(o->key), blob_new(o->blob.data, o->blob.len),
                                           o->upload ? xstrdup(o->upload) : NULL, o->modified};
    }
    copy->uploads = xcalloc(w->n_uploads, sizeof *copy->uploads);
    copy->n_uploads = copy->cap_uploads = w->n_uploads;
    for (size_t i = 0; i < w->n_uploads; i++)
        upload_copy(&copy->uploads[i], &w->uploads[i]);
    return copy;
}

void memory_world_free(struct memory_world *w) {
    for (size_t i = 0; i < w->n_objects; i++)
        object_clear(&w->objects[i]);
    for (size_t i = 0; i < w->n_uploads; i++)
        upload_clear(&w->uploads[i]);
    free(w->objects);
    free(w->uploads);
    free(w);
}

const struct memory_traits *memory_world_traits(const struct memory_world *w) {
    return &w->traits;
}

const char *memory_world_object(const struct memory_world *w, const char *key, size_t *len) {
    const struct object *o = find(w, key);
    if (len)
        *len = o ? o->blob.len : 0;
    return o ? o->blob.data : NULL;
}

size_t memory_world_count(const struct memory_world *w, const char *prefix) {
    size_t first = position(w, prefix), n = first;
    while (n < w->n_objects && begins(w->objects[n].key, prefix))
        n++;
    return n - first;
}

const char *memory_world_key(const struct memory_world *w, const char *prefix, size_t index) {
    if (index >= memory_world_count(w, prefix))
        return NULL;
    return w->objects[position(w, prefix) + index].key;
}

size_t memory_world_uploads(const struct memory_world *w) {
    return w->n_uploads;
}

const char *memory_world_upload(const struct memory_world *w, size_t index) {
    return index < w->n_uploads ? w->uploads[index].id : NULL;
}

size_t memory_world_requests(const struct memory_world *w, enum store_kind kind) {
    return w->requests[kind];
}

void memory_world_plant(struct memory_world *w, const char *key, const void *data, size_t len) {
    put(w, key, blob_new(data, len), NULL);
}

bool memory_world_remove(struct memory_world *w, const char *key) {
    struct object *o = find(w, key);
    if (!o)
        return false;
    object_clear(o);
    w->n_objects--;
    size_t i = (size_t)(o - w->objects);
    memmove(o, o + 1, (w->n_objects - i) * sizeof *o);
    return true;
}

bool memory_world_drop_upload(struct memory_world *w, const char *upload) {
    for (size_t i = 0; i < w->n_uploads; i++) {
        if (strcmp(w->uploads[i].id, upload) != 0)
            continue;
        upload_clear(&w->uploads[i]);
        w->n_uploads--;
        memmove(w->uploads + i, w->uploads + i + 1, (w->n_uploads - i) * sizeof *w->uploads);
        return true;
    }
    return false;
}

void memory_world_power_cut(struct memory_world *w) {
    for (size_t i = 0; w->traits.sync_parts && i < w->n_uploads; i++) {
        struct upload *u = &w->uploads[i];
        size_t kept = 0;
        for (size_t k = 0; k < u->n_parts; k++) {
            if (u->parts[k].synced)
                u->parts[kept++] = u->parts[k];
            else
                free(u->parts[k].blob.data);
        }
        u->n_parts = kept;
    }
}
