/* Any bytes as a manifest: refused with a reason, or decoded into lists that hang together. */
#include "fuzz.h"

#include "checkpoint/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct manifest m;
    struct error e = {0};
    int rc = manifest_decode((const char *)data, size, &m, &e);
    CHECK(rc == 0 || e.code == ERR_CORRUPT || e.code == ERR_UNSUPPORTED);
    CHECK(rc == 0 || (e.text[0] && m.n_files == 0 && !m.files));
    CHECK(rc != 0 || (m.checkpoint > 0 && m.identity.topic && m.identity.output));
    for (size_t i = 0; i < m.n_files; i++)
        CHECK(m.files[i].key && !m.files[i].upload && m.files[i].class < CLASS_NULL);
    manifest_clear(&m);
    return 0;
}
