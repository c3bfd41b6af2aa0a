/* S3's answers come from a network: whatever stands in them, the parser ends, stays within its caps
 * and lets go of what it took. */
#include "fuzz.h"

#include "store/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct s3_xml x;
    struct error e = {0};
    int rc = s3_xml_parse((const char *)data, size, &x, &e);
    CHECK(rc == 0 ? e.code == ERR_NONE : e.code == ERR_CORRUPT);
    CHECK(strlen(x.code) < sizeof x.code && strlen(x.message) < sizeof x.message);
    for (size_t i = 0; i < x.n_entries; i++)
        CHECK(x.entries[i].key && strlen(x.entries[i].key) <= S3_XML_TEXT_MAX);
    s3_xml_free(&x);
    return 0;
}
