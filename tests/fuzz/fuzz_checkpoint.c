/* Any bytes as a checkpoint: refused with a reason, or decoded; what is decoded encodes to bytes that
 * decode to the same. To get past the CRC, inputs are also given the right one. */
#include "fuzz.h"

#include "base/checksum.h"
#include "checkpoint/claim.h"
#include "checkpoint/codec.h"

/* What decodes also has to survive what the job does with it first. */
static void inherit(const struct checkpoint *c) {
    struct checkpoint claim;
    claim_inherit(&claim, c);
    CHECK(claim.n_files == 0 && claim.n_commits >= c->n_commits);
    checkpoint_clear(&claim);
}

static void again(const struct checkpoint *c) {
    struct checkpoint other;
    struct error e;
    struct buffer first, second;
    buffer_init(&first, CHECKPOINT_BYTES_MAX);
    buffer_init(&second, CHECKPOINT_BYTES_MAX);
    checkpoint_encode(c, &first);
    CHECK(checkpoint_decode(first.data, first.len, &other, &e) == 0);
    checkpoint_encode(&other, &second);
    CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    checkpoint_clear(&other);
    buffer_free(&first);
    buffer_free(&second);
}

static void decode(const char *data, size_t size) {
    struct checkpoint c;
    struct error e = {0};
    int rc = checkpoint_decode(data, size, &c, &e);
    if (rc == 0) {
        inherit(&c);
        again(&c);
    } else {
        CHECK((e.code == ERR_CORRUPT || e.code == ERR_UNSUPPORTED) && e.text[0]);
        CHECK(c.n_files == 0 && !c.files && !c.identity.topic);
    }
    checkpoint_clear(&c);
}

/* Length of the members before the CRC's, if there is one. */
static size_t body(const uint8_t *data, size_t size) {
    static const char member[] = ",\"crc32c\":\"";
    size_t tail = sizeof member - 1 + 8 + 2;
    if (size > tail && memcmp(data + size - tail, member, sizeof member - 1) == 0)
        return size - tail;
    return size > 0 && data[size - 1] == '}' ? size - 1 : size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    decode((const char *)data, size);
    struct buffer b;
    buffer_init(&b, CHECKPOINT_BYTES_MAX);
    size_t n = body(data, size);
    (void)buffer_append(&b, data, n);
    (void)buffer_printf(&b, ",\"crc32c\":\"%08x\"}", crc32c(0, data, n));
    decode(b.data, b.len);
    buffer_free(&b);
    return 0;
}
