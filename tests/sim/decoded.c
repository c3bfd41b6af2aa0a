#include "decoded.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"

enum kind { CHECKPOINT, MANIFEST, KINDS };

/* A newcomer takes the place of whatever was there. */
struct slot {
    char *data; /* NULL: empty */
    size_t len;
    struct checkpoint checkpoint;
    struct buffer its_manifest; /* made when it is asked for */
    bool has_manifest;
    struct manifest manifest;
};

enum { SLOTS = 512 };
static struct slot slots[KINDS][SLOTS];

static void empty(struct slot *s) {
    if (!s->data)
        return;
    free(s->data);
    checkpoint_clear(&s->checkpoint);
    manifest_clear(&s->manifest);
    if (s->has_manifest)
        buffer_free(&s->its_manifest);
    *s = (struct slot){0};
}

/* NULL with *e where the bytes are none of this kind. */
static struct slot *look_up(enum kind kind, const char *data, size_t len, struct error *e) {
    struct slot *s = &slots[kind][crc32c(0, data, len) % SLOTS];
    if (s->data && s->len == len && memcmp(s->data, data, len) == 0)
        return s;
    empty(s);
    int rc = kind == CHECKPOINT ? checkpoint_decode(data, len, &s->checkpoint, e)
                                : manifest_decode(data, len, &s->manifest, e);
    if (rc != 0)
        return NULL;
    s->data = xmalloc(len + 1);
    memcpy(s->data, data, len);
    s->len = len;
    return s;
}

const struct checkpoint *decoded_checkpoint(const char *data, size_t len, struct error *e) {
    struct slot *s = look_up(CHECKPOINT, data, len, e);
    return s ? &s->checkpoint : NULL;
}

const struct manifest *decoded_manifest(const char *data, size_t len, struct error *e) {
    struct slot *s = look_up(MANIFEST, data, len, e);
    return s ? &s->manifest : NULL;
}

const struct buffer *decoded_manifest_of(const char *data, size_t len) {
    struct error e;
    struct slot *s = look_up(CHECKPOINT, data, len, &e);
    if (s && !s->has_manifest) {
        buffer_init(&s->its_manifest, CHECKPOINT_BYTES_MAX);
        manifest_encode(&s->checkpoint, &s->its_manifest);
        s->has_manifest = true;
    }
    return s ? &s->its_manifest : NULL;
}
