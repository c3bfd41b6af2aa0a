#include "base/memory.h"

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Without exit's handlers: they would free what other threads still use, or need memory themselves. */
void out_of_memory(void) {
    static atomic_flag said = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&said))
        (void)pause(); /* another thread is saying it */
    (void)fputs("tidemark: out of memory: the system refused an allocation; give the process "
                "more memory or lower memory.limit. Nothing is lost: the next run resumes from "
                "the last checkpoint\n",
                stderr);
    _exit(1);
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

/* ---- Libraries ---- */

static void *openssl_malloc(size_t n, const char *file, int at) {
    (void)file;
    (void)at;
    return n ? xmalloc(n) : NULL;
}

static void openssl_free(void *p, const char *file, int at) {
    (void)file;
    (void)at;
    free(p);
}

static void *openssl_realloc(void *p, size_t n, const char *file, int at) {
    if (n)
        return xrealloc(p, n);
    openssl_free(p, file, at);
    return NULL;
}

/* Before main, because OpenSSL changes its functions only as long as it has used none. Without memory
 * its first digest crashes, and jansson drops a character of a number or an element of an array and
 * calls what is left a success. */
__attribute__((constructor)) static void serve_libraries(void) {
    json_set_alloc_funcs(xmalloc, free);
    (void)CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free);
}

static void init_curl(void) {
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, xmalloc, free, xrealloc, xstrdup, xcalloc) !=
        CURLE_OK)
        out_of_memory();
}

void memory_init_curl(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_curl);
}
