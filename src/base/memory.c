#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void out_of_memory(void) {
    (void)fputs("tidemark: out of memory: the system refused an allocation; give the process "
                "more memory or lower memory.limit. Nothing is lost: the next run resumes from "
                "the last checkpoint\n",
                stderr);
    exit(1);
}

static void *checked(void *p) {
    if (!p)
        out_of_memory();
    return p;
}

void *xmalloc(size_t n) {
    return checked(malloc(n ? n : 1));
}

void *xcalloc(size_t count, size_t size) {
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n) {
    return checked(realloc(p, n ? n : 1));
}

char *xstrdup(const char *s) {
    return checked(strdup(s));
}

char *xstrndup(const char *s, size_t n) {
    return checked(strndup(s, n));
}

char *xasprintf(const char *fmt, ...) {
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : s);
}

void array_reserve(void *array_ptr, size_t *cap, size_t want, size_t size) {
    if (want <= *cap)
        return;
    size_t n = *cap ? *cap * 2 : 8;
    if (n < want)
        n = want;
    void *p;
    memcpy(&p, array_ptr, sizeof p);
    p = checked(n <= SIZE_MAX / size ? realloc(p, n * size) : NULL);
    memcpy(array_ptr, &p, sizeof p);
    *cap = n;
}
