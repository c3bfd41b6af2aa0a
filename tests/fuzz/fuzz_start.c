/* Any bytes as start.json: refused with a reason, or offsets that are put and read again the same. */
#include "fuzz.h"

#include "checkpoint/start.h"
#include "support/memory_store.h"

static int read_at(struct store *s, const char *prefix, struct start_offsets *out,
                   struct error *e) {
    bool found;
    int rc = start_read(s, prefix, "cluster", "clicks", out, &found, e);
    CHECK(rc != 0 || found);
    return rc;
}

static void again(struct store *s, const struct start_offsets *offsets) {
    struct start_offsets other;
    struct error e;
    CHECK(start_put(s, "again/", "cluster", "clicks", "earliest", offsets, &e) == 0);
    CHECK(read_at(s, "again/", &other, &e) == 0);
    CHECK(other.n == offsets->n);
    for (int32_t i = 0; i < other.n; i++)
        CHECK(other.offset[i] == offsets->offset[i] && other.offset[i] >= 0);
    start_offsets_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct memory_world *w = memory_world_new(&memory_like_s3, NULL);
    struct store *s = memory_store_open(w);
    struct start_offsets offsets;
    struct error e;
    memory_world_plant(w, "clicks/start.json", data, size);
    if (read_at(s, "clicks/", &offsets, &e) == 0)
        again(s, &offsets);
    else
        CHECK((e.code == ERR_CORRUPT || e.code == ERR_MISMATCH) && !offsets.offset);
    start_offsets_free(&offsets);
    store_free(s);
    memory_world_free(w);
    return 0;
}
