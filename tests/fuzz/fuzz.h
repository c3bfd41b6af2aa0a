/* What every fuzz target has: the entry point, a check that no build leaves out, and text that ends in
 * a NUL made of input that does not. */
#ifndef TIDEMARK_FUZZ_H
#define TIDEMARK_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                                  \
    do {                                                                             \
        if (!(what)) {                                                               \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                                 \
        }                                                                            \
    } while (0)

/* Freed by the caller. */
static inline char *text_of(const uint8_t *data, size_t size) {
    char *text = xmalloc(size + 1);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
