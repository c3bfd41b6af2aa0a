/* Any text as a checkpoint's name: what is taken for one is the name of its number, no other text is,
 * and every number below 2^63 has a name that is read again. */
#include "fuzz.h"

#include "checkpoint/chain.h"

static void any_number(const uint8_t *data, size_t size) {
    uint64_t number = 0;
    memcpy(&number, data, size < sizeof number ? size : sizeof number);
    number &= INT64_MAX;
    char name[32];
    chain_name(number, name);
    CHECK(chain_parse_name(name) == number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = text_of(data, size);
    char name[32];
    uint64_t number = chain_parse_name(text);
    CHECK(number <= INT64_MAX);
    chain_name(number, name);
    CHECK(!number || strcmp(name, text) == 0);
    any_number(data, size);
    free(text);
    return 0;
}
