/* S3's answers come from a network: whatever stands in them, the parser ends, stays within its caps
 * and lets go of what it took. */
#include <stdlib.h>
#include <string.h>

#include "store/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool condition) {
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct s3_xml x;
    struct error e = {0};
    int rc = s3_xml_parse((const char *)data, size, &x, &e);
    must_be(rc == 0 ? e.code == ERR_NONE : e.code == ERR_CORRUPT);
    must_be(strlen(x.code) < sizeof x.code && strlen(x.message) < sizeof x.message);
    for (size_t i = 0; i < x.n_entries; i++)
        must_be(x.entries[i].key && strlen(x.entries[i].key) <= S3_XML_TEXT_MAX);
    s3_xml_free(&x);
    return 0;
}
