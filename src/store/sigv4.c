#include "store/sigv4.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/memory.h"

enum { HASH_LEN = 32, HEX_SIZE = 2 * HASH_LEN + 1, CANONICAL_MAX = 64 * 1024 };

void sigv4_date(int64_t epoch_ms, char date[SIGV4_DATE_SIZE]) {
    time_t t = (time_t)(epoch_ms / 1000);
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(date, SIGV4_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
        memcpy(date, "19700101T000000Z", SIGV4_DATE_SIZE);
}

static bool unreserved(unsigned char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int sigv4_encode(struct buffer *b, const char *s, bool keep_slash) {
    static const char digits[] = "0123456789ABCDEF";
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
        bool plain = unreserved(c) || (c == '/' && keep_slash);
        if (buffer_append(b, plain ? s : escaped, plain ? 1 : sizeof escaped))
            return -1;
    }
    return 0;
}

static int by_name_then_value(const void *a, const void *b) {
    const struct sigv4_pair *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->value, y->value);
}

int sigv4_query(struct buffer *b, const struct sigv4_pair *query, size_t n) {
    /* S3's parameters have plain ASCII names, each once, so sorting before or after the encoding is
     * the same. */
    struct sigv4_pair sorted[SIGV4_MAX_PAIRS];
    if (n > SIGV4_MAX_PAIRS)
        return -1;
    if (n)
        memcpy(sorted, query, n * sizeof *query);
    qsort(sorted, n, sizeof *sorted, by_name_then_value);
    for (size_t i = 0; i < n; i++) {
        if ((i && buffer_puts(b, "&")) || sigv4_encode(b, sorted[i].name, false) ||
            buffer_puts(b, "=") || sigv4_encode(b, sorted[i].value, false))
            return -1;
    }
    return 0;
}

static int by_lower_name(const void *a, const void *b) {
    return strcasecmp(((const struct sigv4_pair *)a)->name, ((const struct sigv4_pair *)b)->name);
}

static int append_lower(struct buffer *b, const char *s) {
    for (; *s; s++) {
        char c = (char)tolower((unsigned char)*s);
        if (buffer_append(b, &c, 1))
            return -1;
    }
    return 0;
}

/* Blanks around a header's value are not part of it, and runs of blanks inside count as one. */
static int append_trimmed(struct buffer *b, const char *s) {
    bool gap = false, any = false;
    for (; *s; s++) {
        if (*s == ' ' || *s == '\t') {
            gap = any;
            continue;
        }
        if ((gap && buffer_append(b, " ", 1)) || buffer_append(b, s, 1))
            return -1;
        gap = false;
        any = true;
    }
    return 0;
}

/* "host;x-amz-date" */
static int append_names(struct buffer *b, const struct sigv4_pair *sorted, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((i && buffer_puts(b, ";")) || append_lower(b, sorted[i].name))
            return -1;
    return 0;
}

static int append_headers(struct buffer *b, const struct sigv4_pair *sorted, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (append_lower(b, sorted[i].name) || buffer_puts(b, ":") ||
            append_trimmed(b, sorted[i].value) || buffer_puts(b, "\n"))
            return -1;
    return 0;
}

static int canonical_request(struct buffer *b, const struct sigv4_request *r,
                             const struct sigv4_pair *sorted) {
    return buffer_puts(b, r->method) || buffer_puts(b, "\n") || sigv4_encode(b, r->path, true) ||
                   buffer_puts(b, "\n") || sigv4_query(b, r->query, r->n_query) ||
                   buffer_puts(b, "\n") || append_headers(b, sorted, r->n_headers) ||
                   buffer_puts(b, "\n") || append_names(b, sorted, r->n_headers) ||
                   buffer_puts(b, "\n") || buffer_puts(b, r->payload)
               ? -1
               : 0;
}

static void to_hex(const unsigned char hash[HASH_LEN], char hex[HEX_SIZE]) {
    for (size_t i = 0; i < HASH_LEN; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
}

/* OpenSSL fails here only without memory, and a request must not be sent unsigned because of that. */
static void hmac(const void *key, size_t key_len, const char *text, unsigned char out[HASH_LEN]) {
    unsigned n = HASH_LEN;
    if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out, &n))
        out_of_memory();
}

/* The secret key never signs directly: a key for the day, the region and the service does. */
static int signature(const struct sigv4_request *r, const char *string_to_sign,
                     char hex[HEX_SIZE]) {
    struct buffer secret;
    buffer_init(&secret, 4096);
    unsigned char k[HASH_LEN], mac[HASH_LEN];
    char day[9];
    (void)snprintf(day, sizeof day, "%.8s", r->date);
    int failed = buffer_puts(&secret, "AWS4") || buffer_puts(&secret, r->secret_key);
    if (!failed) {
        hmac(secret.data, secret.len, day, k);
        hmac(k, HASH_LEN, r->region, mac);
        hmac(mac, HASH_LEN, "s3", k);
        hmac(k, HASH_LEN, "aws4_request", mac);
        hmac(mac, HASH_LEN, string_to_sign, k);
        to_hex(k, hex);
    }
    OPENSSL_cleanse(k, sizeof k);
    OPENSSL_cleanse(mac, sizeof mac);
    if (secret.data)
        OPENSSL_cleanse(secret.data, secret.cap);
    buffer_free(&secret);
    return failed ? -1 : 0;
}

int sigv4_sign(const struct sigv4_request *r, struct buffer *authorization) {
    struct sigv4_pair sorted[SIGV4_MAX_PAIRS];
    if (r->n_headers > SIGV4_MAX_PAIRS)
        return -1;
    memcpy(sorted, r->headers, r->n_headers * sizeof *sorted);
    qsort(sorted, r->n_headers, sizeof *sorted, by_lower_name);

    struct buffer canonical, text;
    buffer_init(&canonical, CANONICAL_MAX);
    buffer_init(&text, 1024);
    unsigned char hash[HASH_LEN];
    char hex[HEX_SIZE];
    int rc = -1;
    if (canonical_request(&canonical, r, sorted))
        goto out;
    if (!EVP_Digest(canonical.data, canonical.len, hash, NULL, EVP_sha256(), NULL))
        out_of_memory();
    to_hex(hash, hex);
    if (buffer_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/s3/aws4_request\n%s", r->date, r->date,
                      r->region, hex) ||
        signature(r, buffer_text(&text), hex))
        goto out;
    if (buffer_printf(authorization,
                      "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/s3/aws4_request,SignedHeaders=",
                      r->access_key, r->date, r->region) ||
        append_names(authorization, sorted, r->n_headers) ||
        buffer_printf(authorization, ",Signature=%s", hex))
        goto out;
    rc = 0;
out:
    buffer_free(&canonical);
    buffer_free(&text);
    return rc;
}
